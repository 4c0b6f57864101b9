"""What one project has read by several scans, ready at once, is worked on in turns, beside everybody else."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import anyio
import pytest

from transom.api.turns import Turns
from transom.sql.connect import open_database
from transom.sql.db import Database, context_of

from .conftest import close

pytestmark = pytest.mark.anyio

PATIENCE_S = 60
SCANS = 6
POOL = 16


class _Loop:
    """Counts the rounds of the event loop; `now` is a clock by which each piece of work takes a second."""

    def __init__(self) -> None:
        self.round = 0
        self.now = 0.0
        self._next = asyncio.get_running_loop().call_soon(self._count)

    def _count(self) -> None:
        self.round += 1
        self._next = asyncio.get_running_loop().call_soon(self._count)

    def stop(self) -> None:
        self._next.cancel()


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """With as many connections as it takes for several scans of one project at once."""
    opened = await open_database(url, POOL)
    await asyncio.gather(*(opened.scan("select 1") for _ in range(SCANS)))
    yield opened
    await close(opened)


async def _rounds_of_pieces(db: Database, tenants: list[str | None]) -> list[int]:
    """In which round of the loop the piece of work began that follows each tenant's scan."""
    loop = _Loop()
    db.use_turns(Turns(lambda: loop.now).take)
    begun: list[int] = []

    async def work() -> None:
        await db.scan("select 1")
        begun.append(loop.round)
        loop.now += 1

    asked = [asyncio.create_task(work(), context=context_of(tenant)) for tenant in tenants]
    try:
        with anyio.fail_after(PATIENCE_S):
            for _ in range(20):
                await asyncio.sleep(0)
            # Meanwhile all that run are answered.
            time.sleep(0.2)  # noqa: ASYNC251
            await asyncio.gather(*asked)
    finally:
        loop.stop()
    return begun


async def test_a_project_does_not_begin_all_its_pieces_in_a_round(db: Database) -> None:
    """One whose answer comes late may begin in the round of one that was called."""
    begun = await _rounds_of_pieces(db, ["project"] * SCANS)

    assert len(begun) == SCANS
    assert max(Counter(begun).values()) <= 2


async def test_the_service_waits_for_nobody(db: Database) -> None:
    begun = await _rounds_of_pieces(db, [None] * SCANS)

    assert len(begun) == SCANS
