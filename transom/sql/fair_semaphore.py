"""A fair queue for long statements, of which only a limited number run at once.

One project uses at most half of the slots; waiting projects are served in turn, however many requests each
of them has queued.
"""

import asyncio
from collections import Counter, deque

from transom.domain.errors import UnavailableError

#: Longest wait for a slot, seconds.
_WAIT_S = 30.0


class FairSemaphore:
    """`slots`: how many run at once. Lives on one event loop."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._most_of_one = max(1, slots // 2)
        self._running: Counter[str | None] = Counter()
        #: The tenant whose turn is next stands first.
        self._waiting: dict[str | None, deque[asyncio.Future[None]]] = {}

    def slot(self, tenant: str | None) -> "_Slot":
        """`async with`: hold a slot. UnavailableError when none was to be had in good time."""
        return _Slot(self, tenant)

    async def enter(self, tenant: str | None) -> None:
        """Take a slot, to be left with `leave`."""
        if self._has_slot_for(tenant) and tenant not in self._waiting:
            self._take(tenant)
        else:
            await self._wait(tenant)

    def _has_slot_for(self, tenant: str | None) -> bool:
        return self._free > 0 and self._running[tenant] < self._most_of_one

    def _take(self, tenant: str | None) -> None:
        self._free -= 1
        self._running[tenant] += 1

    async def _wait(self, tenant: str | None) -> None:
        loop = asyncio.get_running_loop()
        called: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(tenant, deque()).append(called)
        late = loop.call_later(_WAIT_S, _give_up, called)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled() and called.exception() is None:
                self.leave(tenant)  # Called and given up in the same moment.
            raise
        finally:
            late.cancel()

    def leave(self, tenant: str | None) -> None:
        self._free += 1
        self._running[tenant] -= 1
        if not self._running[tenant]:
            del self._running[tenant]
        for next_tenant in list(self._waiting):
            if self._has_slot_for(next_tenant):
                self._call(next_tenant)

    def _call(self, tenant: str | None) -> None:
        """The tenant's first request that still waits, and then the tenant to the end of the line."""
        waiting = self._waiting.pop(tenant)
        while waiting:
            called = waiting.popleft()
            if not called.done():
                self._take(tenant)
                called.set_result(None)
                break
        if waiting:
            self._waiting[tenant] = waiting


def _give_up(called: asyncio.Future[None]) -> None:
    if not called.done():
        called.set_exception(UnavailableError("Too many long requests wait for the database."))


class _Slot:
    """What `async with` needs; a generator in its place costs several times as much."""

    __slots__ = ("_semaphore", "_tenant")

    def __init__(self, semaphore: FairSemaphore, tenant: str | None) -> None:
        self._semaphore = semaphore
        self._tenant = tenant

    async def __aenter__(self) -> None:
        await self._semaphore.enter(self._tenant)

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.leave(self._tenant)
