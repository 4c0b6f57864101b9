"""What PostgreSQL may do to a worker: wait for its standby, turn read-only, hang, be full.

The tests share a server, and change how it works; each puts that right in the end.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest
from harness import plain_http
from harness.forks import forked_service
from harness.postgres_gateway import PostgresGateway

from transom.domain.errors import StoreFullError, UnavailableError
from transom.sql.connect import open_database
from transom.sql.db import TENANT, Script, Statement
from transom.sql.migrate import migrate
from transom.sql.postgresql import PostgresDatabase

from .calls import expect_eventually
from .postgres_server import OwnPostgreSQL

pytestmark = pytest.mark.anyio

#: Longest that the databases of these tests wait for an answer.
COMMAND_S = 0.5
#: Less than a call took when it waited for a connection and then for its answer.
PATIENCE_S = 10
INSERT = "insert into note (id) values ($1) on conflict do nothing"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgreSQL]:
    with OwnPostgreSQL() as server:
        yield server


@pytest.fixture
def url(postgres: OwnPostgreSQL) -> str:
    """The URL of a new database."""
    return postgres.create_database()


@pytest.fixture
async def watcher(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's session, with a table for the tests to write."""
    connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
    await connection.execute("create table note (id text primary key)")
    yield connection
    await _configure(connection, url, "reset all")
    await connection.close()


@pytest.fixture
async def db(url: str, watcher: asyncpg.Connection) -> AsyncIterator[PostgresDatabase]:
    opened = await PostgresDatabase.connect(url, 4, COMMAND_S)
    yield opened
    await opened.close()


async def _configure(watcher: asyncpg.Connection, url: str, change: str) -> None:
    """Change the whole server, and return when new sessions see it."""
    before = await _loaded_at(url)
    await watcher.execute(f"alter system {change}")
    await watcher.execute("select pg_reload_conf()")
    while await _loaded_at(url) == before:
        pass


async def _loaded_at(url: str) -> object:
    session = await asyncpg.connect(url)
    try:
        return await session.fetchval("select pg_conf_load_time()")
    finally:
        await session.close()


async def _until_counted(watcher: asyncpg.Connection, expected: int, what: str) -> None:
    while await watcher.fetchval(f"select count(*) from {what}") != expected:
        pass


# ---- a synchronous standby that is away

WAITING = "pg_stat_activity where wait_event = 'SyncRep'"


@asynccontextmanager
async def _absent_standby(watcher: asyncpg.Connection, url: str) -> AsyncIterator[None]:
    """While the block runs no commit is complete, and one waits. In the end all are complete, as if the
    standby had come back."""
    await _configure(watcher, url, "set synchronous_standby_names = 'absent'")
    prober = await asyncpg.connect(url)

    async def probe() -> None:
        while True:
            await prober.execute("insert into note values ('0') on conflict (id) do update set id = '0'")

    probing = asyncio.create_task(probe())
    # The setting is in force when a commit waits.
    await _until_counted(watcher, 1, WAITING)
    try:
        yield
    finally:
        await _configure(watcher, url, "reset synchronous_standby_names")
        await _until_counted(watcher, 0, WAITING)
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
        prober.terminate()


async def _notes(watcher: asyncpg.Connection, note: str) -> int:
    return int(await watcher.fetchval("select count(*) from note where id = $1", note))


async def _write_alone(db: PostgresDatabase) -> None:
    await db.write(INSERT, "a")


async def _write_in_transaction(db: PostgresDatabase) -> None:
    await db.transact(Statement("select 1", ()), Statement(INSERT, ("a",)))


async def _write_in_script(db: PostgresDatabase) -> None:
    def script() -> Script[None]:
        yield Statement(INSERT, ("a",))

    await db.run(script)


WRITES = [_write_alone, _write_in_transaction, _write_in_script]


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_that_no_standby_has_is_not_acknowledged_and_neither_is_its_second_try(
    url: str,
    watcher: asyncpg.Connection,
    db: PostgresDatabase,
    write: Callable[[PostgresDatabase], Awaitable[None]],
) -> None:
    async with _absent_standby(watcher, url):
        causes = []
        for _ in range(2):
            with pytest.raises(UnavailableError) as refusal:
                await write(db)
            assert await _notes(watcher, "a") == 0
            causes.append(str(refusal.value.__cause__))
    # The second waits for the row of the first.
    assert causes[0] == f"no answer within {COMMAND_S} s"
    assert causes[1].startswith("canceling statement due to")

    await write(db)
    assert await _notes(watcher, "a") == 1


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_whose_asker_leaves_goes_on_waiting_for_the_standby(
    url: str,
    watcher: asyncpg.Connection,
    db: PostgresDatabase,
    write: Callable[[PostgresDatabase], Awaitable[None]],
) -> None:
    async with _absent_standby(watcher, url):
        writing = asyncio.ensure_future(write(db))
        await _until_counted(watcher, 2, WAITING)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        with pytest.raises(UnavailableError):
            await write(db)
        assert await _notes(watcher, "a") == 0


async def test_reading_goes_on_beside_any_number_of_writes_that_wait_for_the_standby(
    url: str, watcher: asyncpg.Connection
) -> None:
    db = await open_database(url, 4)

    async def write_for(project: str, number: int) -> None:
        TENANT.set(project)
        await db.write(INSERT, f"note {number}")

    async with _absent_standby(watcher, url):
        writing = [asyncio.create_task(write_for(f"project {number % 2}", number)) for number in range(8)]
        await _until_counted(watcher, 1 + 3, WAITING)
        rows = await db.read("select 1")
    await asyncio.gather(*writing)
    await db.close()

    assert [tuple(row) for row in rows] == [(1,)]
    assert await watcher.fetchval("select count(*) from note where id like 'note %'") == 8


async def test_a_write_that_takes_too_long_is_undone_by_the_server(
    watcher: asyncpg.Connection, db: PostgresDatabase
) -> None:
    """So nobody meets it later: neither behind a lock, nor at work."""
    await watcher.execute("insert into note values ('a')")
    slow = "insert into note select 'slow' from pg_sleep(60)"
    locked = "update note set id = 'late' where id = 'a'"

    async with watcher.transaction():
        await watcher.execute("select 1 from note where id = 'a' for update")
        for sql in (slow, locked):
            with pytest.raises(UnavailableError, match="cannot answer"):
                await db.write(sql)

    others = "pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    await _until_counted(watcher, 0, f"{others} and state = 'active'")
    assert [await _notes(watcher, note) for note in ("a", "late", "slow")] == [1, 0, 0]


# ---- a server that cannot be written


async def _turn_read_only(watcher: asyncpg.Connection, url: str) -> None:
    """The sessions there are can write no more, new ones can: what a worker sees of a server that was demoted
    behind an address that leads to its successor."""
    name = await watcher.fetchval("select current_database()")
    await watcher.execute(f"alter database {name} set default_transaction_read_only = off")
    await _configure(watcher, url, "set default_transaction_read_only = on")


async def test_a_connection_to_a_server_that_became_read_only_is_left_with_all_its_like(
    url: str, watcher: asyncpg.Connection, db: PostgresDatabase
) -> None:
    await asyncio.gather(*(db.read("select pg_sleep(0.05)") for _ in range(4)))
    await _turn_read_only(watcher, url)

    with pytest.raises(UnavailableError):
        await db.write(INSERT, "a")
    for note in "abcd":
        await db.write(INSERT, note)

    assert await watcher.fetchval("select count(*) from note") == 4


async def test_a_read_only_server_is_not_ready_and_the_next_look_goes_to_its_successor(
    url: str, watcher: asyncpg.Connection, db: PostgresDatabase
) -> None:
    await _turn_read_only(watcher, url)

    with pytest.raises(UnavailableError) as refusal:
        await db.require_writable()
    await db.require_writable()

    assert "read-only" in str(refusal.value.__cause__)


async def test_a_service_on_a_server_that_cannot_be_written_is_not_ready_and_lets_read(
    url: str, watcher: asyncpg.Connection, tmp_path: Path
) -> None:
    with forked_service(tmp_path, url) as service:
        reader = service.client("publisher")
        await _configure(watcher, url, "set default_transaction_read_only = on")
        readiness = [service.client(None).get("/readyz").status_code for _ in range(2)]
        listed = reader.get("/v2/images").status_code

        await _configure(watcher, url, "reset default_transaction_read_only")
        expect_eventually(lambda: service.client(None).get("/readyz").status_code, 200)

    assert (readiness, listed) == ([503, 503], 200)


async def test_who_may_not_write_to_a_table_is_not_ready_until_it_may(
    url: str, watcher: asyncpg.Connection
) -> None:
    """As after an upgrade whose new table the role of the service was not granted."""
    owner = await open_database(url, 2)
    await migrate(owner)
    await owner.close()
    await watcher.execute("create role clerk login")
    await watcher.execute("grant select, insert, update, delete on all tables in schema public to clerk")
    await watcher.execute("revoke insert, update, delete on image_tag, outbox from clerk")
    db = await open_database(_as_role(url, "clerk"), 1)

    with pytest.raises(UnavailableError) as refusal:
        await db.require_writable()
    await watcher.execute("grant select, insert, update, delete on image_tag, outbox to clerk")
    await db.require_writable()

    assert "image_tag, outbox" in str(refusal.value.__cause__)
    await db.close()


# ---- a database that cannot keep every text


async def test_a_database_of_few_letters_is_refused_with_words(url: str, watcher: asyncpg.Connection) -> None:
    name = f"{_name_of(url)}_latin"
    await watcher.execute(f"create database {name} template template0 encoding 'LATIN1' locale 'C'")

    with pytest.raises(UnavailableError) as refusal:
        await open_database(url.replace(_name_of(url), name), 1)

    assert "LATIN1" in str(refusal.value.__cause__)


async def test_a_database_without_an_encoding_keeps_every_text(url: str, watcher: asyncpg.Connection) -> None:
    name = f"{_name_of(url)}_bytes"
    await watcher.execute(f"create database {name} template template0 encoding 'SQL_ASCII' locale 'C'")
    db = await open_database(url.replace(_name_of(url), name), 1)

    rows = await db.read(
        "select cast($1 as text), cast($2 as jsonb) ->> 0", "\u65e5\u672c", '["\u65e5\u672c"]'
    )

    assert [tuple(row) for row in rows] == [("\u65e5\u672c", "\u65e5\u672c")]
    await db.close()


def _name_of(url: str) -> str:
    """The name of the database."""
    return urlsplit(url).path.strip("/")


# ---- several servers


def _url_of_hosts(url: str, *hosts: str) -> str:
    return f"{url.partition('host=')[0]}host={','.join(hosts)}"


def _host_of(url: str) -> str:
    return unquote(url.partition("host=")[2])


async def test_of_several_servers_the_one_that_can_be_written_is_used(postgres: OwnPostgreSQL) -> None:
    with OwnPostgreSQL() as standby:
        session = await asyncpg.connect(standby.url)
        await session.execute("alter database transom set default_transaction_read_only = on")
        await session.close()
        both = _url_of_hosts(postgres.url, _host_of(standby.url), _host_of(postgres.url))
        asked = {}
        for url in (both, f"{both}&target_session_attrs=any"):
            db = await open_database(url, 1)
            asked[url] = (await db.read("show default_transaction_read_only"))[0][0]
            await db.close()

    assert list(asked.values()) == ["off", "on"]


async def test_a_server_that_hangs_does_not_keep_the_next_one_from_being_tried(
    url: str, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / ".s.PGSQL.5432"))
        hanging.listen()

        db = await open_database(_url_of_hosts(url, str(tmp_path), _host_of(url)), 4)
        # The server that answered is asked first from now on.
        hanging.close()
        rows = await asyncio.gather(*(db.read("select pg_sleep(0.01)") for _ in range(4)))
        await db.close()

    assert len(rows) == 4


async def test_once_a_server_that_hangs_was_asked_whether_it_is_ready_nobody_else_waits_for_it(
    url: str,
) -> None:
    with PostgresGateway(url) as gateway:
        both = _url_of_hosts(url, _host_of(gateway.url), _host_of(url))
        db = await PostgresDatabase.connect(both, 4, COMMAND_S)
        await asyncio.gather(*(db.read("select pg_sleep(0.05)") for _ in range(4)))

        gateway.hold()
        with pytest.raises(UnavailableError):
            await db.require_writable()
        rows = await db.read("select 1")
        gateway.release()
        await db.close()

    assert [tuple(row) for row in rows] == [(1,)]


async def test_when_no_server_can_be_used_the_cause_tells_what_was_wrong_with_each(
    url: str, watcher: asyncpg.Connection, tmp_path: Path
) -> None:
    name = await watcher.fetchval("select current_database()")
    await watcher.execute(f"alter database {name} set default_transaction_read_only = on")

    with pytest.raises(UnavailableError) as refusal:
        await open_database(_url_of_hosts(url, _host_of(url), str(tmp_path)), 1)

    said = str(refusal.value.__cause__).split("; ")
    assert [one.split(": ")[0] for one in said] == [_host_of(url), str(tmp_path)]
    assert "read-write" in said[0]


# ---- a full disk


#: The server refuses a note of this text as it does when its files cannot grow.
NO_ROOM = """
    create function refuse_full() returns trigger language plpgsql as
        $$ begin raise exception using errcode = '53100', message = 'could not extend file'; end $$;
    create trigger refuse_full before insert on note for each row when (new.id = 'large')
        execute function refuse_full()"""


@pytest.mark.parametrize("way", ["alone", "with others", "script"])
async def test_a_disk_of_the_server_without_room_is_told_until_a_write_succeeds(
    db: PostgresDatabase, watcher: asyncpg.Connection, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    await watcher.execute(NO_ROOM)

    def insert(text: str) -> Awaitable[object]:
        statement = Statement(INSERT, (text,))

        def script() -> Script[None]:
            yield statement

        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "alone": lambda: db.write(INSERT, text),
            "with others": lambda: db.transact(Statement("select 1", ()), statement),
            "script": lambda: db.run(script),
        }
        return ways[way]()

    told = [db.is_full]
    for _ in range(2):
        with pytest.raises(StoreFullError):
            await insert("large")
        told.append(db.is_full)
    await db.read("select 1")
    told.append(db.is_full)
    with pytest.raises(UnavailableError):
        await db.write("insert into note (id) values (null)")
    told.append(db.is_full)
    await insert("small")
    told.append(db.is_full)

    assert told == [False, True, True, True, True, False]
    assert caplog.text.count("the disk of the database is full") == 1


def test_a_service_whose_database_has_no_room_says_so_and_stays_ready(url: str, tmp_path: Path) -> None:
    """Reading goes on, and so does what takes away."""
    refuse = NO_ROOM.replace("note", "image").replace("new.id", "new.name")
    with forked_service(tmp_path, url, {"TRANSOM_WORKERS": "1"}) as service:
        asyncio.run(_execute(url, refuse))
        client = service.client("publisher")
        refused = client.post("/v2/images", json={"name": "large"}).status_code
        full = client.get("/readyz")
        taken = client.post("/v2/images", json={"name": "small"}).status_code
        free = client.get("/readyz")

    assert (refused, full.status_code, full.json().get("database_is_full")) == (413, 200, True)
    assert (taken, free.status_code, "database_is_full" in free.json()) == (201, 200, False)


async def _execute(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(script)
    await connection.close()


# ---- a full server


async def test_who_meets_a_full_server_waits_for_a_connection_of_its_own(
    url: str, watcher: asyncpg.Connection
) -> None:
    await watcher.execute("create role pair login connection limit 2")
    db = await open_database(_as_role(url, "pair"), 8)

    answers = await asyncio.gather(*(db.read("select pg_backend_pid(), pg_sleep(0.01)") for _ in range(20)))
    await db.close()

    assert len({rows[0][0] for rows in answers}) == 2


async def test_who_waits_at_a_full_server_gets_a_connection_when_there_is_room(
    url: str, watcher: asyncpg.Connection
) -> None:
    await watcher.execute("create role single login connection limit 1")
    db = await open_database(_as_role(url, "single"), 8)
    await watcher.execute("select pg_advisory_lock(1)")
    holding = asyncio.create_task(db.read("select pg_advisory_lock(1)"))
    waiting = asyncio.create_task(db.read("select 1"))
    await _until_counted(watcher, 1, "pg_locks where not granted")

    await watcher.execute("alter role single connection limit 2")
    rows = await waiting

    await watcher.execute("select pg_advisory_unlock(1)")
    await holding
    await db.close()
    assert [tuple(row) for row in rows] == [(1,)]


async def test_who_has_no_connection_of_its_own_is_told_that_the_server_is_full(
    url: str, watcher: asyncpg.Connection
) -> None:
    await watcher.execute("create role nobody login connection limit 0")

    with pytest.raises(UnavailableError) as refusal:
        await open_database(_as_role(url, "nobody"), 8)

    assert isinstance(refusal.value.__cause__, asyncpg.TooManyConnectionsError)


def _as_role(url: str, role: str) -> str:
    return re.sub(r"//[^@]*@", f"//{role}@", url)


# ---- a network that loses everything


def test_readiness_is_told_soon_when_the_network_loses_everything(url: str, tmp_path: Path) -> None:
    with PostgresGateway(url) as gateway, forked_service(tmp_path, gateway.url) as service:
        gateway.hold()
        answers = [plain_http.get(f"{service.url}/readyz", timeout=PATIENCE_S) for _ in range(2)]
        gateway.release()
        expect_eventually(lambda: service.client(None).get("/readyz").status_code, 200)
        log = service.read_log()

    assert [answer.status_code for answer in answers] == [503, 503]
    assert "no answer within 3 s" in log
    assert "()" not in log
