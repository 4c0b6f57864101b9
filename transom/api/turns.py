"""Turns at the event loop: a project that sends many requests waits behind its own, and so does an address
from which strangers send them.

The loop answers what has come in the order in which it came, so a hundred long requests of one project would
all be answered before a short one of another. So requests ask here before each long piece of work. In one
round of the loop a project begins as many pieces as it likes while the round is young, and one when it is
not; the others wait, and are called one by one, the projects in turn, each in a round of its own.
"""

import asyncio
import math
import time
from collections.abc import Callable

from transom.domain.fair_queue import FairQueue

#: How long a round of the loop is young, seconds: what somebody else's request waits for, with one piece, and
#: once more where it waits for a database server meanwhile.
YOUNG_S = 0.01


class Turns:
    """Lives on one event loop. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        #: When the round began, None before its first piece.
        self._since: float | None = None
        self._begun: set[str] = set()
        #: A piece whose request was cancelled waits no more.
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(asyncio.Future.done)
        self._strangers: FairQueue[asyncio.Future[None]] = FairQueue(asyncio.Future.done)
        self._calls_strangers = False

    async def take(self, tenant: str) -> None:
        """Return when a piece of the tenant's work may begin: at once, without giving the loop away, unless
        others come first."""
        if tenant in self._waiting or (tenant in self._begun and self._is_old()):
            await _wait_in(self._waiting, tenant)
        self._begin(tenant)

    async def take_as_stranger(self, address: str) -> None:
        """The same of somebody without a project, by its address. There may be any number of addresses, so
        all of them together have the turns of one project, and in a round that is not young they begin
        nothing."""
        if address in self._strangers or self._is_old():
            await _wait_in(self._strangers, address)
        self._begin(address)

    def _is_old(self) -> bool:
        return self._since is not None and self._clock() - self._since > YOUNG_S

    def _begin(self, tenant: str) -> None:
        if self._since is None:
            self._begin_round(self._clock())
        self._begun.add(tenant)

    def _begin_round(self, since: float) -> None:
        """It ends when the loop has run what is ready by now."""
        self._since = since
        self._begun.clear()
        asyncio.get_running_loop().call_soon(self._end_round)

    def _end_round(self) -> None:
        self._since = None
        queues = (
            (self._strangers, self._waiting) if self._calls_strangers else (self._waiting, self._strangers)
        )
        self._calls_strangers = not self._calls_strangers
        called = queues[0].call() or queues[1].call()
        if called is not None:
            tenant, piece = called
            piece.set_result(None)
            # The round that begins with it ends behind the piece that was called, and is not young: what its
            # tenant begins before it would come on top.
            self._begin_round(-math.inf)
            self._begin(tenant or "")


async def _wait_in(queue: FairQueue[asyncio.Future[None]], tenant: str) -> None:
    called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    queue.add(tenant, called)
    await called
