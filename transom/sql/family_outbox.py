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

#: As before, but that `$7` is the reason.
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


def tell_removed(kind: EventType, now: int, actor: Actor, reason: str | None) -> Telling:
    return Telling(TELL_MEMBERS_REMOVED, (now, kind, *_who(actor), reason), TOLD_COLUMNS)


def tell_ended() -> Telling:
    return Telling(TELL_MEMBERS_ENDED, (), TOLD_COLUMNS)


def _who(actor: Actor) -> tuple[str | None, ...]:
    return actor.project, actor.user, actor.request_id, actor.via
