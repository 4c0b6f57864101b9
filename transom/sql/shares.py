"""Whom an image is shared with, and what is shared with whom: the publisher's side."""

from collections.abc import Sequence

from transom.domain.model import Member, MemberStatus, Visibility
from transom.domain.shares import MOST_COUNTED, FamilyLink, Given, RecipientShares, Use
from transom.sql.db import Database, Row
from transom.sql.images import BRIEF_COLUMNS, image_of_row, to_json
from transom.sql.inbox import OFFERED_AT
from transom.sql.live import live
from transom.sql.members import member_of_row

_MEMBER = ", ".join(f"member.{name}" for name in Member.__struct_fields__)
_MEMBER_WIDTH = len(Member.__struct_fields__)
_DETAILS = f"""
    {_MEMBER}, family.id, family.name, family_version.number, image_use.downloads, image_use.last_used_at"""
_DETAILS_WIDTH = _MEMBER_WIDTH + 5
_JOINED = """
    left join family on family.id = member.family_id
    left join family_version
        on family_version.image_id = member.image_id and family_version.family_id = member.family_id
    left join image_use
        on image_use.image_id = member.image_id and image_use.project_id = member.member_id"""

#: At most so many rows are read at once in no time.
_FEW = 26


def _given_of_row(row: Row, image: Sequence[object] = ()) -> Given:
    family_id, name, number, downloads, last_used_at = row[_MEMBER_WIDTH:_DETAILS_WIDTH]
    return Given(
        member=member_of_row(row[:_MEMBER_WIDTH]),
        family=FamilyLink(id=family_id, name=name, number=number) if family_id is not None else None,
        use=Use(downloads=downloads, last_used_at=last_used_at) if downloads is not None else None,
        image=image_of_row(image) if image else None,
    )


# By the primary key.
LIST_GIVEN = f"""
    select {_DETAILS} from member {_JOINED}
    where member.image_id = $1 and member.member_id > $2 and {live("$3")}
      and (cast($4 as text) is null or member.status = $4)
    order by member.member_id limit $5"""


async def list_given(
    db: Database, image_id: str, status: str | None, now: int, *, after: str, limit: int
) -> list[Given]:
    """The memberships of an image past `after`, by member id. `status`: only these."""
    values = (image_id, after, now, status, limit)
    if limit <= _FEW and status is None:
        rows = await db.read(LIST_GIVEN, *values)
    else:
        rows = await db.scan(LIST_GIVEN, *values)
    return [_given_of_row(row) for row in rows]


FIND_GIVEN = f"""
    select {_DETAILS} from member {_JOINED}
    where member.image_id = $1 and member.member_id = $2 and {live("$3")}"""


async def find_given(db: Database, image_id: str, member_id: str, now: int) -> Given | None:
    rows = await db.read(FIND_GIVEN, image_id, member_id, now)
    return _given_of_row(rows[0]) if rows else None


# What somebody decided of the set: who is in it, and until when.
LIST_TERMS = f"""
    select member_id, expires_at from member where image_id = $1 and {live("$2")} order by member_id"""


async def list_terms(db: Database, image_id: str, now: int) -> list[tuple[str, int]]:
    """(recipient, end of the share) of all of an image's memberships, by member id."""
    return [(row[0], row[1]) for row in await db.scan(LIST_TERMS, image_id, now)]


COUNT_GIVEN = "select " + ", ".join(
    f"""(select count(*) from (
        select 1 from member where image_id = $1 and status = '{status}' and {live("$2")}
        limit {MOST_COUNTED + 1}) as counted)"""
    for status in MemberStatus
)


async def count_given(db: Database, image_id: str, now: int) -> dict[str, int]:
    """The memberships of an image by status; each count stops at one more than MOST_COUNTED."""
    row = (await db.scan(COUNT_GIVEN, image_id, now))[0]
    return dict(zip(MemberStatus, map(int, row), strict=True))


# The recipient's range of `member_by_project`: whose an image is stands in no index of memberships.
LIST_GIVEN_TO = f"""
    select {_DETAILS}, {BRIEF_COLUMNS}
    from member join image on image.id = member.image_id {_JOINED}
    where member.member_id = $1 and {live("$2")} and image.owner = $3
      and image.visibility = '{Visibility.SHARED}'
      and {OFFERED_AT} <= $4 and ({OFFERED_AT} < $4 or member.image_id < $5)
    order by {OFFERED_AT} desc, member.image_id desc limit $6"""


async def list_given_to(
    db: Database, member_id: str, owner: str, now: int, *, before: tuple[int, str], limit: int
) -> list[Given]:
    """What `owner` shares with one recipient, newest offer first, from below `before` (time, id) on."""
    rows = await db.scan(LIST_GIVEN_TO, member_id, now, owner, *before, limit)
    return [_given_of_row(row, row[_DETAILS_WIDTH:]) for row in rows]


def _ends_of(kind: str, members: str, condition: str = "") -> str:
    """For each of the owner's things its `$4`th recipient past `$2`; `$5`, behind all, where it has fewer."""
    return f"""
        select {kind}.id, coalesce((
            select {members}.member_id from {members}
            where {members}.{kind}_id = {kind}.id and {members}.member_id > $2 and {live("$3", members)}
            order by {members}.member_id limit 1 offset $4 - 1), $5) as last_id
        from {kind} where {kind}.owner = $1 {condition}"""


def _range_of(kind: str, members: str, offered_at: str) -> str:
    return f"""
        select {members}.member_id, '{kind}' as kind, {members}.status, {offered_at} as offered_at
        from ends_of_{kind} as thing join {members}
          on {members}.{kind}_id = thing.id and {members}.member_id > $2
         and {members}.member_id <= thing.last_id and {live("$3", members)}"""


def _count_of(kind: str, status: str) -> str:
    return f"count(case when kind = '{kind}' and status = '{status}' then 1 end)"


_COUNTS = ", ".join(_count_of(kind, status) for kind in ("image", "family") for status in MemberStatus)
_SHARED = f"and image.visibility = '{Visibility.SHARED}'"
# A range of each thing's memberships, at most a page of them: who is among the first of all is among the
# first of each thing that it has.
LIST_RECIPIENTS = f"""
    with ends_of_image as materialized ({_ends_of("image", "member", _SHARED)}),
         ends_of_family as materialized ({_ends_of("family", "family_member")})
    select member_id, {_COUNTS}, max(offered_at)
    from ({_range_of("image", "member", OFFERED_AT)}
        union all
        {_range_of("family", "family_member", "family_member.offered_at")}) as given
    group by member_id order by member_id limit $4"""
#: No `member_id` is behind it.
_LAST = chr(0x10FFFF)


async def list_recipients(
    db: Database, owner: str, now: int, *, after: str, limit: int
) -> list[RecipientShares]:
    """Whom a project shares its images and families with, past `after` by their ids."""
    rows = await db.scan(LIST_RECIPIENTS, owner, after, now, limit, _LAST)
    return [_recipient_of_row(row) for row in rows]


#: To go through an enumeration takes longer.
_STATUSES = tuple(MemberStatus)


def _recipient_of_row(row: Row) -> RecipientShares:
    member_id, *counts, offered_at = row
    of_images, of_families = counts[: len(_STATUSES)], counts[len(_STATUSES) :]
    return RecipientShares(
        member_id=member_id,
        images=dict(zip(_STATUSES, map(int, of_images), strict=True)),
        families=dict(zip(_STATUSES, map(int, of_families), strict=True)),
        offered_at=int(offered_at),
    )


# The owner's images that have memberships, and how many each. `$2`: only these recipients', null: anyone's.
LIST_SHARED_OF = f"""
    select image.id, count(*)
    from image join member on member.image_id = image.id and {live("$3")}
    where image.owner = $1 and image.visibility = '{Visibility.SHARED}'
      and (cast($2 as text) is null
           or member.member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb))))
    group by image.id order by image.id"""


async def list_shared_of(
    db: Database, owner: str, member_ids: Sequence[str] | None, now: int
) -> list[tuple[str, int]]:
    """(image, how many memberships) of a project's images that are shared with any of these recipients, None:
    with anybody."""
    given = to_json(member_ids) if member_ids is not None else None
    rows = await db.scan(LIST_SHARED_OF, owner, given, now)
    return [(row[0], int(row[1])) for row in rows]
