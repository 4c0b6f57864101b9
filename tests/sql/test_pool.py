"""A worker's connections to PostgreSQL: never more than allowed, never one with another's answer in it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import anyio
import asyncpg
import pytest
from harness.postgresql import PostgreSQL

from transom.domain.errors import UnavailableError
from transom.sql.db import context_of
from transom.sql.postgres_pool import Pool
from transom.sql.postgresql import PostgresDatabase

pytestmark = pytest.mark.anyio

MOST = 2
#: Far longer than anything here takes.
PATIENCE_S = 20


@pytest.fixture
def url(postgresql: PostgreSQL) -> str:
    return postgresql.create_database()


@pytest.fixture
async def pool(url: str) -> AsyncIterator[Pool]:
    opened = Pool(lambda: asyncpg.connect(url), MOST)
    with anyio.fail_after(PATIENCE_S):
        yield opened
    await opened.close()


async def _backend(pool: Pool) -> int:
    async with pool.lease() as connection:
        return int(await connection.fetchval("select pg_backend_pid()"))


async def _begun(tasks: int = 1) -> None:
    """As many tasks as were just made have run to where they wait."""
    for _ in range(3 * tasks):
        await asyncio.sleep(0)


async def test_a_connection_that_came_back_is_used_again(pool: Pool) -> None:
    assert await _backend(pool) == await _backend(pool)


async def test_who_finds_all_connections_in_use_waits_and_is_served_in_turn(pool: Pool) -> None:
    served: list[int] = []

    async def ask(number: int) -> None:
        async with pool.lease():
            served.append(number)

    async with pool.lease(), pool.lease():
        waiting = [asyncio.create_task(ask(number)) for number in range(4)]
        await _begun(len(waiting))
        assert served == []
    await asyncio.gather(*waiting)

    assert served == [0, 1, 2, 3]


async def test_never_more_connections_are_open_than_allowed(url: str, pool: Pool) -> None:
    backends = await asyncio.gather(*(_backend(pool) for _ in range(20)))

    assert len(set(backends)) <= MOST


async def test_who_gives_up_waiting_takes_no_connection_away(pool: Pool) -> None:
    async with pool.lease(), pool.lease():
        waiting = [asyncio.create_task(_backend(pool)) for _ in range(2)]
        await _begun(len(waiting))
        waiting[0].cancel()
    assert await waiting[1] > 0

    async with pool.lease(), pool.lease():
        pass


async def test_who_waits_too_long_is_told_and_takes_no_connection_away(url: str) -> None:
    pool = Pool(lambda: asyncpg.connect(url), 1, most_wait_s=0.01)
    with anyio.fail_after(PATIENCE_S):
        async with pool.lease():
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await _backend(pool)
        assert await _backend(pool) > 0
        await pool.close()


async def test_who_gives_up_in_the_moment_of_being_called_passes_the_connection_on(pool: Pool) -> None:
    first = pool.lease()
    async with pool.lease():
        await first.__aenter__()
        waiting = [asyncio.create_task(_backend(pool)) for _ in range(2)]
        await _begun(len(waiting))
        await first.__aexit__(None, None, None)
        waiting[0].cancel()
        assert await waiting[1] > 0


async def _write(pool: Pool) -> int:
    async with pool.lease_to_write() as connection:
        return int(await connection.fetchval("select pg_backend_pid()"))


async def test_writes_leave_a_connection_to_others_and_wait_for_each_other(url: str) -> None:
    pool = Pool(lambda: asyncpg.connect(url), 5)
    with anyio.fail_after(PATIENCE_S):
        async with pool.lease_to_write(), pool.lease_to_write():
            last = pool.lease_to_write()
            await last.__aenter__()
            waiting = [asyncio.create_task(_write(pool)) for _ in range(3)]
            await _begun(len(waiting))
            assert await _backend(pool) > 0
            # One gives up, another one in the moment of being called: the third is served.
            waiting[0].cancel()
            await _begun()
            await last.__aexit__(None, None, None)
            waiting[1].cancel()
            assert await waiting[2] > 0
        assert await asyncio.gather(*(_write(pool) for _ in range(9)))
        await pool.close()


def _of(tenant: str, work: Callable[[Pool], Coroutine[Any, Any, int]], pool: Pool) -> asyncio.Task[int]:
    """The work as a request of that project does it."""
    return asyncio.create_task(work(pool), context=context_of(tenant))


async def test_a_project_that_waits_for_its_own_locks_leaves_places_to_write_to_others(url: str) -> None:
    pool = Pool(lambda: asyncpg.connect(url), 10)
    unlocked = asyncio.Event()

    async def wait_for_lock(pool: Pool) -> int:
        async with pool.lease_to_write():
            await unlocked.wait()
            return 0

    with anyio.fail_after(PATIENCE_S):
        crowd = [_of("greedy", wait_for_lock, pool) for _ in range(100)]
        await _begun(len(crowd))
        assert await _of("modest", _write, pool) > 0
        assert await _of("modest", _backend, pool) > 0
        unlocked.set()
        await asyncio.gather(*crowd)
        await pool.close()


async def test_a_project_whose_statements_take_long_leaves_connections_to_others(url: str) -> None:
    pool = Pool(lambda: asyncpg.connect(url), 10)
    ended = asyncio.Event()

    async def read_for_long(pool: Pool) -> int:
        async with pool.lease():
            await ended.wait()
            return 0

    with anyio.fail_after(PATIENCE_S):
        crowd = [_of("greedy", read_for_long, pool) for _ in range(50)]
        crowd += [_of("greedy", _write, pool) for _ in range(50)]
        await _begun(len(crowd))
        crowd[-1].cancel()
        assert await asyncio.gather(*(_of("modest", _backend, pool) for _ in range(20)))
        assert await _of("modest", _write, pool) > 0
        ended.set()
        assert len(await asyncio.gather(*crowd, return_exceptions=True)) == 100
        # Nobody's share got lost.
        crowd = [_of("greedy", _backend, pool) for _ in range(20)]
        assert all(await asyncio.gather(*crowd))
        await pool.close()


async def test_projects_that_wait_for_a_connection_are_called_in_turn(pool: Pool) -> None:
    served: list[str] = []

    def note(name: str) -> Callable[[Pool], Coroutine[Any, Any, int]]:
        async def ask(pool: Pool) -> int:
            async with pool.lease():
                served.append(name)
            return 0

        return ask

    async with pool.lease(), pool.lease():
        waiting = [_of("greedy", note("greedy"), pool) for _ in range(20)]
        await _begun(len(waiting))
        waiting.append(_of("modest", note("modest"), pool))
        await _begun()
    await asyncio.gather(*waiting)

    assert served.index("modest") <= MOST


async def test_who_waits_too_long_to_write_is_told_and_takes_no_place_away(url: str) -> None:
    pool = Pool(lambda: asyncpg.connect(url), 1, most_wait_s=0.01)
    with anyio.fail_after(PATIENCE_S):
        async with pool.lease_to_write():
            for _ in range(2):
                with pytest.raises(UnavailableError):
                    await _write(pool)
        assert await _write(pool) > 0
        await pool.close()


async def test_a_statement_that_was_cut_short_takes_its_connection_with_it(pool: Pool) -> None:
    asleep: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def sleep() -> None:
        async with pool.lease() as connection:
            asleep.set_result(await connection.fetchval("select pg_backend_pid()"))
            await connection.fetch("select pg_sleep(60)")

    sleeping = asyncio.create_task(sleep())
    async with pool.lease() as watcher:
        states = "select state from pg_stat_activity where pid = $1 and query like '%pg_sleep%'"
        backend = await asleep
        while await watcher.fetchval(states, backend) != "active":
            pass
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        # The server is told, too, and ends what nobody waits for.
        while await watcher.fetchval("select count(*) from pg_stat_activity where pid = $1", backend):
            pass

    assert await _backend(pool) != backend


async def test_a_connection_left_in_a_transaction_is_not_lent_again(pool: Pool) -> None:
    async with pool.lease() as connection:
        backend = await connection.fetchval("select pg_backend_pid()")
        await connection.execute("begin")

    assert await _backend(pool) != backend


async def test_a_connection_that_cannot_be_made_leaves_its_place_to_the_next_one(url: str) -> None:
    failures = iter([OSError("the first one fails")])

    async def make() -> asyncpg.Connection:
        for failure in failures:
            raise failure
        return await asyncpg.connect(url)

    pool = Pool(make, 1)
    with anyio.fail_after(PATIENCE_S):
        with pytest.raises(OSError, match="the first one fails"):
            await _backend(pool)
        assert await _backend(pool) > 0
        await pool.close()


async def test_closing_ends_idle_connections_now_and_the_others_when_they_come_back(
    url: str, pool: Pool
) -> None:
    watcher = await asyncpg.connect(url)
    async with pool.lease() as used:
        async with pool.lease():
            pass
        closing = asyncio.create_task(pool.close())
        await closing
        assert await used.fetchval("select 1") == 1
        with pytest.raises(UnavailableError):
            await _backend(pool)
    others = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    while await watcher.fetchval(f"{others} and backend_type = 'client backend'"):
        pass
    await watcher.close()


async def test_an_idle_connection_outlives_an_administrators_limit(url: str) -> None:
    """A request would meet the server's good-bye."""
    administrator = await asyncpg.connect(url)
    database = await administrator.fetchval("select current_database()")
    await administrator.execute(f"alter database \"{database}\" set idle_session_timeout = '100ms'")
    db = await PostgresDatabase.connect(url, 1)

    before = await db.read("select pg_backend_pid()")
    await administrator.execute("select pg_sleep(0.5)")

    assert await db.read("select pg_backend_pid()") == before
    await db.close()
    await administrator.close()
