"""What the statements that change members of families tell of them, as `outbox.py` has it of memberships.

`changed`: the members as they are then, or were before they were removed.
"""

from transom.domain.events import Actor, EventType, Via
from transom.domain.model import NEVER, MemberStatus
from transom.sql.db import Telling

#: What such a statement returns.
TOLD_COLUMNS = ("family_id", "member_id", "status", "message", "ends_at", "expires_at")

_COLUMNS = """
    at, type, owner, member_id, image_id, family_id, actor_project, actor_user, request_id, via, data"""

#: `$1`: now, `$2`: the type, `$3` to `$6`: who did it, `$7`: the status of before.
TELL_MEMBERS_CHANGED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint), $2, family.owner, changed.member_id, cast(null as text), changed.family_id,
           $3, $4, $5, $6,
           json_build_object(
               'family', family.name, 'status', changed.status, 'was', cast($7 as text),
               'message', changed.message, 'ends_at', nullif(changed.ends_at, {NEVER}),
               'expires_at', nullif(changed.expires_at, {NEVER}))
    from changed join family on family.id = changed.family_id"""

_ASKED = "changed.member_id not like '%/%'"
_DURING_OFFER = f"""
    case when {_ASKED} then nullif(cast($8 as bigint), {NEVER}) else nullif(changed.ends_at, {NEVER}) end"""

#: Of offers; `$8`: until when they could be answered. What a rule of the recipient answered at once has a
#: second event, as of images (`outbox.TELL_OFFERED`).
TELL_MEMBERS_OFFERED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint),
           case when step.number = 1 then $2
                when changed.status = '{MemberStatus.ACCEPTED}' then '{EventType.FAMILY_ACCEPTED}'
                else '{EventType.FAMILY_REJECTED}' end,
           family.owner, changed.member_id, cast(null as text), changed.family_id,
           case when step.number = 1 then $3 else changed.member_id end,
           case when step.number = 1 then cast($4 as text) end,
           case when step.number = 1 then cast($5 as text) end,
           case when step.number = 1 then $6 else '{Via.RULE}' end,
           json_build_object(
               'family', family.name,
               'status', case when step.number = 1 and {_ASKED} then '{MemberStatus.PENDING}'
                              else changed.status end,
               'was', case when step.number = 1 then cast($7 as text) else '{MemberStatus.PENDING}' end,
               'message', changed.message,
               'ends_at', case when step.number = 1 then {_DURING_OFFER}
                               else nullif(changed.ends_at, {NEVER}) end,
               'expires_at', nullif(changed.expires_at, {NEVER}))
    from changed join family on family.id = changed.family_id
    cross join (select 1 as number union all select 2) as step
    where step.number = 1 or (changed.status <> '{MemberStatus.PENDING}' and {_ASKED})
    order by step.number"""

#: As before TELL_MEMBERS_OFFERED, but that `$7` is the reason.
TELL_MEMBERS_REMOVED = f"""
    insert into outbox ({_COLUMNS})
    select cast($1 as bigint), $2, family.owner, changed.member_id, cast(null as text), changed.family_id,
           $3, $4, $5, $6,
           json_build_object('family', family.name, 'was', changed.status, 'reason', cast($7 as text))
    from changed join family on family.id = changed.family_id"""

#: At the time when they ended, and by nobody.
TELL_MEMBERS_ENDED = f"""
    insert into outbox ({_COLUMNS})
    select changed.ends_at,
           case when changed.status = '{MemberStatus.PENDING}' and changed.ends_at < changed.expires_at
                then '{EventType.FAMILY_LAPSED}' else '{EventType.FAMILY_EXPIRED}' end,
           family.owner, changed.member_id, cast(null as text), changed.family_id,
           cast(null as text), cast(null as text), cast(null as text), '{Via.TIME}',
           json_build_object('family', family.name, 'was', changed.status)
    from changed join family on family.id = changed.family_id"""


def tell_changed(kind: EventType, now: int, actor: Actor, was: str | None) -> Telling:
    """An event for each member that the statement makes or changes. `was`: its status before, None for a new
    one."""
    return Telling(TELL_MEMBERS_CHANGED, (now, kind, *_who(actor), was), TOLD_COLUMNS)


def tell_offered(now: int, actor: Actor, was: str | None, ends_at: int) -> Telling:
    """As `tell_changed`, of offers that can be answered until `ends_at`, and of their answers by rules."""
    values = now, EventType.FAMILY_OFFERED, *_who(actor), was, ends_at
    return Telling(TELL_MEMBERS_OFFERED, values, TOLD_COLUMNS)


def tell_removed(kind: EventType, now: int, actor: Actor, reason: str | None) -> Telling:
    return Telling(TELL_MEMBERS_REMOVED, (now, kind, *_who(actor), reason), TOLD_COLUMNS)


def tell_ended() -> Telling:
    return Telling(TELL_MEMBERS_ENDED, (), TOLD_COLUMNS)


def _who(actor: Actor) -> tuple[str | None, ...]:
    return actor.project, actor.user, actor.request_id, actor.via
