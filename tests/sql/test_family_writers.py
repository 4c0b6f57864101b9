"""Whatever changes a family, its versions or members, beside whatever else does: together they do what one
after the other would (share-api, 13). PostgreSQL alone: SQLite writes one at a time.

Of each pair the first writer is held up between its look and its write, as in `test_member_writers.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import asyncpg
import msgspec
import pytest
from domain.samples import ACTOR
from harness.postgresql import PostgreSQL

from transom.domain.errors import TransomError
from transom.domain.model import Status
from transom.sharing.families import due
from transom.sharing.families import images as versions
from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.images import find_image
from transom.sql.migrate import migrate

from .databases import NOBODY, insert_member
from .family_world import (
    NOW,
    answer,
    leave,
    make_family,
    make_images,
    offer,
    promote,
    publish,
    revoke,
    withdraw,
)

pytestmark = pytest.mark.anyio

FIRST, SECOND, NEWCOMER = "first-project", "second-project", "newcomer-project"
PATIENCE_S = 30

# The first transaction to get lock 1 waits here for lock 2, which the test holds; all others pass.
HOLD_FIRST = """
    create function hold_first() returns trigger language plpgsql as $$
    begin
        if pg_try_advisory_xact_lock(1) then
            perform pg_advisory_xact_lock_shared(2);
        end if;
        return null;
    end
    $$;
    create trigger hold_first before insert or update or delete on member
        for each statement execute function hold_first();
    create trigger hold_first before insert or update or delete on family_member
        for each statement execute function hold_first();
    create trigger hold_first before update or delete on image
        for each statement execute function hold_first();"""

Outcome = Any
Writer = Callable[[Database], Awaitable[Outcome]]


@pytest.fixture(scope="module")
def families_url(postgresql: PostgreSQL) -> str:
    """The URL of a database that all pairs share, one after another."""
    url = postgresql.create_database()

    async def prepare() -> None:
        db = await open_database(url, 1)
        await migrate(db)
        await db.close()
        connection = await asyncpg.connect(url)
        await connection.execute(HOLD_FIRST)
        await connection.close()

    asyncio.run(prepare())
    return url


@pytest.fixture
async def connection(families_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The test's own, which holds the first writer up."""
    opened = await asyncpg.connect(families_url)
    yield opened
    await opened.close()


@pytest.fixture
async def pooled(families_url: str) -> AsyncIterator[Database]:
    opened = await open_database(families_url, 4)
    yield opened
    await opened.close()


# ---- the writers


def _telling(call: Callable[[Database], Awaitable[object]]) -> Writer:
    """What whoever asked hears: that it was done, or which error it was."""

    async def run(db: Database) -> Outcome:
        try:
            await call(db)
        except TransomError as error:
            return type(error).__name__
        return "done"

    return run


async def _set_status(db: Database, image_id: str, status: str) -> None:
    """As a client of the Image API: looks, writes, and looks again when somebody was quicker."""
    while True:
        seen = (await find_image(db, image_id, NOBODY)).image
        if seen is None:
            return
        new = msgspec.structs.replace(seen, status=status, updated_at=seen.updated_at + 1)
        if await versions.update_image(db, seen, new, ACTOR):
            return


async def _delete(db: Database, image_id: str) -> None:
    while True:
        seen = (await find_image(db, image_id, NOBODY)).image
        if seen is None or await versions.remove_image(db, seen, NOW, ACTOR):
            return


WRITERS: dict[str, Writer] = {
    "promote 3": _telling(lambda db: promote(db, 3)),
    "roll back to 1": _telling(lambda db: promote(db, 1)),
    "revoke 2": _telling(lambda db: revoke(db, 2, "CVE-1")),
    "accept": _telling(lambda db: answer(db, SECOND)),
    "reject": _telling(lambda db: answer(db, FIRST, "rejected")),
    "leave": _telling(lambda db: leave(db, FIRST)),
    "withdraw": _telling(lambda db: withdraw(db, [FIRST, SECOND])),
    "members end": _telling(due.run),
    "delete 3": _telling(lambda db: _delete(db, "image-3")),
    "delete 2": _telling(lambda db: _delete(db, "image-2")),
    "deactivate 3": _telling(lambda db: _set_status(db, "image-3", Status.DEACTIVATED)),
    "offer 2 to another": _telling(lambda db: insert_member(db, "image-2", NEWCOMER, 10, NOW)),
}

#: Those of the specification, and what else meets at the current version.
PAIRS = [
    *(("promote 3", other) for other in WRITERS),
    *((other, "promote 3") for other in WRITERS if other != "promote 3"),
    ("revoke 2", "roll back to 1"),
    ("roll back to 1", "revoke 2"),
    ("revoke 2", "accept"),
    ("accept", "revoke 2"),
    ("accept", "withdraw"),
    ("withdraw", "accept"),
    ("reject", "leave"),
    ("leave", "reject"),
    ("leave", "members end"),
    ("members end", "leave"),
    ("delete 2", "accept"),
    ("accept", "delete 2"),
]


class Told(NamedTuple):
    """What the two writers were told, and what is in the database after them."""

    first: Outcome
    second: Outcome
    current: object
    images: list[tuple[object, ...]]
    members: list[tuple[object, ...]]
    family_members: list[tuple[object, ...]]


async def _begin(db: Database) -> None:
    """Versions 1, 2 (current) and 3 (a candidate); one accepted, one pending member, one that has ended."""
    for table in ("family", "image", "deleted_image", "outbox"):
        await db.write(f"delete from {table}")
    await make_family(db)
    await make_images(db, "image-1", "image-2", "image-3")
    await publish(db, "image-1")
    await publish(db, "image-2")
    await publish(db, "image-3", promotes=False)
    await offer(db, "ended-project", expires_at=NOW + 1)
    await offer(db, FIRST, SECOND)
    await answer(db, FIRST)


async def _tell(db: Database, first: Outcome, second: Outcome) -> Told:
    async def rows(sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await db.read(sql)]

    current = await rows("select current_number from family")
    return Told(
        first,
        second,
        current,
        await rows("select id, status, visibility, os_hidden, properties from image order by id"),
        await rows("select image_id, member_id, status, family_id from member order by 1, 2"),
        await rows("select member_id, status from family_member order by 1"),
    )


async def _in_order(db: Database, first: Writer, second: Writer) -> Told:
    await _begin(db)
    told = await first(db)
    return await _tell(db, told, await second(db))


async def _interleaved(db: Database, connection: asyncpg.Connection, first: Writer, second: Writer) -> Told:
    """The second writer comes between the look and the write of the first one."""
    await _begin(db)
    async with _holding(connection):
        leading = asyncio.ensure_future(first(db))
        await _until_over_or_waiting(connection, leading, 1)
        following = asyncio.ensure_future(second(db))
        await _until_over_or_waiting(connection, following, 1 if leading.done() else 2)
    return await _tell(db, await leading, await following)


@asynccontextmanager
async def _holding(connection: asyncpg.Connection) -> AsyncIterator[None]:
    await connection.execute("select pg_advisory_lock(2)")
    try:
        yield
    finally:
        await connection.execute("select pg_advisory_unlock(2)")


async def _until_over_or_waiting(
    connection: asyncpg.Connection, writing: "asyncio.Future[Outcome]", waiting: int
) -> None:
    """Return when the write is over, or so many writers wait for a lock."""
    with anyio.fail_after(PATIENCE_S):
        while not writing.done():
            found = await connection.fetchval(
                "select count(distinct pid) from pg_locks where not granted"
                " and pid in (select pid from pg_stat_activity where datname = current_database())"
            )
            if found >= waiting:
                return


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_two_writers_at_once_do_what_one_after_the_other_does(
    pooled: Database, connection: asyncpg.Connection, first: str, second: str
) -> None:
    one, other = WRITERS[first], WRITERS[second]
    forwards = await _in_order(pooled, one, other)
    backwards = await _in_order(pooled, other, one)
    backwards = backwards._replace(first=backwards.second, second=backwards.first)

    together = await _interleaved(pooled, connection, one, other)

    assert together in (forwards, backwards)
