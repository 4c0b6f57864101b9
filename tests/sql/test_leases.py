"""Who may take over from a worker that lives on this machine, when a set clock has ended its lease."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from harness.hung_disk import hung_disk
from harness.receiver import Receiver

from transom.clock import now_us
from transom.data.scrub import Reports, Scrub, ScrubOptions
from transom.domain.outbound import HookRules
from transom.lease import is_over
from transom.liveness import Liveness
from transom.outbound import Poster
from transom.sharing.delivery import Delivery
from transom.sql import check_runs
from transom.sql.db import Database

from .job_world import World
from .test_delivery import World as HookWorld
from .test_delivery import has_come_to, no_maker

pytestmark = pytest.mark.anyio

#: How long who lives is waited for, seconds.
LONG, NOT_AT_ALL = 3600.0, 0.0
SECOND_US = 1_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def other(folder: Path) -> Iterator[Liveness]:
    """A worker of this machine that lives."""
    with closing(Liveness(folder)) as living:
        yield living


@pytest.fixture
async def hook_world(db: Database, tmp_path: Path) -> AsyncIterator[HookWorld]:
    await db.write("delete from hook")
    made = HookWorld(db, tmp_path / "run")
    yield made
    made.liveness.close()


@pytest.mark.parametrize(("patience_s", "is_left"), [(LONG, True), (NOT_AT_ALL, False)])
async def test_a_hook_is_left_to_the_worker_that_may_renew_its_lease(
    hook_world: HookWorld, folder: Path, other: Liveness, *, patience_s: float, is_left: bool
) -> None:
    with Receiver() as receiver, closing(Liveness(folder, patience_s)) as me:
        held, free = await hook_world.hook(receiver.origin), await hook_world.hook(receiver.origin)
        ended = now_us() - SECOND_US
        lease = (other.name, ended, held.id)
        await hook_world.db.write("update hook set holder = $1, held_until = $2 where id = $3", *lease)
        await hook_world.tell("share.offered")
        rules = HookRules(schemes=frozenset({"http"}), hosts=frozenset({"127.0.0.1"}))
        delivery = Delivery(hook_world.db, Poster(rules, 30), me, hook_world.relay.readers, no_maker)

        await hook_world.deliver_until(free if is_left else held, has_come_to(1), delivery)

        assert (await hook_world.find(held)).cursor == (0 if is_left else 1)


@pytest.mark.parametrize(("patience_s", "is_left"), [(LONG, True), (NOT_AT_ALL, False)])
async def test_the_scrub_is_left_to_the_worker_that_may_renew_its_lease(
    db: Database, tmp_path: Path, folder: Path, other: Liveness, *, patience_s: float, is_left: bool
) -> None:
    world = World(db, tmp_path)
    await world.clear()
    transfer = world.transfer()
    ended = now_us() - SECOND_US
    await db.write(
        "update check_run set holder = $1, held_until = $2, began_at = 1 where name = 'scrub'",
        *(other.name, ended),
    )
    options = ScrubOptions(pace=1 << 30, pause_us=0, repairs=False, lease_us=60 * SECOND_US)
    with closing(Liveness(folder, patience_s)) as me, closing(world.liveness):
        await Scrub(options, db, transfer.stores, transfer.ownership, me, Reports(db)).run()
    await transfer.close()

    assert ((await check_runs.find_scrub_lease(db)).holder == other.name) is is_left


async def test_locks_on_a_disk_that_hangs_hold_up_no_event_loop(
    db: Database, folder: Path, other: Liveness
) -> None:
    with closing(Liveness(folder, LONG)) as me:
        with hung_disk(folder):
            asked = asyncio.create_task(is_over(db, me, check_runs.ScrubLease(other.name, 0)))
            await db.read("select 1")
            await db.read("select 1")
            assert not asked.done()

        assert not await asked
