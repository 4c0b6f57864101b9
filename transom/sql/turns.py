"""A fair queue for long statements, of which only a limited number run at once.

One project uses at most half of the places; waiting projects are served in turn, however many requests each
of them has queued.
"""

import asyncio
from collections import Counter, deque

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

    def turn(self, asker: str | None) -> "_Turn":
        """`async with`: hold a place. UnavailableError when none was to be had in good time."""
        return _Turn(self, asker)

    async def enter(self, asker: str | None) -> None:
        """Take a place, to be left with `leave`."""
        if self._has_place_for(asker) and asker not in self._waiting:
            self._take(asker)
        else:
            await self._wait(asker)

    def _has_place_for(self, asker: str | None) -> bool:
        return self._free > 0 and self._running[asker] < self._most_of_one

    def _take(self, asker: str | None) -> None:
        self._free -= 1
        self._running[asker] += 1

    async def _wait(self, asker: str | None) -> None:
        loop = asyncio.get_running_loop()
        called: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(asker, deque()).append(called)
        late = loop.call_later(_WAIT_S, _give_up, called)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled() and called.exception() is None:
                self.leave(asker)  # Called and given up in the same moment.
            raise
        finally:
            late.cancel()

    def leave(self, asker: str | None) -> None:
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


def _give_up(called: asyncio.Future[None]) -> None:
    if not called.done():
        called.set_exception(UnavailableError("Too many long requests wait for the database."))


class _Turn:
    """What `async with` needs; a generator in its place costs several times as much."""

    __slots__ = ("_asker", "_turns")

    def __init__(self, turns: Turns, asker: str | None) -> None:
        self._turns = turns
        self._asker = asker

    async def __aenter__(self) -> None:
        await self._turns.enter(self._asker)

    async def __aexit__(self, *_: object) -> None:
        self._turns.leave(self._asker)
