"""Turns at the event loop, as both databases take them before long work on what was read."""

from collections.abc import Awaitable, Callable

from transom.sql.db import TENANT


class InTurns:
    """What both databases have of turns: of several answers that are ready at once, those of one project are
    worked on one after the other."""

    _take: Callable[[str], Awaitable[None]] | None = None

    def use_turns(self, take: Callable[[str], Awaitable[None]]) -> None:
        self._take = take

    async def take_turn(self) -> None:
        tenant = TENANT.get()
        if self._take is not None and tenant is not None:
            await self._take(tenant)
