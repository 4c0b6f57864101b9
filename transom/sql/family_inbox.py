"""Families that were offered to a project, newest first; `inbox.py` is the same for images."""

from transom.domain.families import ReceivedFamily
from transom.domain.model import MemberStatus
from transom.domain.shares import MOST_COUNTED, Publisher
from transom.sql.db import Database, Row
from transom.sql.family_rows import (
    FAMILY_COLUMNS,
    FAMILY_WIDTH,
    MEMBER_COLUMNS,
    MEMBER_WIDTH,
    family_of_row,
    member_of_row,
)

#: Rows of a short page, which is read on the event loop; a longer one is scanned beside it.
_FEW = 26
_DETAILS = f"""
    {FAMILY_COLUMNS}, {MEMBER_COLUMNS}, publisher.name, publisher.url, publisher.verified_at
    from family_member join family on family.id = family_member.family_id
    left join publisher on publisher.project_id = family.owner"""

# A range of `family_member_inbox`.
LIST_RECEIVED_FAMILIES = f"""
    select {_DETAILS}
    where family_member.member_id = $1 and family_member.status = $2 and family_member.ends_at > $3
      and family_member.offered_at <= $4
      and (family_member.offered_at < $4 or family_member.family_id < $5)
      and (cast($6 as text) is null or family.owner = $6)
    order by family_member.offered_at desc, family_member.family_id desc limit $7"""

FIND_RECEIVED_FAMILY = f"""
    select {_DETAILS}
    where family_member.family_id = $1 and family_member.member_id = $2 and family_member.ends_at > $3"""


def _of_row(row: Row) -> ReceivedFamily:
    name, url, verified_at = row[FAMILY_WIDTH + MEMBER_WIDTH :]
    return ReceivedFamily(
        family=family_of_row(row),
        member=member_of_row(row[FAMILY_WIDTH:]),
        publisher=Publisher(name=name, url=url, verified_at=verified_at) if name is not None else None,
    )


async def list_received(
    db: Database,
    member_id: str,
    status: str,
    now: int,
    *,
    before: tuple[int, str],
    owner: str | None,
    limit: int,
) -> list[ReceivedFamily]:
    """Families that were offered to `member_id` and have this status, newest offer first, from below `before`
    (time of the offer, id) on. `owner`: only this project's."""
    values = (member_id, status, now, *before, owner, limit)
    if limit <= _FEW and owner is None:
        rows = await db.read(LIST_RECEIVED_FAMILIES, *values)
    else:
        # Whose a family is stands in no index of its members.
        rows = await db.scan(LIST_RECEIVED_FAMILIES, *values)
    return [_of_row(row) for row in rows]


async def find_received(db: Database, family_id: str, member_id: str, now: int) -> ReceivedFamily | None:
    rows = await db.read(FIND_RECEIVED_FAMILY, family_id, member_id, now)
    return _of_row(rows[0]) if rows else None


def _count(status: str) -> str:
    return f"""
    (select count(*) from (
        select 1 from family_member where member_id = $1 and status = '{status}' and ends_at > $2
        limit {MOST_COUNTED + 1}) as counted)"""


COUNT_RECEIVED_FAMILIES = f"""
    select {", ".join(map(_count, MemberStatus))},
           (select max(offered_at) from family_member
            where member_id = $1 and status = '{MemberStatus.PENDING}' and ends_at > $2)"""


async def count_received(db: Database, member_id: str, now: int) -> tuple[dict[str, int], int | None]:
    """(families by status, each at most one more than MOST_COUNTED; when the newest pending one was made)."""
    *counts, newest = (await db.read(COUNT_RECEIVED_FAMILIES, member_id, now))[0]
    return dict(zip(map(str, MemberStatus), map(int, counts), strict=True)), newest
