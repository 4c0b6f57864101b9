"""PostgreSQL 14 or newer through asyncpg: a pool, prepared statements, one round trip a statement."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from transom.domain.errors import StoreFullError, UnavailableError
from transom.sql.db import Result, Row, Script, Statement
from transom.sql.turns import Turns

#: Longest wait for a free connection, and for an answer, seconds.
_ACQUIRE_S = 15.0
_COMMAND_S = 30.0
#: Transactions that PostgreSQL breaks off because they wait for each other are run so often again.
_TRIES = 5
_CANNOT_ANSWER = "The database cannot answer now."
#: Key of the advisory lock that migrators take in turn ("transom" in ASCII, cut to 7 bytes).
_MIGRATION_LOCK = 0x7472616E736F6D


class PostgresDialect:
    def json_has_element(self, column: str, value: str) -> str:
        return f"jsonb_exists({column}, {value})"

    def json_has_pair(self, column: str, key: str, value: str) -> str:
        return f"{column} ->> {key} = {value}"

    def json_has_key(self, column: str, key: str) -> str:
        return f"jsonb_exists({column}, {key})"


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """We leave nothing behind in a session (no settings, no temporary tables, no cursors), so the pool need
    not spend a round trip on cleaning it after every use."""

    def get_reset_query(self) -> str:
        return ""


class PostgresDatabase:
    """A `Database` and a `SchemaHistory` on a PostgreSQL server."""

    def __init__(self, pool: asyncpg.Pool, most_scans: int) -> None:
        self.dialect = PostgresDialect()
        self._pool = pool
        self._turns = Turns(most_scans)

    @classmethod
    async def connect(cls, url: str, pool: int) -> "PostgresDatabase":
        """Open at most `pool` connections. UnavailableError when the server does not answer."""
        async with _renamed_errors():
            return cls(
                await asyncpg.create_pool(
                    url,
                    min_size=1,
                    max_size=pool,
                    command_timeout=_COMMAND_S,
                    timeout=_ACQUIRE_S,
                    connection_class=_Connection,
                    statement_cache_size=512,
                    # Our statements are prepared once and run often, and a plan by values buys them nothing.
                    server_settings={"application_name": "transom", "jit": "off"},
                ),
                # The other half is for whoever does not take long.
                max(1, pool // 2),
            )

    async def read(self, sql: str, *values: Any) -> list[Row]:
        async with _renamed_errors(), self._pool.acquire(timeout=_ACQUIRE_S) as connection:
            rows: list[Row] = await connection.fetch(sql, *values)
            return rows

    write = read

    async def scan(self, sql: str, *values: Any, asker: str | None = None) -> list[Row]:
        # A server process of its own runs each statement: only connections can run out.
        async with self._turns.turn(asker):
            return await self.read(sql, *values)

    async def transact(self, *statements: Statement) -> list[list[Row]] | None:
        if len(statements) == 1:
            # Alone, a statement is a transaction, and without the round trips of its begin and end.
            only = statements[0]
            found = await self.write(only.sql, *only.values)
            return [found] if found or not only.required else None
        rows: list[list[Row]] = []
        try:
            async with (
                _renamed_errors(),
                self._pool.acquire(timeout=_ACQUIRE_S) as connection,
                connection.transaction(),
            ):
                for statement in statements:
                    rows.append(await connection.fetch(statement.sql, *statement.values))
                    if statement.required and not rows[-1]:
                        raise _GuardFailed
        except _GuardFailed:
            return None
        return rows

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._run_once(make_script())
            except UnavailableError as error:
                if attempt == _TRIES or not isinstance(error.__cause__, asyncpg.TransactionRollbackError):
                    raise
        raise AssertionError("the last try returns or raises")

    async def _run_once(self, script: Script[Result]) -> Result:
        async with (
            _renamed_errors(),
            self._pool.acquire(timeout=_ACQUIRE_S) as connection,
            connection.transaction(),
        ):
            rows: list[Row] | None = None
            while True:
                try:
                    statement = next(script) if rows is None else script.send(rows)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                rows = await connection.fetch(statement.sql, *statement.values)

    async def close(self) -> None:
        await self._pool.close()

    # ---- schema history

    async def schema_version(self) -> int:
        async with _renamed_errors(), self._pool.acquire(timeout=_ACQUIRE_S) as connection:
            if await connection.fetchval("select to_regclass('schema_version')") is None:
                return 0
            return int(await connection.fetchval("select coalesce(max(version), 0) from schema_version"))

    async def run_script(self, script: str, version: int) -> bool:
        async with (
            _renamed_errors(),
            self._pool.acquire(timeout=_ACQUIRE_S) as connection,
            connection.transaction(),
        ):
            await connection.execute("select pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
            await connection.execute(
                "create table if not exists schema_version (version integer primary key)"
            )
            done = await connection.fetchval("select coalesce(max(version), 0) from schema_version")
            if done >= version:
                return False
            await connection.execute(script)
            await connection.execute("insert into schema_version (version) values ($1)", version)
            return True


class _GuardFailed(Exception):  # noqa: N818 (never leaves this module)
    """A required statement returned no row."""


@asynccontextmanager
async def _renamed_errors() -> AsyncIterator[None]:
    """The one place where asyncpg's errors become ours."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise UnavailableError(_CANNOT_ANSWER) from error
    except asyncpg.DiskFullError as error:
        raise StoreFullError("The disk of the database is full.") from error
    except asyncpg.PostgresError as error:
        raise UnavailableError(_CANNOT_ANSWER) from error
