"""Whatever changes an image, beside each step of an import: no write is lost, and nothing half done is left.

The other writer comes between the look and the write of one step after the other. An import that fails must
leave the image as it was before, with what others changed meanwhile.
"""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from domain.samples import ACTOR, image
from harness.file_server import FileServer

from transom.domain.imports import begin
from transom.domain.job_inputs import Import
from transom.domain.model import Job, JobKind, JobStatus, Status
from transom.sql.db import Database
from transom.sql.deletion import delete_image
from transom.sql.images import update_image
from transom.sql.imports import start_import

from .databases import write_world
from .job_world import STORES, World, look

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 4096
#: The import sets this property of the image, which had another value before.
SET, BEFORE, BY_IMPORT, BY_CLIENT = "os_type", "linux", "windows", "bsd"


# ---- the other writers


async def _patch(db: Database, **changes: Any) -> None:
    """As a client's PATCH: looks again when somebody was quicker."""
    while (seen := await look(db)) is not None:
        properties = {**seen.properties, **changes.pop("properties", {})}
        new = msgspec.structs.replace(seen, **changes, properties=properties, updated_at=seen.updated_at + 1)
        if await update_image(db, seen, new, ACTOR):
            return


async def _rename(db: Database) -> None:
    await _patch(db, name="renamed")


async def _set_property(db: Database) -> None:
    await _patch(db, properties={SET: BY_CLIENT})


async def _deactivate(db: Database) -> None:
    seen = await look(db)
    if seen is not None and seen.status == Status.ACTIVE:
        await _patch(db, status=Status.DEACTIVATED)


async def _delete(db: Database) -> None:
    while (seen := await look(db)) is not None:
        if await delete_image(db, seen, seen.updated_at + 1, ACTOR):
            return


# ---- an import


async def _begin(world: World, url: str, disk_format: str) -> str:
    """Write an import; the id of its task."""
    await world.clear()
    new = image(disk_format=disk_format, properties={SET: BEFORE})
    await write_world(world.db, [new], [])
    request = {"method": {"name": "web-download", "uri": url}, "all_stores_must_succeed": False}
    job = Job(
        id="job",
        kind=JobKind.IMPORT,
        project_id="owner-project",
        status=JobStatus.INIT,
        input=Import(image_id="image", import_req=request, backend=STORES, roles=("member", "reader")),
        failures=(),
        begin_at=1,
        end_at=None,
        image_id="image",
        user_id="user",
    )
    begun = msgspec.structs.replace(begin(new, job.id, STORES), updated_at=2)
    assert await start_import(world.db, new, begun, job, None, -1)
    return job.id


@pytest.fixture
async def world(db: Database, tmp_path: Path) -> AsyncIterator[World]:
    made = World(
        db,
        tmp_path,
        image_import_plugins="image_decompression,inject_image_metadata",
        inject_properties=f"{SET}:{BY_IMPORT}",
    )
    yield made
    made.liveness.close()


@pytest.fixture(scope="module")
def source(files: FileServer) -> str:
    """Data that the first plugin replaces."""
    return files.offer(gzip.compress(DATA))


OTHERS: dict[str, Callable[[Database], Awaitable[None]]] = {
    "renamed": _rename,
    "property set": _set_property,
    "deactivated": _deactivate,
    "deleted": _delete,
}
#: The format that the image claims → how its import ends. The data is raw.
ENDS = {"raw": JobStatus.SUCCESS, "qcow2": JobStatus.FAIL}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("disk_format", ENDS)
async def test_an_import_leaves_no_step_half_done_and_loses_no_write(
    world: World, source: str, disk_format: str, other: str
) -> None:
    steps, undisturbed = await world.run(await _begin(world, source, disk_format))
    assert (undisturbed, steps >= 6) == (ENDS[disk_format], True)

    for number in range(1, steps + 1):
        written = False

        async def write() -> None:
            nonlocal written
            await OTHERS[other](world.db)
            written = True

        _steps, status = await world.run(await _begin(world, source, disk_format), number, write)

        assert written
        await _check(world, status, disk_format, other, number)


async def _check(world: World, status: str, disk_format: str, other: str, number: int) -> None:
    left = await look(world.db)
    place = f"{other} before write {number} of {disk_format}"
    if other == "deleted":
        assert (left, world.stored()) == (None, set()), place
        return
    assert left is not None, place
    assert left.name == ("renamed" if other == "renamed" else "name"), place
    assert "os_glance_import_task" not in left.properties, place
    assert world.stored() == {location.store for location in left.locations}, place
    if left.status == Status.QUEUED:
        expected = BY_CLIENT if other == "property set" else BEFORE
        assert (status, left.properties[SET], left.size) == (JobStatus.FAIL, expected, None), place
    else:
        # One that was deactivated gets no further copies; with the last of them nothing was left to do.
        is_whole = len(left.locations) == len(STORES)
        assert is_whole or left.status == Status.DEACTIVATED, place
        assert left.properties[SET] in (BY_IMPORT, BY_CLIENT), place
        assert status == (JobStatus.SUCCESS if is_whole else JobStatus.FAIL), place
