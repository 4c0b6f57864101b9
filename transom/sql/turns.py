"""Turns at the event loop, as both databases take them before long work on what was read."""

from collections.abc import Awaitable, Callable

from transom.sql.db import TENANT

#: Returns when a piece of the project's work may begin.
TakeTurn = Callable[[str], Awaitable[None]]


class InTurns:
    """The part of a `Database` that several answers of one project, ready at once, are worked on by turns."""

    _take: TakeTurn | None = None

    def use_turns(self, take: TakeTurn) -> None:
        self._take = take

    async def take_turn(self) -> None:
        tenant = TENANT.get()
        if self._take is not None and tenant is not None:
            await self._take(tenant)
