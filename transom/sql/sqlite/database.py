"""SQLite: readers that never wait, and one writer that commits many requests in one fsync.

Reads run on the event loop's thread (a point read costs about 8 µs, a hop to a thread several times that);
`scan` goes to a thread. The writes that wait go into one transaction (`writer.py`).
"""

import asyncio
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from transom.clock import machine_now_us
from transom.domain.errors import StoreFullError, UnavailableError
from transom.fair_semaphore import FairSemaphore
from transom.sql.db import IN_PIECES, NEXT_PIECE, TENANT, TOO_MANY, Place, Result, Row, Script, Statement
from transom.sql.sqlite.connection import BUSY_MS, connect, connect_reader, renamed
from transom.sql.sqlite.place import find_place
from transom.sql.sqlite.spelling import SqliteDialect, statements_of, translated
from transom.sql.sqlite.writer import Writer
from transom.sql.turns import InTurns
from transom.threads import Threads

#: Scans that run at once, and the longest that one may take, seconds.
_SCANS_AT_ONCE = 4
_SCAN_S = 30.0
#: Steps of SQLite's machine between two looks at the clock: about a millisecond.
_STEPS_BETWEEN_LOOKS = 100_000
#: The same of a read on the event loop, and how long it may go on after its first look, seconds. Short ones
#: never look.
_STEPS_ON_LOOP = 20_000
_MOST_ON_LOOP_S = 0.004
#: How long the answer to `require_writable` may take, seconds.
_READY_S = 3.0
#: Changes nothing, and goes to the disk all the same.
_WRITE_NOTHING = "pragma user_version = 0"
#: RETURNING came with 3.35.
_OLDEST = (3, 35, 0)


def path_of(url: str) -> Path:
    """The file that `sqlite:///path` names: three slashes and a relative path, four and an absolute one."""
    return Path(unquote(url.removeprefix("sqlite:///")))


class _Scanners:
    """A few threads for statements that may take long, each with a connection of its own: one caller's slow
    question does not hold up everybody's. None may take longer than PostgreSQL would let it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._threads = Threads("sqlite-scan", _SCANS_AT_ONCE)
        self._semaphore = FairSemaphore(_SCANS_AT_ONCE, TOO_MANY)

    async def run(self, sql: str, values: tuple[Any, ...]) -> list[Row]:
        async with self._semaphore.hold(TENANT.get()):
            return await self._threads.run(self._run, sql, values)

    def _run(self, sql: str, values: tuple[Any, ...]) -> list[Row]:
        connection = self._connection()
        give_up_at = time.monotonic() + _SCAN_S
        connection.set_progress_handler(lambda: time.monotonic() > give_up_at, _STEPS_BETWEEN_LOOKS)
        return connection.execute(sql, values).fetchall()

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._own, "connection"):
            self._own.connection = connect_reader(self._path)
            self._opened.append(self._own.connection)
        connection: sqlite3.Connection = self._own.connection
        return connection

    def stop(self) -> None:
        self._threads.close()
        self._threads.join()
        for connection in self._opened:
            connection.close()


class SqliteDatabase(InTurns):
    """A `Database` and a `SchemaHistory` in one file. Made inside a running event loop. `disk_reserve`: bytes
    that new rows leave free on its disk."""

    def __init__(self, path: Path, disk_reserve: int = 0) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise UnavailableError(
                f"SQLite 3.35 or newer is needed; this Python brings {sqlite3.sqlite_version}."
            )
        self.dialect = SqliteDialect()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            first = connect(path)
            first.execute("pragma journal_mode = wal")
            first.close()
            self._reader = connect_reader(path)
            #: Until when the read on the event loop may run; None before its first look at the clock.
            self._read_until: float | None = None
            self._reader.set_progress_handler(self._look_at_clock, _STEPS_ON_LOOP)
            self._scanners = _Scanners(path)
            self._threads = Threads("sqlite", 1)
            self._writer = Writer(path, asyncio.get_running_loop(), disk_reserve)
            #: The last transaction by which was looked whether there can be any.
            self._probe: asyncio.Future[list[list[Row]] | None] | None = None
        except (OSError, sqlite3.Error) as error:
            raise UnavailableError(f"The database {path} cannot be opened: {error}") from error
        # A commit needs the interpreter lock back when the disk is done; with the default of 5 ms a busy
        # event loop would make everybody in the transaction wait that long.
        sys.setswitchinterval(0.0005)

    async def read(self, sql: str, *values: Any) -> list[Row]:
        self._read_until = None
        try:
            return self._reader.execute(translated(sql), values).fetchall()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
                # It is not short: it runs again beside the event loop.
                return await self.scan(sql, *values)
            raise renamed(error) from error

    def _look_at_clock(self) -> bool:
        """Whether SQLite is to break off the read."""
        now = time.perf_counter()
        if self._read_until is None:
            self._read_until = now + _MOST_ON_LOOP_S
        return now > self._read_until

    async def scan(self, sql: str, *values: Any) -> list[Row]:
        try:
            rows = await self._scanners.run(translated(sql), values)
        except sqlite3.Error as error:
            raise renamed(error) from error
        await self.take_turn()
        return rows

    async def write(self, sql: str, *values: Any) -> list[Row]:
        rows = await self._writer.submit((Statement(sql, values),))
        return rows[0] if rows else []

    async def transact(self, *statements: Statement) -> list[list[Row]] | None:
        return await self._writer.submit(statements)

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        return await self._writer.submit_script(make_script)

    def on_events(self, wake: Callable[[], None]) -> None:
        self._writer.wake = wake

    async def require_writable(self) -> None:
        if self._probe is None or self._probe.done():
            probe = _WRITE_NOTHING if self._writer.is_failing else "select 1"
            self._probe = self._writer.submit((Statement(probe, ()),))
            # It may fail when nobody waits any more.
            self._probe.add_done_callback(partial(self._end_probe, probe))
        await asyncio.wait([self._probe], timeout=_READY_S)
        if not self._probe.done():
            raise UnavailableError("Another process keeps the database locked.")
        self._probe.result()

    def _end_probe(self, probe: str, done: asyncio.Future[list[list[Row]] | None]) -> None:
        if done.exception() is None and probe == _WRITE_NOTHING:
            self._writer.is_failing = False

    @property
    def is_full(self) -> bool:
        return False  # Its disk is this machine's, and looked at.

    def now_us(self) -> int:
        return machine_now_us()  # All who share the file run on this machine.

    async def read_clock(self) -> float:
        return 0.0

    async def find_place(self) -> Place:
        path = Path(self._file())
        try:
            return find_place(path)
        except OSError as error:
            raise UnavailableError(f"The database {path} cannot be found: {error.strerror}") from error

    async def close(self) -> None:
        with suppress(UnavailableError, StoreFullError):
            while True:  # Behind whatever was submitted before.
                await self.write("select 1")
                if not self._writer.is_busy:
                    break
        await self._threads.run(self._stop)
        self._threads.close()
        self._threads.join()
        self._reader.close()

    def _stop(self) -> None:
        self._writer.stop()
        self._scanners.stop()

    # ---- schema history

    async def schema_version(self) -> int:
        tables = "select 1 from sqlite_master where type = 'table' and name = 'schema_version'"
        if not await self.read(tables):
            return 0
        rows = await self.read("select coalesce(max(version), 0) from schema_version")
        return int(rows[0][0])

    async def run_script(self, script: str, version: int) -> bool:
        if IN_PIECES not in script:
            return await self._threads.run(self._run_script, translated(script), version)
        if await self.schema_version() >= version:
            return False
        # No harm is done by two that do so at once.
        await self._threads.run(self._run_in_pieces, translated(script))
        return await self._threads.run(self._run_script, "", version)

    def _run_in_pieces(self, statement: str) -> None:
        connection = sqlite3.connect(self._file(), isolation_level=None, timeout=BUSY_MS / 1000)
        last = ""
        try:
            while piece := connection.execute(translated(NEXT_PIECE), (last,)).fetchall():
                connection.execute(statement, (last, piece[-1][0]))
                last = piece[-1][0]
        except sqlite3.Error as error:
            raise renamed(error) from error
        finally:
            connection.close()

    def _run_script(self, script: str, version: int) -> bool:
        connection = sqlite3.connect(self._file(), isolation_level=None, timeout=BUSY_MS / 1000)
        try:
            connection.execute("begin immediate")
            connection.execute(_HISTORY_TABLE)
            done = connection.execute("select coalesce(max(version), 0) from schema_version").fetchone()[0]
            if done >= version:
                connection.execute("rollback")
                return False
            for statement in statements_of(script):
                connection.execute(statement)
            connection.execute("insert into schema_version (version) values (?)", (version,))
            connection.execute("commit")
        except sqlite3.Error as error:
            raise renamed(error) from error
        finally:
            connection.close()
        return True

    async def list_indexes(self) -> list[str]:
        rows = await self.read("select name from sqlite_master where type = 'index'")
        return [str(row[0]) for row in rows]

    async def change_indexes(self, script: str) -> None:
        for statement in statements_of(script.replace("create index", "create index if not exists")):
            await self.write(statement)

    def _file(self) -> str:
        return str(self._reader.execute("pragma database_list").fetchone()[2])


_HISTORY_TABLE = "create table if not exists schema_version (version integer primary key)"
