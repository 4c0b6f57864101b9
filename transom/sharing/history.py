"""What the share API asks of events: the feed, and history, which is the feed read backwards."""

import time
from collections.abc import Callable

import msgspec

from transom.domain.events import Event, EventQuery
from transom.domain.model import Caller
from transom.sharing import rules
from transom.sharing.events import EVERYTHING, Viewer, viewer_of
from transom.sharing.relay import Relay
from transom.sql import events
from transom.sql.db import Database

#: Pause between two looks for events that another process numbered, seconds.
_LOOK_S = 0.5


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
) -> EventPage:
    """A page of the events that concern the caller's project, or of all of them. When there is none it waits
    for one, at most `wait_s` seconds, and not while the service stops. `wait_s` is 0 for history."""
    viewer = EVERYTHING
    if sees_all:
        rules.see_all_events(caller)
    else:
        project = rules.see_events(caller)
        viewer = viewer_of(caller)
        query = msgspec.structs.replace(query, project=project, member_ids=sorted(viewer.member_ids))
    until = time.monotonic() + wait_s
    while True:
        page = await _read_page(db, query, viewer)
        left = until - time.monotonic()
        if page.events or left <= 0 or is_leaving():
            return page
        query = msgspec.structs.replace(query, after=page.cursor)
        await relay.wait_for_events(min(left, _LOOK_S))


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
