"""Families: the statements that scripts lock and write them by.

A script locks the family first, then the images of its versions in the order of their ids, then looks, with a
statement of its own: the one that waited for a lock still sees, beside the rows it waited for, what was there
before it waited. Memberships inherited from a family are written by `to_statement` in `sql/inherited.py`.
"""

from collections.abc import Sequence

import msgspec

from transom.domain.events import Actor, EventType
from transom.domain.families import Family, FamilyMember, Known, Version, VersionImage
from transom.domain.memberships import Terms
from transom.domain.model import MemberStatus
from transom.sql import outbox
from transom.sql.db import EventInsert, Script, Statement, read_each
from transom.sql.family_rows import (
    FAMILY_COLUMNS,
    IMAGE_COLUMNS,
    MEMBER_COLUMNS,
    VERSION_COLUMNS,
    family_of_row,
    image_of_row,
    member_of_row,
    version_of_row,
)
from transom.sql.images import MOVE_ON, lock_owner, to_json
from transom.sql.member_ids import is_group
from transom.sql.membership_events import OF_FAMILIES
from transom.sql.share_rules import first_status

# ---- one family, for a script

LOCK_FAMILY = "select id from family where id = $1 for update"

# Locks the images of the versions and, where an image is to become a version, that one (`$2`: its id, or
# null). A union, for an `or` of two conditions would read the whole table.
LOCK_FAMILY_IMAGES = """
    select count(*) from (
        select id from image
        where id in (select image_id from family_version where family_id = $1
                     union all select cast($2 as text))
        order by id for update
    ) as locked"""

FIND_FAMILY = f"select {FAMILY_COLUMNS} from family where family.id = $1"

# By the primary key, from the end.
LIST_VERSIONS = f"""
    select {VERSION_COLUMNS}, {IMAGE_COLUMNS}
    from family_version join image on image.id = family_version.image_id
    where family_version.family_id = $1
    order by family_version.number desc"""


def lock_and_see(family_id: str, image_id: str | None = None) -> Script[Known | None]:
    """The family, which nobody else changes until the end of the transaction, nor its versions' images. None
    when there is none. `image_id`: of an image that is to become a version, to be locked with these."""
    yield Statement(LOCK_FAMILY, (family_id,), is_lock=True)
    yield Statement(LOCK_FAMILY_IMAGES, (family_id, image_id), is_lock=True)
    return (yield from see(family_id))


def see(family_id: str) -> Script[Known | None]:
    """As `lock_and_see`, of a family that is locked."""
    rows = yield Statement(FIND_FAMILY, (family_id,))
    if not rows:
        return None
    versions = yield Statement(LIST_VERSIONS, (family_id,))
    return Known(family=family_of_row(rows[0]), versions=[version_of_row(row) for row in versions])


LOCK_FAMILIES = """
    select count(*) from (
        select id from family where id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))
        order by id for update
    ) as locked"""

# `$2`: a JSON array of further images. One set of ids, as of one family.
LOCK_IMAGES_OF_FAMILIES = """
    select count(*) from (
        select id from image
        where id in (select image_id from family_version
                     where family_id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))
                     union all select value from jsonb_array_elements_text(cast($2 as jsonb)))
        order by id for update
    ) as locked"""


def lock_all(family_ids: Sequence[str], image_ids: Sequence[str]) -> Script[None]:
    """Lock several families, and the images of their versions together with these: in one order, so that
    they cannot deadlock."""
    named = to_json(family_ids)
    yield Statement(LOCK_FAMILIES, (named,), is_lock=True)
    yield Statement(LOCK_IMAGES_OF_FAMILIES, (named, to_json(image_ids)), is_lock=True)


SEE_VERSION_IMAGE = f"select {IMAGE_COLUMNS} from image where image.id = $1"


def see_image(image_id: str) -> Script[VersionImage | None]:
    rows = yield Statement(SEE_VERSION_IMAGE, (image_id,))
    return image_of_row(rows[0]) if rows else None


FIND_FAMILY_OF_IMAGE = "select family_id from family_version where image_id = $1"


def find_family_of(image_id: str) -> Script[str | None]:
    """The id of the family that an image is a version of."""
    rows = yield Statement(FIND_FAMILY_OF_IMAGE, (image_id,))
    return rows[0][0] if rows else None


# ---- writing the difference

INSERT_FAMILY = """
    insert into family (id, owner, name, title, description, support_url, provided_until, created_at,
                        updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
    on conflict (owner, name) do nothing
    returning id"""

COUNT_FAMILIES = "select count(*) from family where owner = $1"


def insert_family(family: Family) -> Script[int | None]:
    """Insert the family and return how many its owner has now; None, and nothing done, when one of them has
    the name already. Families of one owner are inserted one after another."""
    yield lock_owner(family.owner)
    about = family.title, family.description, family.support_url, family.provided_until
    values = family.id, family.owner, family.name, *about, family.created_at
    if not (yield Statement(INSERT_FAMILY, values)):
        return None
    rows = yield Statement(COUNT_FAMILIES, (family.owner,))
    return int(rows[0][0])


UPDATE_FAMILY = f"""
    update family
    set title = $3, description = $4, support_url = $5, current_number = $6, last_number = $7,
        provided_until = $8, {MOVE_ON}
    where id = $1"""

INSERT_VERSION = """
    insert into family_version (family_id, number, image_id, name, notes, published_at, promoted_at,
                                end_of_life, revoke_at, was_hidden)
    select family.id, cast($2 as bigint), $3, cast($4 as text), cast($5 as text), cast($6 as bigint),
           cast($7 as bigint), cast($8 as bigint), cast($9 as bigint), cast($10 as boolean)
    from family where family.id = $1"""

UPDATE_VERSION = """
    update family_version
    set notes = $3, promoted_at = $4, end_of_life = $5, revoke_at = $6, revoked_at = $7, revoke_reason = $8,
        has_deactivated = $9
    where family_id = $1 and number = $2"""

DELETE_VERSION = "delete from family_version where family_id = $1 and number = $2"

DELETE_FAMILY = "delete from family where id = $1"

# The lock of the image is held: its version moves, and nobody else's change is lost.
SET_VERSION_IMAGE = f"""
    update image set status = $3, visibility = $4, os_hidden = $5, properties = $6, {MOVE_ON} where id = $1
    returning id"""


def write_difference(before: Known, after: Known, now: int, actor: Actor) -> Script[None]:
    """Make the family and its versions' images what they are `after`. Both are of a family that is locked.
    Versions that are in one of them only come and go; their images stay as they are."""
    old = {version.number: version for version in before.versions}
    new = {version.number: version for version in after.versions}
    for number in sorted(new.keys() - old.keys()):
        yield _insert_version(new[number])
    for number in sorted(old.keys() - new.keys()):
        yield Statement(DELETE_VERSION, (before.family.id, number))
    for number in sorted(new.keys() & old.keys()):
        yield from _update_version(old[number], new[number], now, actor)
    if after.family != before.family:
        yield _update_family(after.family, now)


def _insert_version(version: Version) -> Statement:
    ends = version.promoted_at, version.end_of_life, version.revoke_at, version.was_hidden
    said = version.name, version.notes, version.published_at
    return Statement(INSERT_VERSION, (version.family_id, version.number, version.image.id, *said, *ends))


def _update_version(old: Version, new: Version, now: int, actor: Actor) -> Script[None]:
    if msgspec.structs.replace(new, image=old.image) != old:
        revoking = new.revoke_at, new.revoked_at, new.revoke_reason, new.has_deactivated
        said = new.notes, new.promoted_at, new.end_of_life
        yield Statement(UPDATE_VERSION, (new.family_id, new.number, *said, *revoking))
    yield from write_image(old.image, new.image, now, actor)


def write_image(old: VersionImage, new: VersionImage, now: int, actor: Actor) -> Script[None]:
    """Make an image that is locked what it is to be."""
    if new != old:
        looks = new.status, new.visibility, new.os_hidden, to_json(new.properties)
        event = outbox.record_version(old, new, now, actor)
        yield Statement(SET_VERSION_IMAGE, (new.id, now, *looks), events=event)


def _update_family(family: Family, now: int) -> Statement:
    numbers = family.current_number, family.last_number
    said = family.title, family.description, family.support_url
    return Statement(UPDATE_FAMILY, (family.id, now, *said, *numbers, family.provided_until))


# ---- members

FIND_FAMILY_MEMBER = f"""
    select {MEMBER_COLUMNS} from family_member
    where family_id = $1 and member_id = $2 and ends_at > $3"""


def find_member(family_id: str, member_id: str, now: int) -> Script[FamilyMember | None]:
    """The family's member, unless its membership has ended."""
    rows = yield Statement(FIND_FAMILY_MEMBER, (family_id, member_id, now))
    return member_of_row(rows[0]) if rows else None


FIND_FAMILY_MEMBERS = f"""
    select {MEMBER_COLUMNS} from family_member
    where family_id = $1 and member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb)))"""


def find_members(family_id: str, member_ids: Sequence[str]) -> Script[dict[str, FamilyMember]]:
    """The family's memberships of these recipients by `member_id`, also those that have ended."""
    rows = yield Statement(FIND_FAMILY_MEMBERS, (family_id, to_json(member_ids)))
    found = yield from read_each(rows, member_of_row)
    return {member.member_id: member for member in found}


COUNT_FAMILY_MEMBERS = "select count(*) from family_member where family_id = $1 and ends_at > $2"


def count_members(family_id: str, now: int) -> Script[int]:
    rows = yield Statement(COUNT_FAMILY_MEMBERS, (family_id, now))
    return int(rows[0][0])


LIST_MEMBER_TERMS = """
    select member_id, expires_at from family_member
    where family_id = $1 and ends_at > $2 order by member_id"""


def list_terms(family_id: str, now: int) -> Script[list[tuple[str, int]]]:
    """(member, `expires_at`) of all members, by their ids."""
    rows = yield Statement(LIST_MEMBER_TERMS, (family_id, now))
    return (yield from read_each(rows, lambda row: (row[0], row[1])))


_RETURNED = ", ".join(OF_FAMILIES.columns)

# `$2`: a JSON array of member ids. A member with a row has rejected the offer, or its membership has
# ended. Domains are not asked; for projects their rules decide, as for offers of images.
OFFER_FAMILY = f"""
    insert into family_member (family_id, member_id, status, new_versions, offered_at, offered_by,
                               answered_at, message, ends_at, expires_at, created_at, updated_at)
    select new.family_id, new.member_id, new.status, '{MemberStatus.ACCEPTED}', cast($3 as bigint),
           cast($4 as text), case when new.status <> '{MemberStatus.PENDING}' then cast($3 as bigint) end,
           cast($5 as text),
           case when new.status = '{MemberStatus.PENDING}' then cast($6 as bigint)
                else cast($7 as bigint) end,
           cast($7 as bigint), cast($3 as bigint), cast($3 as bigint)
    from (
        select family.id as family_id, recipient.value as member_id,
               case when {is_group("recipient.value")} then '{MemberStatus.ACCEPTED}'
                    else {first_status("recipient.value", "family.owner", "$8", "$9")} end as status
        from family cross join jsonb_array_elements_text(cast($2 as jsonb)) as recipient
        where family.id = $1
    ) as new
    where true
    on conflict (family_id, member_id) do update
    set status = excluded.status, new_versions = excluded.new_versions, offered_at = excluded.offered_at,
        offered_by = excluded.offered_by, answered_at = excluded.answered_at, message = excluded.message,
        ends_at = excluded.ends_at, expires_at = excluded.expires_at, updated_at = excluded.updated_at,
        created_at = case when family_member.ends_at > excluded.offered_at then family_member.created_at
                          else excluded.created_at end
    returning {_RETURNED}"""


def offer_statement(
    family_id: str,
    member_ids: Sequence[str],
    terms: Terms,
    actor: Actor,
    now: int,
    was: str | None,
) -> Statement:
    """Make each of these a member, or offer the family anew to those who have rejected it (`was`). It returns
    each as it is then, by the columns of OF_FAMILIES."""
    ends = terms.message, terms.ends_at, terms.expires_at
    values = family_id, to_json(member_ids), now, actor.user, *ends, actor.project, actor.domain
    event = OF_FAMILIES.offered(EventType.FAMILY_OFFERED, now, actor, was, terms.ends_at)
    return Statement(OFFER_FAMILY, values, events=(event,))


ANSWER_FAMILY = f"""
    update family_member
    set status = $3, new_versions = $4, answered_at = $5, updated_at = $6,
        ends_at = case when status = $3 then ends_at else expires_at end
    where family_id = $1 and member_id = $2
    returning {_RETURNED}"""


def answer_statement(
    member: FamilyMember, status: str, new_versions: str, now: int, event: EventInsert
) -> Statement:
    """Give the member this status. An offer that was answered does not lapse any more; who says only how new
    versions are to come has not answered it."""
    answered_at = now if status != MemberStatus.PENDING else None
    ids = member.family_id, member.member_id
    return Statement(ANSWER_FAMILY, (*ids, status, new_versions, answered_at, now), events=(event,))


CHANGE_FAMILY_MEMBER = f"""
    update family_member set message = $3, ends_at = $4, expires_at = $5, updated_at = $6
    where family_id = $1 and member_id = $2
    returning {_RETURNED}"""


def change_terms_statement(member: FamilyMember, now: int, event: EventInsert) -> Statement:
    """Give the member the terms that it has in this record."""
    terms = member.message, member.ends_at, member.expires_at
    values = member.family_id, member.member_id, *terms, now
    return Statement(CHANGE_FAMILY_MEMBER, values, events=(event,))


REMOVE_FAMILY_MEMBERS = f"""
    delete from family_member
    where family_id = $1 and member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb)))
    returning {_RETURNED}"""


def remove_members_statement(family_id: str, member_ids: Sequence[str], event: EventInsert) -> Statement:
    return Statement(REMOVE_FAMILY_MEMBERS, (family_id, to_json(member_ids)), events=(event,))


REMOVE_PENDING_MEMBERS = f"""
    delete from family_member where family_id = $1 and status = '{MemberStatus.PENDING}' and ends_at > $2
    returning {_RETURNED}"""


REMOVE_ENDED_MEMBERS = (
    f"delete from family_member where family_id = $1 and ends_at <= $2 returning {_RETURNED}"
)


def remove_ended_statement(family_id: str, now: int, event: EventInsert) -> Statement:
    """Remove those whose membership has ended."""
    return Statement(REMOVE_ENDED_MEMBERS, (family_id, now), events=(event,))


def remove_pending_statement(family_id: str, now: int, event: EventInsert) -> Statement:
    """Remove those who have not answered."""
    return Statement(REMOVE_PENDING_MEMBERS, (family_id, now), events=(event,))
