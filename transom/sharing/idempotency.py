"""Idempotency keys: a POST repeated with the same Idempotency-Key runs once and gets the stored response.

The response is stored in the transaction that does the work: after a crash both are there, or neither. What
does the work knows nothing of keys: it runs its one transaction by a `KeyedDatabase`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from transom.clock import now_us
from transom.domain.idempotency import KeyedRequest, StoredResponse
from transom.domain.times import HOUR_US
from transom.sql import idempotency
from transom.sql.db import Database, Result, Script
from transom.timed import serve_when_due

#: Stored responses that one transaction deletes: other requests write between two.
_MOST = 1_000


class AlreadyDoneError(Exception):
    """Another request with the key did the work meanwhile. `response`: the one stored for it."""

    def __init__(self, response: StoredResponse) -> None:
        super().__init__("done by another request with this key")
        self.response = response


class KeyInUseError(Exception):
    """A request with the key is under way in this process. `is_same`: it is the same request."""

    def __init__(self, *, is_same: bool) -> None:
        super().__init__("a request with this key is under way")
        self.is_same = is_same


class KeyedDatabase:
    """A `Database` wrapper for one request with an Idempotency-Key: its only transaction also stores the
    response that `show` builds from the result. `as_database` types it as a `Database`. `response`: the
    stored response, None before the transaction."""

    def __init__(
        self,
        db: Database,
        request: KeyedRequest,
        lifetime_us: int,
        limit: int,
        show: Callable[[Any], StoredResponse],
    ) -> None:
        self._db = db
        self._request = request
        self._lifetime_us = lifetime_us
        self._limit = limit
        self._show = show
        self.response: StoredResponse | None = None

    def as_database(self) -> Database:
        return cast("Database", self)

    def __getattr__(self, name: str) -> Any:
        """All else is passed on to the database."""
        return getattr(self._db, name)

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        """As `Database.run`. AlreadyDoneError, and nothing is done, when a response is stored for the key."""
        if self.response is not None:
            raise RuntimeError("a request with an Idempotency-Key may run one transaction only")
        result, self.response = await self._db.run(lambda: self._with_response(make_script()))
        return result

    async def keep(self, result: Any) -> None:
        """Store the response to work that needed no transaction."""
        await self.run(lambda: _done(result))

    def _with_response(self, script: Script[Result]) -> Script[tuple[Result, StoredResponse]]:
        now = now_us()
        found = yield from idempotency.claim(self._request, now, now - self._lifetime_us, self._limit)
        if found is not None:
            raise AlreadyDoneError(found)
        result = yield from script
        response = self._show(result)
        yield idempotency.store_response(self._request, response)
        return result, response


def _done(result: Result) -> Script[Result]:
    yield from ()
    return result


class StoredResponses:
    """The stored responses, and the keys that this process holds. `lifetime_h`: how long they
    are stored; `limit`: how many of a project, negative for no limit."""

    def __init__(self, db: Database, lifetime_h: int, limit: int) -> None:
        self._db = db
        self._lifetime_us = lifetime_h * HOUR_US
        self._limit = limit
        #: Requests under way: (project, user, key) → fingerprint.
        self._held: dict[tuple[str, str, str], str] = {}

    @contextmanager
    def hold(self, request: KeyedRequest) -> Iterator[None]:
        """Hold the key while the request runs. KeyInUseError when another request in this process has it. One
        in another process is noticed in the transaction, which waits for that of the other."""
        key = request.project_id, request.user_id, request.key
        if (held := self._held.get(key)) is not None:
            raise KeyInUseError(is_same=held == request.fingerprint)
        self._held[key] = request.fingerprint
        try:
            yield
        finally:
            del self._held[key]

    async def find(self, request: KeyedRequest) -> StoredResponse | None:
        """The response stored for the key, None if there is none or it has expired."""
        return await idempotency.find_response(self._db, request, now_us() - self._lifetime_us)

    def keyed(self, request: KeyedRequest, show: Callable[[Any], StoredResponse]) -> KeyedDatabase:
        """The database that the work of this request runs its transaction by."""
        return KeyedDatabase(self._db, request, self._lifetime_us, self._limit, show)


async def serve_removal(db: Database, lifetime_h: int) -> None:
    """Delete expired stored responses until cancelled, in every process. Housekeeping only: lookups ignore
    expired rows anyway."""
    lifetime_us = lifetime_h * HOUR_US

    async def run() -> float:
        while await db.run(lambda: idempotency.remove_old(now_us() - lifetime_us, _MOST)) == _MOST:
            pass  # Requests go between two transactions.
        oldest = await idempotency.find_oldest(db)
        return (oldest + lifetime_us - now_us()) / 1e6 if oldest is not None else lifetime_us / 1e6

    await serve_when_due(run, "the removal of stored responses")
