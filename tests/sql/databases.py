"""What tests of the database share: rows made at once, catalogs read out, query plans shown."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any, NamedTuple

from domain.samples import ACTOR, OWNER

from transom.clock import now_us
from transom.domain.memberships import Answer, Offer, Withdraw
from transom.domain.model import Image, Member
from transom.sql.db import TENANT, Database, Place, Result, Row, Script, SqlDialect, Statement
from transom.sql.images import to_json
from transom.sql.members import change_member, find_member

#: `Caller.member_ids` of nobody.
NOBODY = (None, None)

MakeUrl = Callable[[str], str]

SCHEMA = (files("transom.sql") / "schema.sql").read_text(encoding="utf-8")

_FIELDS = Image.__struct_fields__
#: Unlike the service's own INSERT it writes every column, data and all.
_WRITE_IMAGE = (
    f"insert into image ({', '.join(_FIELDS)}) "
    f"values ({', '.join(f'${n}' for n in range(1, len(_FIELDS) + 1))})"
)
_WRITE_MEMBER = """
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at, vault_id,
                        offered_at, offered_by, answered_at, message, ends_at, expires_at, family_id,
                        is_asleep)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"""


def write_image(image: Image) -> Statement:
    """An image as it stands, its data included."""
    in_json = {"tags", "properties", "locations"}
    return Statement(
        _WRITE_IMAGE,
        tuple(to_json(getattr(image, name)) if name in in_json else getattr(image, name) for name in _FIELDS),
    )


def write_member(member: Member, image: Image) -> Statement:
    return Statement(
        _WRITE_MEMBER,
        (
            image.id,
            member.member_id,
            member.status,
            image.created_at,
            member.created_at,
            member.updated_at,
            member.vault_id,
            member.offered_at,
            member.offered_by,
            member.answered_at,
            member.message,
            member.ends_at,
            member.expires_at,
            member.family_id,
            image.visibility != "shared" or image.owner == member.member_id,
        ),
    )


def world(images: list[Image], members: list[Member]) -> list[Statement]:
    """What makes these the only images and memberships there are."""
    by_id = {image.id: image for image in images}
    return [
        Statement("delete from image", ()),
        Statement("delete from deleted_image", ()),
        Statement("delete from loose_blob", ()),
        *(write_image(image) for image in images),
        *(write_member(member, by_id[member.image_id]) for member in members),
    ]


async def write_world(db: Database, images: list[Image], members: list[Member]) -> None:
    await db.transact(*world(images, members))


class _UndoneError(Exception):
    """Takes back what was run."""


async def run_and_undo(db: Database, statements: Sequence[Statement]) -> list[list[Row]]:
    """The rows of each statement; what they have changed is taken back."""
    found: list[list[Row]] = []

    def script() -> Script[None]:
        found.clear()
        for statement in statements:
            rows = yield statement
            found.append(rows)
        raise _UndoneError

    with suppress(_UndoneError):
        await db.run(script)
    return found


async def count(db: Database, table: str) -> int:
    return int((await db.read(f"select count(*) from {table}"))[0][0])


# ---- catalogs


_SQLITE_CATALOG = {
    "tables": "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by 1",
    "columns": """
        select t.name, c.name, lower(c.type), c."notnull", c.dflt_value, c.pk
        from sqlite_master as t join pragma_table_info(t.name) as c where t.type = 'table' order by 1, 2""",
    "indexes": """
        select t.name, i.name, i."unique", i.origin, i.partial, c.seqno, c.name, c."desc", c.coll
        from sqlite_master as t join pragma_index_list(t.name) as i join pragma_index_xinfo(i.name) as c
        where t.type = 'table' order by 1, 2, 6""",
    "partial indexes": """
        select name, replace(replace(lower(sql), char(10), ''), ' ', '') from sqlite_master
        where type = 'index' and sql like '% where %' order by 1""",
    "foreign keys": """
        select t.name, f."table", f."from", f."to", f.on_update, f.on_delete
        from sqlite_master as t join pragma_foreign_key_list(t.name) as f where t.type = 'table'
        order by 1, 3""",
    "others": """
        select type, name, replace(replace(lower(sql), char(10), ''), ' ', '') from sqlite_master
        where type in ('view', 'trigger') order by 1, 2""",
}
_POSTGRESQL_CATALOG = {
    "tables": "select tablename from pg_tables where schemaname = current_schema() order by 1",
    "columns": """
        select table_name, column_name, data_type, is_nullable, column_default, collation_name
        from information_schema.columns where table_schema = current_schema() order by 1, 2""",
    "indexes": "select tablename, indexdef from pg_indexes where schemaname = current_schema() order by 1, 2",
    "constraints": """
        select conrelid::regclass::text, contype::text, pg_get_constraintdef(oid) from pg_constraint
        where connamespace = current_schema()::regnamespace order by 1, 2, 3""",
    "triggers": """
        select pg_get_triggerdef(oid) from pg_trigger
        where not tgisinternal and tgrelid in
              (select oid from pg_class where relnamespace = current_schema()::regnamespace)
        order by 1""",
    "views": "select viewname, definition from pg_views where schemaname = current_schema() order by 1",
    "functions": """
        select proname::text, prosrc from pg_proc where pronamespace = current_schema()::regnamespace
        order by 1""",
    "others": """
        select relkind::text, relname::text from pg_class
        where relnamespace = current_schema()::regnamespace and relkind not in ('r', 'i') order by 1, 2""",
}


async def catalog(db: Database, kind: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the database knows of its tables; without the values in them."""
    statements = _SQLITE_CATALOG if kind == "sqlite" else _POSTGRESQL_CATALOG
    return {what: [tuple(row) for row in await db.scan(sql)] for what, sql in statements.items()}


_ASTRAY = """
    select * from (select * from {0} except select * from {1}) as astray"""
_WORDS = "(select image_id, word, owner, visibility, created_at from {0}) as words_of_{0}"


_KEPT, _WANTED = _WORDS.format("image_tag"), _WORDS.format("image_word")
#: Find the rows that the table of words lacks, and those that it should not have.
WORDS_ASTRAY = _ASTRAY.format(_KEPT, _WANTED), _ASTRAY.format(_WANTED, _KEPT)


async def words_astray(db: Database) -> list[Row]:
    return [row for sql in WORDS_ASTRAY for row in await db.scan(sql)]


_MISJUDGED = """
    select member.image_id, member.member_id, member.is_asleep
    from member join image on image.id = member.image_id
    where member.is_asleep
          <> (image.visibility <> 'shared' or coalesce(image.owner = member.member_id, false))"""


async def misjudged_members(db: Database) -> list[Row]:
    """The memberships of which `is_asleep` is not what their images say."""
    return await db.scan(_MISJUDGED)


# ---- query plans


class Asked(NamedTuple):
    sql: str
    values: tuple[Any, ...]
    as_short: bool
    tenant: str | None = None


class Tap:
    """A `Database` that answers from the real one and keeps what it was asked, to be explained."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.asked: list[Asked] = []

    @property
    def dialect(self) -> SqlDialect:
        return self._db.dialect

    def _note(self, sql: str, values: tuple[Any, ...], *, as_short: bool) -> None:
        self.asked.append(Asked(sql, values, as_short, TENANT.get()))

    async def read(self, sql: str, *values: Any) -> list[Row]:
        self._note(sql, values, as_short=True)
        return await self._db.read(sql, *values)

    async def scan(self, sql: str, *values: Any) -> list[Row]:
        self._note(sql, values, as_short=False)
        return await self._db.scan(sql, *values)

    async def write(self, sql: str, *values: Any) -> list[Row]:
        self._note(sql, values, as_short=True)
        return await self._db.write(sql, *values)

    async def transact(self, *statements: Statement) -> list[list[Row]] | None:
        for one in statements:
            self._note(one.sql, one.values, as_short=True)
        return await self._db.transact(*statements)

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        tenant = TENANT.get()
        return await self._db.run(lambda: self._tapped(make_script(), tenant))

    def _tapped(self, script: Script[Result], tenant: str | None) -> Script[Result]:
        rows: list[Row] | None = None
        while True:
            try:
                statement = next(script) if rows is None else script.send(rows)
            except StopIteration as end:
                result: Result = end.value
                return result
            self.asked.append(Asked(statement.sql, statement.values, False, tenant))
            rows = yield statement

    async def take_turn(self) -> None:
        await self._db.take_turn()

    def use_turns(self, take: Callable[[str], Awaitable[None]]) -> None:
        self._db.use_turns(take)

    def on_events(self, wake: Callable[[], None]) -> None:
        self._db.on_events(wake)

    async def require_writable(self) -> None:
        await self._db.require_writable()

    @property
    def is_full(self) -> bool:
        return self._db.is_full

    def now_us(self) -> int:
        return self._db.now_us()

    async def read_clock(self) -> float:
        return await self._db.read_clock()

    async def find_place(self) -> Place:
        return await self._db.find_place()

    async def close(self) -> None:
        await self._db.close()

    async def plans(self) -> list[str]:
        """How SQLite goes about each statement it was asked: a line a step, indented below what it serves."""
        return [
            _tree(await self._db.scan(f"explain query plan {one.sql}", *one.values)) for one in self.asked
        ]


def _tree(steps: list[Row]) -> str:
    depth = {0: -1}
    lines = []
    for step, parent, _, detail in steps:
        depth[step] = depth[parent] + 1
        lines.append("  " * depth[step] + detail)
    return "\n".join(lines)


# ---- changes of one membership


async def insert_member(
    db: Database, image_id: str, member_id: str, quota: int, now: int, owner: str | None = OWNER
) -> Member | None:
    offer = Offer(image_id=image_id, owner=owner, member_id=member_id, quota=quota, now=now)
    return await change_member(db, offer, ACTOR)


async def set_member_status(
    db: Database, image_id: str, member_id: str, status: str, now: int
) -> Member | None:
    was = (await find_member(db, image_id, NOBODY, member_id)).member
    if was is None:
        return None
    change = Answer(image_id=image_id, member_id=member_id, status=status, was=was.status, now=now)
    return await change_member(db, change, ACTOR)


async def delete_member(db: Database, image_id: str, member_id: str) -> Member | None:
    return await change_member(db, Withdraw(image_id=image_id, member_id=member_id, now=now_us()), ACTOR)
