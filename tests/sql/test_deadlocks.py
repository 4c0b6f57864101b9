"""Writers on PostgreSQL that lock the same rows: in one order where there is one, else the server takes one
of them back, and it is made again. SQLite writes one at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import asyncpg
import msgspec
import pytest
from domain.samples import ACTOR, image, member
from harness.postgresql import PostgreSQL

from transom.domain.job_inputs import Import
from transom.domain.model import Job, JobKind, JobStatus, Location, Staged, Status
from transom.sql.blobs import staged_statement
from transom.sql.db import Database, Statement
from transom.sql.deletion import delete_image
from transom.sql.images import find_image
from transom.sql.imports import end_import
from transom.sql.jobs import insert_job

from .databases import NOBODY, write_world
from .interleaving import PATIENCE_S, Interleaving, Outcome, Writer, interleave, make_database

pytestmark = pytest.mark.anyio

HOLDER = "worker"
LOCK = "select id from image where id = $1 for update"
CHANGE = "update image set name = $2 where id = $1 returning id"
IMPORTING = image(id="image", status=Status.IMPORTING)
JOB = Job(
    id="job",
    kind=JobKind.IMPORT,
    project_id="owner-project",
    status=JobStatus.RUNNING,
    input=Import(image_id="image", import_req={}, backend=("fast",), roles=("member",)),
    failures=(),
    begin_at=1,
    end_at=None,
    image_id="image",
    user_id="user",
)


@pytest.fixture(scope="module")
def deadlocks_url(postgresql: PostgreSQL) -> str:
    return make_database(postgresql)


@asynccontextmanager
async def _interleave(url: str, deadlock_timeout: str) -> AsyncIterator[Interleaving[list[str]]]:
    """Writers of whom the server takes one back when they have waited for each other so long."""
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database \"{name}\" set deadlock_timeout = '{deadlock_timeout}'")
    await connection.close()
    async with interleave(url, _begin, _look) as opened:
        await opened.begin(opened.db)
        yield opened


async def _begin(db: Database) -> None:
    for table in ("deleted_image", "loose_blob", "staged_blob", "outbox"):
        await db.write(f"delete from {table}")
    await db.write("delete from job")
    await write_world(db, [image(id="one"), image(id="other"), IMPORTING], [member()])
    await db.transact(
        insert_job(JOB),
        Statement("update job set holder = $1, held_until = 1", (HOLDER,)),
        staged_statement("image", Staged(store="fast", key="staged", size=4)),
    )


async def _look(db: Database) -> list[str]:
    rows = await db.read("select id || ' ' || name || ' ' || status from image order by id")
    loose = await db.read("select key from loose_blob order by key")
    return [*(row[0] for row in rows), *(row[0] for row in loose)]


# ---- one order


async def _end_import(db: Database) -> Outcome:
    seen = (await find_image(db, "image", NOBODY)).image
    if seen is None:
        return "gone"
    places = (Location(store="fast", key="placed"),)
    new = msgspec.structs.replace(
        seen, status=Status.ACTIVE, size=4, locations=places, updated_at=seen.updated_at + 1
    )
    ended = msgspec.structs.replace(JOB, status=JobStatus.SUCCESS, end_at=2)
    return await end_import(db, ended, HOLDER, seen, new)


async def _delete(db: Database) -> Outcome:
    while (seen := (await find_image(db, "image", NOBODY)).image) is not None:
        if await delete_image(db, seen, 7, ACTOR):
            return True
    return "gone"


async def test_an_import_that_ends_while_its_shared_image_is_deleted_waits_for_nobody_who_waits_for_it(
    deadlocks_url: str,
) -> None:
    async with _interleave(deadlocks_url, "1h") as writers:
        with anyio.fail_after(PATIENCE_S):
            ended, deleted = await writers.run_at_once(_end_import, _delete)

        assert (ended, deleted) == (True, True)
        assert await _look(writers.db) == ["one name queued", "other name queued", "placed", "staged"]


# ---- two orders


def _changes(first: str, second: str) -> Writer:
    """Locks the one and changes the other image."""
    steps = Statement(LOCK, (first,), required=True), Statement(CHANGE, (second, "new"), required=True)

    async def run(db: Database) -> Outcome:
        return await db.transact(*steps) is not None

    return run


async def test_what_the_server_took_back_is_made_again(deadlocks_url: str) -> None:
    async with _interleave(deadlocks_url, "10ms") as writers:
        done = await writers.run_at_once(_changes("one", "other"), _changes("other", "one"))

        assert done == (True, True)
        assert await _look(writers.db) == ["image name importing", "one new queued", "other new queued"]
