"""What the share API asks of events: the feed, and history, which is the feed read backwards."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from transom.domain.events import Event, EventQuery
from transom.domain.model import Caller
from transom.sharing import project_rules
from transom.sharing.events import EVERYTHING, Viewer, viewer_of
from transom.sharing.hidden_images import hide_images
from transom.sharing.readers import Reader
from transom.sharing.relay import Relay
from transom.sql import events
from transom.sql.db import Database

#: Pause between two looks whether the service stops, seconds.
_LOOK_S = 0.5
#: Who the caller is by now, and what it may do; raises what refuses it.
FindCaller = Callable[[], Awaitable[Caller]]


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """`cursor`: the number up to which the reader has seen everything that it asked for. `has_more`: more is
    there now. `oldest`: the first number that is kept; a cursor before `oldest - 1` has lost events."""

    events: list[Event]
    cursor: int
    has_more: bool
    oldest: int
    viewer: Viewer


class UnknownCursorError(Exception):
    """The cursor lies beyond the last number that was given."""


class CursorTooOldError(Exception):
    """Events after the cursor are deleted already. `oldest`: the first cursor that is still valid."""

    def __init__(self, oldest: int) -> None:
        super().__init__()
        self.oldest = oldest


async def list_events(
    db: Database,
    relay: Relay,
    caller: Caller,
    query: EventQuery,
    *,
    sees_all: bool,
    wait_s: float,
    is_leaving: Callable[[], bool],
    find_caller: FindCaller,
) -> EventPage:
    """A page of the events that concern the caller's project, or of all of them. When there is none it waits
    for one, at most `wait_s` seconds, and not while the service stops. `wait_s` is 0 for history. After
    a wait the caller is shown what it may see then: `find_caller` is asked again."""
    until = time.monotonic() + wait_s
    async with _listen(relay, wait_s) as reader:
        while True:
            viewer, query = _seen_by(caller, query, sees_all=sees_all)
            reader.concerns = None if viewer.project is None else viewer.member_ids | {viewer.project}
            reader.forget()
            page = await _read_page(db, query, viewer)
            if page.events or not await _wait(reader, until, is_leaving):
                viewer = await hide_images(db, caller, viewer, page.events)
                return msgspec.structs.replace(page, viewer=viewer)
            query = msgspec.structs.replace(query, after=page.cursor)
            caller = await find_caller()


@asynccontextmanager
async def _listen(relay: Relay, wait_s: float) -> AsyncIterator[Reader]:
    if wait_s > 0:
        async with relay.readers.listen_to_all() as reader:
            yield reader
    else:
        yield Reader()


def _seen_by(caller: Caller, query: EventQuery, *, sees_all: bool) -> tuple[Viewer, EventQuery]:
    if sees_all:
        project_rules.see_all_events(caller)
        return EVERYTHING, query
    project, viewer = project_rules.see_events(caller), viewer_of(caller)
    narrowed = msgspec.structs.replace(query, project=project, member_ids=sorted(viewer.member_ids))
    return viewer, narrowed


async def _wait(reader: Reader, until: float, is_leaving: Callable[[], bool]) -> bool:
    """Whether something came before this time, monotonic, and before the service stops."""
    while (left := until - time.monotonic()) > 0 and not is_leaving():
        if await reader.wait(min(left, _LOOK_S)):
            return True
    return False


async def _read_page(db: Database, query: EventQuery, viewer: Viewer) -> EventPage:
    oldest, last = await events.find_kept(db)
    if query.after is not None:
        if query.after > last:
            raise UnknownCursorError
        if query.after < oldest - 1:
            raise CursorTooOldError(oldest - 1)
    found = await events.list_events(db, msgspec.structs.replace(query, limit=query.limit + 1))
    has_more = len(found) > query.limit
    found = found[: query.limit]
    if query.descending:
        cursor = found[-1].seq if found else query.after or oldest - 1
    elif has_more:
        cursor = found[-1].seq
    else:
        # All events up to `last` were numbered before the page was read: the cursor may skip to `last`.
        cursor = max(last, found[-1].seq if found else 0)
    return EventPage(events=found, cursor=cursor, has_more=has_more, oldest=oldest, viewer=viewer)
