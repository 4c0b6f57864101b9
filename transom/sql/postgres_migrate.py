"""How a migration is run on a PostgreSQL server that others are at work on.

It may take as long as it needs, but nobody waits behind it: a lock that it does not get soon it asks for
again later, since every statement behind a waiting lock waits with it; and a migration of nothing but indexes
makes them beside readers and writers (`concurrently`), which cannot be done in a transaction. What is to be
written for each image is written in pieces, each in a transaction of its own.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import asyncpg

from transom.sql.db import NEXT_PIECE

_log = logging.getLogger(__name__)

#: Longest wait for a table that others use, in PostgreSQL's words; and the pause before the next try, s.
LOCK_TIMEOUT = "500ms"
PAUSE_S = 2.0
#: So often a migration tries to get a lock before the log tells, and from then on each time.
QUIET_TRIES = 5
#: Pause between two looks whether another migrator is done, seconds.
_LOOK_S = 0.2
#: How long a migration waits for another session before the log tells, and from then on each time, seconds.
SAY_EVERY_S = 10.0
#: Key of the advisory lock that migrators take in turn ("transom" in ASCII, cut to 7 bytes).
_MIGRATION_LOCK = 0x7472616E736F6D

#: The sessions that keep another one waiting, and the one whose turn to migrate it is.
_OF_SESSION = "pid = any(pg_blocking_pids($1))"
_OF_TURN = """
    pid in (select pid from pg_locks where locktype = 'advisory' and granted and objsubid = 1
    and (classid::bigint << 32) | objid::bigint = $1)"""
#: An administrator's limits to all that a session does, some of which not every version knows.
_NO_LIMITS = """
    select set_config(name, '0', $1) from pg_settings
    where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"""

Connect = Callable[[], Awaitable[asyncpg.Connection]]

_COMMENT = re.compile(r"--[^\n]*")
_CREATE_INDEX = re.compile(r"create (unique )?index (\w+) on (\w+)(.*)", re.DOTALL)
_DROP_INDEX = re.compile(r"drop index (\w+)")


class IndexStep(NamedTuple):
    """A statement about an index, to be run alone. `made`: the index that it makes, on `table`."""

    sql: str
    made: str | None = None
    table: str | None = None


def index_steps(script: str) -> list[IndexStep]:
    """The script's statements as they are run beside others, each good for another try after one that was cut
    short. Empty when the script does more than make and drop indexes."""
    steps = []
    for statement in _COMMENT.sub("", script).split(";"):
        if not (sql := statement.strip()):
            continue
        if created := _CREATE_INDEX.fullmatch(sql):
            unique, name, table, rest = created.groups()
            text = f"create {unique or ''}index concurrently if not exists {name} on {table}{rest}"
            steps.append(IndexStep(text, name, table))
        elif dropped := _DROP_INDEX.fullmatch(sql):
            steps.append(IndexStep(f"drop index concurrently if exists {dropped[1]}"))
        else:
            return []
    return steps


async def take_turn(connection: asyncpg.Connection) -> None:
    """Begin a transaction that only one migrator has at a time.

    By looks, not by waiting in a statement: the one at work may wait for all statements that are older than
    its index.
    """
    waited_s = 0.0
    while True:
        await connection.execute("begin")
        if await connection.fetchval("select pg_try_advisory_xact_lock($1)", _MIGRATION_LOCK):
            await lift_limits(connection, in_transaction=True)
            await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
            return
        await connection.execute("rollback")
        await asyncio.sleep(_LOOK_S)
        waited_s += _LOOK_S
        if waited_s >= SAY_EVERY_S:
            waited_s = 0.0
            await _say_who(connection, _OF_TURN, _MIGRATION_LOCK)


async def lift_limits(connection: asyncpg.Connection, *, in_transaction: bool) -> None:
    """`in_transaction`: until its end, else of the session."""
    await connection.fetch(_NO_LIMITS, in_transaction)


@asynccontextmanager
async def telling_who(connect: Connect, waiting: asyncpg.Connection) -> AsyncIterator[None]:
    """Meanwhile the log tells which sessions keep this connection waiting."""

    pid = await waiting.fetchval("select pg_backend_pid()")

    async def tell() -> None:
        while True:
            await asyncio.sleep(SAY_EVERY_S)
            # That it cannot look ends no migration.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await connect()
                try:
                    await _say_who(connection, _OF_SESSION, pid)
                finally:
                    connection.terminate()

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()


async def _say_who(connection: asyncpg.Connection, which: str, value: int) -> None:
    found = await connection.fetch(
        f"select pid, usename, application_name, state, xact_start from pg_stat_activity where {which}",
        value,
    )
    for pid, user, application, state, since in found:
        _log.warning(
            "the migration waits for a session: pid %s, user %s, application %r, %s, transaction since %s",
            pid,
            user,
            application,
            state,
            since,
        )


async def have_rows(connection: asyncpg.Connection, steps: list[IndexStep]) -> bool:
    """Whether any of the tables has rows: to index an empty one takes no time."""
    for table in sorted({step.table for step in steps if step.table is not None}):
        if await connection.fetchval(f"select exists (select 1 from {table})"):
            return True
    return False


async def run_index_steps(connection: asyncpg.Connection, steps: list[IndexStep]) -> None:
    """Make and drop the indexes, waiting for everybody and holding up nobody."""
    # What such a statement waits for keeps no one from the table meanwhile.
    await lift_limits(connection, in_transaction=False)
    await connection.execute("set lock_timeout = 0")
    for step in steps:
        if step.made is not None and await connection.fetchval(_IS_HALF_MADE, step.made):
            await connection.execute(f"drop index concurrently {step.made}")
        await connection.execute(step.sql)


async def run_in_pieces(connection: asyncpg.Connection, statement: str) -> None:
    """Run the statement for all images, some at a time. A request that changes one of these images
    waits for a piece at most. A piece that has to wait for others' locks is given up and tried again."""
    await lift_limits(connection, in_transaction=False)
    await connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT}'")
    last = ""
    tries = 0
    while True:
        try:
            async with connection.transaction():
                piece = await connection.fetch(NEXT_PIECE, last)
                if not piece:
                    return
                await connection.execute(statement, last, piece[-1]["id"])
            last = piece[-1]["id"]
            tries = 0
        except asyncpg.LockNotAvailableError:
            tries += 1
            if tries > QUIET_TRIES:
                _log.warning("the migration waits for images that others change")
            await asyncio.sleep(PAUSE_S)


_IS_HALF_MADE = "select exists (select 1 from pg_index where indexrelid = to_regclass($1) and not indisvalid)"
