"""The outbox: events as the transactions append them that make the changes. `sql/events.py` numbers them.

Most are told of the rows that a statement changes (`Statement.tells`), by one more insert that reads these as
`changed`: on PostgreSQL both are one statement, on SQLite one transaction. The rows are changed, and so
locked, before their events are appended: those of one membership have their ids in the order of the commits.
"""

from collections.abc import Sequence

import msgspec

from transom.domain.events import Actor, EventType, NewEvent, Via
from transom.domain.families import VersionImage
from transom.domain.model import NEVER, Image, MemberStatus, Status, Visibility
from transom.sql.db import Statement, Telling
from transom.sql.live import live

_COLUMNS = """
    at, type, owner, member_id, image_id, family_id, actor_project, actor_user, request_id, via, data"""

# ---- of memberships; `changed`: as they are then, or were before they were removed

#: What a statement that changes memberships returns for its events.
TOLD_COLUMNS = ("image_id", "member_id", "status", "family_id", "message", "ends_at", "expires_at")

#: Of what a family brought: which version of which family it is.
_BROUGHT_BY = """
    'family', (select family.name from family where family.id = changed.family_id),
    'number', (select family_version.number from family_version
               where family_version.image_id = changed.image_id
                 and family_version.family_id = changed.family_id)"""

#: `$1`: now, `$2`: the type, `$3` to `$6`: who did it, `$7`: the status of before.
TELL_CHANGED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint), $2, image.owner, changed.member_id, changed.image_id, changed.family_id,
           $3, $4, $5, $6,
           json_build_object(
               'image', image.name, 'status', changed.status, 'was', cast($7 as text),
               'message', changed.message, 'ends_at', nullif(changed.ends_at, {NEVER}),
               'expires_at', nullif(changed.expires_at, {NEVER}), {_BROUGHT_BY})
    from changed join image on image.id = changed.image_id"""

_ASKED = "changed.member_id not like '%/%'"
_DURING_OFFER = f"""
    case when {_ASKED} then nullif(cast($8 as bigint), {NEVER}) else nullif(changed.ends_at, {NEVER}) end"""

#: As before, of offers; `$8`: until when they could be answered. One that a rule of the recipient answered at
#: once has a second event for that, as if somebody had answered: by the recipient, and by a rule, which its
#: own side alone is told.
TELL_OFFERED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint),
           case when step.number = 1 then $2
                when changed.status = '{MemberStatus.ACCEPTED}' then '{EventType.ACCEPTED}'
                else '{EventType.REJECTED}' end,
           image.owner, changed.member_id, changed.image_id, changed.family_id,
           case when step.number = 1 then $3 else changed.member_id end,
           case when step.number = 1 then cast($4 as text) end,
           case when step.number = 1 then cast($5 as text) end,
           case when step.number = 1 then $6 else '{Via.RULE}' end,
           json_build_object(
               'image', image.name,
               'status', case when step.number = 1 and {_ASKED} then '{MemberStatus.PENDING}'
                              else changed.status end,
               'was', case when step.number = 1 then cast($7 as text) else '{MemberStatus.PENDING}' end,
               'message', changed.message,
               'ends_at', case when step.number = 1 then {_DURING_OFFER}
                               else nullif(changed.ends_at, {NEVER}) end,
               'expires_at', nullif(changed.expires_at, {NEVER}))
    from changed join image on image.id = changed.image_id
    cross join (select 1 as number union all select 2) as step
    where step.number = 1 or (changed.status <> '{MemberStatus.PENDING}' and {_ASKED})
    order by step.number"""

#: As of TELL_CHANGED, but that `$7` is the reason.
TELL_REMOVED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint), $2, image.owner, changed.member_id, changed.image_id, changed.family_id,
           $3, $4, $5, $6,
           json_build_object(
               'image', image.name, 'was', changed.status, 'reason', cast($7 as text), {_BROUGHT_BY})
    from changed join image on image.id = changed.image_id"""

#: An offer that nobody answered in time has lapsed, unless the share would have ended then as well.
_HOW_IT_ENDED = f"""
    case when changed.status = '{MemberStatus.PENDING}' and changed.ends_at < changed.expires_at
         then '{EventType.LAPSED}' else '{EventType.EXPIRED}' end"""

#: At the time when they ended, and by nobody.
TELL_ENDED = f"""
    insert into outbox ({_COLUMNS})
    select changed.ends_at, {_HOW_IT_ENDED}, image.owner, changed.member_id, changed.image_id,
           changed.family_id, cast(null as text), cast(null as text), cast(null as text), '{Via.TIME}',
           json_build_object('image', image.name, 'was', changed.status, {_BROUGHT_BY})
    from changed join image on image.id = changed.image_id"""

#: `$1`: now, `$2` to `$5`: who deletes the image. Of a membership that has ended and was not
#: removed yet, that it had ended.
TELL_DELETED = f"""
    insert into outbox ({_COLUMNS})
    select case when {live("$1", "changed")} then cast($1 as bigint) else changed.ends_at end,
           case when {live("$1", "changed")} then '{EventType.IMAGE_DELETED}' else {_HOW_IT_ENDED} end,
           image.owner, changed.member_id, changed.image_id, changed.family_id,
           case when {live("$1", "changed")} then cast($2 as text) end,
           case when {live("$1", "changed")} then cast($3 as text) end,
           case when {live("$1", "changed")} then cast($4 as text) end,
           case when {live("$1", "changed")} then cast($5 as text) else '{Via.TIME}' end,
           json_build_object('image', image.name, 'was', changed.status, {_BROUGHT_BY})
    from changed join image on image.id = changed.image_id"""

_OF_STATUS = {
    MemberStatus.ACCEPTED: EventType.ACCEPTED,
    MemberStatus.REJECTED: EventType.REJECTED,
    MemberStatus.PENDING: EventType.RESET,
}


def tell_changed(
    kind: EventType, now: int, actor: Actor, was: str | None, columns: Sequence[str] = TOLD_COLUMNS
) -> Telling:
    """An event for each membership that the statement makes or changes. `was`: the status of before, None for
    a new one. `columns`: those that the statement returns."""
    return Telling(TELL_CHANGED, (now, kind, *_who(actor), was), tuple(columns))


def tell_answered(
    status: str, was: str, now: int, actor: Actor, columns: Sequence[str] = TOLD_COLUMNS
) -> Telling:
    return tell_changed(_OF_STATUS[MemberStatus(status)], now, actor, was, columns)


def tell_offered(
    kind: EventType,
    now: int,
    actor: Actor,
    was: str | None,
    ends_at: int,
    columns: Sequence[str] = TOLD_COLUMNS,
) -> Telling:
    """As `tell_changed`, of offers that can be answered until `ends_at`, and of their answers by rules."""
    return Telling(TELL_OFFERED, (now, kind, *_who(actor), was, ends_at), tuple(columns))


def tell_removed(
    kind: EventType,
    now: int,
    actor: Actor,
    reason: str | None = None,
    columns: Sequence[str] = TOLD_COLUMNS,
) -> Telling:
    """An event for each membership that the statement removes."""
    return Telling(TELL_REMOVED, (now, kind, *_who(actor), reason), tuple(columns))


def tell_ended() -> Telling:
    """An event for each membership that the statement removes because it has ended."""
    return Telling(TELL_ENDED, (), TOLD_COLUMNS)


def tell_deleted(now: int, actor: Actor) -> Telling:
    """An event for each membership that the statement removes because its image is deleted next."""
    return Telling(TELL_DELETED, (now, *_who(actor)), TOLD_COLUMNS)


# ---- of images; `changed`: the image's id, alone

#: One for each recipient. `$7`: the image's name, `$8`: its owner.
TELL_CLOSED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint), $2, $8, member.member_id, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text), 'was', member.status)
    from changed join member on member.image_id = changed.id and {live("$1")}"""

#: One for each recipient or, where there is none, one for the owner. `$9`: the image's visibility.
TELL_SWITCHED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint), $2, $8, member.member_id, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text))
    from changed
    left join member on member.image_id = changed.id and {live("$1")}
        and cast($9 as text) = '{Visibility.SHARED}'"""

#: One for each recipient that a family did not bring the image: its members are told of the version.
TELL_SWITCHED_VERSION = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint), $2, $8, member.member_id, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text))
    from changed
    join member on member.image_id = changed.id and member.family_id is null and {live("$1")}"""

#: `$9`: the new owner.
TELL_TRANSFERRED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint), $2, $8, $9, changed.id, cast(null as text), $3, $4, $5, $6,
           json_build_object('image', cast($7 as text))
    from changed"""


def tell_image(seen: Image, new: Image, actor: Actor) -> tuple[Telling, ...]:
    """The events of a change of an image, to be inserted with a statement that returns the image's id."""
    told = []
    named = new.name, seen.owner

    def tell(sql: str, kind: EventType, *more: object) -> None:
        told.append(Telling(sql, (new.updated_at, kind, *_who(actor), *named, *more), ("id",)))

    if seen.visibility == Visibility.SHARED != new.visibility:
        tell(TELL_CLOSED, EventType.IMAGE_CLOSED)
    if new.status == Status.DEACTIVATED != seen.status:
        tell(TELL_SWITCHED, EventType.IMAGE_DEACTIVATED, new.visibility)
    if seen.status == Status.DEACTIVATED and new.status == Status.ACTIVE:
        tell(TELL_SWITCHED, EventType.IMAGE_REACTIVATED, new.visibility)
    if seen.owner != new.owner:
        tell(TELL_TRANSFERRED, EventType.IMAGE_TRANSFERRED, new.owner)
    return tuple(told)


def tell_version(old: VersionImage, new: VersionImage, now: int, actor: Actor) -> tuple[Telling, ...]:
    """As `tell_image`, of one that is deactivated or reactivated because it is a version of a family."""
    if old.status == new.status or new.visibility != Visibility.SHARED:
        return ()
    kind = {
        Status.DEACTIVATED: EventType.IMAGE_DEACTIVATED,
        Status.ACTIVE: EventType.IMAGE_REACTIVATED,
    }[Status(new.status)]
    return (Telling(TELL_SWITCHED_VERSION, (now, kind, *_who(actor), new.name, new.owner), ("id",)),)


# ---- of anything else

APPEND = f"""
    insert into outbox ({_COLUMNS})
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""


def append(event: NewEvent, actor: Actor) -> Statement:
    """For a transaction that holds the locks of what the event is about."""
    about = event.owner, event.member_id, event.image_id, event.family_id
    data = msgspec.json.encode(event.data).decode()
    return Statement(APPEND, (event.at, event.type, *about, *_who(actor), data))


def _who(actor: Actor) -> tuple[str | None, ...]:
    return actor.project, actor.user, actor.request_id, actor.via
