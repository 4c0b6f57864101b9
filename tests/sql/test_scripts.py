"""`Database.run`: a script is one transaction that decides as it goes; who runs it hears how it ended."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import asyncpg
import pytest

from transom.domain.errors import ForbiddenError, UnavailableError
from transom.sql.connect import open_database
from transom.sql.db import PAUSE, TENANT, Database, Row, Script, Statement, read_each
from transom.sql.postgresql import PostgresDatabase

from .conftest import close
from .databases import count

pytestmark = pytest.mark.anyio

INSERT = "insert into deleted_image (id, deleted_at) values ($1, $2) returning id"
LIST = "select id from deleted_image order by id"
LOCK = "select id from deleted_image where id = $1 for update"
#: Far longer than any answer takes, a deadlock's end included; whoever has none by then never gets one.
PATIENCE_S = 20


def _insert(name: str) -> Statement:
    return Statement(INSERT, (name, 1))


def _insert_all(*names: str) -> Script[int]:
    for name in names:
        yield _insert(name)
    return len(names)


def _copy_last() -> Script[str]:
    """A row named after the last one there is: it cannot be written without having read."""
    rows = yield Statement(LIST, ())
    rows = yield _insert(f"{rows[-1][0]}!" if rows else "first")
    return str(rows[0][0])


async def _names(db: Database) -> list[str]:
    return [row[0] for row in await db.read(LIST)]


# ---- what comes back


async def test_a_script_is_sent_the_rows_of_each_statement_and_its_result_comes_back(db: Database) -> None:
    results = [await db.run(_copy_last) for _ in range(3)]

    assert results == ["first", "first!", "first!!"]
    assert await _names(db) == results


async def test_a_script_sees_what_it_wrote_itself(db: Database) -> None:
    def script() -> Script[list[str]]:
        yield _insert("a")
        return [row[0] for row in (yield Statement(LIST, ()))]

    assert await db.run(script) == ["a"]


async def test_a_statement_that_finds_nothing_sends_no_rows(db: Database) -> None:
    def script() -> Script[int]:
        return len((yield Statement(LIST, ())))

    assert await db.run(script) == 0


async def test_a_script_that_was_answered_is_seen_by_all_other_readers(
    db: Database, neighbour: Database
) -> None:
    await db.run(lambda: _insert_all("a", "b"))

    assert [await _names(one) for one in (db, neighbour)] == [["a", "b"]] * 2


async def test_a_script_that_has_nothing_to_do_returns(db: Database) -> None:
    with anyio.fail_after(PATIENCE_S):
        assert await db.run(_insert_all) == 0


# ---- errors


@pytest.mark.parametrize("error", [ForbiddenError("no"), ValueError("no"), KeyError("no")])
async def test_an_error_of_a_script_reaches_the_caller_as_it_is_and_takes_everything_back(
    db: Database, error: Exception
) -> None:
    def script() -> Script[None]:
        yield from _insert_all("a", "b")
        raise error

    with pytest.raises(type(error)) as raised:
        await db.run(script)

    assert raised.value is error
    assert await _names(db) == []


async def test_an_error_before_the_first_statement_reaches_the_caller(db: Database) -> None:
    def script() -> Script[None]:
        yield from _refuse()
        yield _insert("a")

    with pytest.raises(ForbiddenError, match="at once"):
        await db.run(script)

    assert await db.run(_copy_last) == "first"


def _refuse() -> Script[None]:
    raise ForbiddenError("at once")
    yield  # type: ignore[unreachable]


async def test_a_statement_that_fails_takes_the_script_back_and_is_no_error_of_a_driver(db: Database) -> None:
    def script() -> Script[None]:
        yield from _insert_all("a", "b", "a")

    with pytest.raises(UnavailableError):
        await db.run(script)

    assert await _names(db) == []


async def test_scripts_that_fail_leave_those_beside_them_alone(db: Database) -> None:
    def broken(name: str) -> Script[None]:
        yield _insert(name)
        raise ForbiddenError(name)

    results = await asyncio.gather(
        db.run(lambda: _insert_all("a")),
        db.run(lambda: broken("b")),
        db.write(INSERT, "c", 1),
        db.run(lambda: broken("d")),
        db.transact(_insert("e"), _insert("f")),
        db.run(lambda: _insert_all("g")),
        return_exceptions=True,
    )

    assert [isinstance(one, Exception) for one in results] == [False, True, False, True, False, False]
    assert await _names(db) == ["a", "c", "e", "f", "g"]


async def test_a_waiter_that_goes_away_does_not_disturb_the_scripts_beside_it(db: Database) -> None:
    running = [asyncio.ensure_future(db.run(_copy_last)) for _ in range(6)]
    await anyio.lowlevel.checkpoint()
    for one in running[::2]:
        one.cancel()

    with anyio.fail_after(PATIENCE_S):
        results = await asyncio.gather(*running, return_exceptions=True)
        last = await db.run(_copy_last)

    answered = [one for one in results if isinstance(one, str)]
    assert {*answered, last} <= set(await _names(db))


# ---- beside others


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_scripts_and_short_writes_are_done_in_turn_each_kind_in_its_order(db: Database) -> None:
    seen: list[str] = []

    async def note(name: str, work: asyncio.Future[Any]) -> None:
        await work
        seen.append(name)

    waiting = []
    for number in range(30):
        script = asyncio.ensure_future(db.run(lambda number=number: _insert_all(f"{number:03}-script")))  # type: ignore[misc]
        write = asyncio.ensure_future(db.write(INSERT, f"{number:03}-write", 1))
        waiting += [
            asyncio.ensure_future(note(f"{number:03}-script", script)),
            asyncio.ensure_future(note(f"{number:03}-write", write)),
        ]
    with anyio.fail_after(PATIENCE_S):
        await asyncio.gather(*waiting)

    writes = [name for name in seen if "write" in name]
    scripts = [name for name in seen if "script" in name]
    assert (writes, scripts) == (sorted(writes), sorted(scripts))
    # All that wait go into one transaction, a script has one of its own.
    assert seen.index(writes[-1]) <= len(writes)
    assert sorted(seen) == await _names(db)


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_a_project_with_many_scripts_waits_behind_its_own(db: Database) -> None:
    done: list[str] = []

    async def run(project: str, number: int) -> None:
        TENANT.set(project)
        await db.run(lambda: _insert_all(f"{project}-{number}"))
        done.append(project)

    async def write() -> None:
        await db.write(INSERT, "write", 1)
        done.append("write")

    crowd = [asyncio.create_task(run("greedy", number)) for number in range(50)]
    await anyio.lowlevel.checkpoint()
    others = [asyncio.create_task(run("modest", 0)), asyncio.create_task(write())]
    with anyio.fail_after(PATIENCE_S):
        await asyncio.gather(*crowd, *others)

    scripts = [one for one in done if one != "write"]
    assert scripts.index("modest") <= 2
    assert done.index("write") <= 3
    assert len(done) == len(crowd) + len(others)


async def test_scripts_and_writes_of_two_workers_are_all_done(db: Database, neighbour: Database) -> None:
    work = [
        make
        for n in range(25)
        for make in (
            db.run(lambda n=n: _insert_all(f"a{n}", f"b{n}")),  # type: ignore[misc]
            neighbour.run(lambda n=n: _insert_all(f"c{n}", f"d{n}")),  # type: ignore[misc]
            db.write(INSERT, f"e{n}", 1),
            neighbour.transact(_insert(f"f{n}"), _insert(f"g{n}")),
        )
    ]

    with anyio.fail_after(PATIENCE_S):
        await asyncio.gather(*work)

    assert await count(db, "deleted_image") == 25 * 7


async def test_reads_are_answered_while_a_script_is_under_way(db: Database) -> None:
    """On SQLite the script is in a thread: it stops half way until a read has been answered."""
    await db.run(lambda: _insert_all("before"))
    loop, begun, may_go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def script() -> Script[None]:
        yield _insert("during")
        loop.call_soon_threadsafe(begun.set)
        # On PostgreSQL a script runs on the loop and cannot wait there: it is cut in two by its statements.
        while not may_go_on.is_set():
            yield Statement("select 1", ())

    running = asyncio.ensure_future(db.run(script))
    with anyio.fail_after(PATIENCE_S):
        await begun.wait()
        while_running = await _names(db)
        may_go_on.set()
        await running

    assert (while_running, await _names(db)) == (["before"], ["before", "during"])


# ---- a database that cannot answer


async def test_a_closed_database_runs_no_script(url: str, db: Database) -> None:
    own = await open_database(url, 4)
    await own.close()

    with pytest.raises(UnavailableError), anyio.fail_after(PATIENCE_S):
        await own.run(_copy_last)


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_scripts_that_were_submitted_are_done_before_the_database_closes(
    url: str, db: Database
) -> None:
    own = await open_database(url, 4)
    work = [asyncio.ensure_future(own.run(_copy_last)) for _ in range(20)]
    await anyio.lowlevel.checkpoint()

    with anyio.fail_after(PATIENCE_S):
        await own.close()
        await asyncio.gather(*work)

    assert await count(db, "deleted_image") == 20


# ---- scripts of a server with several writers that meet half way


@pytest.fixture
async def other(url: str, db: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection that belongs to somebody else."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_of_two_scripts_that_wait_for_each_other_one_is_run_again_and_both_are_done(
    db: Database,
) -> None:
    await db.run(lambda: _insert_all("a", "b"))
    made: list[str] = []
    reached = {"a": asyncio.Event(), "b": asyncio.Event()}

    def cross(first: str, second: str) -> Script[str]:
        made.append(first)
        yield Statement(LOCK, (first,))
        reached[first].set()
        # Both hold one lock before either asks for its second: in the first round there is no way out.
        while not reached[second].is_set():
            yield Statement("select 1", ())
        yield Statement(LOCK, (second,))
        yield _insert(f"{first} then {second}")
        return first

    with anyio.fail_after(PATIENCE_S):
        results = await asyncio.gather(db.run(lambda: cross("a", "b")), db.run(lambda: cross("b", "a")))

    assert list(results) == ["a", "b"]
    # Who is run again may lock its first row before the other one does, and meet it once more.
    assert len(made) >= 3
    assert await _names(db) == ["a", "a then b", "b", "b then a"]


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
async def test_a_script_whose_connection_drops_is_unavailable_and_not_run_again(
    db: Database, other: asyncpg.Connection
) -> None:
    made = 0

    def script() -> Script[None]:
        nonlocal made
        made += 1
        yield _insert("a")
        yield Statement("select pg_sleep(60)", ())

    hanging = asyncio.ensure_future(db.run(script))
    with anyio.fail_after(PATIENCE_S):
        while not await other.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where query = 'select pg_sleep(60)'"
        ):
            pass
        with pytest.raises(UnavailableError):
            await hanging

    assert (made, await _names(db)) == (1, [])


async def test_no_connection_is_kept_by_scripts_that_fail(url: str, db: Database) -> None:
    """With one connection to have, the next script would wait for ever."""
    own = await open_database(url, 1)

    def broken() -> Script[None]:
        yield _insert("a")
        raise ForbiddenError("no")

    with anyio.fail_after(PATIENCE_S):
        for _ in range(5):
            with pytest.raises(ForbiddenError):
                await own.run(broken)
        last = await own.run(_copy_last)
    await close(own)

    assert last == "first"


async def test_a_script_that_pauses_holds_up_nobody_else_on_the_event_loop(db: Database) -> None:
    """On PostgreSQL it runs there; on SQLite it has a thread, and goes on at once."""
    ran, seen = 0, list[int]()

    async def run_beside() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    def script() -> Script[str]:
        for _ in range(20):
            assert (yield PAUSE) == []
            seen.append(ran)
        return "done"

    beside = asyncio.create_task(run_beside())
    result = await db.run(script)
    beside.cancel()

    assert (result, len(seen)) == ("done", 20)
    if isinstance(db, PostgresDatabase):
        assert seen == sorted(set(seen))


@pytest.mark.parametrize(("count", "pauses"), [(0, 0), (1, 0), (2000, 0), (2001, 1), (10_000, 4)])
def test_many_rows_are_read_in_pieces(count: int, pauses: int) -> None:
    rows: list[Row] = [(number,) for number in range(count)]
    paused, found = list[Statement](), list[int]()

    def note() -> Script[None]:
        found.extend((yield from read_each(rows, lambda row: int(row[0]))))

    paused.extend(note())

    assert (paused, found) == ([PAUSE] * pauses, list(range(count)))
