"""What was offered to a project, newest first.

A page is a range of `member_received`, cut at its size before anything else is looked up for its rows, so
that it costs the same however many offers there are. Counts stop at one more than is shown, and those of what
was offered to a project itself read nothing but that index.
"""

from collections.abc import Sequence
from functools import lru_cache

from transom.domain.model import Member, MemberStatus, Visibility
from transom.domain.shares import MOST_COUNTED, FamilyLink, Publisher, Received
from transom.sql.db import Database, Row
from transom.sql.images import BRIEF_COLUMNS, COLUMNS, WIDTH, image_of_row
from transom.sql.live import live
from transom.sql.members import member_of_row

_MEMBER = ", ".join(f"member.{name}" for name in Member.__struct_fields__)
_MEMBER_WIDTH = len(Member.__struct_fields__)
#: The words of the index `member_received`.
OFFERED_AT = "coalesce(member.offered_at, member.created_at)"
_AWAKE = "not member.is_asleep"


def _received(project: str, more: str = "") -> str:
    """The term that is true of a membership whose image others share now. `project`: the statement's `$n` for
    who asks; `more`: further terms on the image. What the index says is not enough to show anybody an image.

    Not a join: memberships are read in the order of their index, and the reading ends with the page. A
    planner that thinks few images have another owner would begin with the images, and look at all of them.
    """
    return f"""{_AWAKE} and
    (select 1 from image
     where image.id = member.image_id and image.visibility = '{Visibility.SHARED}'
       and (image.owner is null or image.owner <> {project}) {more}) is not null"""


_DETAILS = f"""
    {_MEMBER}, family.id, family.name, family_version.number,
    publisher.name, publisher.url, publisher.verified_at, image_use.last_used_at"""
_JOINED = """
    join image on image.id = member.image_id
    left join family on family.id = member.family_id
    left join family_version
        on family_version.image_id = member.image_id and family_version.family_id = member.family_id
    left join publisher on publisher.project_id = image.owner
    left join image_use on image_use.image_id = member.image_id and image_use.project_id = $2"""

#: At most so many rows are read at once in no time.
_FEW = 26


def _received_of_row(row: Row) -> Received:
    member = member_of_row(row[WIDTH : WIDTH + _MEMBER_WIDTH])
    family_id, family_name, number, name, url, verified_at, last_used_at = row[WIDTH + _MEMBER_WIDTH :]
    return Received(
        image=image_of_row(row),
        member=member,
        family=FamilyLink(id=family_id, name=family_name, number=number) if family_id is not None else None,
        publisher=Publisher(name=name, url=url, verified_at=verified_at) if name is not None else None,
        last_used_at=last_used_at,
    )


def _page(limit: int, *, of_owner: bool = False, whole: bool = False) -> str:
    """The limit is a literal: for a parameter, planners assume a tenth of all rows. `of_owner`: filter by the
    owner `$7`. Without it the filter is left out: one that is always true would mislead the row estimate."""
    owner = "and image.owner = $7" if of_owner else ""
    return f"""
    select {COLUMNS if whole else BRIEF_COLUMNS}, {_DETAILS}
    from (select {_MEMBER} from member
          where member.member_id = $1 and member.status = $3 and {live("$4")}
            and {OFFERED_AT} <= $5 and ({OFFERED_AT} < $5 or member.image_id < $6)
            and {_received("$2", owner)}
          order by {OFFERED_AT} desc, member.image_id desc limit {int(limit)}) as member
    {_JOINED}
    order by {OFFERED_AT} desc, member.image_id desc"""


LIST_RECEIVED = _page(_FEW)


async def list_received(
    db: Database,
    member_id: str,
    project_id: str,
    status: str,
    now: int,
    *,
    before: tuple[int, str],
    owner: str | None,
    limit: int,
    whole: bool,
) -> list[Received]:
    """Images that were offered to `member_id` and have this status, newest offer first, from below `before`
    (time of the offer, id) on. `project_id`: the caller's; `owner`: only this project's; `whole`: with tags,
    properties and locations, of which others may have written 64 KiB each."""
    values: tuple[object, ...] = (member_id, project_id, status, now, *before)
    sql = LIST_RECEIVED
    if owner is not None:
        sql, values = _page(limit, of_owner=True, whole=whole), (*values, owner)
    elif whole or limit != _FEW:
        sql = _page(limit, whole=whole)
    if limit <= _FEW and owner is None:
        rows = await db.read(sql, *values)
    else:
        # Whose an image is stands in no index of memberships.
        rows = await db.scan(sql, *values)
    return [_received_of_row(row) for row in rows]


FIND_RECEIVED = f"""
    select {COLUMNS}, {_DETAILS}
    from member {_JOINED}
    where member.image_id = $3 and member.member_id = $1 and {live("$4")} and {_received("$2")}"""


async def find_received(
    db: Database, member_id: str, project_id: str, image_id: str, now: int
) -> Received | None:
    """One image that was offered to `member_id`. Look-ups by primary key."""
    rows = await db.read(FIND_RECEIVED, member_id, project_id, image_id, now)
    return _received_of_row(rows[0]) if rows else None


def _count(status: str) -> str:
    return f"""
    (select count(*) from (
        select 1 from member
        where member.member_id = $1 and member.status = '{status}' and {live("$3")} and {_AWAKE}
        limit {MOST_COUNTED + 1}) as counted)"""


def _shared_with(group: str, now: str) -> str:
    """The ids of images that others share with the group, such as the caller's domain. The caller may own
    some of the images shared with it: no index of memberships has the owner."""
    return f"""
        select member.image_id from member
        where member.member_id = {group} and member.status = '{MemberStatus.ACCEPTED}' and {live(now)}
          and {_received("$1")}
        order by {OFFERED_AT} desc, member.image_id desc limit {MOST_COUNTED + 1}"""


COUNT_RECEIVED = f"""
    select {", ".join(map(_count, MemberStatus))},
           (select count(*) from ({_shared_with("$2", "$3")}) as counted),
           (select {OFFERED_AT} from member
            where member.member_id = $1 and member.status = '{MemberStatus.PENDING}' and {live("$3")}
              and {_received("$1")}
            order by {OFFERED_AT} desc, member.image_id desc limit 1)"""


async def count_received(
    db: Database, project_id: str, domain_key: str | None, now: int
) -> tuple[dict[str, int], int, int | None]:
    """(offers to a project by status, images shared with its domain, when the newest pending offer was made).
    Each count stops at one more than MOST_COUNTED."""
    row = (await db.read(COUNT_RECEIVED, project_id, domain_key, now))[0]
    *counts, through_domain, newest = row
    by_status: dict[str, int] = dict(zip(MemberStatus, map(int, counts), strict=True))
    return by_status, int(through_domain), newest


@lru_cache(maxsize=16)
def _count_shared(groups: int) -> str:
    """`$1`: who asks, `$2`: now, then the groups. They are few, an organisation and units above one another,
    and each is cut by itself, so that the union of them has few rows, too."""
    ranges = (_shared_with(f"${n}", "$2") for n in range(3, 3 + groups))
    each = (f"select r{number}.image_id from ({one}) as r{number}" for number, one in enumerate(ranges))
    return f"select count(*) from ({' union '.join(each)}) as counted"


#: As the tests run it.
COUNT_SHARED_WITH = _count_shared(2)


async def count_shared_with(db: Database, project_id: str, groups: Sequence[str], now: int) -> int:
    """Images that are shared with one or several of these organisations and units; exact up to MOST_COUNTED,
    else more than that."""
    if not groups:
        return 0
    return int((await db.read(_count_shared(len(groups)), project_id, now, *groups))[0][0])


_ANSWERABLE = f"""
    from member
    where member.member_id = $1 and member.status = $2 and {live("$3")}
      and {_received("$1", "and (cast($4 as text) is null or image.owner = $4)")}"""

LIST_ANSWERABLE = f"""
    select member.image_id {_ANSWERABLE} order by {OFFERED_AT} desc, member.image_id desc limit $5"""


async def list_answerable(
    db: Database, project_id: str, status: str, owner: str | None, now: int, limit: int
) -> list[str]:
    """The images that were offered to a project and have this status, newest offer first."""
    rows = await db.scan(LIST_ANSWERABLE, project_id, status, now, owner, limit)
    return [row[0] for row in rows]


COUNT_ANSWERABLE = f"select count(*) {_ANSWERABLE}"


async def count_answerable(db: Database, project_id: str, status: str, owner: str | None, now: int) -> int:
    """How many `list_answerable` has without a limit."""
    rows = await db.scan(COUNT_ANSWERABLE, project_id, status, now, owner)
    return int(rows[0][0])


# `$1` and `$2`: the caller's project, which owns none of them, and the key of a group that it is in.
SHARED_WITH_GROUP = f"""
    select member.image_id from member
    where member.member_id = $2 and {live("$3")} and {_received("$1")}
      and member.image_id in (select value from jsonb_array_elements_text(cast($4 as jsonb)))"""
