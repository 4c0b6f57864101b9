"""Memory for image data on its way to stores, shared fairly among projects.

An upload is read some MiB ahead of its hashes and its store. S3 takes it in parts of 5 MiB and more besides,
each of them whole in memory while it is sent. So clients that send faster than the machine computes, or that
send slowly, or a service that answers slowly, hold some for as long as they like: a project gets a quarter
at most, the more of it is taken the less each further upload gets, and who finds too little waits.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from transom.domain.errors import UnavailableError
from transom.domain.fair_queue import FairQueue

#: Longest wait, seconds.
WAIT_S = 60.0
#: The part of the whole that one project may have: it can hold that for as long as it sends slowly.
_SHARE = 4
#: An upload gets at most this part of what its project has left, so that some is left for the next ones.
_PART_OF_REST = 4


class Need(NamedTuple):
    """Of an upload: the memory without which it cannot be, and that with which it is fastest, bytes."""

    least: int
    most: int


class _Waiting(NamedTuple):
    need: Need
    called: asyncio.Future[int]


class UploadMemory:
    """`limit_bytes`: of all uploads of this process. Lives on one event loop."""

    def __init__(self, limit_bytes: int, wait_s: float = WAIT_S) -> None:
        self._free = limit_bytes
        self._most_of_one = limit_bytes // _SHARE
        self._wait_s = wait_s
        self._held: Counter[str | None] = Counter()
        self._waiting: FairQueue[_Waiting] = FairQueue(lambda one: one.called.done())

    @asynccontextmanager
    async def hold(self, tenant: str | None, need: Need) -> AsyncIterator[int]:
        """How many bytes the upload may hold, until the end of the context. One that needs more than a
        project may have gets all of that. UnavailableError when there is no room in good time."""
        need = Need(min(need.least, self._most_of_one), need.most)
        if tenant not in self._waiting and self._fits(tenant, need):
            taken = self._take(tenant, need)
        else:
            taken = await self._wait(tenant, need)
        try:
            yield taken
        finally:
            self._give_back(tenant, taken)

    def _room(self, tenant: str | None) -> int:
        return min(self._free, self._most_of_one - self._held[tenant])

    def _fits(self, tenant: str | None, need: Need) -> bool:
        return need.least <= self._room(tenant)

    def _take(self, tenant: str | None, need: Need) -> int:
        taken = max(need.least, min(need.most, self._room(tenant) // _PART_OF_REST))
        self._free -= taken
        self._held[tenant] += taken
        return taken

    async def _wait(self, tenant: str | None, need: Need) -> int:
        loop = asyncio.get_running_loop()
        called: asyncio.Future[int] = loop.create_future()
        self._waiting.add(tenant, _Waiting(need, called))
        late = loop.call_later(self._wait_s, _give_up, called)
        try:
            return await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled() and called.exception() is None:
                self._give_back(tenant, called.result())  # Called and given up in the same moment.
            raise
        finally:
            late.cancel()

    def _give_back(self, tenant: str | None, taken: int) -> None:
        self._free += taken
        self._held[tenant] -= taken
        if not self._held[tenant]:
            del self._held[tenant]
        while (found := self._waiting.call(lambda who, one: self._fits(who, one.need))) is not None:
            who, waiting = found
            waiting.called.set_result(self._take(who, waiting.need))


def _give_up(called: asyncio.Future[int]) -> None:
    if not called.done():
        called.set_exception(UnavailableError("Too many uploads are under way. Try again in a minute."))
