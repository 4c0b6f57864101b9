"""Two writers at once on PostgreSQL: the first is held up between its look and its write, by a trigger, while
the second runs to its end or until it waits for the first. What they do together must be what one of the two
orders does. Start reading at `Interleaving`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import anyio
import asyncpg
from harness.postgresql import PostgreSQL

from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.migrate import migrate

PATIENCE_S = 30

State = TypeVar("State")

Outcome = Any
Writer = Callable[[Database], Awaitable[Outcome]]

# The first transaction to get lock 1 waits here for lock 2, which the test holds; all others pass.
_HOLD_FIRST = """
    create function hold_first() returns trigger language plpgsql as $$
    begin
        if pg_try_advisory_xact_lock(1) then
            perform pg_advisory_xact_lock_shared(2);
        end if;
        return null;
    end
    $$;
    create trigger hold_first before update or delete on image
        for each statement execute function hold_first();"""
_HOLD_ON = """
    create trigger hold_first before insert or update or delete on {}
        for each statement execute function hold_first();"""
_WAITING = """
    select count(distinct pid) from pg_locks where not granted
    and pid in (select pid from pg_stat_activity where datname = current_database())"""


def make_database(postgresql: PostgreSQL, *tables: str) -> str:
    """The URL of a migrated database in which the first writer of an image, or of these tables, can be held
    up."""
    url = postgresql.create_database()

    async def prepare() -> None:
        db = await open_database(url, 1)
        await migrate(db)
        await db.close()
        connection = await asyncpg.connect(url)
        await connection.execute(_HOLD_FIRST + "".join(map(_HOLD_ON.format, tables)))
        await connection.close()

    asyncio.run(prepare())
    return url


@dataclass(frozen=True)
class Interleaving(Generic[State]):
    """`db`: the writers'; `connection`: the test's own, which holds the first writer up. `begin`: makes the
    state that both find; `look`: the state after them. `orders`: what two writers did one after the other,
    which is asked once, however many pairs they are in."""

    db: Database
    connection: asyncpg.Connection
    begin: Callable[[Database], Awaitable[None]]
    look: Callable[[Database], Awaitable[State]]
    orders: dict[tuple[Writer, Writer], tuple[Outcome, Outcome, State]] = field(default_factory=dict)

    async def require_an_order(self, one: Writer, other: Writer) -> State:
        """Fails unless both at once are told, and leave behind, what one of the two orders gives; the state
        after both at once."""
        forwards = await self._run_in_order(one, other)
        to_other, to_one, backwards = await self._run_in_order(other, one)

        await self.begin(self.db)
        told = await self.run_at_once(one, other)
        state = await self.look(self.db)

        assert (*told, state) in (forwards, (to_one, to_other, backwards))
        return state

    async def _run_in_order(self, first: Writer, second: Writer) -> tuple[Outcome, Outcome, State]:
        if (first, second) not in self.orders:
            await self.begin(self.db)
            told = await first(self.db), await second(self.db)
            self.orders[first, second] = (*told, await self.look(self.db))
        return self.orders[first, second]

    async def run_at_once(self, first: Writer, second: Writer) -> tuple[Outcome, Outcome]:
        """The second writer comes between the look and the write of the first one."""
        async with self.holding():
            leading = asyncio.ensure_future(first(self.db))
            await self.wait_until_over_or_waiting(leading, 1)
            following = asyncio.ensure_future(second(self.db))
            await self.wait_until_over_or_waiting(following, 1 if leading.done() else 2)
        return await leading, await following

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        await self.connection.execute("select pg_advisory_lock(2)")
        try:
            yield
        finally:
            await self.connection.execute("select pg_advisory_unlock(2)")

    async def wait_until_over_or_waiting(self, writing: "asyncio.Future[Outcome]", waiting: int) -> None:
        """Return when the write is over, or so many writers wait for a lock."""
        with anyio.fail_after(PATIENCE_S):
            while not writing.done():
                if await self.connection.fetchval(_WAITING) >= waiting:
                    return


@asynccontextmanager
async def interleave(
    url: str, begin: Callable[[Database], Awaitable[None]], look: Callable[[Database], Awaitable[State]]
) -> AsyncIterator[Interleaving[State]]:
    """Of the database that `make_database` made."""
    db = await open_database(url, 4)
    connection = await asyncpg.connect(url)
    yield Interleaving(db, connection, begin, look)
    await connection.close()
    await db.close()
