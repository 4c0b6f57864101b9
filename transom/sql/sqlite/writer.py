"""The only writer, which commits many requests in one fsync, and the checkpointer beside it."""

import asyncio
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from transom.disk import Ballast, Room
from transom.domain.errors import StoreFullError, UnavailableError
from transom.domain.fair_queue import FairQueue
from transom.sql.db import Result, Row, Script, Statement
from transom.sql.sqlite.changes import run_statement
from transom.sql.sqlite.connection import BUSY_MS, connect, is_busy, is_fault, renamed
from transom.sql.sqlite.files import OpenFiles
from transom.sql.sqlite.unit import Unit, is_gone, settle

#: Most requests in one commit: bounds the time that the first of them waits for the last.
_BATCH = 256
#: On the event loop nobody waits for another process.
_DO_NOT_WAIT = "pragma busy_timeout = 0"
#: How long the statements of a request may run on the event loop, and how long a transaction takes in further
#: ones, seconds; and the steps of SQLite's machine between two looks at the clock: about half a millisecond.
_MOST_ON_LOOP_S = 0.006
_STEPS_BETWEEN_LOOKS = 50_000
#: Where SQLite keeps pages as they were before a statement that may have to be taken back: `memory` if it is
#: short, for a file costs two system calls a page; else `file`.
_KEEP_PAGES_IN = "pragma temp_store ="
#: The pages that a large batch touches, KiB: each read once and not for every row on it.
_CACHE_KIB = 32_768
#: Rows changed since the log was last written back that make it worth while again.
_CHANGES_A_CHECKPOINT = 1_000
#: Pages in the log from which the writer does so itself, which bounds the log (64 MiB); longer than that it
#: becomes while another process reads for long, and then it is cut.
_MOST_PAGES = 16_000
_LONGEST_LOG = f"pragma journal_size_limit = {_MOST_PAGES * 4096}"
#: Room for deletions on a disk that others have filled, bytes.
_BALLAST_BYTES = 16 << 20
#: How soon it is made again when there is room, seconds.
_BALLAST_EVERY_S = 60.0
_NO_ROOM = "The disk of the database has no room for more; deleting goes on."


class Writer:
    """Everything that changes the database from this process, one transaction after the other.

    A transaction takes whatever waits when it starts. Its statements run on the event loop's thread, where
    each costs what it costs in SQLite and no more; only the commit, which waits for the disk, goes to a
    thread. What comes meanwhile waits for the next one. When another process is writing, waiting for it is
    the thread's as well, and then the whole transaction is. So is one with a script in it: those may be long.
    Few statements touch many rows, as the deletion of an image with thousands of recipients does, and nobody
    can tell before: one that takes too long on the event loop is taken back, and runs again as scripts do.
    """

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, disk_reserve: int) -> None:
        self._room = Room(path.parent, disk_reserve)
        self._ballast = Ballast(path.with_name(f"{path.name}-ballast"), self._room, _BALLAST_BYTES)
        self._ballast.keep()
        self._connection = connect(path)
        self._connection.execute(_DO_NOT_WAIT)
        self._connection.execute(f"{_KEEP_PAGES_IN} memory")
        self._connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
        self._connection.execute(f"pragma wal_autocheckpoint = {_MOST_PAGES}")
        self._connection.execute(_LONGEST_LOG)
        #: On the event loop: what runs, until when it may, and whether it did not end by then.
        self._stop_at = math.inf
        self._running: Unit | None = None
        self._is_too_long = False
        self._connection.set_progress_handler(self._look_at_clock, _STEPS_BETWEEN_LOOKS)
        self._checkpointer = _Checkpointer(path, self._ballast)
        # Which opens all files for as long as the connection is.
        self._connection.execute("select 1 from sqlite_master").fetchall()
        self._files = OpenFiles(path)
        #: Whether the disk failed, until somebody who has written to it since says otherwise: a transaction
        #: that changed nothing succeeds on any disk.
        self.is_failing = False
        self._loop = loop
        #: Statements in the order they came, what may be long by projects in turn, what is tried once more.
        self._waiting: list[Unit] = []
        self._long: FairQueue[Unit] = FairQueue(is_gone)
        self._again: list[Unit] = []
        #: Statements that go before the next that may be long: those that wait when a turn of theirs begins,
        #: in as many transactions as they take. None between two turns.
        self._before_long: int | None = None
        self._is_busy = False
        self._is_stopped = False
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run_thread, name="sqlite-commit", daemon=True)
        self._thread.start()
        #: Called after a commit that may have appended events.
        self.wake: Callable[[], None] = _do_nothing

    def submit(self, statements: Sequence[Statement]) -> asyncio.Future[list[list[Row]] | None]:
        return self._enqueue(Unit(self._loop.create_future(), statements))

    def submit_script(self, make_script: Callable[[], Script[Result]]) -> asyncio.Future[Result]:
        return self._enqueue(Unit(self._loop.create_future(), make_script=make_script))

    def _enqueue(self, unit: Unit) -> asyncio.Future[Any]:
        if self._is_stopped:
            raise UnavailableError("The database is closed.")
        if self._files.is_displaced:
            self._files.require()
        self._require_room_for(unit)
        if unit.makes_others_wait:
            self._long.add(unit.tenant, unit)
        else:
            self._waiting.append(unit)
        if not self._is_busy:
            self._is_busy = True
            # At the end of this round of the loop: the other requests in it come along.
            self._loop.call_soon(self._start)
        return unit.future

    def _require_room_for(self, unit: Unit) -> None:
        """StoreFullError for new rows where the reserve begins, and for events of changes at its end: that is
        for what takes rows away, which has events as well."""
        if not self._room.is_short() or unit.takes_away():
            return
        if unit.inserts() or (unit.appends_events() and self._room.is_at_its_end()):
            raise StoreFullError(_NO_ROOM)

    @property
    def is_busy(self) -> bool:
        """Whether anything waits for a transaction, or for the end of one."""
        return self._is_busy

    def stop(self) -> None:
        """End the thread after the current commit, and close."""
        self._is_stopped = True
        self._work.put(None)
        self._thread.join()
        self._checkpointer.stop()
        self._connection.close()

    def _run_thread(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _take_batch(self) -> list[Unit]:
        """What goes into the next transaction: what may be long alone, others together. The two kinds take
        turns, so that a statement waits for one script and not for all those that somebody has sent."""
        waiting = self._again or self._waiting
        if not self._again and (self._before_long == 0 or not waiting):
            self._before_long = None
            called = self._long.call()
            if called is not None:
                return [called[1]]
        if self._before_long is None:
            self._before_long = min(len(waiting), _BATCH)
        size = next((n for n, unit in enumerate(waiting[:_BATCH]) if unit.makes_others_wait), _BATCH)
        batch = waiting[: max(size, 1)]
        del waiting[: len(batch)]
        return batch

    def _start(self) -> None:
        batch = self._take_batch()
        if not batch:  # All requests that had sent units were cancelled.
            self._is_busy = False
            return
        if batch[0].makes_others_wait:
            self._work.put(lambda: self._run_and_commit(batch))
            return
        try:
            self._connection.execute("begin immediate")
        except sqlite3.Error:
            self._work.put(lambda: self._run_and_commit(batch))
            return
        failure: Exception | None
        try:
            failure = self._run_units(batch, time.perf_counter() + _MOST_ON_LOOP_S)
        except sqlite3.Error as error:
            failure = error
        if self._is_too_long:
            self._put_aside(batch)
        else:
            self._work.put(lambda: self._commit(batch, failure))

    def _leave_to_next(self, batch: list[Unit], done: int) -> None:
        """So many were enough for the transaction: others come before more of the same tenants."""
        tenants = {unit.tenant for unit in batch[:done]}
        self._waiting = sorted(batch[done:] + self._waiting, key=lambda unit: unit.tenant in tenants)
        del batch[done:]

    def _look_at_clock(self) -> bool:
        """Whether SQLite is to break off the statement, and with it the transaction."""
        if time.perf_counter() > self._stop_at:
            self._is_too_long = True
        return self._is_too_long

    def _put_aside(self, batch: list[Unit]) -> None:
        """What runs takes too long, or has stopped half way: the others of the batch go first, and it has a
        transaction of its own."""
        self._is_too_long = False
        long = self._running
        assert long is not None, "the clock is looked at while something runs"  # noqa: S101
        if self._connection.in_transaction:
            self._connection.rollback()
        for unit in batch:
            unit.forget()
        long.makes_others_wait = True
        self._long.add(long.tenant, long)
        self._again = [unit for unit in batch if unit is not long] + self._again
        # Not at once: other requests are answered between two tries.
        self._loop.call_soon(self._start)

    def _run_and_commit(self, batch: list[Unit]) -> None:
        failure: Exception | None = None
        try:
            self._connection.execute(f"pragma busy_timeout = {BUSY_MS}")
            self._connection.execute(f"{_KEEP_PAGES_IN} file")
            self._connection.set_progress_handler(None, 0)
            self._connection.execute("begin immediate")
            failure = self._run_units(batch)
        except sqlite3.Error as error:
            failure = error
        finally:
            self._connection.set_progress_handler(self._look_at_clock, _STEPS_BETWEEN_LOOKS)
            self._connection.execute(_DO_NOT_WAIT)
            self._connection.execute(f"{_KEEP_PAGES_IN} memory")
        self._commit(batch, failure)

    def _commit(self, batch: list[Unit], failure: Exception | None) -> None:
        try:
            if failure is None:
                if self._connection.in_transaction:
                    self._connection.execute("commit")
                # Behind the commit: what is acknowledged is in files that the next start finds.
                self._files.require()
                self._checkpointer.notice(self._connection.total_changes)
            elif self._connection.in_transaction:
                self._connection.rollback()
        except (sqlite3.Error, UnavailableError) as error:
            failure = error
            with suppress(sqlite3.Error):
                self._connection.rollback()
        again: list[Unit] = []
        self.is_failing = self.is_failing or (failure is not None and is_fault(failure))
        is_locked_out = failure is not None and is_busy(failure)
        if failure is not None:
            if isinstance(renamed(failure), StoreFullError):
                # For nothing else: whatever is written then takes room from the next one.
                entitled = [unit for unit in batch if unit.takes_away() and not unit.is_second_try]
                again = entitled if entitled and self._finds_room() else []
            # Nothing of the batch was committed: each of its requests fails.
            for unit in batch:
                unit.error = failure
        self._loop.call_soon_threadsafe(self._finish, batch, again, failure if is_locked_out else None)

    def _finds_room(self) -> bool:
        """Whether it is worth a second try: by the ballast, which another process may have released."""
        return self._ballast.release() or self._room.has_room_again()

    def _finish(self, batch: list[Unit], again: list[Unit], lock_out: Exception | None) -> None:
        if lock_out is not None:
            batch = [*batch, *self._take_all(lock_out)]
        if self._before_long is not None:
            self._before_long = max(self._before_long - len(batch), 0)
        for unit in again:
            unit.forget()
            unit.is_second_try = True
        self._again = again + self._again
        if self._again or self._waiting or self._long:
            self._start()
        else:
            self._is_busy = False
        for unit in batch:
            if unit not in again:
                settle(unit)
        if any(unit.error is None and unit.appends_events() for unit in batch):
            self.wake()

    def _take_all(self, error: Exception) -> list[Unit]:
        """What waits, to fail with this error: another process has kept the lock for as long as anybody waits
        for it, and each transaction to come would wait as long again."""
        units = self._again + self._waiting
        self._again, self._waiting = [], []
        while (called := self._long.call()) is not None:
            units.append(called[1])
        for unit in units:
            unit.error = error
        return units

    def _run_units(self, batch: list[Unit], until: float = math.inf) -> Exception | None:
        """The error that ended the whole transaction (disk full, I/O, too long), if one did. What has not
        begun `until` then leaves the batch. Where there is no such end, nothing is light."""
        may_be_light = until < math.inf and not self._room.is_short()
        try:
            for number, unit in enumerate(batch):
                now = time.perf_counter()
                if now > until and number:
                    self._leave_to_next(batch, number)
                    return None
                self._running, self._stop_at = unit, now + _MOST_ON_LOOP_S
                if may_be_light and unit.is_light:
                    self._run_lightly(unit)
                else:
                    self._run_unit(unit, is_alone=len(batch) == 1)
                if self._is_too_long or not self._connection.in_transaction:
                    return unit.error
        finally:
            self._stop_at = math.inf
        return None

    def _run_lightly(self, unit: Unit) -> None:
        """One that has done all of it or nothing, unless something is broken: it needs no savepoint. One that
        stops half way all the same takes the whole transaction with it, and has one when it runs again."""
        unit.removes = False
        changes = self._connection.total_changes
        try:
            unit.outcome = self._run_all(unit)
        except Exception as error:  # noqa: BLE001 (told to whoever waits; a value SQLite cannot hold, too)
            unit.error = error
        is_half_done = unit.outcome is None and self._connection.total_changes != changes
        if is_half_done and self._connection.in_transaction:
            self._is_too_long = True

    def _run_unit(self, unit: Unit, *, is_alone: bool) -> None:
        """A unit that fails takes back its own statements and leaves its neighbours' alone. Where it has any,
        it has a savepoint: SQLite then copies each page before it first writes to it."""
        unit.removes = False
        is_whole = False
        try:
            if not is_alone:
                self._connection.execute("savepoint unit")
            if unit.make_script is not None:
                unit.outcome = self._run_script(unit, unit.make_script())
            else:
                unit.outcome = self._run_all(unit)
            is_whole = unit.make_script is not None or unit.outcome is not None
            if is_whole:
                self._require_room_for(unit)
        except Exception as error:  # noqa: BLE001 (as in `_run_lightly`)
            unit.error = error
        if self._connection.in_transaction:
            if unit.error is not None or not is_whole:
                self._connection.execute("rollback" if is_alone else "rollback to unit")
            if not is_alone:
                self._connection.execute("release unit")

    def _run_script(self, unit: Unit, script: Script[Any]) -> Any:
        """Notes in the unit what the script did."""
        done: list[Statement] = []
        unit.statements = done
        rows: list[Row] | None = None
        while True:
            try:
                statement = next(script) if rows is None else script.send(rows)
            except StopIteration as end:
                return end.value
            done.append(statement)
            rows = self._rows_of(unit, statement)

    def _run_all(self, unit: Unit) -> list[list[Row]] | None:
        rows: list[list[Row]] = []
        for statement in unit.statements:
            rows.append(self._rows_of(unit, statement))
            if statement.required and not rows[-1]:
                return None
        return rows

    def _rows_of(self, unit: Unit, statement: Statement) -> list[Row]:
        if statement.is_lock:
            return []
        is_removal = not unit.removes and statement.verb == "delete"
        if is_removal:
            changes = self._connection.total_changes
            # Until it has found nothing to remove: it may have no room for the attempt.
            unit.removes = True
        rows = run_statement(self._connection, statement)
        if is_removal:
            unit.removes = self._connection.total_changes > changes
        return rows


class _Checkpointer:
    """Writes the log back into the database file. Left to itself SQLite does that within a commit, for 20 ms
    and more, while everybody behind it waits."""

    def __init__(self, path: Path, ballast: Ballast) -> None:
        self._connection = connect(path)
        self._ballast = ballast
        self._done_at = 0
        self._is_stopped = False
        self._is_due = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqlite-checkpoint", daemon=True)
        self._thread.start()

    def notice(self, changes: int) -> None:
        """The writer has committed; `changes`: rows that it has changed in all."""
        if changes - self._done_at >= _CHANGES_A_CHECKPOINT:
            self._done_at = changes
            self._is_due.set()

    def stop(self) -> None:
        """End the thread after the current checkpoint, and close."""
        self._is_stopped = True
        self._is_due.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            is_due = self._is_due.wait(_BALLAST_EVERY_S)
            if self._is_stopped:
                return
            self._is_due.clear()
            if is_due:
                # What cannot be written back stays in the log, as safe as before; the next one tries again.
                with suppress(sqlite3.Error):
                    self._connection.execute("pragma wal_checkpoint(passive)").fetchall()
            self._ballast.keep()


def _do_nothing() -> None:
    """The default of `wake`."""
