"""Who may run a long statement next, where only so many run at once.

Whoever asks much waits for himself: one asker never has more than half of the places, and of those who wait
each is called in his turn, however many requests another one has sent.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from transom.domain.errors import UnavailableError

#: Longest wait for a place, seconds.
_WAIT_S = 30.0


class Turns:
    """`places`: how many run at once. Lives on one event loop."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._most_of_one = max(1, places // 2)
        self._running: Counter[str | None] = Counter()
        #: The asker whose turn is next stands first.
        self._waiting: dict[str | None, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, asker: str | None) -> AsyncIterator[None]:
        """Hold a place. UnavailableError when none was to be had in good time."""
        if self._has_place_for(asker) and asker not in self._waiting:
            self._take(asker)
        else:
            await self._wait(asker)
        try:
            yield
        finally:
            self._leave(asker)

    def _has_place_for(self, asker: str | None) -> bool:
        return self._free > 0 and self._running[asker] < self._most_of_one

    def _take(self, asker: str | None) -> None:
        self._free -= 1
        self._running[asker] += 1

    async def _wait(self, asker: str | None) -> None:
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asker, deque()).append(called)
        try:
            async with asyncio.timeout(_WAIT_S):
                await called
        except BaseException as error:
            if called.done() and not called.cancelled():
                self._leave(asker)  # Called and given up in the same moment.
            if isinstance(error, TimeoutError):
                raise UnavailableError("Too many long requests wait for the database.") from error
            raise

    def _leave(self, asker: str | None) -> None:
        self._free += 1
        self._running[asker] -= 1
        if not self._running[asker]:
            del self._running[asker]
        for next_asker in list(self._waiting):
            if self._has_place_for(next_asker):
                self._call(next_asker)

    def _call(self, asker: str | None) -> None:
        """The asker's first request that still waits, and then the asker to the end of the line."""
        waiting = self._waiting.pop(asker)
        while waiting:
            called = waiting.popleft()
            if not called.done():
                self._take(asker)
                called.set_result(None)
                break
        if waiting:
            self._waiting[asker] = waiting
