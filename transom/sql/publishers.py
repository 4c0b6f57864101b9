"""Verified names of publishers, by project."""

from collections.abc import Iterable, Mapping

from transom.domain.errors import ConflictError
from transom.domain.publishers import Guard, Publisher, name_key
from transom.sql.db import Database, Row, Script, Statement
from transom.sql.images import to_json

_COLUMNS = "project_id, name, url, support, verified_at"


def _publisher_of_row(row: Row) -> Publisher:
    return Publisher(project_id=row[0], name=row[1], url=row[2], support=row[3], verified_at=row[4])


LIST_PUBLISHERS = f"""
    select {_COLUMNS} from publisher
    where project_id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))"""


async def find_publishers(db: Database, project_ids: Iterable[str]) -> Mapping[str, Publisher]:
    """The verified ones among these projects, by project. Look-ups by primary key."""
    rows = await db.read(LIST_PUBLISHERS, to_json(list(project_ids)))
    return {row[0]: _publisher_of_row(row) for row in rows}


# All changes come one after the other: there are few, and two names are compared.
LOCK_PUBLISHERS = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
FIND_PUBLISHER = f"select {_COLUMNS} from publisher where project_id = $1"
FIND_NAMESAKE = "select project_id from publisher where name_key = $1 and project_id <> $2"
PUT_PUBLISHER = """
    insert into publisher (project_id, name, name_key, url, support, verified_at, verified_by)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (project_id) do update
    set name = excluded.name, name_key = excluded.name_key, url = excluded.url, support = excluded.support,
        verified_at = excluded.verified_at, verified_by = excluded.verified_by"""
DELETE_PUBLISHER = "delete from publisher where project_id = $1"


def put_publisher(publisher: Publisher, user_id: str, guard: Guard) -> Script[bool]:
    """Verify the name, or another one; whether the project had none. ConflictError for a name that is, or
    looks like, that of another project."""
    before = yield from _look(publisher.project_id, guard)
    key = name_key(publisher.name)
    if (yield Statement(FIND_NAMESAKE, (key, publisher.project_id))):
        raise ConflictError(f"Another publisher has the name '{publisher.name}', or one like it.")
    named = publisher.project_id, publisher.name, key, publisher.url, publisher.support
    yield Statement(PUT_PUBLISHER, (*named, publisher.verified_at, user_id))
    return before is None


def delete_publisher(project_id: str, guard: Guard) -> Script[bool]:
    """Take the name away; whether there was one."""
    before = yield from _look(project_id, guard)
    yield Statement(DELETE_PUBLISHER, (project_id,))
    return before is not None


def _look(project_id: str, guard: Guard) -> Script[Publisher | None]:
    yield Statement(LOCK_PUBLISHERS, ("publisher",), is_lock=True)
    rows = yield Statement(FIND_PUBLISHER, (project_id,))
    found = _publisher_of_row(rows[0]) if rows else None
    guard(found)
    return found
