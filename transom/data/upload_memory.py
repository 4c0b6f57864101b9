"""Memory for image data on its way to stores, shared fairly among projects.

An upload is read some MiB ahead of its hashes and its store. S3 takes it in parts of 5 MiB and more besides,
each of them whole in memory while it is sent. So clients that send faster than the machine computes, or that
send slowly, or a service that answers slowly, hold some for as long as they like. Three rules bound that:

- A project gets at most a quarter of what the others have left, so that some is left for the next project
  however many have filled theirs; and the more of it is taken the less each further upload gets.
- An upload that finds too little waits. Waiting projects are served in turn.
- When a project that has none at all waits, uploads whose clients are slow are broken off, those of the
  project that has most first.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from transom.domain.errors import UnavailableError
from transom.fair_semaphore import FairSemaphore, Need

#: Longest wait, seconds.
WAIT_S = 60.0
#: An upload is slow when its client has not sent the next block (1 MiB) for so long. Only that of a project
#: that has none may break it off, and not before it has waited as long itself. Seconds.
SLOW_S = 10.0
#: The part of what the others leave that one project may have.
_SHARE = 4
_TOO_MANY = "Too many uploads are under way. Try again in a minute."
_TOO_SLOW = "The upload was broken off, because it was slow and others needed its memory. Try again."


class Held:
    """What one upload holds, `size` bytes."""

    __slots__ = ("_task", "size", "tenant", "waits_since", "was_dropped")

    def __init__(self, tenant: str | None, size: int) -> None:
        self.tenant = tenant
        self.size = size
        #: Since when the client's next block is waited for, by the loop's clock; infinite while it is not.
        self.waits_since = math.inf
        self.was_dropped = False
        self._task = asyncio.current_task()

    async def watch(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The same chunks. Notes meanwhile whether their sender is waited for."""
        time = asyncio.get_running_loop().time
        while True:
            self.waits_since = time()
            try:
                chunk = await anext(chunks, None)
            finally:
                self.waits_since = math.inf
            if chunk is None:
                return
            yield chunk

    def drop(self) -> None:
        """Break the upload off."""
        self.was_dropped = True
        if self._task is not None:
            self._task.cancel()

    def is_only_dropped(self) -> bool:
        """Whether that is why its task was cancelled, and all that cancelled it."""
        return self.was_dropped and self._task is not None and not self._task.uncancel()


class UploadMemory:
    """`limit_bytes`: of all uploads of this process. Lives on one event loop."""

    def __init__(self, limit_bytes: int, wait_s: float = WAIT_S, slow_s: float = SLOW_S) -> None:
        self._semaphore = _Semaphore(limit_bytes, _TOO_MANY, limit_bytes // _SHARE, wait_s)
        self._slow_s = slow_s
        self._uploads: set[Held] = set()

    @asynccontextmanager
    async def hold(self, tenant: str | None, need: Need) -> AsyncIterator[Held]:
        """What the upload may hold, until the end of the context, which is in one task. One that needs more
        than a project may have gets all of that. UnavailableError when there is no room in good time, or when
        others needed it while the client was slow."""
        making_room = asyncio.create_task(self._make_room(tenant, need.least))
        try:
            taken = await self._semaphore.enter(tenant, need)
        finally:
            making_room.cancel()
        held = Held(tenant, taken)
        self._uploads.add(held)
        try:
            yield held
        except asyncio.CancelledError:
            if held.is_only_dropped():
                raise UnavailableError(_TOO_SLOW) from None
            raise
        finally:
            self._uploads.discard(held)
            self._semaphore.leave(tenant, taken)

    async def _make_room(self, tenant: str | None, least: int) -> None:
        """Break off slow uploads for one of a project that has none, now and then until cancelled."""
        while True:
            await asyncio.sleep(self._slow_s)
            if not self._semaphore.held(tenant):
                self._break_off(min(least, self._semaphore.most_of_one))

    def _break_off(self, least: int) -> None:
        """As many slow uploads as are in the way of one that needs so much."""
        now = asyncio.get_running_loop().time()
        lacking = least - self._semaphore.free - sum(one.size for one in self._uploads if one.was_dropped)
        slow = [one for one in self._uploads if self._is_in_the_way(one, now, least)]
        slow.sort(key=lambda one: (-self._semaphore.held(one.tenant), one.waits_since))
        for one in slow:
            if lacking <= 0:
                return
            one.drop()
            lacking -= one.size

    def _is_in_the_way(self, held: Held, now: float, least: int) -> bool:
        if held.was_dropped or held.waits_since + self._slow_s > now:
            return False
        return self._semaphore.held(held.tenant) > least


class _Semaphore(FairSemaphore):
    """Gives a project a part of what the others leave, in place of a fixed part of the whole."""

    def room(self, tenant: str | None) -> int:
        held = self.held(tenant)
        return (self.free + held) // _SHARE - held

    def fits(self, tenant: str | None, need: Need) -> bool:
        # The first upload of a project may have all there is.
        return need.least <= (self.room(tenant) if self.held(tenant) else self.free)
