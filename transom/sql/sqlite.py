"""SQLite: readers that never wait, and one writer that commits many requests in one fsync.

Reads run on the event loop's thread (a point read costs about 8 µs, a hop to a thread several times that);
`scan` goes to a thread. The writes that wait go into one transaction: `synchronous=FULL` makes its commit an
fsync, which a thread waits for, and everybody in it shares the price.
"""

import asyncio
import queue
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from transom.domain.errors import StoreFullError, UnavailableError
from transom.sql.db import Result, Row, Script, Statement
from transom.sql.turns import Turns

#: PostgreSQL's words → SQLite's, in this order, in the schema and in every statement. SQLite compares text
#: bytewise anyway. Both functions that open a JSON array call its elements `value`. Nobody waits for a lock
#: where one writes at a time.
SPELLING = {
    ' collate "C"': "",
    "jsonb_array_elements_text": "json_each",
    "jsonb": "text",
    "boolean": "integer",
    "bigint": "integer",
    "json_agg": "json_group_array",
    "json_build_array": "json_array",
    "strpos": "instr",
    " for update": "",
    "pg_advisory_xact_lock(hashtextextended($1, 0))": "$1",
    "properties ->> 'os_glance_importing_to_stores'": (
        "json_extract(properties, '$.os_glance_importing_to_stores')"
    ),
    "recipients_of(image.id)": "(select count(*) from member where member.image_id = image.id)",
}

#: Most requests in one commit: bounds the time that the first of them waits for the last.
_BATCH = 256
#: How long a writer waits for another process's transaction, seconds.
_BUSY_MS = 30_000
#: Scans that run at once, and the longest that one may take, seconds.
_SCANS_AT_ONCE = 4
_SCAN_S = 30.0
#: Steps of SQLite's machine between two looks at the clock: about a millisecond.
_STEPS_BETWEEN_LOOKS = 100_000
#: On the event loop nobody waits for another process.
_DO_NOT_WAIT = "pragma busy_timeout = 0"
#: RETURNING came with 3.35.
_OLDEST = (3, 35, 0)


def path_of(url: str) -> Path:
    """The file that `sqlite:///path` names: three slashes and a relative path, four and an absolute one."""
    return Path(unquote(url.removeprefix("sqlite:///")))


class SqliteDialect:
    def json_has_element(self, column: str, value: str) -> str:
        return f"exists (select 1 from json_each({column}) as e where e.value = {value})"

    def json_has_pair(self, column: str, key: str, value: str) -> str:
        return f"exists (select 1 from json_each({column}) as e where e.key = {key} and e.value = {value})"

    def json_has_key(self, column: str, key: str) -> str:
        return f"exists (select 1 from json_each({column}) as e where e.key = {key})"


@lru_cache(maxsize=512)
def _translated(sql: str) -> str:
    for postgresql, sqlite in SPELLING.items():
        sql = sql.replace(postgresql, sqlite)
    return re.sub(r"\$(\d+)", r"?\1", sql)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=_BUSY_MS / 1000
    )
    connection.execute("pragma foreign_keys = on")
    connection.execute("pragma synchronous = full")
    return connection


def _connect_reader(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    connection.execute("pragma query_only = on")
    return connection


def _renamed(error: Exception) -> Exception:
    """The one place where SQLite's errors become ours. A value that Python cannot hand over is no error of
    SQLite's but of ours: it stays as it is, and loud."""
    if not isinstance(error, sqlite3.Error):
        return error
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
        return StoreFullError("The disk of the database is full.")
    return UnavailableError("The database cannot answer now.")


class _Unit:
    """Statements that belong together, or a script, and the future that waits for the outcome: the rows of
    each statement (None: a guard failed), or what the script returned."""

    __slots__ = ("error", "future", "make_script", "outcome", "statements")

    def __init__(
        self,
        future: asyncio.Future[Any],
        statements: Sequence[Statement] = (),
        make_script: Callable[[], Script[Any]] | None = None,
    ) -> None:
        self.future = future
        self.statements = statements
        self.make_script = make_script
        self.outcome: Any = None
        self.error: Exception | None = None


class _Writer:
    """Everything that changes the database from this process, one transaction after the other.

    A transaction takes whatever waits when it starts. Its statements run on the event loop's thread, where
    each costs what it costs in SQLite and no more; only the commit, which waits for the disk, goes to a
    thread. What comes meanwhile waits for the next one. When another process is writing, waiting for it is
    the thread's as well, and then the whole transaction is. So is one with a script in it: those may be long.
    """

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = _connect(path)
        self._connection.execute(_DO_NOT_WAIT)
        self._loop = loop
        self._waiting: list[_Unit] = []
        self._is_busy = False
        self._is_stopped = False
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run_thread, name="sqlite-commit", daemon=True)
        self._thread.start()

    def submit(self, statements: Sequence[Statement]) -> asyncio.Future[list[list[Row]] | None]:
        return self._enqueue(_Unit(self._loop.create_future(), statements))

    def submit_script(self, make_script: Callable[[], Script[Result]]) -> asyncio.Future[Result]:
        return self._enqueue(_Unit(self._loop.create_future(), make_script=make_script))

    def _enqueue(self, unit: _Unit) -> asyncio.Future[Any]:
        if self._is_stopped:
            raise UnavailableError("The database is closed.")
        self._waiting.append(unit)
        if not self._is_busy:
            self._is_busy = True
            # At the end of this round of the loop: the other requests in it come along.
            self._loop.call_soon(self._start)
        return unit.future

    def stop(self) -> None:
        """End the thread, behind the commit at hand, and close."""
        self._is_stopped = True
        self._work.put(None)
        self._thread.join()
        self._connection.close()

    def _run_thread(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _start(self) -> None:
        batch, self._waiting = _take_batch(self._waiting)
        if batch[0].make_script is not None:
            self._work.put(lambda: self._run_and_commit(batch))
            return
        try:
            self._connection.execute("begin immediate")
        except sqlite3.Error:
            self._work.put(lambda: self._run_and_commit(batch))
        else:
            failure: Exception | None
            try:
                failure = self._run_units(batch)
            except sqlite3.Error as error:
                failure = error
            self._work.put(lambda: self._commit(batch, failure))

    def _run_and_commit(self, batch: list[_Unit]) -> None:
        failure: Exception | None = None
        try:
            self._connection.execute(f"pragma busy_timeout = {_BUSY_MS}")
            self._connection.execute("begin immediate")
            failure = self._run_units(batch)
        except sqlite3.Error as error:
            failure = error
        finally:
            self._connection.execute(_DO_NOT_WAIT)
        self._commit(batch, failure)

    def _commit(self, batch: list[_Unit], failure: Exception | None) -> None:
        try:
            if failure is None:
                self._connection.execute("commit")
            elif self._connection.in_transaction:
                self._connection.rollback()
        except sqlite3.Error as error:
            failure = error
            with suppress(sqlite3.Error):
                self._connection.rollback()
        if failure is not None:
            # Nothing of the batch is in the database: everybody in it hears so.
            for unit in batch:
                unit.error = failure
        self._loop.call_soon_threadsafe(self._finish, batch)

    def _finish(self, batch: list[_Unit]) -> None:
        if self._waiting:
            self._start()
        else:
            self._is_busy = False
        for unit in batch:
            _settle(unit)

    def _run_units(self, batch: list[_Unit]) -> Exception | None:
        """The error that ended the whole transaction (disk full, I/O), if one did."""
        for unit in batch:
            self._run_unit(unit)
            if not self._connection.in_transaction:
                return unit.error
        return None

    def _run_unit(self, unit: _Unit) -> None:
        """A unit that fails takes back its own statements and leaves its neighbours' alone."""
        if len(unit.statements) == 1:  # SQLite takes a failing statement back by itself.
            try:
                unit.outcome = self._run_all(unit.statements)
            except Exception as error:  # noqa: BLE001 (told to whoever waits; a value SQLite cannot hold, too)
                unit.error = error
            return
        is_done = False
        try:
            self._connection.execute("savepoint unit")
            if unit.make_script is not None:
                unit.outcome, is_done = self._run_script(unit.make_script()), True
            else:
                unit.outcome = self._run_all(unit.statements)
                is_done = unit.outcome is not None
        except Exception as error:  # noqa: BLE001 (as above)
            unit.error = error
        if self._connection.in_transaction:
            if not is_done:
                self._connection.execute("rollback to unit")
            self._connection.execute("release unit")

    def _run_script(self, script: Script[Any]) -> Any:
        rows: list[Row] | None = None
        while True:
            try:
                statement = next(script) if rows is None else script.send(rows)
            except StopIteration as end:
                return end.value
            rows = self._connection.execute(_translated(statement.sql), statement.values).fetchall()

    def _run_all(self, statements: Sequence[Statement]) -> list[list[Row]] | None:
        rows: list[list[Row]] = []
        for sql, values, required in statements:
            rows.append(self._connection.execute(_translated(sql), values).fetchall())
            if required and not rows[-1]:
                return None
        return rows


def _take_batch(waiting: list[_Unit]) -> tuple[list[_Unit], list[_Unit]]:
    """(what goes into the next transaction, the rest): a script alone, others together. In the order they
    came, so that neither kind waits for ever."""
    if waiting[0].make_script is not None:
        return waiting[:1], waiting[1:]
    size = next((n for n, unit in enumerate(waiting[:_BATCH]) if unit.make_script is not None), _BATCH)
    return waiting[:size], waiting[size:]


def _settle(unit: _Unit) -> None:
    if unit.future.cancelled():
        return
    if unit.error is not None:
        renamed = _renamed(unit.error)
        if renamed is not unit.error:
            renamed.__cause__ = unit.error
        unit.future.set_exception(renamed)
    else:
        unit.future.set_result(unit.outcome)


class _Scanners:
    """A few threads for statements that may take long, each with a connection of its own: one caller's slow
    question does not hold up everybody's. None may take longer than PostgreSQL would let it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._threads = ThreadPoolExecutor(_SCANS_AT_ONCE, thread_name_prefix="sqlite-scan")
        self._turns = Turns(_SCANS_AT_ONCE)

    async def run(self, sql: str, values: tuple[Any, ...], asker: str | None) -> list[Row]:
        async with self._turns.turn(asker):
            try:
                running = asyncio.get_running_loop().run_in_executor(self._threads, self._run, sql, values)
            except RuntimeError as error:  # The pool takes nothing after its shutdown.
                raise UnavailableError("The database is closed.") from error
            return await running

    def _run(self, sql: str, values: tuple[Any, ...]) -> list[Row]:
        connection = self._connection()
        give_up_at = time.monotonic() + _SCAN_S
        connection.set_progress_handler(lambda: time.monotonic() > give_up_at, _STEPS_BETWEEN_LOOKS)
        return connection.execute(sql, values).fetchall()

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._own, "connection"):
            self._own.connection = _connect_reader(self._path)
            self._opened.append(self._own.connection)
        connection: sqlite3.Connection = self._own.connection
        return connection

    def stop(self) -> None:
        self._threads.shutdown()
        for connection in self._opened:
            connection.close()


class SqliteDatabase:
    """A `Database` and a `SchemaHistory` in one file. Made inside a running event loop."""

    def __init__(self, path: Path) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise UnavailableError(
                f"SQLite 3.35 or newer is needed; this Python brings {sqlite3.sqlite_version}."
            )
        self.dialect = SqliteDialect()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            first = _connect(path)
            first.execute("pragma journal_mode = wal")
            first.close()
            self._reader = _connect_reader(path)
            self._scanners = _Scanners(path)
            self._writer = _Writer(path, asyncio.get_running_loop())
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"The database {path} cannot be opened: {error}") from error
        # A commit needs the interpreter lock back when the disk is done; with the default of 5 ms a busy
        # event loop would make everybody in the transaction wait that long.
        sys.setswitchinterval(0.0005)

    async def read(self, sql: str, *values: Any) -> list[Row]:
        try:
            return self._reader.execute(_translated(sql), values).fetchall()
        except sqlite3.Error as error:
            raise _renamed(error) from error

    async def scan(self, sql: str, *values: Any, asker: str | None = None) -> list[Row]:
        try:
            return await self._scanners.run(_translated(sql), values, asker)
        except sqlite3.Error as error:
            raise _renamed(error) from error

    async def write(self, sql: str, *values: Any) -> list[Row]:
        rows = await self._writer.submit((Statement(sql, values),))
        return rows[0] if rows else []

    async def transact(self, *statements: Statement) -> list[list[Row]] | None:
        return await self._writer.submit(statements)

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        return await self._writer.submit_script(make_script)

    async def close(self) -> None:
        with suppress(UnavailableError, StoreFullError):
            await self.write("select 1")  # Behind whatever was submitted before.
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._scanners.stop)
        self._reader.close()

    # ---- schema history

    async def schema_version(self) -> int:
        tables = "select 1 from sqlite_master where type = 'table' and name = 'schema_version'"
        if not await self.read(tables):
            return 0
        rows = await self.read("select coalesce(max(version), 0) from schema_version")
        return int(rows[0][0])

    async def run_script(self, script: str, version: int) -> bool:
        return await asyncio.to_thread(self._run_script, _translated(script), version)

    def _run_script(self, script: str, version: int) -> bool:
        connection = sqlite3.connect(self._file(), isolation_level=None, timeout=_BUSY_MS / 1000)
        try:
            connection.execute("begin immediate")
            connection.execute(_HISTORY_TABLE)
            done = connection.execute("select coalesce(max(version), 0) from schema_version").fetchone()[0]
            if done >= version:
                connection.execute("rollback")
                return False
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute("insert into schema_version (version) values (?)", (version,))
            connection.execute("commit")
        except sqlite3.Error as error:
            raise _renamed(error) from error
        finally:
            connection.close()
        return True

    def _file(self) -> str:
        return str(self._reader.execute("pragma database_list").fetchone()[2])


_HISTORY_TABLE = "create table if not exists schema_version (version integer primary key)"


_FUNCTION = re.compile(r"^create function .*?^\$\$;$", re.DOTALL | re.MULTILINE)


def _statements(script: str) -> list[str]:
    """The script's statements one by one: `executescript` would end the transaction they belong to. Functions
    are PostgreSQL's; SPELLING has what stands for a call of them."""
    found: list[str] = []
    pending = ""
    for line in _FUNCTION.sub("", script).splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
