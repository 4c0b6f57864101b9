"""A database, two stores and a worker that runs one job, with somebody else who writes at a chosen moment.

Start reading at `World`.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
from harness.stores import stored_files

from transom.components import open_jobs, open_limits, open_objects, open_transfer
from transom.config import Settings
from transom.config.outbound import fetch_limits, fetch_rules
from transom.config.stores import store_options
from transom.data.transfer import Transfer
from transom.domain.model import Image, Policy
from transom.domain.policy import DEFAULT_POLICY
from transom.liveness import Liveness
from transom.outbound import Outbound
from transom.ownership import Ownership
from transom.sql.db import Database, Row, Statement
from transom.sql.images import find_image
from transom.sql.jobs import FINISH_JOB
from transom.stores.registry import open_stores
from transom.transfers.requesters import Requesters, RolesOf

from .databases import NOBODY, write_world

PATIENCE_S = 30
STORES = ("fast", "slow")
#: The image that every job here fills.
IMAGE_ID = "image"


async def nothing() -> None:
    """Nobody comes between."""


class Interrupted:
    """A database in which `other` runs right before write number `number` of an image; None: never. `is_over`
    is set with the end of the job."""

    def __init__(self, db: Database, number: int | None, other: Callable[[], Awaitable[None]]) -> None:
        self._db = db
        self._number = number
        self._other = other
        self.writes = 0
        self.is_over = asyncio.Event()

    async def transact(self, *statements: Statement) -> list[list[Row]] | None:
        if any("update image" in one.sql or "delete from image" in one.sql for one in statements):
            self.writes += 1
            if self.writes == self._number:
                await self._other()
        done = await self._db.transact(*statements)
        if done is not None and any(one.sql == FINISH_JOB for one in statements):
            self.is_over.set()
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


async def look(db: Database) -> Image | None:
    return (await find_image(db, IMAGE_ID, NOBODY)).image


class World:
    """Made new by `clear` for each job."""

    def __init__(self, db: Database, folder: Path, **settings: Any) -> None:
        self.db = db
        self.folder = folder
        stores = ",".join(f"{name}=file://{folder}/{name}" for name in STORES)
        given: dict[str, Any] = {
            "data_dir": str(folder),
            "stores": f"{stores},web=http://",
            "default_store": STORES[0],
            "allowed_hosts": "127.0.0.1",
            "allowed_ports": "",
            **settings,
        }
        self.settings = Settings(**given)
        self.objects = open_objects(self.settings, None)
        self.liveness = Liveness(folder / "run")

    async def clear(self) -> None:
        """No images, jobs or bytes are left."""
        for name in STORES:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        await write_world(self.db, [], [])
        await self.db.transact(
            Statement("delete from job", ()),
            Statement("delete from staged_blob", ()),
            Statement("delete from owned_store", ()),
        )

    def transfer(self, db: Database | None = None) -> Transfer:
        stores = open_stores(store_options(self.settings))
        ownership = Ownership(db or self.db, stores)
        return open_transfer(self.settings, db or self.db, stores, self.liveness, ownership)

    async def run(
        self,
        job_id: str,
        number: int | None = None,
        other: Callable[[], Awaitable[None]] = nothing,
        *,
        policy: Policy = DEFAULT_POLICY,
        roles_of: RolesOf | None = None,
    ) -> tuple[int, str]:
        """Run the job that was written to its end; (how often an image was written for it, how it ended)."""
        db: Any = Interrupted(self.db, number, other)
        transfer, requesters = self.transfer(db), Requesters(policy, roles_of)
        limits = open_limits(self.settings, db, None)
        outbound = Outbound(fetch_rules(self.settings), fetch_limits(self.settings))
        jobs = open_jobs(
            self.settings, db, transfer, outbound, limits, requesters, self.liveness, self.objects
        )
        serving = asyncio.create_task(jobs.serve())
        try:
            with anyio.fail_after(PATIENCE_S):
                await db.is_over.wait()
        finally:
            serving.cancel()
            await jobs.close()
            await asyncio.gather(*await transfer.removal.clean_up())
            await transfer.close()
        ((status,),) = await self.db.read("select status from job where id = $1", job_id)
        return db.writes, status

    def stored(self) -> set[str]:
        """The stores that have bytes, whole or not."""
        return {name for name in STORES if stored_files(self.folder / name)}


def always(roles: frozenset[str]) -> RolesOf:
    """That everybody has these roles in every project."""

    async def roles_of(_user_id: str, _project_id: str | None) -> frozenset[str]:
        return roles

    return roles_of
