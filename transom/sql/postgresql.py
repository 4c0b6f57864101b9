"""PostgreSQL 14 or newer through asyncpg: a pool, prepared statements, one round trip a statement."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import asyncpg

from transom.domain.errors import StoreFullError, UnavailableError
from transom.fair_semaphore import FairSemaphore
from transom.sql.db import IN_PIECES, PAUSE, TENANT, TOO_MANY, Arm, Place, Result, Row, Script, Statement
from transom.sql.postgres_connect import Connector
from transom.sql.postgres_events import with_events
from transom.sql.postgres_migrate import (
    PAUSE_S,
    QUIET_TRIES,
    IndexStep,
    have_rows,
    index_steps,
    run_in_pieces,
    run_index_steps,
    take_turn,
    telling_who,
)
from transom.sql.postgres_pool import Pool
from transom.sql.postgres_ready import require_writes
from transom.sql.turns import InTurns

_log = logging.getLogger(__name__)

#: Longest wait for an answer, seconds.
_COMMAND_S = 30.0
#: Longest that anybody waits to be told whether the database is ready, seconds.
_READY_S = 3.0
#: Transactions that PostgreSQL breaks off because they wait for each other are run so often again.
_TRIES = 5
_CANNOT_ANSWER = "The database cannot answer now."

#: Everybody may ask for the server's identifier, unless an administrator took that away.
_DATABASE = """
    select oid::text, has_function_privilege('pg_control_system()', 'execute')
    from pg_database where datname = current_database()"""
_SERVER = "select system_identifier::text from pg_control_system()"


class PostgresDialect:
    returns_joined = True

    def json_has_element(self, column: str, value: str) -> str:
        return f"jsonb_exists({column}, {value})"

    def json_has_pair(self, column: str, key: str, value: str) -> str:
        return f"{column} ->> {key} = {value}"

    def json_text(self, column: str, key: str) -> str:
        return f"({column} ->> '{key}')"

    def json_has_key(self, column: str, key: str) -> str:
        return f"jsonb_exists({column}, {key})"

    def merge(self, arms: Sequence[Arm], keys: Sequence[str], order: str, limit: str) -> str:
        """Each arm comes in its order, and is read as the merge asks for its rows."""
        cut = " union all ".join(f"({arm.sql}order by {arm.order} limit {limit})" for arm in arms)
        distinct = f"distinct on ({', '.join(keys)})"
        return f"select {distinct} * from ({cut}) as arm order by {order} limit {limit}"


class PostgresDatabase(InTurns):
    """A `Database` and a `SchemaHistory` on a PostgreSQL server."""

    def __init__(self, connector: Connector, pool: Pool, most_scans: int, command_s: float) -> None:
        self.dialect = PostgresDialect()
        self._connector = connector
        self._pool = pool
        self._semaphore = FairSemaphore(most_scans, TOO_MANY)
        self._command_s = command_s
        self._wake: Callable[[], None] = _do_nothing

    @classmethod
    async def connect(cls, url: str, pool: int, command_s: float = _COMMAND_S) -> "PostgresDatabase":
        """Open at most `pool` connections, and wait for no statement longer than `command_s`.
        UnavailableError when the server does not answer."""
        connector = Connector(url, command_s)
        connections = Pool(connector.connect, pool)
        with _RENAMED_ERRORS:
            async with connections.lease():
                pass  # Whether there is a server, and lets us in.
        # The other half is for whoever does not take long.
        return cls(connector, connections, max(1, pool // 2), command_s)

    async def read(self, sql: str, *values: Any) -> list[Row]:
        with _RENAMED_ERRORS:
            async with self._pool.lease() as connection:
                rows: list[Row] = await connection.fetch(sql, *values, timeout=self._command_s)
                return rows

    async def write(self, sql: str, *values: Any) -> list[Row]:
        return await _until_no_deadlock(lambda: self._write_once(sql, values))

    async def _write_once(self, sql: str, values: Sequence[Any]) -> list[Row]:
        with _RENAMED_ERRORS:
            async with self._pool.lease_to_write() as connection:
                with _Limit(connection, self._command_s):
                    rows: list[Row] = await connection.fetch(sql, *values)
                return rows

    async def require_writable(self) -> None:
        asked_at = self._pool.now()
        try:
            with _RENAMED_ERRORS:
                async with asyncio.timeout(_READY_S), self._pool.lease() as connection:
                    await require_writes(connection)
        except UnavailableError as error:
            if isinstance(error.__cause__, TimeoutError):
                self._pool.distrust(asked_at)
                raise UnavailableError(_CANNOT_ANSWER) from TimeoutError(f"no answer within {_READY_S:g} s")
            raise

    @property
    def is_full(self) -> bool:
        return self._pool.is_disk_full

    async def scan(self, sql: str, *values: Any) -> list[Row]:
        # A server process of its own runs each statement: only connections can run out.
        async with self._semaphore.hold(TENANT.get()):
            rows = await self.read(sql, *values)
        await self.take_turn()
        return rows

    async def transact(self, *statements: Statement) -> list[list[Row]] | None:
        if len(statements) == 1:
            # Alone, a statement is a transaction, and without the round trips of its begin and end.
            only = statements[0]
            sql, values = with_events(only)
            found = await self.write(sql, *values)
            self._log_changes(statements)
            return [found] if found or not only.required else None
        try:
            rows = await _until_no_deadlock(lambda: self._transact_once(statements))
        except _GuardFailed:
            return None
        self._log_changes(statements)
        return rows

    async def _transact_once(self, statements: Sequence[Statement]) -> list[list[Row]]:
        rows: list[list[Row]] = []
        with _RENAMED_ERRORS:
            async with self._transaction() as connection:
                for statement in statements:
                    with _Limit(connection, self._command_s):
                        sql, values = with_events(statement)
                        rows.append(await connection.fetch(sql, *values))
                    if statement.required and not rows[-1]:
                        raise _GuardFailed
        return rows

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        return await _until_no_deadlock(lambda: self._run_once(make_script()))

    async def _run_once(self, script: Script[Result]) -> Result:
        with _RENAMED_ERRORS:
            done: list[Statement] = []
            async with self._transaction() as connection:
                rows: list[Row] | None = None
                while True:
                    try:
                        statement = next(script) if rows is None else script.send(rows)
                    except StopIteration as end:
                        result: Result = end.value
                        break
                    if statement is PAUSE:
                        rows = []
                        await asyncio.sleep(0)
                        continue
                    done.append(statement)
                    sql, values = with_events(statement)
                    with _Limit(connection, self._command_s):
                        rows = await connection.fetch(sql, *values)
            self._log_changes(done)
            return result

    def on_events(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def _log_changes(self, done: Sequence[Statement]) -> None:
        """It is committed."""
        if any(statement.appends_events for statement in done):
            self._wake()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._pool.lease_to_write() as connection:
            await self._execute(connection, "begin")
            try:
                yield connection
            except (asyncio.CancelledError, TimeoutError):
                raise  # The statement may still be running; the connection is closed.
            except BaseException:
                if not connection.is_closed():
                    await self._execute(connection, "rollback")
                raise
            await self._execute(connection, "commit")

    async def _execute(self, connection: asyncpg.Connection, command: str) -> None:
        with _Limit(connection, self._command_s):
            await connection.execute(command)

    def now_us(self) -> int:
        return self._connector.clock.now_us()

    async def read_clock(self) -> float:
        with _RENAMED_ERRORS:
            async with self._pool.lease() as connection:
                await self._connector.read_clock(connection, self._command_s)
        return self._connector.clock.ahead_us / 1e6

    async def find_place(self) -> Place:
        """The server, whose identifier a standby shares and the one of a restored dump has not, and the
        database there."""
        ((database, may_see_server),) = await self.read(_DATABASE)
        ((server,),) = await self.read(_SERVER) if may_see_server else (("-",),)
        return Place(f"postgresql/{server}/{database}")

    async def close(self) -> None:
        await self._pool.close()

    # ---- schema history

    async def schema_version(self) -> int:
        if (await self.read("select to_regclass('schema_version')::text"))[0][0] is None:
            return 0
        return int((await self.read("select coalesce(max(version), 0) from schema_version"))[0][0])

    async def list_indexes(self) -> list[str]:
        rows = await self.read("select indexname::text from pg_indexes where schemaname = current_schema()")
        return [str(row[0]) for row in rows]

    async def change_indexes(self, script: str) -> None:
        with _RENAMED_ERRORS:
            async with self._pool.lease_to_write() as connection:
                await take_turn(connection)
                try:
                    # See `_apply`: no snapshot stays open.
                    await connection.execute("select")
                    await self._apply_beside(index_steps(script), even_if_empty=True)
                finally:
                    if not connection.is_closed():
                        await connection.execute("rollback")

    async def run_script(self, script: str, version: int) -> bool:
        for attempt in itertools.count(1):
            try:
                return await self._try_script(script, version)
            except UnavailableError as error:
                if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):
                    raise
                if attempt > QUIET_TRIES:
                    _log.warning("migration %d waits for a table that others use", version)
            await asyncio.sleep(PAUSE_S)
        raise AssertionError("the last try returns or raises")

    async def _try_script(self, script: str, version: int) -> bool:
        """As `run_script`; UnavailableError from LockNotAvailableError when others use a table of it."""
        with _RENAMED_ERRORS:
            async with self._pool.lease_to_write() as connection:
                await take_turn(connection)
                try:
                    is_applied = await self._apply(connection, script, version)
                except Exception:
                    if not connection.is_closed():
                        await connection.execute("rollback")
                    raise
                await connection.execute("commit")
                return is_applied

    async def _apply(self, connection: asyncpg.Connection, script: str, version: int) -> bool:
        """Within the transaction of whose turn it is."""
        await connection.execute("create table if not exists schema_version (version integer primary key)")
        done = await connection.fetchval("select coalesce(max(version), 0) from schema_version")
        if done >= version:
            return False
        # A query of the simple protocol ends what the last one has left open, the snapshot that it read by.
        # The makers of an index would wait for whoever has an older one.
        await connection.execute("select")
        if IN_PIECES in script:
            await self._apply_in_pieces(script)
        elif not await self._apply_beside(index_steps(script)):
            await connection.execute(script)
        await connection.execute("insert into schema_version (version) values ($1)", version)
        return True

    async def _apply_in_pieces(self, script: str) -> None:
        beside = await self._connector.connect()
        try:
            await run_in_pieces(beside, script)
        finally:
            beside.terminate()

    async def _apply_beside(self, steps: list[IndexStep], *, even_if_empty: bool = False) -> bool:
        """Run the steps outside the transaction, on a connection of their own: they wait for whoever has
        looked at a table. False, and nothing done, when there are none, or the tables are empty."""
        if not steps:
            return False
        beside = await self._connector.connect()
        try:
            if not even_if_empty and not await have_rows(beside, steps):
                return False
            async with telling_who(self._connector.connect, beside):
                await run_index_steps(beside, steps)
        finally:
            beside.terminate()
        return True


def _do_nothing() -> None:
    """The default of `_wake`."""


class _GuardFailed(Exception):  # noqa: N818 (never leaves this module)
    """A required statement returned no row."""


class _Limit:
    """A time limit of statements that write: when it is over the connection is closed (`postgres_pool.py`
    says why), and TimeoutError raised."""

    __slots__ = ("_connection", "_is_over", "_most_s", "_timer")

    def __init__(self, connection: asyncpg.Connection, most_s: float) -> None:
        self._connection = connection
        self._most_s = most_s
        self._is_over = False

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._most_s, self._end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._is_over and isinstance(error, Exception):
            raise TimeoutError(f"no answer within {self._most_s:g} s") from error

    def _end(self) -> None:
        self._is_over = True
        self._connection.terminate()


async def _until_no_deadlock(write: Callable[[], Awaitable[Result]]) -> Result:
    """Make the write again when the server took it back because it met others half way."""
    for attempt in range(1, _TRIES + 1):
        try:
            return await write()
        except UnavailableError as error:
            if attempt == _TRIES or not isinstance(error.__cause__, asyncpg.TransactionRollbackError):
                raise
    raise AssertionError("the last try returns or raises")


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
            if isinstance(error, TimeoutError) and not str(error):
                error = TimeoutError("no answer in good time")
            raise UnavailableError(_CANNOT_ANSWER) from error


_RENAMED_ERRORS = _RenamedErrors()
_DRIVER_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
