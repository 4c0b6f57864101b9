"""PostgreSQL 14 or newer through asyncpg: a pool, prepared statements, one round trip a statement."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

import asyncpg

from transom.domain.errors import StoreFullError, UnavailableError
from transom.sql.db import Result, Row, Script, Statement
from transom.sql.postgres_pool import ACQUIRE_S, Pool
from transom.sql.turns import Turns

#: Longest wait for an answer, seconds.
_COMMAND_S = 30.0
_SESSION = {
    "application_name": "transom",
    # Our statements are short, and compiling them buys nothing.
    "jit": "off",
    # To plan a page of a list costs several times as much as to read it. So a plan is made once, and holds
    # for who has everything as for who has nothing: by an index, in its order (docs/decisions/0013).
    "plan_cache_mode": "force_generic_plan",
    "enable_bitmapscan": "off",
    "enable_seqscan": "off",
}
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


class PostgresDatabase:
    """A `Database` and a `SchemaHistory` on a PostgreSQL server."""

    def __init__(self, pool: Pool, most_scans: int) -> None:
        self.dialect = PostgresDialect()
        self._pool = pool
        self._turns = Turns(most_scans)

    @classmethod
    async def connect(cls, url: str, pool: int) -> "PostgresDatabase":
        """Open at most `pool` connections. UnavailableError when the server does not answer."""

        async def make() -> asyncpg.Connection:
            return await asyncpg.connect(
                url,
                command_timeout=_COMMAND_S,
                timeout=ACQUIRE_S,
                statement_cache_size=512,
                server_settings=_SESSION,
            )

        connections = Pool(make, pool)
        with _RENAMED_ERRORS:
            async with connections.lease():
                pass  # Whether there is a server, and lets us in.
        # The other half is for whoever does not take long.
        return cls(connections, max(1, pool // 2))

    async def read(self, sql: str, *values: Any) -> list[Row]:
        with _RENAMED_ERRORS:
            async with self._pool.lease() as connection:
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
            with _RENAMED_ERRORS:
                async with self._pool.lease() as connection, connection.transaction():
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
        with _RENAMED_ERRORS:
            async with self._pool.lease() as connection, connection.transaction():
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
        if (await self.read("select to_regclass('schema_version')::text"))[0][0] is None:
            return 0
        return int((await self.read("select coalesce(max(version), 0) from schema_version"))[0][0])

    async def run_script(self, script: str, version: int) -> bool:
        with _RENAMED_ERRORS:
            async with self._pool.lease() as connection, connection.transaction():
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


class _RenamedErrors:
    """The one place where asyncpg's errors become ours."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, asyncpg.DiskFullError):
            raise StoreFullError("The disk of the database is full.") from error
        if isinstance(error, _DRIVER_ERRORS):
            raise UnavailableError(_CANNOT_ANSWER) from error


_RENAMED_ERRORS = _RenamedErrors()
_DRIVER_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
