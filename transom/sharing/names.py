"""What people call those who share and those who are shared with, as far as identity and the operator's file
tell.

Names are for people to read: what cannot be found out soon is shown without, and nothing is decided by them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

from transom.domain.errors import UnavailableError
from transom.domain.events import Event
from transom.domain.organizations import Organizations
from transom.domain.recipients import kind_of, split_member_id
from transom.identity import Names, NameSource
from transom.sharing.events import EventNames, Viewer, projects_in, users_in

#: Look-ups of one request under way at a time. They share Keystone's connections with everybody's tokens.
LOOKUPS = 8
#: For all look-ups of one request, seconds.
PATIENCE_S = 2.0


_Find = Callable[[str], Awaitable[Names | None]]
_LookUp = Callable[[], Awaitable[None]]


class NameBook:
    """Names from identity, which caches them, and from the operator's file of organisations."""

    def __init__(self, source: NameSource, organizations: Organizations) -> None:
        self._source = source
        self._organizations = organizations

    async def find(self, member_ids: Iterable[str | None]) -> Mapping[str, Names]:
        """The names of those of the `member_id`s that have any, as far as they are found out in PATIENCE_S;
        None is passed over."""
        found: dict[str, Names] = {}
        await _look_up(_each(member_ids, self._find, found))
        return found

    async def find_in(self, events: Sequence[Event], viewer: Viewer) -> EventNames:
        """The names that the events show to this viewer, found as by `find`."""
        projects: dict[str, Names] = {}
        users: dict[str, Names] = {}
        await _look_up(
            [
                *_each(projects_in(events), self._find, projects),
                *_each(users_in(events, viewer), self._source.find_user_names, users),
            ]
        )
        return EventNames(projects=projects, users=users)

    async def _find(self, member_id: str) -> Names | None:
        if kind_of(member_id).is_in_identity:
            return await self._source.find_names(*split_member_id(member_id))
        unit = self._organizations.find(member_id)
        return Names(name=unit.name) if unit is not None else None


def _each(ids: Iterable[str | None], find: _Find, found: dict[str, Names]) -> list[_LookUp]:
    """A look-up for each id, which notes in `found` what it finds."""
    return [partial(_note, one, find, found) for one in {*ids} if one is not None]


async def _note(one: str, find: _Find, found: dict[str, Names]) -> None:
    names = await find(one)
    if names is not None:
        found[one] = names


async def _look_up(look_ups: Sequence[_LookUp]) -> None:
    """Do as many as can be done in PATIENCE_S."""
    waiting = iter(look_ups)
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            for _ in range(min(LOOKUPS, len(look_ups))):
                group.create_task(_take_turns(waiting))


async def _take_turns(waiting: Iterator[_LookUp]) -> None:
    """Several of these share one iterator until it is empty."""
    for look_up in waiting:
        try:
            await look_up()
        except UnavailableError:
            return
