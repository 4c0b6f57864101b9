"""Memberships. Each change is one guarded statement: the guard repeats what the decision before it saw.

A batch of shares (`batches.py`) locks its images, looks at their memberships and then writes. Whatever adds
or removes a membership therefore waits for the lock of the image: otherwise the batch would insert again what
somebody else removed after its look. Who waits, and who need not:

- `INSERT_MEMBER` and `DELETE_MEMBER` by `recipients_of` in their guard, without a further round trip;
- the scripts of `batches.py` and `shares.py`, which begin with the lock;
- a deletion of the image, whose row is the lock;
- not `SET_MEMBER_STATUS`: it neither adds nor removes a row, and whoever decides on a status locks that row.
"""

import msgspec

from transom.domain.model import Image, Member, MemberStatus, Visibility, domain_key
from transom.sql.batches import IDS
from transom.sql.db import Database, Row
from transom.sql.images import COLUMNS, IS_MEMBER, WIDTH, MemberIds, image_of_row

_MEMBER_COLUMNS = "image_id, member_id, status, created_at, updated_at, vault_id"


def _member_of_row(row: Row) -> Member:
    return Member(
        image_id=row[0],
        member_id=row[1],
        status=row[2],
        created_at=row[3],
        updated_at=row[4],
        vault_id=row[5],
    )


FIND_MEMBER = f"""
    select {COLUMNS}, {IS_MEMBER},
           asked.image_id, asked.member_id, asked.status, asked.created_at, asked.updated_at, asked.vault_id
    from image
    left join member as asked on asked.image_id = image.id and asked.member_id = $4
    where image.id = $1"""


async def find_member(
    db: Database, image_id: str, member_ids: MemberIds, member_id: str
) -> tuple[Image | None, bool, Member | None]:
    """(the image, whether one of `member_ids` is a member of it, the membership asked for), each as far as it
    exists.

    One statement, look-ups by primary key.
    """
    return found_member(await db.read(FIND_MEMBER, image_id, *member_ids, member_id))


def found_member(rows: list[Row]) -> tuple[Image | None, bool, Member | None]:
    """What FIND_MEMBER found, as `find_member` returns it."""
    if not rows:
        return None, False, None
    row = rows[0]
    asked = row[WIDTH + 1 :]
    return image_of_row(row), bool(row[WIDTH]), _member_of_row(asked) if asked[0] is not None else None


async def find_any_member(
    db: Database, image_id: str, member_ids: MemberIds, own_id: str
) -> tuple[Image | None, bool, Member | None]:
    """As `find_member`, by the id of a project or, if there is no such member, of a domain."""
    found = await find_member(db, image_id, member_ids, own_id)
    if found[0] is None or found[2] is not None:
        return found
    return await find_member(db, image_id, member_ids, domain_key(own_id))


# The members come as one JSON value: the image is read once, not once for each of them.
LIST_MEMBERS = f"""
    select {COLUMNS}, {IS_MEMBER},
           (select json_agg(json_build_array(member.member_id, member.status, member.created_at,
                                             member.updated_at, member.vault_id))
            from member where member.image_id = image.id)
    from image where image.id = $1"""

_decode_members = msgspec.json.Decoder(list[tuple[str, str, int, int, str | None]] | None).decode


async def list_members(
    db: Database, image_id: str, member_ids: MemberIds
) -> tuple[Image | None, bool, list[Member]]:
    """(the image, whether one of `member_ids` is a member of it, all memberships by member id)."""
    rows = await db.read(LIST_MEMBERS, image_id, *member_ids)
    if not rows:
        return None, False, []
    row = rows[0]
    found = _decode_members(row[WIDTH + 1]) if row[WIDTH + 1] is not None else None
    members = [
        Member(
            image_id=image_id,
            member_id=member_id,
            status=status,
            created_at=created,
            updated_at=updated,
            vault_id=vault_id,
        )
        for member_id, status, created, updated, vault_id in sorted(found or [], key=lambda row: row[0])
    ]
    return image_of_row(row), bool(row[WIDTH]), members


_STILL_SHARED = f"""
    exists (select 1 from image where image.id = $1 and image.visibility = '{Visibility.SHARED}')"""

# The recipient's answer changes the membership without its image.
LOCK_MEMBER = "select member_id from member where image_id = $1 and member_id = $2 for update"

LOCK_IMAGE = "select id from image where id = $1 for update"

# `recipients_of` (schema.sql) waits for other changes of the image's memberships and counts these, all in
# this one statement.
INSERT_MEMBER = f"""
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)
    select image.id, $2, '{MemberStatus.PENDING}', image.created_at, cast($3 as bigint), cast($3 as bigint)
    from image
    where image.id = $1 and image.visibility = '{Visibility.SHARED}'
      and recipients_of(image.id) < cast($4 as bigint)
    on conflict (image_id, member_id) do nothing
    returning {_MEMBER_COLUMNS}"""

#: More than any image will ever have.
_NO_LIMIT = 2**62


async def insert_member(db: Database, image_id: str, member_id: str, quota: int, now: int) -> Member | None:
    """The new, pending membership; None when it exists, the image is full, not shared, or gone.

    `quota`: most members of an image, negative for no limit. Offers of one image wait for each other: two
    that counted at once would both find the last place free.
    """
    most = quota if quota >= 0 else _NO_LIMIT
    rows = await db.write(INSERT_MEMBER, image_id, member_id, now, most)
    return _member_of_row(rows[0]) if rows else None


COUNT_MEMBERS = "select count(*) from member where image_id = $1"


async def count_members(db: Database, image_id: str) -> int:
    rows = await db.read(COUNT_MEMBERS, image_id)
    return int(rows[0][0])


# Needs no lock of the image: see above.
SET_MEMBER_STATUS = f"""
    update member set status = $3, updated_at = $4
    where image_id = $1 and member_id = $2 and {_STILL_SHARED}
    returning {_MEMBER_COLUMNS}"""


async def set_member_status(
    db: Database, image_id: str, member_id: str, status: str, now: int
) -> Member | None:
    """The changed membership; None when it is gone or the image is no longer shared."""
    rows = await db.write(SET_MEMBER_STATUS, image_id, member_id, status, now)
    return _member_of_row(rows[0]) if rows else None


# `recipients_of` waits for the batches that look at the image, and tells whether it is still shared then.
DELETE_MEMBER = f"""
    delete from member
    where image_id = $1 and member_id = $2
      and exists (select 1 from image where image.id = $1 and image.visibility = '{Visibility.SHARED}'
                  and recipients_of(image.id) >= 0)
    returning member_id"""


async def delete_member(db: Database, image_id: str, member_id: str) -> bool:
    """False when the membership is gone already or the image is no longer shared."""
    return bool(await db.write(DELETE_MEMBER, image_id, member_id))


# ---- of many images at once; `$1` is a JSON array of their ids

# A private image may have memberships from a time when it was shared. They are not to come back.
FORGET_OLD_MEMBERS = f"delete from member where image_id in {IDS}"

# A domain's membership needs no acceptance; a project that once rejected an offer is made a new one.
SHARE = f"""
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)
    select image.id, recipient.value,
           case when recipient.value like '%/%' then '{MemberStatus.ACCEPTED}'
                else '{MemberStatus.PENDING}' end,
           image.created_at, cast($3 as bigint), cast($3 as bigint)
    from image cross join jsonb_array_elements_text(cast($2 as jsonb)) as recipient
    where image.id in {IDS}
    on conflict (image_id, member_id) do update
    set status = '{MemberStatus.PENDING}', updated_at = excluded.updated_at, vault_id = null
    where member.status = '{MemberStatus.REJECTED}'"""


WITHDRAW = f"""
    delete from member
    where image_id in {IDS}
      and member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb)))"""


ANSWER = f"""
    update member set status = $3, updated_at = $4
    where member_id = $2 and image_id in {IDS} and status <> $3"""

NAME_VAULT = f"update member set vault_id = $3 where member_id = $2 and image_id in {IDS}"
