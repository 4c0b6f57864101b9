"""Turns at the event loop: a project that sends many requests waits behind its own, and so does an address
from which strangers send them.

The loop answers what has come in the order in which it came, so a hundred long requests of one project would
all be answered before a short one of another. So requests ask here before each long piece of work. In one
round of the loop a project begins as many pieces as it likes while the round is young, and one when it is
not; the others wait, and are called one by one, the projects in turn, each in a round of its own.
"""

import asyncio
import time
from collections.abc import Callable

from transom.domain.fair_queue import FairQueue

#: How long a round of the loop is young, seconds: what somebody else's request waits for, with one piece.
YOUNG_S = 0.02


class Turns:
    """Lives on one event loop. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        #: When the round began, None before its first piece.
        self._since: float | None = None
        self._begun: set[str | None] = set()
        #: A piece whose request was cancelled waits no more.
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(asyncio.Future.done)

    async def take(self, tenant: str) -> None:
        """Return when a piece of the tenant's work may begin: at once, without giving the loop away, unless
        others come first."""
        since = self._since
        if since is None:
            self._begin_round()
        elif tenant in self._waiting or (tenant in self._begun and self._clock() - since > YOUNG_S):
            called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(tenant, called)
            await called
            return
        self._begun.add(tenant)

    def _begin_round(self) -> None:
        """It ends when the loop has run what is ready by now."""
        self._since = self._clock()
        self._begun.clear()
        asyncio.get_running_loop().call_soon(self._end_round)

    def _end_round(self) -> None:
        self._since = None
        called = self._waiting.call()
        if called is not None:
            tenant, piece = called
            piece.set_result(None)
            # It ends behind the piece that was called.
            self._begin_round()
            self._begun.add(tenant)
