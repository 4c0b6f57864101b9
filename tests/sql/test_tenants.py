"""On whose behalf the database is asked: a project's scans wait behind its own, and background work asks for
whom it is done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import anyio
import msgspec
import pytest
from domain.samples import OWNER, image
from harness.file_server import FileServer

from transom.domain.imports import begin
from transom.domain.job_inputs import Import
from transom.domain.model import Job, JobKind, JobStatus
from transom.sharing.readers import Readers
from transom.sql import events, images, jobs
from transom.sql.db import TENANT, Database, context_of
from transom.sql.imports import start_import

from .databases import Tap, write_world
from .job_world import STORES, World

pytestmark = pytest.mark.anyio

PATIENCE_S = 30
#: Statements of the crowd, each of which takes a while.
CROWD = 12
LONG = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 50000) select max(i) from n"


def of(tenant: str | None, work: Awaitable[None]) -> "asyncio.Task[None]":
    async def do() -> None:
        await work

    return asyncio.create_task(do(), context=context_of(tenant))


@pytest.fixture
def tap(db: Database) -> Tap:
    return Tap(db)


def tenants_of(tap: Tap, sql: str) -> set[str | None]:
    return {one.tenant for one in tap.asked if one.sql == sql}


async def test_a_task_works_for_whom_it_was_started_and_changes_nothing_for_others() -> None:
    seen: list[str | None] = []

    async def look() -> None:
        seen.append(TENANT.get())

    async def start() -> None:
        await asyncio.gather(of("other", look()), of(None, look()), look())
        await look()

    await of("first", start())
    await look()

    assert seen == ["other", None, "first", "first", None]


async def test_a_projects_many_scans_hold_up_nobody_elses(db: Database) -> None:
    done: list[str] = []

    async def scan(project: str, sql: str) -> None:
        await db.scan(sql)
        done.append(project)

    with anyio.fail_after(PATIENCE_S):
        crowd = [of("greedy", scan("greedy", LONG)) for _ in range(CROWD)]
        await anyio.lowlevel.checkpoint()
        await asyncio.gather(*crowd, of("modest", scan("modest", "select 1")))

    assert done.index("modest") < CROWD - 2
    assert len(done) == CROWD + 1


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_what_is_looked_for_on_behalf_of_all_readers_is_not_the_first_ones(tap: Tap) -> None:
    readers = Readers(tap)

    async def read() -> None:
        async with readers.listen_to_all():
            while not tenants_of(tap, events.LIST_CONCERNS):  # noqa: ASYNC110 (nothing else tells of it)
                await asyncio.sleep(0.01)

    with anyio.fail_after(PATIENCE_S):
        await of("first", read())

    assert tenants_of(tap, events.FIND_KEPT) == {"first"}
    assert tenants_of(tap, events.LIST_CONCERNS) == {None}


# ---- jobs


@pytest.fixture
async def world(tap: Tap, tmp_path: Path) -> AsyncIterator[World]:
    """With a quota, so that an import counts what the project has; and leases that are renewed soon."""
    made = World(tap, tmp_path, user_storage_quota=1 << 20, upload_lease_s=1)
    yield made
    made.liveness.close()


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
async def test_a_job_asks_on_behalf_of_its_project_and_keeps_its_lease_on_the_services(
    world: World, tap: Tap, files: FileServer
) -> None:
    url, empty = files.offer(bytes(1024)), image()
    request = {"method": {"name": "web-download", "uri": url}}
    job = Job(
        id="job",
        kind=JobKind.IMPORT,
        project_id=OWNER,
        status=JobStatus.INIT,
        input=Import(image_id=empty.id, import_req=request, backend=STORES, roles=("member", "reader")),
        failures=(),
        begin_at=1,
        end_at=None,
        image_id=empty.id,
        user_id="user",
    )
    begun = msgspec.structs.replace(begin(empty, job.id, STORES), updated_at=empty.updated_at + 1)
    await world.clear()
    await write_world(tap, [empty], [])
    assert await start_import(tap, empty, begun, job, None, -1)

    async def wait_for_renewal() -> None:
        while not tenants_of(tap, jobs.HOLD_JOB):  # noqa: ASYNC110 (nothing else tells of it)
            await asyncio.sleep(0.01)

    _writes, status = await world.run(job.id, 1, wait_for_renewal)

    assert status == JobStatus.SUCCESS
    assert tenants_of(tap, images.USED_STORAGE) == tenants_of(tap, jobs.FINISH_JOB) == {OWNER}
    assert tenants_of(tap, jobs.LIST_OPEN_JOBS) == tenants_of(tap, jobs.HOLD_JOB) == {None}
