"""A fair semaphore: a project that sends much waits behind its own requests.

One project uses only a part of what there is; waiting projects are served in turn, however many requests each
of them has queued. It counts slots, of which a request takes one, or bytes, of which it takes what it needs.
"""

import asyncio
from typing import NamedTuple

from transom.domain.errors import UnavailableError
from transom.domain.fair_queue import FairQueue

#: Longest wait, seconds.
_WAIT_S = 30.0
#: A request that can use more than it needs gets at most this part of what its tenant has left, so that some
#: is left for the tenant's next ones.
_PART_OF_REST = 4


class Need(NamedTuple):
    """What a request cannot do without, and the most that it can use."""

    least: int
    most: int


#: A slot.
ONE = Need(1, 1)


class _Waiting(NamedTuple):
    need: Need
    called: asyncio.Future[int]


class FairSemaphore:
    """`limit`: what all have together; `refusal`: the text for somebody who has waited longer than `wait_s`;
    `most_of_one`: what one tenant may have, half of the limit unless told. Lives on one event loop."""

    def __init__(
        self, limit: int, refusal: str, most_of_one: int | None = None, wait_s: float = _WAIT_S
    ) -> None:
        #: What nobody has.
        self.free = limit
        self.most_of_one = max(1, limit // 2) if most_of_one is None else most_of_one
        self._refusal = refusal
        self._wait_s = wait_s
        self._held: dict[str | None, int] = {}
        self._waiting: FairQueue[_Waiting] = FairQueue(lambda one: one.called.done())

    def hold(self, tenant: str | None, need: Need = ONE) -> "_Hold":
        """`async with … as taken`: what the request has got, until the end of the block. One that needs more
        than a tenant may have gets all of that. UnavailableError when it was not to be had in good time."""
        return _Hold(self, tenant, need)

    async def enter(self, tenant: str | None, need: Need = ONE) -> int:
        """As `hold`, to be given back with `leave`."""
        if need.least > self.most_of_one:
            need = Need(self.most_of_one, need.most)
        if tenant not in self._waiting and self.fits(tenant, need):
            return self._take(tenant, need)
        return await self._wait(tenant, need)

    def leave(self, tenant: str | None, taken: int = 1) -> None:
        self.free += taken
        left = self._held.pop(tenant, 0) - taken
        if left:
            self._held[tenant] = left
        self._call_waiting()

    def held(self, tenant: str | None) -> int:
        return self._held.get(tenant, 0)

    def room(self, tenant: str | None) -> int:
        """What one tenant may have besides what it has."""
        return min(self.free, self.most_of_one - self._held.get(tenant, 0))

    def fits(self, tenant: str | None, need: Need) -> bool:
        """Whether the tenant may have that now."""
        return need.least <= self.room(tenant)

    def _call_waiting(self) -> None:
        while (found := self._waiting.call(self._may_call)) is not None:
            next_tenant, waiting = found
            waiting.called.set_result(self._take(next_tenant, waiting.need))

    def _may_call(self, tenant: str | None, waiting: _Waiting) -> bool:
        return self.fits(tenant, waiting.need)

    def _take(self, tenant: str | None, need: Need) -> int:
        taken, most = need
        if most > taken:
            taken = max(taken, min(most, self.room(tenant) // _PART_OF_REST))
        self.free -= taken
        self._held[tenant] = self._held.get(tenant, 0) + taken
        return taken

    async def _wait(self, tenant: str | None, need: Need) -> int:
        loop = asyncio.get_running_loop()
        called: asyncio.Future[int] = loop.create_future()
        self._waiting.add(tenant, _Waiting(need, called))
        late = loop.call_later(self._wait_s, self._give_up, called)
        try:
            return await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled() and called.exception() is None:
                self.leave(tenant, called.result())  # Called and given up in the same moment.
            else:
                self._call_waiting()
            raise
        finally:
            late.cancel()

    def _give_up(self, called: asyncio.Future[int]) -> None:
        if not called.done():
            called.set_exception(UnavailableError(self._refusal))
            # Another request of this tenant may need less than this one, and fit.
            self._call_waiting()


class _Hold:
    """What `async with` needs; a generator in its place costs several times as much."""

    __slots__ = ("_need", "_semaphore", "_taken", "_tenant")

    def __init__(self, semaphore: FairSemaphore, tenant: str | None, need: Need) -> None:
        self._semaphore = semaphore
        self._tenant = tenant
        self._need = need
        self._taken = 0

    async def __aenter__(self) -> int:
        self._taken = await self._semaphore.enter(self._tenant, self._need)
        return self._taken

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.leave(self._tenant, self._taken)
