"""Requests that may come again: who sends an Idempotency-Key has the work done once, and the same answer.

The answer is kept in the transaction that does the work: both are there after a crash, or neither. Whatever a
call does, it knows nothing of keys: it runs its one transaction by the database that `KeyedDatabase` is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from transom.clock import now_us
from transom.domain.answers import Answer, Asked
from transom.sharing.timed import serve_when_due
from transom.sql import answered
from transom.sql.db import Database, Result, Script

_HOUR_US = 3_600_000_000
#: Answers that one transaction removes: others write between two.
_MOST = 1_000


class AnsweredError(Exception):
    """The work was done, and answered so, while this request was on its way to it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("answered before")
        self.answer = answer


class KeyInUseError(Exception):
    """A request with the key is under way in this process. `is_same`: it is the same request."""

    def __init__(self, *, is_same: bool) -> None:
        super().__init__("a request with this key is under way")
        self.is_same = is_same


class KeyedDatabase:
    """A `Database` whose one transaction keeps its answer: what `show` makes of its result. As a `Database`
    by `as_database`. `answer`: what was kept, None before."""

    def __init__(
        self, db: Database, asked: Asked, lifetime_us: int, most: int, show: Callable[[Any], Answer]
    ) -> None:
        self._db = db
        self._asked = asked
        self._lifetime_us = lifetime_us
        self._most = most
        self._show = show
        self.answer: Answer | None = None

    def as_database(self) -> Database:
        return cast("Database", self)

    def __getattr__(self, name: str) -> Any:
        """Whatever else a database does it does as ever."""
        return getattr(self._db, name)

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        """As a database does. AnsweredError, and nothing is done, when the key has an answer."""
        if self.answer is not None:
            raise RuntimeError("a second transaction would do what its answer does not tell")
        result, self.answer = await self._db.run(lambda: self._answered(make_script()))
        return result

    async def keep(self, result: Any) -> None:
        """Keep the answer to what needed no transaction."""
        await self.run(lambda: _done(result))

    def _answered(self, script: Script[Result]) -> Script[tuple[Result, Answer]]:
        now = now_us()
        before = yield from answered.claim(self._asked, now, now - self._lifetime_us, self._most)
        if before is not None:
            raise AnsweredError(before)
        result = yield from script
        answer = self._show(result)
        yield answered.keep_answer(self._asked, answer)
        return result, answer


def _done(result: Result) -> Script[Result]:
    yield from ()
    return result


class Answers:
    """Of one process. `lifetime_h`: how long answers are kept; `most`: how many of a project, negative for no
    limit."""

    def __init__(self, db: Database, lifetime_h: int, most: int) -> None:
        self._db = db
        self._lifetime_us = lifetime_h * _HOUR_US
        self._most = most
        #: What is under way: (project, user, key) → fingerprint.
        self._held: dict[tuple[str, str, str], str] = {}

    @contextmanager
    def hold(self, asked: Asked) -> Iterator[None]:
        """While the request is under way. KeyInUseError when another one with its key is. One in another
        process is found by its transaction, for which this one waits."""
        key = asked.project_id, asked.user_id, asked.key
        if (held := self._held.get(key)) is not None:
            raise KeyInUseError(is_same=held == asked.fingerprint)
        self._held[key] = asked.fingerprint
        try:
            yield
        finally:
            del self._held[key]

    async def find(self, asked: Asked) -> Answer | None:
        """What was answered to a request with this key."""
        return await answered.find_answer(self._db, asked, now_us() - self._lifetime_us)

    def keyed(self, asked: Asked, show: Callable[[Any], Answer]) -> KeyedDatabase:
        """The database for a request with a key."""
        return KeyedDatabase(self._db, asked, self._lifetime_us, self._most, show)


async def serve_removal(db: Database, lifetime_h: int) -> None:
    """Remove answers that are too old, until cancelled. In each process; no answer is given or not by it."""
    lifetime_us = lifetime_h * _HOUR_US

    async def run() -> float:
        while await db.run(lambda: answered.remove_old(now_us() - lifetime_us, _MOST)) == _MOST:
            pass  # Requests go between two transactions.
        oldest = await answered.find_oldest(db)
        return (oldest + lifetime_us - now_us()) / 1e6 if oldest is not None else lifetime_us / 1e6

    await serve_when_due(run, "the removal of old answers")
