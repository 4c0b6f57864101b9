"""What a database promises (`sql/db.py`): all or none, neighbours undisturbed, answered means there."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, STRANGER, image, member

from transom.domain.errors import StoreFullError, TransomError, UnavailableError
from transom.domain.memberships import Offer
from transom.sql.connect import open_database
from transom.sql.db import Database, EventInsert, Script, Statement
from transom.sql.deletion import delete_image
from transom.sql.images import find_image, insert_image
from transom.sql.members import to_statement
from transom.sql.sqlite import path_of, writer

from .databases import NOBODY, count, insert_member, write_world

pytestmark = pytest.mark.anyio

INSERT = "insert into deleted_image (id, deleted_at) values ($1, $2) returning id"
COUNT = "select count(*) from deleted_image"
#: Far longer than any answer takes; whoever has none by then never gets one.
PATIENCE_S = 3


def _insert(name: str, *, required: bool = False) -> Statement:
    return Statement(INSERT, (name, 1), required)


NOTHING_FOUND = Statement("delete from deleted_image where id = 'absent' returning id", (), required=True)
APPEND = """
    insert into outbox (at, type, via, data)
    values (cast($1 as bigint), cast($2 as text), 'time', cast('{}' as jsonb))"""
#: An event needs a type.
NAMELESS = EventInsert(
    "insert into outbox (at, via, data) select cast($1 as bigint), 'time', cast('{}' as jsonb) from changed",
    (1,),
    ("id",),
)
BROKEN = Statement("insert into deleted_image (id, deleted_at) values ('broken', null)", ())


@pytest.fixture
async def own(url: str, db: Database) -> Database:
    """The same database as `db`, opened once more, for a test that closes it itself."""
    return await open_database(url, 4)


# ---- all or none


async def test_a_transaction_answers_the_rows_of_each_statement(db: Database) -> None:
    rows = await db.transact(_insert("a"), Statement(COUNT, ()), _insert("b", required=True))

    assert rows is not None
    assert [[tuple(row) for row in of_one] for of_one in rows] == [[("a",)], [(1,)], [("b",)]]


@pytest.mark.parametrize(
    "statements",
    [
        (NOTHING_FOUND,),
        (NOTHING_FOUND, _insert("a")),
        (_insert("a"), NOTHING_FOUND),
        (_insert("a"), NOTHING_FOUND, _insert("b")),
    ],
    ids=["alone", "first", "last", "between"],
)
async def test_a_transaction_whose_guard_finds_nothing_changes_nothing(
    db: Database, statements: tuple[Statement, ...]
) -> None:
    rows = await db.transact(*statements)

    assert (rows, await count(db, "deleted_image")) == (None, 0)


async def test_a_statement_that_need_not_find_anything_may_find_nothing(db: Database) -> None:
    rows = await db.transact(NOTHING_FOUND._replace(required=False), _insert("a"))

    assert rows is not None
    assert (len(rows), await count(db, "deleted_image")) == (2, 1)


async def test_a_transaction_that_fails_half_way_changes_nothing(db: Database) -> None:
    with pytest.raises(UnavailableError):
        await db.transact(_insert("a"), BROKEN, _insert("b"))

    assert await count(db, "deleted_image") == 0


async def test_a_write_that_fails_half_way_changes_nothing(db: Database) -> None:
    with pytest.raises(UnavailableError):
        await db.write("insert into deleted_image (id, deleted_at) values ('a', 1), ('b', null)")

    assert await count(db, "deleted_image") == 0


# ---- neighbours


async def test_a_unit_that_fails_does_not_disturb_its_neighbours(db: Database) -> None:
    """On SQLite all of them are in one commit: they are handed in before the loop goes on."""
    results = await asyncio.gather(
        db.write(INSERT, "first", 1),
        db.transact(_insert("half"), BROKEN),
        db.transact(_insert("guarded"), NOTHING_FOUND),
        db.write(BROKEN.sql),
        db.transact(_insert("second"), _insert("third")),
        db.write(INSERT, "fourth", 1),
        return_exceptions=True,
    )

    kept = {row[0] for row in await db.read("select id from deleted_image")}
    assert [isinstance(one, Exception) for one in results] == [False, True, False, True, False, False]
    assert kept == {"first", "second", "third", "fourth"}


@pytest.mark.parametrize(
    ("statements", "fails"),
    [
        (
            (Statement("insert into deleted_image (id, deleted_at) values ('half', 1), ('b', null)", ()),),
            True,
        ),
        ((Statement(INSERT, ("half", 1), events=(NAMELESS,)),), True),
        ((Statement(APPEND, (1, "share.offered")), NOTHING_FOUND), False),
    ],
    ids=["its second row fails", "its event fails", "its guard fails behind an event"],
)
async def test_a_change_and_its_event_that_stop_half_way_do_not_disturb_their_neighbours(
    db: Database, statements: tuple[Statement, ...], fails: bool
) -> None:
    results = await asyncio.gather(
        db.write(INSERT, "first", 1),
        db.transact(*statements),
        db.transact(Statement(APPEND, (1, "share.accepted")), _insert("second", required=True)),
        db.write(INSERT, "third", 1),
        return_exceptions=True,
    )

    kept = {row[0] for row in await db.read("select id from deleted_image")}
    told = [row[0] for row in await db.read("select type from outbox")]
    assert [isinstance(one, Exception) for one in results] == [False, fails, False, False]
    assert results[1] is None or fails
    assert (kept, told) == ({"first", "second", "third"}, ["share.accepted"])


async def test_more_units_than_one_commit_takes_are_all_made(db: Database) -> None:
    await asyncio.gather(*(db.write(INSERT, str(n), n) for n in range(600)))

    assert await count(db, "deleted_image") == 600


async def test_a_waiter_that_goes_away_does_not_disturb_its_neighbours(db: Database) -> None:
    gone = asyncio.ensure_future(db.write(INSERT, "gone", 1))
    stays = asyncio.ensure_future(db.write(INSERT, "stays", 1))
    await anyio.lowlevel.checkpoint()

    gone.cancel()

    assert [tuple(row) for row in await stays] == [("stays",)]


@pytest.mark.parametrize("value", ["\ud800", 1 << 70, object()], ids=["surrogate", "too large", "no type"])
async def test_a_value_that_no_driver_takes_fails_alone_and_at_once(db: Database, value: object) -> None:
    with anyio.fail_after(PATIENCE_S):
        failed, *others = await asyncio.gather(
            db.write(INSERT, value, value), db.write(INSERT, "a", 1), return_exceptions=True
        )
        others += [await db.write(INSERT, "b", 1)]

    assert isinstance(failed, Exception)
    assert [[tuple(row) for row in rows] for rows in others] == [[("a",)], [("b",)]]  # type: ignore[union-attr]


# ---- answered means there


async def test_a_reader_sees_every_write_that_was_answered(db: Database, neighbour: Database) -> None:
    seen = []

    for number in range(20):
        await db.write(INSERT, str(number), 1)
        seen.append([(await one(COUNT))[0][0] for one in (db.read, db.scan, neighbour.read, neighbour.scan)])

    assert seen == [[number + 1] * 4 for number in range(20)]


async def test_many_writers_of_two_workers_all_get_their_answer(db: Database, neighbour: Database) -> None:
    one = [db.write(INSERT, f"one-{n}", 1) for n in range(50)]
    other = [neighbour.transact(_insert(f"other-{n}"), _insert(f"more-{n}")) for n in range(50)]

    await asyncio.gather(*one, *other)

    assert (await count(db, "deleted_image"), await count(neighbour, "deleted_image")) == (150, 150)


async def test_what_was_answered_is_there_after_opening_the_database_again(
    url: str, db: Database, own: Database
) -> None:
    await insert_image(own, image(), -1, id_was_chosen=True)
    await own.close()

    again = await open_database(url, 1)
    found = await find_image(again, "image", NOBODY)
    await again.close()

    assert (found.image, found.is_member) == (image(), False)


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_what_was_submitted_is_done_before_the_database_closes(db: Database, own: Database) -> None:
    writes = [asyncio.ensure_future(own.write(INSERT, str(n), 1)) for n in range(300)]
    await anyio.lowlevel.checkpoint()

    await own.close()
    await asyncio.gather(*writes)

    assert await count(db, "deleted_image") == 300


# ---- a database that cannot answer


@pytest.mark.parametrize("ask", ["read", "scan", "write", "transact"])
async def test_a_closed_database_is_unavailable(own: Database, ask: str) -> None:
    await own.close()

    with pytest.raises(UnavailableError), anyio.fail_after(PATIENCE_S):
        await (own.transact(_insert("a")) if ask == "transact" else getattr(own, ask)("select 1"))


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_connection_that_drops_is_unavailable_and_the_next_one_works(url: str, db: Database) -> None:
    other = await asyncpg.connect(url)
    hanging = asyncio.ensure_future(db.read("select pg_sleep(60)"))
    await _until(other, "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'")

    await other.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(60)'"
    )
    await other.close()

    with pytest.raises(UnavailableError):
        await hanging
    assert await count(db, "deleted_image") == 0


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_connections_that_dropped_while_nobody_used_them_are_replaced(url: str, db: Database) -> None:
    other = await asyncpg.connect(url)
    await asyncio.gather(*(db.read("select 1") for _ in range(4)))

    dropped = await other.fetch(
        "select pid, pg_terminate_backend(pid) from pg_stat_activity where application_name = 'transom'"
    )
    # The pool makes new ones by itself: wait for the end of just these.
    pids = ", ".join(str(row["pid"]) for row in dropped)
    await _until(other, f"select count(*) = 0 from pg_stat_activity where pid in ({pids})")
    await other.close()
    answers = [await _answer(db) for _ in range(8)]

    assert set(answers) <= {"1", "UnavailableError"}
    assert answers[-1] == "1"


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        await open_database(f"postgresql:///nothing?host={tmp_path}", 1)


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(UnavailableError):
        await open_database(f"sqlite:///{tmp_path / 'file' / 'transom.db'}", 1)


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "transom.db").write_text("no database at all, but long enough to have a header" * 100)

    with pytest.raises(UnavailableError, match=r"cannot be opened"):
        await open_database(f"sqlite:///{tmp_path / 'transom.db'}", 1)


@pytest.mark.parametrize(
    "statement", ["select nonsense", "insert into deleted_image (id, deleted_at) values ('a', null)"]
)
async def test_no_error_of_a_driver_leaves_the_database(db: Database, statement: str) -> None:
    """`db.py`: a driver's own errors never leave those modules."""
    with pytest.raises(TransomError):
        await db.write(statement)


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_a_full_disk_is_told_to_who_needs_room_and_to_nobody_else(db: Database) -> None:
    pages = (await db.read("pragma page_count"))[0][0]
    await db.write(f"pragma max_page_count = {pages + 2}")

    large = await asyncio.gather(
        db.write(INSERT, "x" * 100_000, 1), db.transact(_insert("y" * 100_000)), return_exceptions=True
    )
    small = await db.write(INSERT, "small", 1)

    assert [type(one) for one in large] == [StoreFullError, StoreFullError]
    assert [tuple(row) for row in small] == [("small",)]


@pytest.fixture
def busy(url: str, db: Database) -> Iterator[sqlite3.Connection]:
    """Another process in the middle of a transaction of its own."""
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as other:
        other.execute("begin immediate")
        yield other


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_nobody_waits_longer_than_the_first_for_a_writer_of_another_process(
    db: Database, busy: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction would wait for it anew, and who stands behind many of them for many times as long."""
    monkeypatch.setattr(writer, "BUSY_MS", 100)

    def script() -> Script[None]:
        yield _insert("c")

    waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(db.write(INSERT, name, 1)) for name in "ab"]
    waiting += [asyncio.ensure_future(db.run(script)) for _ in range(3)]
    with anyio.fail_after(PATIENCE_S):
        done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        busy.execute("commit")
        await db.write(INSERT, "after", 1)

    assert not pending
    assert {type(one.exception()) for one in done} == {UnavailableError}
    assert await count(db, "deleted_image") == 1


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_reads_do_not_wait_for_a_writer_of_another_process(
    db: Database, busy: sqlite3.Connection
) -> None:
    waiting = asyncio.ensure_future(db.write(INSERT, "a", 1))

    with anyio.fail_after(PATIENCE_S):
        before = await count(db, "deleted_image")
    busy.execute("commit")
    await waiting

    assert (before, await count(db, "deleted_image")) == (0, 1)


# ---- races that a server with several writers adds


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_an_offer_of_an_image_that_is_being_deleted_finds_it_gone(url: str, db: Database) -> None:
    await write_world(db, [image()], [])
    other = await asyncpg.connect(url)
    deletion = other.transaction()
    await deletion.start()
    await other.execute("delete from image where id = 'image'")
    offer = asyncio.ensure_future(insert_member(db, "image", RECIPIENT, -1, 1))
    await _until(other, "select count(*) from pg_locks where not granted")

    await deletion.commit()
    await other.close()

    assert await offer is None


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_offers_made_at_once_do_not_pass_the_quota(url: str, db: Database) -> None:
    await write_world(db, [image()], [])
    other = await asyncpg.connect(url)
    first = other.transaction()
    await first.start()
    offer = to_statement(Offer(image_id="image", owner=OWNER, member_id=STRANGER, quota=1, now=1), ACTOR)
    await other.execute(offer.sql, *offer.values)
    second = asyncio.ensure_future(insert_member(db, "image", RECIPIENT, 1, 1))
    blocked = asyncio.ensure_future(_until(other, "select count(*) from pg_locks where not granted"))
    await asyncio.wait([second, blocked], return_when=asyncio.FIRST_COMPLETED)
    blocked.cancel()
    await asyncio.wait([blocked])

    await first.commit()
    await second
    await other.close()

    assert await count(db, "member") == 1


async def test_an_offer_and_a_deletion_at_once_leave_no_membership_without_image(db: Database) -> None:
    await write_world(db, [image()], [member(STRANGER)])

    offered, deleted = await asyncio.gather(
        insert_member(db, "image", RECIPIENT, -1, 1),
        delete_image(db, image(), 2, ACTOR),
        return_exceptions=True,
    )

    assert offered is None or not isinstance(offered, Exception)
    assert (deleted, await count(db, "member")) == (True, 0)


async def _until(connection: asyncpg.Connection, question: str) -> None:
    """Ask until the answer is not 0: what happens in a server's other process can only be asked for."""
    with anyio.fail_after(PATIENCE_S):
        while not await connection.fetchval(question):
            pass


async def _answer(db: Database) -> str:
    try:
        return str((await db.read("select 1"))[0][0])
    except UnavailableError as error:
        return type(error).__name__
