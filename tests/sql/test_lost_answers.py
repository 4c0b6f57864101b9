"""The database has done what it was asked, and its answer is lost on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from domain.samples import image
from harness.postgres_gateway import PostgresGateway

from transom.data.uploads import Uploads
from transom.domain.errors import UnavailableError
from transom.domain.model import Image, Status
from transom.sql.blobs import list_blobs
from transom.sql.connect import open_database

from .databases import write_world
from .job_world import World, look
from .migrated import MigratedDatabases

pytestmark = pytest.mark.anyio

DATA = b"data"
#: What begins with a claim on a blob.
Begin = Callable[[Uploads, Image], Coroutine[Any, Any, None]]


@pytest.fixture
def gateway(migrated: MigratedDatabases) -> Iterator[PostgresGateway]:
    with migrated.lend("postgresql") as url, PostgresGateway(url) as between:
        yield between


@pytest.fixture
async def world(gateway: PostgresGateway, tmp_path: Path) -> AsyncIterator[World]:
    db = await open_database(gateway.url, 4)
    made = World(db, tmp_path)
    await made.clear()
    await write_world(db, [image()], [])
    yield made
    made.liveness.close()
    await db.close()


async def _chunks() -> AsyncIterator[bytes]:
    yield DATA


def _receive(uploads: Uploads, new: Image) -> Coroutine[Any, Any, None]:
    return uploads.receive(new, _chunks(), len(DATA))


def _stage(uploads: Uploads, new: Image) -> Coroutine[Any, Any, None]:
    return uploads.stage(new, _chunks(), len(DATA))


@pytest.mark.parametrize("begin", [_receive, _stage])
async def test_an_upload_whose_start_was_written_unknown_to_it_is_taken_back(
    gateway: PostgresGateway, world: World, begin: Begin
) -> None:
    """Nobody else may take it for dead before its lease has ended."""
    transfer = world.transfer()
    await transfer.ownership.settle_all()

    gateway.lose_next_commit()
    with pytest.raises(UnavailableError):
        await begin(transfer.uploads, image())
    left = await look(world.db), await list_blobs(world.db)
    await _receive(transfer.uploads, image())
    await transfer.close()

    assert (left[0] and left[0].status, left[1]) == (Status.QUEUED, [])
    assert (await look(world.db) or image()).status == Status.ACTIVE


@pytest.mark.parametrize("begin", [_receive])
async def test_an_upload_whose_end_was_written_unknown_to_it_keeps_its_data(
    gateway: PostgresGateway, world: World, begin: Begin
) -> None:
    transfer = world.transfer()
    await transfer.ownership.settle_all()

    async def before_publish() -> None:
        gateway.lose_next_commit()

    with pytest.raises(UnavailableError):
        await transfer.uploads.receive(image(), _chunks(), len(DATA), before_publish=before_publish)
    await asyncio.gather(*await transfer.removal.clean_up())
    kept = await look(world.db)
    assert kept is not None
    location = await transfer.reads.find_copy(kept)
    got = b"".join([chunk async for chunk in await transfer.reads.read(location, 0, len(DATA))])
    await transfer.close()

    assert (kept.status, got) == (Status.ACTIVE, DATA)
