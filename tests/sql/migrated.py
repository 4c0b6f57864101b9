"""Migrated databases to lend: making one and its schema takes PostgreSQL longer than most tests do.

SQLite's are copies of one file. PostgreSQL's are used again and again: each is emptied before it is lent
once more, and left alone for good when a test changed its schema.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.postgresql import PostgreSQL

from transom.sql.connect import open_database
from transom.sql.db import Database, Row, Statement
from transom.sql.migrate import migrate

from .databases import catalog

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
    """A PostgreSQL database, and what it held when it was new."""

    def __init__(self, url: str, tables: dict[str, list[Row]], schema: Row) -> None:
        self.url = url
        self._tables = tables
        self._schema = schema

    @classmethod
    async def make(cls, url: str) -> "_Lendable":
        await _migrate(url)
        db = await open_database(url, 1)
        names = [name for (name,) in (await catalog(db, "postgresql"))["tables"]]
        tables = {name: await db.scan(f"select * from {name}") for name in names}
        made = cls(url, tables, await _read_schema(db))
        await db.close()
        return made

    async def empty(self) -> bool:
        """Whether it could be brought back to what it was."""
        db = await open_database(self.url, 1)
        try:
            if await _read_schema(db) != self._schema:
                return False
            await db.transact(*self._statements())
        finally:
            await db.close()
        return True

    def _statements(self) -> Iterator[Statement]:
        yield Statement("set constraints all deferred", ())
        for name in self._tables:
            yield Statement(f"delete from {name}", ())
        for name, rows in self._tables.items():
            for row in rows:
                values = ", ".join(f"${place}" for place in range(1, len(row) + 1))
                yield Statement(f"insert into {name} values ({values})", tuple(row))


async def _read_schema(db: Database) -> Row:
    return (await db.scan(_NEWEST_OBJECT))[0]


async def _migrate(url: str) -> None:
    db = await open_database(url, 1)
    await migrate(db)
    await db.close()
