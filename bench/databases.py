"""The two databases beside the service: made for it, filled, asked, and written to without it.

Statements are in PostgreSQL's words, as in the service; what SQLite spells otherwise is in `_SPELLING`.
"""

import asyncio
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from harness.postgresql import PostgreSQL

from bench.processes import BenchError

Row = tuple[Any, ...]

#: The strings of the JSON array in a value, as rows of one column `value`.
ELEMENTS = "jsonb_array_elements_text(cast({} as jsonb))"
_SPELLING = {
    "jsonb_array_elements_text": "json_each",
    "jsonb": "text",
    # json_each has the place of an element anyway, as `key`.
    " with ordinality as copy (value, key)": " as copy",
}
#: What the harness of the tests turns off.
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_RELOAD_TIMEOUT_S = 5.0


class Database(Protocol):
    """name: for the table. about: its version and what makes its commits durable. server: the process whose
    tree it is, None when it lives in the service's."""

    name: str
    about: str
    server: int | None

    def ask(self, sql: str, *values: Any) -> list[Row]: ...

    def columns(self, table: str) -> list[str]: ...

    def time_write(self, sql: str, *values: Any) -> float:
        """Run one statement in a transaction of its own, commit it durably; the seconds that took."""
        ...

    def tidy(self) -> None:
        """Do now what past changes leave to be done later, so that no measurement pays for another's."""
        ...


class SqliteFile:
    """A second connection to the service's file, with the service's settings."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("pragma foreign_keys = on")
        connection.execute("pragma synchronous = full")
        mode = connection.execute("pragma journal_mode").fetchone()[0]
        self.name = "SQLite"
        self.server: int | None = None
        self.about = f"SQLite {sqlite3.sqlite_version}, journal_mode {mode}, synchronous full"

    def ask(self, sql: str, *values: Any) -> list[Row]:
        return self._connection.execute(_translate(sql), values).fetchall()

    def columns(self, table: str) -> list[str]:
        found = self._connection.execute(f"select * from {table} limit 0")
        return [column[0] for column in found.description]

    def time_write(self, sql: str, *values: Any) -> float:
        translated = _translate(sql)
        began = time.perf_counter()
        self._connection.execute("begin immediate")
        self._connection.execute(translated, values)
        self._connection.execute("commit")
        return time.perf_counter() - began

    def tidy(self) -> None:
        self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()


class PostgresConnection:
    """A connection to the service's database, with the service's settings."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._connection = runner.run(asyncpg.connect(url, server_settings={"jit": "off"}))
        self.name = "PostgreSQL"
        self._make_durable()
        version, fsync, commit, folder = self.ask(
            "select current_setting('server_version'), current_setting('fsync'), "
            "current_setting('synchronous_commit'), current_setting('data_directory')"
        )[0]
        self.about = f"PostgreSQL {version}, fsync {fsync}, synchronous_commit {commit}"
        self.server: int | None = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])

    def close(self) -> None:
        self._runner.run(self._connection.close())

    def _make_durable(self) -> None:
        for setting in _DURABLE:
            self.ask(f"alter system reset {setting}")
        self.ask("select pg_reload_conf()")
        deadline = time.monotonic() + _RELOAD_TIMEOUT_S
        while any(self.ask(f"show {setting}") != [("on",)] for setting in _DURABLE):
            if time.monotonic() > deadline:
                raise BenchError("PostgreSQL does not turn fsync on")
            time.sleep(0.02)
        # What was written without fsync is made safe, and paid for, here.
        self.ask("checkpoint")

    def ask(self, sql: str, *values: Any) -> list[Row]:
        rows = self._runner.run(self._connection.fetch(sql, *values))
        return [tuple(row) for row in rows]

    def columns(self, table: str) -> list[str]:
        statement = self._runner.run(self._connection.prepare(f"select * from {table}"))
        return [attribute.name for attribute in statement.get_attributes()]

    def time_write(self, sql: str, *values: Any) -> float:
        return self._runner.run(self._time_write(sql, values))

    async def _time_write(self, sql: str, values: tuple[Any, ...]) -> float:
        began = time.perf_counter()
        # Alone, a statement is a transaction.
        await self._connection.fetch(sql, *values)
        return time.perf_counter() - began

    def tidy(self) -> None:
        for table in "image", "member", "event":
            self.ask(f"vacuum analyze {table}")


@contextmanager
def open_sqlite(url: str) -> Iterator[Database]:
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        yield SqliteFile(connection)


@contextmanager
def open_postgresql(url: str) -> Iterator[Database]:
    with asyncio.Runner() as runner, closing(PostgresConnection(url, runner)) as connection:
        yield connection


class Databases:
    """A kind of database: an empty one for a service, and the way into it beside the service."""

    def __init__(self, server: PostgreSQL | None = None) -> None:
        self._server = server

    def create(self) -> str | None:
        """Its URL; None for the file that a service makes by itself."""
        return None if self._server is None else self._server.create_database()

    @contextmanager
    def open(self, url: str) -> Iterator[Database]:
        with (open_sqlite if self._server is None else open_postgresql)(url) as database:
            yield database


def copy_images(database: Database, template: str, count: int) -> list[str]:
    """The ids of so many copies of an image and its memberships, made a second apart, the last one now."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    made_at = f"{time.time_ns() // 1000 - count * 1_000_000} + copy.key * 1000000"
    copies = f"{ELEMENTS.format('$2')} with ordinality as copy (value, key)"
    for table, key in (("image", "id"), ("member", "image_id")):
        changes = {
            key: "copy.value",
            "created_at": made_at,
            "updated_at": made_at,
            "image_created_at": made_at,
        }
        columns = database.columns(table)
        values = ", ".join(changes.get(column, f"template.{column}") for column in columns)
        database.ask(
            f"insert into {table} ({', '.join(columns)}) select {values} "
            f"from {table} as template cross join {copies} where template.{key} = $1",
            template,
            to_json(ids),
        )
    return ids


def to_json(texts: list[str]) -> str:
    """A JSON array of texts that need no escaping."""
    return '["' + '","'.join(texts) + '"]'


def _translate(sql: str) -> str:
    for postgresql, sqlite in _SPELLING.items():
        sql = sql.replace(postgresql, sqlite)
    return re.sub(r"\$(\d+)", r"?\1", sql)
