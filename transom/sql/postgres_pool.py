"""A worker's connections to PostgreSQL.

asyncpg's own pool spends as much on lending a connection (a proxy, timers, a task, resets) as a short
statement costs to run, and every request pays it. This one does without: nothing we do leaves anything behind
in a session, and a connection on which anything was cut short is closed rather than mended.

A write that is cut short is never cancelled. A server that waits for its synchronous standby stops waiting
when it gets a cancel: the write becomes visible, and a retry is told that it is done, though no standby has
it (PostgreSQL, "Synchronous Replication"). When the connection is closed instead, the server goes on waiting,
and the retry waits behind it for the same rows.

Some connections are always kept free. Writes never take all of them, so reads go on while writes wait for a
standby or for each other. One project never takes all that writes may have, since each of its writes may wait
for a lock of its own, nor all there are, since each of its statements may be slow. Requests that wait for a
connection are served by tenant in turn.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType

import asyncpg

from transom.domain.errors import UnavailableError
from transom.domain.fair_queue import FairQueue
from transom.fair_semaphore import FairSemaphore
from transom.sql.db import TENANT, TOO_MANY

_log = logging.getLogger(__name__)

#: Longest wait for a connection, seconds.
ACQUIRE_S = 15.0
#: One in so many connections, rounded down, is never for writes; and one in so many, of all and of those for
#: writes, never for one project.
_NOT_TO_WRITE = 4
_NOT_OF_ONE = 4
#: Longest wait for the end of a statement that was cut short, seconds.
_CLOSE_S = 5.0
#: Pause before a server that had no place for one more connection is asked for one again, seconds.
_FULL_PAUSE_S = 1.0
#: How long a connection may be idle before it is closed, and how often that is looked for, seconds.
_IDLE_S = 300.0
_SWEEP_S = 60.0

Open = Callable[[], Awaitable[asyncpg.Connection]]

#: (deadline, future that receives a connection, or None to open one).
_Waiting = tuple[float, asyncio.Future[asyncpg.Connection | None]]


class Pool:
    """At most `limit` connections, made by `make` (which must not take for ever) when there is need; nobody
    waits for one longer than `most_wait_s`. Lives on one event loop."""

    def __init__(self, make: Open, limit: int, most_wait_s: float = ACQUIRE_S) -> None:
        self._make = make
        self._limit = limit
        self._free = limit
        writers = limit - limit // _NOT_TO_WRITE
        of_one = max(1, writers - max(1, writers // _NOT_OF_ONE))
        self._writers = FairSemaphore(writers, TOO_MANY, of_one, most_wait_s)
        #: Bounds what each project has, not what all have together.
        of_project = max(1, limit - max(1, limit // _NOT_OF_ONE))
        self._projects = FairSemaphore(sys.maxsize, TOO_MANY, of_project, most_wait_s)
        #: Whether the server had no place for one more a moment ago.
        self._is_full = False
        #: Whether the last write that ended found no room on the server's disk.
        self.is_disk_full = False
        self._most_wait_s = most_wait_s
        #: (since when, connection): the last that came back stands last, and goes first.
        self._idle: list[tuple[float, asyncpg.Connection]] = []
        self._waiting: FairQueue[_Waiting] = FairQueue(_is_over)
        self._giving_up: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._asking_again: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)
        #: The clock of `distrust`.
        self.now = self._loop.time

    def lease(self) -> "Lease":
        """`async with`: a connection to read with for as long as the block runs. What is cut short in it is
        cancelled."""
        return Lease(self, is_writing=False)

    def lease_to_write(self) -> "Lease":
        """As `lease`, for writes: what is cut short in it is not cancelled."""
        return Lease(self, is_writing=True)

    async def enter_writing(self, tenant: str | None) -> None:
        """Take one of the places of those who write, to be left with `leave_writing`. UnavailableError when
        none is free in good time."""
        await self._writers.enter(tenant)

    def leave_writing(self, tenant: str | None) -> None:
        self._writers.leave(tenant)

    def note_write(self, error: BaseException | None) -> None:
        """A write has ended so: remember, and log when that changes, whether the server's disk has room."""
        was_full, is_over = self.is_disk_full, error is None
        self.is_disk_full = isinstance(error, asyncpg.DiskFullError) or (was_full and not is_over)
        if self.is_disk_full and not was_full:
            _log.error("the disk of the database is full: %s", error)
        elif was_full and not self.is_disk_full:
            _log.info("the disk of the database takes writes again")

    async def enter(self, tenant: str) -> None:
        """Count one more connection of the tenant, until `leave`. UnavailableError when it has too many for
        too long."""
        await self._projects.enter(tenant)

    def leave(self, tenant: str) -> None:
        self._projects.leave(tenant)

    def take_idle(self) -> asyncpg.Connection | None:
        """A connection that nobody uses, None when there is none. To be given back with `put_back`."""
        while self._idle:
            connection = self._idle.pop()[1]
            if not connection.is_closed():
                return connection
            self._give_up(connection)
        return None

    async def take(self) -> asyncpg.Connection:
        """As `take_idle`; made, or waited for, if there is none. TimeoutError when that takes too long, and
        whatever connecting raises."""
        until = self._loop.time() + self._most_wait_s
        while (connection := self.take_idle()) is None:
            if self._is_closed:
                raise UnavailableError("The database is closed.")
            if self._may_open():
                try:
                    return await self._open()
                except asyncpg.TooManyConnectionsError:
                    if not self._has_own():
                        raise
                    continue
            connection = await self._wait(until)
            if connection is not None and not connection.is_closed():
                return connection
            if connection is not None:
                self._give_up(connection)
        return connection

    def put_back(self, connection: asyncpg.Connection) -> None:
        """Hand it to the next request that waits, or keep it as idle. A connection that is closed, or in the
        middle of a transaction, is given up."""
        if self._is_closed or connection.is_closed() or connection.is_in_transaction():
            self._give_up(connection)
        elif (waiting := self._next_waiting()) is not None:
            waiting.set_result(connection)
        else:
            self._idle.append((self._loop.time(), connection))

    def drop(self, connection: asyncpg.Connection) -> None:
        """Close a connection whose statement was cut short: nobody knows what comes from it next. Its place
        is free when the server has ended the statement."""
        closing = self._loop.create_task(self._close(connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def abandon(self, connection: asyncpg.Connection) -> None:
        """Close a connection without telling the server, which may still run its statement."""
        self._give_up(connection)

    def leave_server(self, connection: asyncpg.Connection) -> None:
        """Close a connection whose server cannot do its work (any more), and the idle ones, which are likely
        to lead to the same server."""
        self._give_up(connection)
        self._close_idle(self._loop.time())

    def distrust(self, since: float) -> None:
        """A server was silent from that moment on: close the connections on which it has not answered since.
        `since`: by the clock of the event loop."""
        self._close_idle(since)

    async def close(self) -> None:
        """Close what is idle now, and the others when they come back."""
        self._is_closed = True
        self._sweeping.cancel()
        for timer in (self._giving_up, self._asking_again):
            if timer is not None:
                timer.cancel()
        while (waiting := self._next_waiting()) is not None:
            waiting.set_result(None)
        while (connection := self.take_idle()) is not None:
            await connection.close(timeout=_CLOSE_S)
        await asyncio.gather(*self._closing)

    async def _close(self, connection: asyncpg.Connection) -> None:
        # asyncpg asks the server to cancel the statement, waits until it has, and breaks off if it does not.
        try:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=_CLOSE_S)
        finally:
            self._give_up(connection)

    def _has_own(self) -> bool:
        """Whether there is a connection to wait for, or an attempt to make one."""
        return self._free < self._limit

    def _may_open(self) -> bool:
        return self._free > 0 and not (self._is_full and self._has_own())

    async def _open(self) -> asyncpg.Connection:
        self._free -= 1
        try:
            connection = await self._make()
        except asyncpg.TooManyConnectionsError:
            # Nobody else is told of the room: all who wait would ask the full server in turn, without end.
            self._free += 1
            self._pause_opening()
            raise
        except BaseException:
            self._make_room()
            raise
        if self._free > 0:
            # Those who wait because the server was full may find room, too.
            self._call_next()
        return connection

    def _pause_opening(self) -> None:
        self._is_full = True
        if self._asking_again is None and not self._is_closed:
            self._asking_again = self._loop.call_later(_FULL_PAUSE_S, self._ask_again)

    def _ask_again(self) -> None:
        self._asking_again = None
        self._is_full = False
        self._call_next()

    async def _wait(self, until: float) -> asyncpg.Connection | None:
        """A connection, or None when there is room to make one."""
        waiting: asyncio.Future[asyncpg.Connection | None] = self._loop.create_future()
        self._waiting.add(TENANT.get(), (until, waiting))
        if self._giving_up is None:
            self._giving_up = self._loop.call_at(until, self._give_up_waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                # Called and cancelled in the same moment.
                connection = waiting.result()
                if connection is not None:
                    self.put_back(connection)
                else:
                    self._call_next()
            raise

    def _give_up_waiting(self) -> None:
        """Tell those whose time is over. One timer for all: most wait for less than setting one costs."""
        now = self._loop.time()
        for until, waiting in self._waiting:
            if until <= now:
                waiting.set_exception(TimeoutError("No database connection became free in time."))
        first = min((until for until, _waiting in self._waiting), default=None)
        self._giving_up = self._loop.call_at(first, self._give_up_waiting) if first is not None else None

    def _give_up(self, connection: asyncpg.Connection) -> None:
        connection.terminate()
        self._make_room()

    def _make_room(self) -> None:
        self._free += 1
        self._call_next()

    def _call_next(self) -> None:
        if (waiting := self._next_waiting()) is not None:
            waiting.set_result(None)

    def _next_waiting(self) -> asyncio.Future[asyncpg.Connection | None] | None:
        called = self._waiting.call()
        return called[1][1] if called is not None else None

    def _sweep(self) -> None:
        """Close what was not needed for a while: a server has few places."""
        self._close_idle(self._loop.time() - _IDLE_S)
        self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def _close_idle(self, unused_since: float) -> None:
        old = [connection for since, connection in self._idle if since <= unused_since]
        self._idle = [(since, connection) for since, connection in self._idle if since > unused_since]
        for connection in old:
            self._give_up(connection)


def _is_over(one: _Waiting) -> bool:
    return one[1].done()


class Lease:
    """A connection in use, on its way back when the block ends."""

    __slots__ = ("_connection", "_is_writing", "_pool", "_since", "_tenant")

    def __init__(self, pool: Pool, *, is_writing: bool) -> None:
        self._pool = pool
        self._is_writing = is_writing
        #: None: the service itself, which none of its connections is kept from.
        self._tenant = TENANT.get()
        self._since = 0.0
        self._connection: asyncpg.Connection = None

    async def __aenter__(self) -> asyncpg.Connection:
        if self._is_writing:
            await self._pool.enter_writing(self._tenant)
        try:
            await self._take()
        except BaseException:
            if self._is_writing:
                self._pool.leave_writing(self._tenant)
            raise
        self._since = self._pool.now()
        return self._connection

    async def _take(self) -> None:
        if self._tenant is not None:
            await self._pool.enter(self._tenant)
        try:
            self._connection = self._pool.take_idle() or await self._pool.take()
        except BaseException:
            if self._tenant is not None:
                self._pool.leave(self._tenant)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_writing:
            self._pool.leave_writing(self._tenant)
            self._pool.note_write(error)
        if self._tenant is not None:
            self._pool.leave(self._tenant)
        if error is None:
            self._pool.put_back(self._connection)
        elif isinstance(error, asyncio.CancelledError | TimeoutError):
            # The statement may still be running.
            if self._is_writing:
                self._pool.abandon(self._connection)
            else:
                self._pool.drop(self._connection)
            if isinstance(error, TimeoutError):
                self._pool.distrust(self._since)
        elif isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self._pool.leave_server(self._connection)
        else:
            self._pool.put_back(self._connection)
