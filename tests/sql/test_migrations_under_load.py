"""Migrations of a PostgreSQL that others are at work on: they wait, nobody waits behind them."""

import asyncio
from collections.abc import AsyncIterator

import anyio
import asyncpg
import pytest
from harness.postgresql import PostgreSQL

from transom.sql.postgres_migrate import index_steps, take_turn
from transom.sql.postgresql import PostgresDatabase

pytestmark = pytest.mark.anyio

#: Longest that a statement may take: longer than a migration waits for a table at a time.
COMMAND_S = 2.0
#: Far longer than anything here takes.
PATIENCE_S = 60
VERSION = 1
IS_VALID = "select indisvalid from pg_index where indexrelid = to_regclass($1)"


@pytest.fixture
def url(postgresql: PostgreSQL) -> str:
    return postgresql.create_database()


@pytest.fixture
async def other(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's session; there is a table with a row."""
    connection = await asyncpg.connect(url)
    await connection.execute("create table note (id text primary key); insert into note values ('a')")
    yield connection
    await connection.close()


@pytest.fixture
async def db(url: str, other: asyncpg.Connection) -> AsyncIterator[PostgresDatabase]:
    opened = await PostgresDatabase.connect(url, 3, COMMAND_S)
    with anyio.fail_after(PATIENCE_S):
        yield opened
    await opened.close()


async def _until_it_waits(other: asyncpg.Connection) -> None:
    while not await other.fetchval("select count(*) from pg_locks where not granted"):
        pass


async def test_a_migration_may_take_longer_than_a_statement(db: PostgresDatabase) -> None:
    assert await db.run_script(f"select pg_sleep({COMMAND_S})", VERSION)
    assert await db.schema_version() == VERSION


async def test_nobody_waits_behind_a_migration_that_waits_for_a_table(
    db: PostgresDatabase, other: asyncpg.Connection
) -> None:
    async with other.transaction():
        await other.execute("lock table note in access share mode")
        migrating = asyncio.create_task(db.run_script("alter table note add column text text", VERSION))
        await _until_it_waits(other)
        rows = await db.read("select id from note")
        assert not migrating.done()

    assert [tuple(row) for row in rows] == [("a",)]
    assert await migrating
    assert [tuple(row) for row in await db.read("select id, text from note")] == [("a", None)]


async def test_indexes_of_a_table_with_rows_are_made_and_dropped_beside_its_writers(
    db: PostgresDatabase, other: asyncpg.Connection
) -> None:
    await other.execute("create index old on note (id)")
    script = "-- Why.\ndrop index old;\ncreate index new on note (id, (1))\n    where id <> '';\n"

    async with other.transaction():
        await other.execute("insert into note values ('b')")
        migrating = asyncio.create_task(db.run_script(script, VERSION))
        await _until_it_waits(other)
        await db.write("insert into note values ('c')")
        assert not migrating.done()

    assert await migrating
    assert await other.fetchval("select to_regclass('old')") is None
    assert await other.fetchval(IS_VALID, "new")


async def test_an_index_that_was_left_half_made_is_made_anew(
    db: PostgresDatabase, other: asyncpg.Connection
) -> None:
    await other.execute("create table twice (id text); insert into twice values ('a'), ('a')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await other.execute("create unique index concurrently single on twice (id)")
    assert await other.fetchval(IS_VALID, "single") is False
    await other.execute("truncate twice; insert into twice values ('a')")

    assert await db.run_script("create unique index single on twice (id);", VERSION)

    assert await other.fetchval(IS_VALID, "single")


async def test_migrators_that_make_indexes_at_once_do_so_in_turn(url: str, db: PostgresDatabase) -> None:
    others = [await PostgresDatabase.connect(url, 1, COMMAND_S) for _ in range(3)]

    applied = await asyncio.gather(
        *(one.run_script("create index new on note (id);", VERSION) for one in (db, *others))
    )
    for one in others:
        await one.close()

    assert sorted(applied) == [False, False, False, True]


@pytest.mark.parametrize(
    "script",
    [
        "create index a on note (id); alter table note add column b text;",
        "create table a (b text);",
        "insert into note values ('create index a on note (id)');",
    ],
)
def test_a_migration_that_does_more_than_indexes_is_one_transaction(script: str) -> None:
    assert index_steps(script) == []


@pytest.fixture
def says_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transom.sql.postgres_migrate.SAY_EVERY_S", 0.2)


async def _pid(connection: asyncpg.Connection) -> str:
    return f"pid {await connection.fetchval('select pg_backend_pid()')},"


async def _until_told(other: asyncpg.Connection, caplog: pytest.LogCaptureFixture, words: str) -> None:
    while words not in caplog.text:
        await other.execute("select")


@pytest.mark.usefixtures("says_soon")
async def test_the_log_tells_whose_transaction_an_index_waits_for(
    db: PostgresDatabase, other: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    words = await _pid(other)
    async with other.transaction():
        await other.execute("insert into note values ('b')")
        migrating = asyncio.create_task(db.run_script("create index new on note (id);", VERSION))
        await _until_told(other, caplog, words)

    assert await migrating


@pytest.mark.usefixtures("says_soon")
async def test_the_log_tells_which_other_migrator_is_waited_for(
    db: PostgresDatabase, other: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    words = await _pid(other)
    async with other.transaction():
        await take_turn(other)
        migrating = asyncio.create_task(db.run_script("create index new on note (id);", VERSION))
        await _until_told(other, caplog, words)
        await other.execute("rollback; begin")

    assert await migrating


async def test_a_migration_has_no_limit_that_an_administrator_set_for_sessions(
    url: str, other: asyncpg.Connection
) -> None:
    """Its own transaction is idle while it writes in pieces, or makes an index, for longer than the limit."""
    await _set_for_all(other, "idle_in_transaction_session_timeout", "100ms")
    await _set_for_all(other, "statement_timeout", "100ms")
    db = await PostgresDatabase.connect(url, 3, COMMAND_S)
    await other.execute("set statement_timeout = 0")
    async with other.transaction():
        await other.execute("set local idle_in_transaction_session_timeout = 0")
        await other.execute("insert into note values ('b')")
        migrating = asyncio.create_task(db.run_script("create index new on note (id);", VERSION))
        await _until_it_waits(other)
        await other.execute("select pg_sleep(0.5)")

    assert await migrating
    await db.close()


async def test_an_index_does_not_wait_for_its_own_migration(url: str, other: asyncpg.Connection) -> None:
    """Whose transaction kept what it had read, where an administrator set that for all."""
    await _set_for_all(other, "default_transaction_isolation", "repeatable read")
    db = await PostgresDatabase.connect(url, 3, COMMAND_S)

    with anyio.fail_after(PATIENCE_S):
        assert await db.run_script("create index new on note (id);", VERSION)
    await db.close()


async def _set_for_all(connection: asyncpg.Connection, name: str, value: str) -> None:
    database = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database \"{database}\" set {name} = '{value}'")
