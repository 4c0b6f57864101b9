"""Families as one caller sees them: how it stands to them, their versions and members."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from transom.domain.families import Family, GivenFamily, MemberCounts, Overview, Seen, Version
from transom.domain.model import FOR_EVERYBODY, NEVER, MemberStatus, Visibility
from transom.sql.db import Database, Row, Script, Statement
from transom.sql.families import LIST_MEMBER_TERMS
from transom.sql.family_rows import (
    BRIEF_IMAGE_COLUMNS,
    FAMILY_COLUMNS,
    FAMILY_WIDTH,
    MEMBER_COLUMNS,
    VERSION_COLUMNS,
    family_of_row,
    member_of_row,
    version_of_row,
)
from transom.sql.images import to_json
from transom.sql.member_ids import OWN_IDS, MemberIds, with_own_ids

#: At most so many rows are read at once in no time.
_FEW = 26

# ---- what a caller sees

_SEEN = f"""
    (image.visibility in ({", ".join(f"'{one}'" for one in FOR_EVERYBODY)})
     or image.visibility = '{Visibility.SHARED}'
     and exists (select 1 from member
                 where member.image_id = image.id and member.member_id in {OWN_IDS}
                   and member.ends_at > $4))"""

_SEES_CURRENT = f"""
    exists (select 1 from family_version join image on image.id = family_version.image_id
            where family_version.family_id = family.id and family_version.number = family.current_number
              and {_SEEN})"""

# That of a domain or an organisation is accepted from the start, and counts beside the project's own.
_OWN_STATUS = f"""
    (select min(family_member.status) from family_member
     where family_member.family_id = family.id and family_member.member_id in {OWN_IDS}
       and family_member.ends_at > $4)"""

SEE_FAMILY = f"select {FAMILY_COLUMNS}, {_OWN_STATUS}, {_SEES_CURRENT} from family where family.id = $1"


def seen_of_row(row: Row) -> Seen:
    status, sees_current = row[FAMILY_WIDTH : FAMILY_WIDTH + 2]
    return Seen(family=family_of_row(row), status=status, sees_current=bool(sees_current))


async def find_family(db: Database, family_id: str, member_ids: MemberIds, now: int) -> Seen | None:
    """One look-up by primary keys."""
    rows = await db.read(*with_own_ids(SEE_FAMILY, family_id, member_ids, now))
    return seen_of_row(rows[0]) if rows else None


_AFTER = "(family.name, family.id) > ($5, $6)"
_PAGE = "order by family.name, family.id limit $7"

# A range of the unique index (owner, name), whose families are few (`family_quota`).
LIST_OWNED = f"""
    select {FAMILY_COLUMNS}, {_OWN_STATUS}, {_SEES_CURRENT} from family
    where family.owner = $1 and {_AFTER} {_PAGE}"""

# As before, of those that `rules.sees` lets the caller see; `$8`: all of them.
LIST_SEEN = f"""
    select {FAMILY_COLUMNS}, {_OWN_STATUS}, {_SEES_CURRENT} from family
    where family.owner = $1 and {_AFTER}
      and (cast($8 as boolean)
           or {_OWN_STATUS} in ('{MemberStatus.ACCEPTED}', '{MemberStatus.PENDING}') or {_SEES_CURRENT})
    {_PAGE}"""

# Two ranges of `family_member_inbox` for each of the ids.
LIST_JOINED = f"""
    select {FAMILY_COLUMNS}, {_OWN_STATUS}, {_SEES_CURRENT} from family
    where family.id in (
        select joined.family_id from family_member as joined
        where joined.member_id in {OWN_IDS} and joined.ends_at > $4
          and joined.status in ('{MemberStatus.ACCEPTED}', '{MemberStatus.PENDING}'))
      and (cast($1 as text) is null or family.owner = $1) and {_AFTER} {_PAGE}"""


async def list_owned(
    db: Database, owner: str, member_ids: MemberIds, now: int, after: tuple[str, str], limit: int
) -> list[Seen]:
    """The families of a project past `after` (name, id), by these."""
    rows = await db.read(*with_own_ids(LIST_OWNED, owner, member_ids, now, *after, limit))
    return [seen_of_row(row) for row in rows]


async def list_seen(
    db: Database,
    owner: str,
    member_ids: MemberIds,
    now: int,
    after: tuple[str, str],
    limit: int,
    *,
    sees_all: bool,
) -> list[Seen]:
    """As `list_owned`, of another project's: those that are seen by one of `member_ids`, or all of them."""
    rows = await db.read(*with_own_ids(LIST_SEEN, owner, member_ids, now, *after, limit, sees_all))
    return [seen_of_row(row) for row in rows]


async def list_joined(
    db: Database, owner: str | None, member_ids: MemberIds, now: int, after: tuple[str, str], limit: int
) -> list[Seen]:
    """As `list_owned`, of those that were offered to one of `member_ids` and not rejected. `owner`: whose
    they are, None: anybody's."""
    asked = with_own_ids(LIST_JOINED, owner, member_ids, now, *after, limit)
    rows = await db.scan(*asked)
    return [seen_of_row(row) for row in rows]


# By the primary key, from the end. Callers other than the owner see promoted versions only.
LIST_SEEN_VERSIONS = f"""
    select {VERSION_COLUMNS}, {BRIEF_IMAGE_COLUMNS}, {_SEEN}, family.current_number
    from family_version
    join family on family.id = family_version.family_id
    join image on image.id = family_version.image_id
    where family_version.family_id = $1 and family_version.number < $5
      and (cast($6 as boolean) or family_version.promoted_at is not null)
    order by family_version.number desc limit $7"""

# By primary keys.
FIND_SEEN_VERSION = f"""
    select {FAMILY_COLUMNS}, {VERSION_COLUMNS}, {BRIEF_IMAGE_COLUMNS}, {_SEEN}, family.current_number
    from family
    left join family_version on family_version.family_id = family.id
        and family_version.number = coalesce(cast($5 as bigint), family.current_number)
    left join image on image.id = family_version.image_id
    where family.id = $1"""


class SeenVersion(NamedTuple):
    """`is_seen`: whether one of the caller's ids sees the image. `current_number`: of the family, when the
    version was as it is here."""

    version: Version
    is_seen: bool
    current_number: int | None


def _seen_version(row: Row) -> SeenVersion:
    return SeenVersion(version_of_row(row), bool(row[-2]), row[-1])


async def list_versions(
    db: Database,
    family_id: str,
    member_ids: MemberIds,
    now: int,
    *,
    before: int,
    limit: int,
    with_candidates: bool,
) -> list[SeenVersion]:
    """The versions with numbers below `before`, newest first."""
    asked = with_own_ids(LIST_SEEN_VERSIONS, family_id, member_ids, now, before, with_candidates, limit)
    if limit <= _FEW:
        rows = await db.read(*asked)
    else:
        rows = await db.scan(*asked)
    return [_seen_version(row) for row in rows]


async def find_version(
    db: Database, family_id: str, member_ids: MemberIds, now: int, number: int | None
) -> tuple[Family, SeenVersion | None] | None:
    """The family, and its version of this number (None: the current one), if it has that: both of one moment.
    None when there is no family."""
    rows = await db.read(*with_own_ids(FIND_SEEN_VERSION, family_id, member_ids, now, number))
    if not rows:
        return None
    of_version = rows[0][FAMILY_WIDTH:]
    return family_of_row(rows[0]), _seen_version(of_version) if of_version[0] is not None else None


# By the primary keys, for each version of the family.
_LAST_USED = """
    (select max(image_use.last_used_at)
     from family_version join image_use on image_use.image_id = family_version.image_id
     where family_version.family_id = family_member.family_id
       and image_use.project_id = family_member.member_id)"""

# By the primary key.
LIST_FAMILY_MEMBERS = f"""
    select {MEMBER_COLUMNS}, {_LAST_USED} from family_member
    where family_id = $1 and member_id > $2 and ends_at > $3 and (cast($4 as text) is null or status = $4)
    order by member_id limit $5"""


async def list_members(
    db: Database, family_id: str, status: str | None, after: str, now: int, limit: int
) -> list[GivenFamily]:
    """The members past `after`, by their ids. `status`: only those with this one."""
    rows = await db.scan(LIST_FAMILY_MEMBERS, family_id, after, now, status, limit)
    return [GivenFamily(member=member_of_row(row), last_used_at=row[-1]) for row in rows]


async def list_terms(db: Database, family_id: str, now: int) -> list[tuple[str, int]]:
    """As `families.list_terms`."""
    rows = await db.scan(LIST_MEMBER_TERMS, family_id, now)
    return [(row[0], row[1]) for row in rows]


FIND_GIVEN_MEMBER = f"""
    select {MEMBER_COLUMNS}, {_LAST_USED} from family_member
    where family_id = $1 and member_id = $2 and ends_at > $3"""


async def find_member(db: Database, family_id: str, member_id: str, now: int) -> GivenFamily | None:
    return _given_of_rows(await db.read(FIND_GIVEN_MEMBER, family_id, member_id, now))


def see_member(family_id: str, member_id: str, now: int) -> Script[GivenFamily | None]:
    """As `find_member`, in the transaction of a script."""
    return _given_of_rows((yield Statement(FIND_GIVEN_MEMBER, (family_id, member_id, now))))


def _given_of_rows(rows: Sequence[Row]) -> GivenFamily | None:
    return GivenFamily(member=member_of_row(rows[0]), last_used_at=rows[0][-1]) if rows else None


# The recipient's range of `family_member_inbox`: whose a family is stands in no index of memberships.
LIST_FAMILIES_GIVEN_TO = f"""
    select {FAMILY_COLUMNS}, {MEMBER_COLUMNS}, {_LAST_USED}
    from family_member join family on family.id = family_member.family_id
    where family_member.member_id = $1 and family_member.ends_at > $2 and family.owner = $3
      and family_member.offered_at <= $4
      and (family_member.offered_at < $4 or family_member.family_id < $5)
    order by family_member.offered_at desc, family_member.family_id desc limit $6"""


async def list_given_to(
    db: Database, member_id: str, owner: str, now: int, *, before: tuple[int, str], limit: int
) -> list[GivenFamily]:
    """The families that `owner` shares with one recipient, newest offer first, from below `before` (time, id)
    on."""
    rows = await db.scan(LIST_FAMILIES_GIVEN_TO, member_id, now, owner, *before, limit)
    return [
        GivenFamily(member=member_of_row(row[FAMILY_WIDTH:]), last_used_at=row[-1], family=family_of_row(row))
        for row in rows
    ]


# Each count ends at `$3`: to count all of many takes long, and nobody reads the number.
_MEMBERS = "from family_member where family_id = $1 and ends_at > $2 and"
_ASKED = f"new_versions = '{MemberStatus.PENDING}'"
COUNT_BY_ANSWER = f"""
    select (select count(*) from (select 1 {_MEMBERS} status = '{MemberStatus.ACCEPTED}' limit $3) as one),
           (select count(*) from (
               select 1 {_MEMBERS} status = '{MemberStatus.ACCEPTED}' and {_ASKED} limit $3
           ) as one),
           (select count(*) from (select 1 {_MEMBERS} status = '{MemberStatus.PENDING}' limit $3) as one),
           (select count(*) from (select 1 {_MEMBERS} status = '{MemberStatus.REJECTED}' limit $3) as one)"""


async def count_by_answer(db: Database, family_id: str, now: int, limit: int) -> MemberCounts:
    """No count is more than `limit`."""
    (counts,) = await db.scan(COUNT_BY_ANSWER, family_id, now, limit)
    return _counts_of(*counts)


def _counts_of(accepted: int, asked: int, pending: int, rejected: int) -> MemberCounts:
    return MemberCounts(accepted=accepted, asked_each_time=asked, pending=pending, rejected=rejected)


def _counted(condition: str) -> str:
    return f"count(case when {condition} then 1 end)"


# By the primary keys, for each of the families: its first `$3` members are read once, whatever they answered.
LIST_OVERVIEWS = f"""
    select family.id, family_version.promoted_at,
           (select json_build_array(
                {_counted(f"status = '{MemberStatus.ACCEPTED}'")},
                {_counted(f"status = '{MemberStatus.ACCEPTED}' and {_ASKED}")},
                {_counted(f"status = '{MemberStatus.PENDING}'")},
                {_counted(f"status = '{MemberStatus.REJECTED}'")})
            from (select status, new_versions from family_member
                  where family_id = family.id and ends_at > $2 order by member_id limit $3) as one)
    from family left join family_version
        on family_version.family_id = family.id and family_version.number = family.current_number
    where family.id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))"""

_decode_counts = msgspec.json.Decoder(tuple[int, int, int, int]).decode


async def list_overviews(
    db: Database, family_ids: Sequence[str], now: int, limit: int
) -> dict[str, Overview]:
    """By family. Of each only the first `limit` members are counted."""
    rows = await db.scan(LIST_OVERVIEWS, to_json(family_ids), now, limit)
    return {
        family_id: Overview(promoted_at=promoted_at, members=_counts_of(*_decode_counts(counts)))
        for family_id, promoted_at, counts in rows
    }


# ---- for sets of them

# A range of `family_member_inbox`.
LIST_ANSWERABLE_FAMILIES = """
    select family_member.family_id from family_member join family on family.id = family_member.family_id
    where family_member.member_id = $1 and family_member.status = $2 and family_member.ends_at > $4
      and (cast($3 as text) is null or family.owner = $3)
    order by family_member.offered_at desc, family_member.family_id desc"""

LIST_OWNED_IDS = "select id from family where owner = $1 order by id"


async def list_answerable(
    db: Database, project_id: str, status: str, owner: str | None, now: int
) -> list[str]:
    """The families that were offered to a project and have this status, newest offer first. `owner`: only
    this project's."""
    rows = await db.scan(LIST_ANSWERABLE_FAMILIES, project_id, status, owner, now)
    return [row[0] for row in rows]


async def list_owned_ids(db: Database, owner: str) -> list[str]:
    return [row[0] for row in await db.read(LIST_OWNED_IDS, owner)]


# ---- what is due

LIST_DUE_REVOCATIONS = f"""
    select family_id, number from family_version
    where revoked_at is null and revoke_at < {NEVER} and revoke_at <= $1
    order by revoke_at limit $2"""

NEXT_REVOCATION = f"""
    select min(revoke_at) from family_version where revoked_at is null and revoke_at < {NEVER}"""

LIST_ENDED_MEMBERS = f"""
    select family_id, member_id from family_member
    where ends_at < {NEVER} and ends_at <= $1
    order by ends_at limit $2"""

NEXT_MEMBER_END = f"select min(ends_at) from family_member where ends_at < {NEVER}"


async def list_ended_members(db: Database, now: int, limit: int) -> list[tuple[str, str]]:
    """(family, member) of those that have ended, the first ones first."""
    rows = await db.read(LIST_ENDED_MEMBERS, now, limit)
    return [(row[0], row[1]) for row in rows]


async def list_due_revocations(db: Database, now: int, limit: int) -> list[tuple[str, int]]:
    """(family, number) of the versions whose time has come."""
    rows = await db.read(LIST_DUE_REVOCATIONS, now, limit)
    return [(row[0], row[1]) for row in rows]


async def find_next_due(db: Database) -> int:
    """When the next member ends or version is revoked; NEVER when none does."""
    nexts = [(await db.read(sql))[0][0] for sql in (NEXT_REVOCATION, NEXT_MEMBER_END)]
    return min((one for one in nexts if one is not None), default=NEVER)
