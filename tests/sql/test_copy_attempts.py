"""A copy that is begun again by another worker than the one that died over it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from domain.samples import OWNER, ROLES, image

from transom.domain.job_inputs import Copy
from transom.domain.model import Job, JobKind, JobStatus, Status
from transom.sql.blobs import LooseBlob, start_upload
from transom.sql.db import Database
from transom.sql.images import find_image
from transom.sql.jobs import insert_job

from .databases import NOBODY, write_world
from .job_world import IMAGE_ID, PATIENCE_S, STORES, World, look

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 1024
SOURCE_ID = "source"
#: The blob of the first attempt, by a worker of another machine.
DEAD = LooseBlob("dead", STORES[0], IMAGE_ID, "elsewhere", 1 << 60)
GIVEN = Copy(
    image_id=IMAGE_ID,
    name="copy",
    source_id=SOURCE_ID,
    size=len(DATA),
    checksum=hashlib.md5(DATA).hexdigest(),
    roles=tuple(ROLES["member"]),
)


@pytest.fixture
async def world(db: Database, tmp_path: Path) -> AsyncIterator[World]:
    made = World(db, tmp_path)
    yield made
    made.liveness.close()


async def _chunks() -> AsyncIterator[bytes]:
    yield DATA


async def _begin(world: World) -> None:
    """A source, and a copy of it that an earlier attempt is `saving` by all that anybody knows."""
    source = image(id=SOURCE_ID)
    await world.clear()
    await write_world(world.db, [source, image()], [])
    transfer = world.transfer()
    await transfer.uploads.receive(source, _chunks(), len(DATA))
    await transfer.close()
    assert await start_upload(world.db, image(), DEAD, 2)
    job = Job(
        id="job",
        kind=JobKind.COPY,
        project_id=OWNER,
        status=JobStatus.INIT,
        input=GIVEN,
        failures=(),
        begin_at=1,
        end_at=None,
        user_id="user",
    )
    await world.db.transact(insert_job(job))


async def test_a_copy_waits_for_the_end_of_the_lease_of_an_earlier_attempt(world: World) -> None:
    await _begin(world)

    running = asyncio.ensure_future(world.run("job"))
    await _wait_until_put_off(world.db)
    while_held = await look(world.db)
    await world.db.write("update loose_blob set held_until = 0 where key = 'dead'")
    _writes, status = await running

    assert while_held is not None
    assert while_held.status == Status.SAVING
    assert status == JobStatus.SUCCESS
    copied = (await find_image(world.db, IMAGE_ID, NOBODY)).image
    assert copied is not None
    assert (copied.status, copied.checksum) == (Status.ACTIVE, GIVEN.checksum)


async def _wait_until_put_off(db: Database) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not await db.read("select 1 from job where held_until > 0 and holder is null"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
