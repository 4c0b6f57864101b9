"""How a migration is run on a PostgreSQL server that others are at work on.

It may take as long as it needs, but nobody waits behind it: a lock that it does not get soon it asks for
again later, since every statement behind a waiting lock waits with it; and a migration of nothing but indexes
makes them beside readers and writers (`concurrently`), which cannot be done in a transaction. What is to be
written for each image is written in pieces, each in a transaction of its own.
"""

import asyncio
import re
from typing import NamedTuple

import asyncpg

from transom.sql.db import NEXT_PIECE

#: Longest wait for a table that others use, in PostgreSQL's words; and the pause before the next try, s.
LOCK_TIMEOUT = "500ms"
PAUSE_S = 2.0
#: Pause between two looks whether another migrator is done, seconds.
_LOOK_S = 0.2
#: Key of the advisory lock that migrators take in turn ("transom" in ASCII, cut to 7 bytes).
_MIGRATION_LOCK = 0x7472616E736F6D

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
    while True:
        await connection.execute("begin")
        if await connection.fetchval("select pg_try_advisory_xact_lock($1)", _MIGRATION_LOCK):
            await connection.execute(
                f"set local statement_timeout = 0; set local lock_timeout = '{LOCK_TIMEOUT}'"
            )
            return
        await connection.execute("rollback")
        await asyncio.sleep(_LOOK_S)


async def have_rows(connection: asyncpg.Connection, steps: list[IndexStep]) -> bool:
    """Whether any of the tables has rows: to index an empty one takes no time."""
    for table in sorted({step.table for step in steps if step.table is not None}):
        if await connection.fetchval(f"select exists (select 1 from {table})"):
            return True
    return False


async def run_index_steps(connection: asyncpg.Connection, steps: list[IndexStep]) -> None:
    """Make and drop the indexes, waiting for everybody and holding up nobody."""
    # What such a statement waits for keeps no one from the table meanwhile.
    await connection.execute("set statement_timeout = 0; set lock_timeout = 0")
    for step in steps:
        if step.made is not None and await connection.fetchval(_IS_HALF_MADE, step.made):
            await connection.execute(f"drop index concurrently {step.made}")
        await connection.execute(step.sql)


async def run_in_pieces(connection: asyncpg.Connection, statement: str) -> None:
    """Run the statement for all images, some at a time. A request that changes one of these images
    waits for a piece at most. A piece that has to wait for others' locks is given up and tried again."""
    await connection.execute(f"set statement_timeout = 0; set lock_timeout = '{LOCK_TIMEOUT}'")
    last = ""
    while True:
        try:
            async with connection.transaction():
                piece = await connection.fetch(NEXT_PIECE, last)
                if not piece:
                    return
                await connection.execute(statement, last, piece[-1]["id"])
            last = piece[-1]["id"]
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(PAUSE_S)


_IS_HALF_MADE = "select exists (select 1 from pg_index where indexrelid = to_regclass($1) and not indisvalid)"
