"""The clean-up beside a store that hangs: all that is not in it is cleaned up all the same."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from domain.samples import image
from harness.loopback import Handler, LoopbackServer

from transom.data.sweep import sweep
from transom.domain.model import Status
from transom.sql.blobs import LooseBlob, claim_blob, list_blobs, start_upload
from transom.sql.db import Database

from .databases import write_world
from .job_world import IMAGE_ID, PATIENCE_S, World, look

pytestmark = pytest.mark.anyio

PAUSE_S = 0.01
HANGING, NEAR = "hanging", "near"


class Hanging(LoopbackServer):
    """Takes requests and answers none until it is left."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.asked = threading.Semaphore(0)
        server = self

        class Silent(Handler):
            def respond(self) -> None:
                server.asked.release()
                server.may_go_on.wait(PATIENCE_S)
                self.close_connection = True

        super().__init__(Silent)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    with Hanging() as server:
        yield server
        server.may_go_on.set()


def _left_by_the_dead(store: str, number: int) -> LooseBlob:
    """Of a worker of another machine, whose lease has ended."""
    return LooseBlob(f"{store}-{number}", store, None, "elsewhere", 0)


async def test_a_store_that_hangs_keeps_nothing_from_being_cleaned_up(
    db: Database, tmp_path: Path, hanging: Hanging
) -> None:
    stores = f"{HANGING}=s3://bucket?endpoint={hanging.origin},{NEAR}=file://{tmp_path}/{NEAR}"
    keys = {"s3_access_key": "key", "s3_secret_key": "secret"}
    world = World(db, tmp_path, stores=stores, default_store=NEAR, **keys)
    await world.clear()
    await write_world(db, [image()], [])
    await claim_blob(db, _left_by_the_dead(HANGING, 1))
    transfer = world.transfer()
    sweeping = asyncio.create_task(sweep(db, transfer, PAUSE_S))
    # Its mark is looked at, and its blob is to be removed.
    for _ in range(2):
        assert await asyncio.to_thread(hanging.asked.acquire, timeout=PATIENCE_S)

    for number in range(2):
        assert await start_upload(
            db, image(), LooseBlob(f"{NEAR}-{number}", NEAR, IMAGE_ID, "elsewhere", 0), 1
        )
        with anyio.fail_after(PATIENCE_S):
            while [blob.store for blob in await list_blobs(db)] != [HANGING]:  # noqa: ASYNC110
                await anyio.sleep(PAUSE_S)
        seen = await look(db)
        assert seen is not None
        assert seen.status == Status.QUEUED

    sweeping.cancel()
    await transfer.close()
    world.liveness.close()
