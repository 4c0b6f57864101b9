"""The outbox: events as the transactions append them that make the changes. `sql/events.py` numbers them.

Most are made of the rows that a statement changes (`Statement.events`), by one more insert that reads these
as `changed`: on PostgreSQL both are one statement, on SQLite one transaction. The rows are changed, and so
locked, before their events are appended: those of one membership have their ids in the order of the commits.
Those of memberships are in `membership_events.py`.
"""

import msgspec

from transom.domain.events import Actor, EventType, NewEvent
from transom.domain.families import VersionImage
from transom.domain.model import NEVER, Image, Status, Visibility
from transom.sql.db import EventInsert, Statement
from transom.sql.live import live

COLUMNS = """
    at, type, owner, member_id, image_id, family_id, actor_project, actor_user, request_id, via, data"""

# ---- of images; `changed`: the image's id, alone

#: One for each recipient. `$7`: the image's name, `$8`: its owner.
RECORD_CLOSED = f"""
    insert into outbox ({COLUMNS})
    select cast($1 as bigint), $2, $8, member.member_id, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text), 'was', member.status)
    from member join changed on member.image_id = changed.id and {live("$1")}"""

#: As `RECORD_CLOSED`, of the memberships that wake: behind their locks, so none that is removed meanwhile.
RECORD_OPENED = f"""
    insert into outbox ({COLUMNS})
    select cast($1 as bigint), $2, $8, member.member_id, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text), 'status', member.status,
                             'ends_at', nullif(member.ends_at, {NEVER}),
                             'expires_at', nullif(member.expires_at, {NEVER}))
    from member join changed on member.image_id = changed.id and {live("$1")}
        and member.member_id <> coalesce(cast($8 as text), '')
    order by member.member_id for update"""

#: One for each recipient or, where there is none, one for the owner. `$9`: the image's visibility.
RECORD_SWITCHED = f"""
    insert into outbox ({COLUMNS})
    select cast($1 as bigint), $2, $8, member.member_id, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text))
    from changed
    left join member on member.image_id = changed.id and {live("$1")}
        and cast($9 as text) = '{Visibility.SHARED}'"""

#: One for each recipient with a direct membership: members of the family have the event of the version.
RECORD_SWITCHED_VERSION = f"""
    insert into outbox ({COLUMNS})
    select cast($1 as bigint), $2, $8, member.member_id, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text))
    from member
    join changed on member.image_id = changed.id and member.family_id is null and {live("$1")}"""

#: `$9`: the new owner.
RECORD_TRANSFERRED = f"""
    insert into outbox ({COLUMNS})
    select cast($1 as bigint), $2, $8, $9, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text))
    from changed"""


def record_image(seen: Image, new: Image, actor: Actor) -> tuple[EventInsert, ...]:
    """The events of a change of an image, to be inserted with a statement that returns the image's id."""
    events = []
    named = new.name, seen.owner

    def record(sql: str, kind: EventType, *more: object) -> None:
        events.append(EventInsert(sql, (new.updated_at, kind, *who(actor), *named, *more), ("id",)))

    if seen.visibility == Visibility.SHARED != new.visibility:
        record(RECORD_CLOSED, EventType.IMAGE_CLOSED)
    if seen.visibility != Visibility.SHARED == new.visibility:
        record(RECORD_OPENED, EventType.IMAGE_OPENED)
    if new.status == Status.DEACTIVATED != seen.status:
        record(RECORD_SWITCHED, EventType.IMAGE_DEACTIVATED, new.visibility)
    if seen.status == Status.DEACTIVATED and new.status == Status.ACTIVE:
        record(RECORD_SWITCHED, EventType.IMAGE_REACTIVATED, new.visibility)
    if seen.owner != new.owner:
        record(RECORD_TRANSFERRED, EventType.IMAGE_TRANSFERRED, new.owner)
    return tuple(events)


def record_version(old: VersionImage, new: VersionImage, now: int, actor: Actor) -> tuple[EventInsert, ...]:
    """As `record_image`, of one that is deactivated or reactivated because it is a version of a family."""
    if old.status == new.status or new.visibility != Visibility.SHARED:
        return ()
    kind = {
        Status.DEACTIVATED: EventType.IMAGE_DEACTIVATED,
        Status.ACTIVE: EventType.IMAGE_REACTIVATED,
    }[Status(new.status)]
    return (EventInsert(RECORD_SWITCHED_VERSION, (now, kind, *who(actor), new.name, new.owner), ("id",)),)


# ---- of anything else

APPEND = f"""
    insert into outbox ({COLUMNS})
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""


def append(event: NewEvent, actor: Actor) -> Statement:
    """For a transaction that holds the locks of what the event is about."""
    about = event.owner, event.member_id, event.image_id, event.family_id
    data = msgspec.json.encode(event.data).decode()
    return Statement(APPEND, (event.at, event.type, *about, *who(actor), data))


def who(actor: Actor) -> tuple[str | None, ...]:
    """The values of the columns that say who did it."""
    return actor.project, actor.user, actor.request_id, actor.via
