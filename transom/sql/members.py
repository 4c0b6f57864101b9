"""Memberships: what a look finds, and every change of them. `to_statement` is the only place that writes any.

A change of one membership is a guarded statement: the guard repeats what the decision before it saw. A batch
of shares (`sharing/batches.py`) locks its images, looks at their memberships and then writes. Whatever adds
or removes a membership therefore waits for the lock of the image: otherwise the batch would insert again what
somebody else removed after its look. Who waits, and who need not:

- `OFFER` and `WITHDRAW` by `recipients_of` in their guard, without a further round trip;
- the scripts of `sharing/batches.py`, which begin with the lock;
- a deletion of the image, whose row is the lock, and which takes its memberships along;
- not `ANSWER` and `ANSWER_WITH_VAULT`: they neither add nor remove a row, and whoever decides on a status
  locks that row.
"""

import msgspec

from transom.domain.memberships import (
    Answer,
    AnswerEach,
    AnswerWithVault,
    Change,
    Found,
    NameVaultEach,
    Offer,
    OfferEach,
    Single,
    Withdraw,
    WithdrawEach,
)
from transom.domain.model import Member, MemberStatus, Visibility, domain_key
from transom.sql.batches import IDS
from transom.sql.db import Database, Row, Statement
from transom.sql.images import COLUMNS, IS_MEMBER, WIDTH, MemberIds, image_of_row, to_json

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


# ---- looks


FIND_MEMBER = f"""
    select {COLUMNS}, {IS_MEMBER},
           asked.image_id, asked.member_id, asked.status, asked.created_at, asked.updated_at, asked.vault_id
    from image
    left join member as asked on asked.image_id = image.id and asked.member_id = $4
    where image.id = $1"""


async def find_member(db: Database, image_id: str, member_ids: MemberIds, member_id: str) -> Found:
    """The image and the membership asked for, each as far as it exists. `member_ids`: the caller's own.

    One statement, look-ups by primary key.
    """
    return found_member(image_id, await db.read(FIND_MEMBER, image_id, *member_ids, member_id))


def found_member(image_id: str, rows: list[Row]) -> Found:
    """What FIND_MEMBER found."""
    if not rows:
        return Found(image_id=image_id)
    row = rows[0]
    asked = row[WIDTH + 1 :]
    return Found(
        image_id=image_id,
        image=image_of_row(row),
        is_member=bool(row[WIDTH]),
        member=_member_of_row(asked) if asked[0] is not None else None,
    )


async def find_any_member(db: Database, image_id: str, member_ids: MemberIds, own_id: str) -> Found:
    """As `find_member`, by the id of a project or, if there is no such member, of a domain."""
    found = await find_member(db, image_id, member_ids, own_id)
    if found.image is None or found.member is not None:
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


async def list_members(db: Database, image_id: str, member_ids: MemberIds) -> Found:
    """The image and all its memberships."""
    rows = await db.read(LIST_MEMBERS, image_id, *member_ids)
    if not rows:
        return Found(image_id=image_id)
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
    return Found(image_id=image_id, image=image_of_row(row), is_member=bool(row[WIDTH]), members=members)


COUNT_MEMBERS = "select count(*) from member where image_id = $1"


async def count_members(db: Database, image_id: str) -> int:
    rows = await db.read(COUNT_MEMBERS, image_id)
    return int(rows[0][0])


# ---- locks of one image, for a script

LOCK_IMAGE = "select id from image where id = $1 for update"

# The recipient's answer changes the membership without its image.
LOCK_MEMBER = "select member_id from member where image_id = $1 and member_id = $2 for update"


# ---- changes of one membership

_STILL_SHARED = f"""
    exists (select 1 from image where image.id = $1 and image.visibility = '{Visibility.SHARED}')"""

# `recipients_of` (schema.sql) waits for other changes of the image's memberships and counts these, all in
# this one statement: two offers that counted at once would both find the last place free.
OFFER = f"""
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)
    select image.id, $2, '{MemberStatus.PENDING}', image.created_at, cast($3 as bigint), cast($3 as bigint)
    from image
    where image.id = $1 and image.visibility = '{Visibility.SHARED}'
      and recipients_of(image.id) < cast($4 as bigint)
    on conflict (image_id, member_id) do nothing
    returning {_MEMBER_COLUMNS}"""

#: More than any image will ever have.
_NO_LIMIT = 2**62

# Needs no lock of the image: see above.
ANSWER = f"""
    update member set status = $3, updated_at = $4
    where image_id = $1 and member_id = $2 and {_STILL_SHARED}
    returning {_MEMBER_COLUMNS}"""

# No vault has an empty id.
ANSWER_WITH_VAULT = f"""
    update member
    set status = $3,
        updated_at = case when status = $3 then updated_at else cast($4 as bigint) end,
        vault_id = coalesce(cast($5 as text), vault_id)
    where image_id = $1 and member_id = $2 and coalesce(vault_id, '') = coalesce(cast($6 as text), '')
      and exists (select 1 from image where image.id = $1 and image.visibility = '{Visibility.SHARED}'
                  and image.updated_at = cast($7 as bigint))
    returning {_MEMBER_COLUMNS}"""

# `recipients_of` waits for the batches that look at the image, and tells whether it is still shared then.
WITHDRAW = f"""
    delete from member
    where image_id = $1 and member_id = $2
      and exists (select 1 from image where image.id = $1 and image.visibility = '{Visibility.SHARED}'
                  and recipients_of(image.id) >= 0)
    returning {_MEMBER_COLUMNS}"""


# ---- changes of those of many images; `$1` is a JSON array of the images' ids

OFFER_EACH = f"""
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

ANSWER_EACH = f"""
    update member set status = $3, updated_at = $4
    where member_id = $2 and image_id in {IDS} and status <> $3"""

NAME_VAULT_EACH = f"update member set vault_id = $3 where member_id = $2 and image_id in {IDS}"

WITHDRAW_EACH = f"""
    delete from member
    where image_id in {IDS}
      and member_id in (select value from jsonb_array_elements_text(cast($2 as jsonb)))"""

WITHDRAW_ALL = f"delete from member where image_id in {IDS}"


def to_statement(change: Change) -> Statement:
    """The statement that makes this change: whatever else has to happen with each change belongs here. Those
    of one membership return it as it is then, or was before it was removed; no row when their guard fails."""
    match change:
        case Answer():
            values: tuple[object, ...] = (change.image_id, change.member_id, change.status, change.now)
            return Statement(ANSWER, values)
        case Offer():
            most = change.quota if change.quota >= 0 else _NO_LIMIT
            return Statement(OFFER, (change.image_id, change.member_id, change.now, most))
        case Withdraw():
            return Statement(WITHDRAW, (change.image_id, change.member_id))
        case AnswerWithVault():
            who_and_what = (change.image_id, change.member_id, change.status, change.now, change.vault_id)
            return Statement(ANSWER_WITH_VAULT, (*who_and_what, change.seen_vault_id, change.seen_version))
        case OfferEach():
            pairs = to_json(change.image_ids), to_json(change.member_ids)
            return Statement(OFFER_EACH, (*pairs, change.now))
        case AnswerEach():
            values = (to_json(change.image_ids), change.member_id, change.status, change.now)
            return Statement(ANSWER_EACH, values)
        case NameVaultEach():
            values = (to_json(change.image_ids), change.member_id, change.vault_id)
            return Statement(NAME_VAULT_EACH, values)
        case WithdrawEach(member_ids=None):
            return Statement(WITHDRAW_ALL, (to_json(change.image_ids),))
        case WithdrawEach():
            return Statement(WITHDRAW_EACH, (to_json(change.image_ids), to_json(change.member_ids)))


async def change_member(db: Database, change: Single) -> Member | None:
    """Make the change; the membership, as of `to_statement`. None when what was seen holds no more."""
    statement = to_statement(change)
    rows = await db.write(statement.sql, *statement.values)
    return _member_of_row(rows[0]) if rows else None
