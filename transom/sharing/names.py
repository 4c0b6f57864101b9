"""What people call those who share and those who are shared with, as far as identity and the operator's file
tell.

Names are for people to read: what cannot be found out soon is shown without, and nothing is decided by them.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from transom.domain.errors import UnavailableError
from transom.domain.organizations import Organizations
from transom.domain.recipients import kind_of, split_member_id
from transom.identity import Identity, Names

#: Look-ups of one request under way at a time. They share Keystone's connections with everybody's tokens.
LOOKUPS = 8
#: For all look-ups of one request, seconds.
PATIENCE_S = 2.0


class NameBook:
    """Names as identity tells them, which keeps what it was told; else by the operator's file."""

    def __init__(self, identity: Identity, organizations: Organizations) -> None:
        self._identity = identity
        self._organizations = organizations

    async def find(self, member_ids: Iterable[str | None]) -> Mapping[str, Names]:
        """The names of those of the `member_id`s that have any, as far as they are found out in PATIENCE_S;
        None is passed over."""
        wanted = {one for one in member_ids if one is not None}
        found: dict[str, Names] = {}
        waiting = iter(wanted)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                for _ in range(min(LOOKUPS, len(wanted))):
                    group.create_task(self._look_up(waiting, found))
        return found

    async def _look_up(self, waiting: Iterator[str], found: dict[str, Names]) -> None:
        """Several of these share one iterator until it is empty."""
        for member_id in waiting:
            try:
                names = await self._find(member_id)
            except UnavailableError:
                return
            if names is not None:
                found[member_id] = names

    async def _find(self, member_id: str) -> Names | None:
        if kind_of(member_id).is_in_identity:
            return await self._identity.find_names(*split_member_id(member_id))
        unit = self._organizations.find(member_id)
        return Names(name=unit.name) if unit is not None else None
