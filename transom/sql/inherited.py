"""Memberships inherited from families: every change of them, beside those of `sql/members.py`.

They are ordinary memberships with the id of their family. Each change is made under locks of the family
and the images, so that nobody else adds or removes any of these meanwhile.
"""

from transom.domain.events import Actor, EventType
from transom.domain.memberships import (
    AnswerInherited,
    Detach,
    EndBefore,
    EndInherited,
    GrantInherited,
    InheritedChange,
    LimitInherited,
    RemoveInherited,
)
from transom.domain.model import NEVER, MemberStatus
from transom.sql.db import Statement
from transom.sql.images import to_json
from transom.sql.live import falls_asleep, live
from transom.sql.membership_events import OF_IMAGES

_RETURNED = ", ".join(OF_IMAGES.columns)

_COLUMNS = """
    image_id, member_id, status, image_created_at, created_at, updated_at, offered_at, ends_at, expires_at,
    family_id, is_asleep"""
_VALUES = f"""
    image.id, family_member.member_id, family_member.new_versions, image.created_at,
    cast($3 as bigint), cast($3 as bigint), cast($3 as bigint),
    family_member.expires_at, family_member.expires_at, family_member.family_id,
    {falls_asleep("family_member.member_id")}"""
_NAMED = "(select value from jsonb_array_elements_text(cast($4 as jsonb)))"

#: The members to whom a family grants an image. `$1`: the family, `$2`: the image, `$3`: now.
_GRANTED_TO = f"""
    from image cross join family_member
    where image.id = $2 and family_member.family_id = $1 and family_member.member_id <> image.owner
      and family_member.status = '{MemberStatus.ACCEPTED}' and {live("$3", "family_member")}"""

# Memberships that have ended were removed before; any other stays as it is, whoever gave it.
GRANT = f"""
    insert into member ({_COLUMNS}) select {_VALUES} {_GRANTED_TO}
    on conflict (image_id, member_id) do nothing
    returning {_RETURNED}"""

GRANT_SOME = f"""
    insert into member ({_COLUMNS}) select {_VALUES} {_GRANTED_TO} and family_member.member_id in {_NAMED}
    on conflict (image_id, member_id) do nothing
    returning {_RETURNED}"""

ANSWER_INHERITED = f"""
    update member
    set status = $3, updated_at = $4, ends_at = expires_at,
        answered_at = case when $3 = '{MemberStatus.PENDING}' then null else cast($4 as bigint) end
    where family_id = $1 and member_id = $2 and status = $5 and {live("$4")}
    returning {_RETURNED}"""

_OF_THESE = "family_id = $1 and member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb)))"

LIMIT_INHERITED = f"""
    update member set ends_at = $3, expires_at = $3, updated_at = $4
    where {_OF_THESE} and {live("$4")} and (ends_at <> $3 or expires_at <> $3)
    returning {_RETURNED}"""

REMOVE_INHERITED = f"delete from member where {_OF_THESE} and {live('$3')} returning {_RETURNED}"

END_INHERITED = f"delete from member where {_OF_THESE} and ends_at <= $3 returning {_RETURNED}"

# The words of the index `member_by_end`.
END_BEFORE = f"""
    delete from member where image_id = $1 and ends_at < {NEVER} and ends_at <= $2 returning {_RETURNED}"""

# All memberships inherited from the family, whether they have ended or not.
DETACH = "update member set family_id = null where family_id = $1"

DETACH_ONE = "update member set family_id = null where family_id = $1 and image_id = $2"


def to_statement(change: InheritedChange, actor: Actor) -> Statement:
    """The statement that makes this change, with the events that tell of it."""
    match change:
        case GrantInherited():
            event = OF_IMAGES.changed(EventType.GRANTED, change.now, actor, None)
            ids = change.family_id, change.image_id, change.now
            if change.member_ids is None:
                return Statement(GRANT, ids, events=(event,))
            return Statement(GRANT_SOME, (*ids, to_json(change.member_ids)), events=(event,))
        case AnswerInherited():
            answered = change.family_id, change.member_id, change.status, change.now, change.was
            event = OF_IMAGES.answered(change.status, change.was, change.now, actor)
            return Statement(ANSWER_INHERITED, answered, events=(event,))
        case LimitInherited():
            limited = change.family_id, to_json(change.member_ids), change.ends_at, change.now
            event = OF_IMAGES.changed(EventType.CHANGED, change.now, actor, None)
            return Statement(LIMIT_INHERITED, limited, events=(event,))
        case RemoveInherited():
            these = change.family_id, to_json(change.member_ids), change.now
            event = OF_IMAGES.removed(EventType(f"share.{change.how}"), change.now, actor, change.reason)
            return Statement(REMOVE_INHERITED, these, events=(event,))
        case EndInherited():
            these = change.family_id, to_json(change.member_ids), change.now
            return Statement(END_INHERITED, these, events=(OF_IMAGES.ended(),))
        case EndBefore():
            return Statement(END_BEFORE, (change.image_id, change.now), events=(OF_IMAGES.ended(),))
        case Detach(image_id=None):
            return Statement(DETACH, (change.family_id,))
        case Detach():
            return Statement(DETACH_ONE, (change.family_id, change.image_id))
