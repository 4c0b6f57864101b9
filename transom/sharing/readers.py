"""Readers that wait for events: a new event wakes only those whom it may concern, for hundreds may wait.

This process wakes them for events that it numbers itself; one query finds those that other processes number.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from transom.domain.errors import TransomError
from transom.sql import events
from transom.sql.db import Database, context_of
from transom.sql.events import Concern

#: Pause between two looks for events that another process numbered, seconds.
_LOOK_S = 0.5
#: Events that a look finds; the next one finds more.
_MOST = 1_000


class Reader:
    """`concerns`: the project and the member ids whose events are waited for, None for all of them."""

    def __init__(self) -> None:
        self.concerns: frozenset[str] | None = None
        self._came = asyncio.Event()

    def forget(self) -> None:
        """Wait for events that come from now on. Call it before the feed is read."""
        self._came.clear()

    def tell(self, keys: frozenset[str] | None) -> None:
        """Wake the reader if events of these concern it. None: events of anybody."""
        if keys is None or self.concerns is None or not self.concerns.isdisjoint(keys):
            self._came.set()

    async def wait(self, seconds: float) -> bool:
        """Whether something came within so many seconds, or before."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), seconds)
        return self._came.is_set()


class Readers:
    """The readers of one process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._readers: set[Reader] = set()
        #: How many readers wait for events of other processes, and the last number that they know of.
        self._lookers = 0
        self._last: int | None = None
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def listen(self, reader: Reader) -> Iterator[Reader]:
        """While entered, the reader is woken by the events that this process numbers."""
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    @asynccontextmanager
    async def listen_to_all(self) -> AsyncIterator[Reader]:
        """A reader that is woken by the events that any process numbers."""
        with self.listen(Reader()) as reader:
            self._lookers += 1
            try:
                await self._begin_looking()
                yield reader
            finally:
                self._lookers -= 1
                if not self._lookers:
                    self._end_looking()

    async def _begin_looking(self) -> None:
        """To be called before such a reader reads the feed."""
        if self._last is None:
            _oldest, newest = await events.find_kept(self._db)
            self._last = newest if self._last is None else self._last
        if self._looking is None:
            # For all readers, not for the one that came first.
            self._looking = asyncio.create_task(self._look(), context=context_of(None))

    def _end_looking(self) -> None:
        self._last = None
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def tell(self, numbered: Sequence[Concern]) -> None:
        keys = _keys_of(numbered)
        for reader in self._readers:
            reader.tell(keys)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                found = await events.list_concerns(self._db, self._last or 0, _MOST)
            except TransomError:
                continue  # A reader whose time is over looks for itself.
            if found:
                self._last = found[-1].seq
                self.tell(found)


def _keys_of(numbered: Sequence[Concern]) -> frozenset[str] | None:
    """Whom the events concern. What a family tells all of its members may concern anybody: None."""
    if any(one.member_id is None and one.family_id is not None for one in numbered):
        return None
    found = {key for one in numbered for key in (one.owner, one.member_id)}
    return frozenset(key for key in found if key is not None)
