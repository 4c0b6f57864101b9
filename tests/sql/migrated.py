"""Migrated databases to lend: making one and its schema takes PostgreSQL longer than most tests do.

SQLite's are copies of one file. PostgreSQL's are used again and again: each is emptied before it is lent
once more, and left alone for good when a test changed its schema.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
from harness.postgresql import PostgreSQL

from transom.sql.connect import open_database
from transom.sql.migrate import migrate

from .databases import catalog

#: No test may keep what the next one waits for.
COMMAND_S = 60

# Whatever a test may have added to the schema has an id that none had before.
_NEWEST_OBJECT = """
    select greatest((select max(cast(cast(oid as text) as bigint)) from pg_class where relkind <> 't'),
                    (select max(cast(cast(oid as text) as bigint)) from pg_proc),
                    (select max(cast(cast(oid as text) as bigint)) from pg_trigger)),
           (select count(*) from pg_class), (select count(*) from pg_trigger)"""


class MigratedDatabases:
    """The databases of one test process, each lent to one test at a time."""

    def __init__(self, folder: Path, postgresql: PostgreSQL) -> None:
        """`folder`: an empty folder for the files of SQLite."""
        self._folder = folder
        self._postgresql = postgresql
        self._copies = 0
        self._returned: list[_Lendable] = []

    @contextmanager
    def lend(self, kind: str) -> Iterator[str]:
        """The URL of a database that holds what the migrations put into it and nothing else."""
        if kind == "sqlite":
            yield self._copy_file()
            return
        lendable = self._find_lendable()
        yield lendable.url
        self._returned.append(lendable)

    def _copy_file(self) -> str:
        template = self._folder / "template.db"
        if not template.exists():
            asyncio.run(_migrate(f"sqlite:///{template}"))
        self._copies += 1
        copy = self._folder / f"{self._copies}.db"
        shutil.copyfile(template, copy)
        return f"sqlite:///{copy}"

    def _find_lendable(self) -> "_Lendable":
        while self._returned:
            lendable = self._returned.pop()
            if asyncio.run(lendable.empty()):
                return lendable
        return asyncio.run(_Lendable.make(self._postgresql.create_database()))


class _Lendable:
    """A PostgreSQL database, and the script that leaves in it what it held when it was new."""

    def __init__(self, url: str, refill: str, schema: asyncpg.Record) -> None:
        self.url = url
        self._refill = refill
        self._schema = schema

    @classmethod
    async def make(cls, url: str) -> "_Lendable":
        await _migrate(url)
        db = await open_database(url, 1)
        names = [name for (name,) in (await catalog(db, "postgresql"))["tables"]]
        await db.close()
        async with _connect(url) as connection:
            refill = await _write_refill(connection, names)
            return cls(url, refill, await connection.fetchrow(_NEWEST_OBJECT))

    async def empty(self) -> bool:
        """Whether it could be brought back to what it was."""
        async with _connect(self.url) as connection:
            if await connection.fetchrow(_NEWEST_OBJECT) != self._schema:
                return False
            await connection.execute(self._refill)
        return True


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, command_timeout=COMMAND_S)
    try:
        yield connection
    finally:
        await connection.close()


async def _write_refill(connection: asyncpg.Connection, tables: list[str]) -> str:
    """One script, for one round trip, which PostgreSQL runs as one transaction."""
    deletions = [f"delete from {name}" for name in tables]
    insertions = []
    for name in tables:
        rows = await connection.fetchval(f"select json_agg(t) from {name} t")
        if rows is not None:
            literal = await connection.fetchval("select quote_literal($1::text)", rows)
            insertions.append(
                f"insert into {name} select * from json_populate_recordset(null::{name}, {literal})"
            )
    return ";\n".join(["set constraints all deferred", *deletions, *insertions])


async def _migrate(url: str) -> None:
    db = await open_database(url, 1)
    await migrate(db)
    await db.close()
