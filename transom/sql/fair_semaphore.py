"""A fair semaphore: a project that sends much waits behind its own requests.

One project uses only a part of the slots; waiting projects are served in turn, however many requests each
of them has queued.
"""

import asyncio
from collections import Counter

from transom.domain.errors import UnavailableError
from transom.domain.fair_queue import FairQueue

#: Longest wait for a slot, seconds.
_WAIT_S = 30.0


class FairSemaphore:
    """`slots`: how many run at once; `most_of_one`: of one tenant, half of them unless told; `wait_s`: how
    long one waits at most. Lives on one event loop."""

    def __init__(self, slots: int, most_of_one: int | None = None, wait_s: float = _WAIT_S) -> None:
        self._free = slots
        self._most_of_one = max(1, slots // 2) if most_of_one is None else most_of_one
        self._wait_s = wait_s
        self._running: Counter[str | None] = Counter()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(asyncio.Future.done)

    def slot(self, tenant: str | None) -> "_Slot":
        """`async with`: hold a slot. UnavailableError when none was to be had in good time."""
        return _Slot(self, tenant)

    async def enter(self, tenant: str | None) -> None:
        """Take a slot, to be left with `leave`. UnavailableError as of `slot`."""
        if self._has_slot_for(tenant) and tenant not in self._waiting:
            self._take(tenant)
        else:
            await self._wait(tenant)

    def _has_slot_for(self, tenant: str | None) -> bool:
        return self._free > 0 and self._running[tenant] < self._most_of_one

    def _may_call(self, tenant: str | None, _waiting: asyncio.Future[None]) -> bool:
        return self._has_slot_for(tenant)

    def _take(self, tenant: str | None) -> None:
        self._free -= 1
        self._running[tenant] += 1

    async def _wait(self, tenant: str | None) -> None:
        loop = asyncio.get_running_loop()
        called: asyncio.Future[None] = loop.create_future()
        self._waiting.add(tenant, called)
        late = loop.call_later(self._wait_s, _give_up, called)
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
        while (called := self._waiting.call(self._may_call)) is not None:
            next_tenant, waiting = called
            self._take(next_tenant)
            waiting.set_result(None)


def _give_up(called: asyncio.Future[None]) -> None:
    if not called.done():
        called.set_exception(UnavailableError("Too many requests wait for the database."))


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
