"""A PostgreSQL server is killed, and its synchronous standby takes its place."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.forks import forked_service

from transom.domain.errors import UnavailableError
from transom.sql.connect import open_database
from transom.sql.db import Database

from .calls import expect_eventually, owned_sizes, saving_images, stored_sizes
from .journal import Journal
from .postgres_pair import Pair
from .workload import Workload

pytestmark = pytest.mark.anyio

SEED = secrets.token_hex(4)
ANSWERS = 60
INSERT = "insert into note (id) values ($1)"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair() as servers:
        yield servers


def test_nothing_that_was_answered_is_lost_by_failovers(pair: Pair, tmp_path: Path) -> None:
    settings = {"TRANSOM_WORKERS": "2", "TRANSOM_UPLOAD_LEASE_S": "3"}
    with forked_service(tmp_path, pair.url, settings) as service:
        journal = Journal()
        workload = Workload(service, journal, SEED, may_be_down=True)
        with workload.running():
            for mode in ("immediate", "fast"):
                journal.wait_for_answers(ANSWERS)
                pair.fail_over(mode)
                journal.wait_for_answers(ANSWERS)
                pair.mend()

        expect_eventually(lambda: saving_images(service), [])
        expect_eventually(lambda: stored_sizes(service) == owned_sizes(service), True)
        losses = journal.find_losses(service)

    assert not losses, "\n".join([f"seed {SEED}", *losses])


async def _count(db: Database) -> int:
    return int((await db.read("select count(*) from note"))[0][0])


async def _write_until_done(db: Database, note: str) -> None:
    """The connections to a server that is gone are left one by one."""
    for _ in range(20):
        try:
            await db.write(INSERT, note)
        except UnavailableError:
            continue
        return
    raise AssertionError("nothing can be written")


async def test_a_primary_that_comes_back_after_a_failover_is_written_by_nobody(pair: Pair) -> None:
    old = await open_database(pair.url, 2)
    await old.write("create table note (id text primary key)")
    await old.write(INSERT, "before")
    pair.fail_over("immediate")
    await _write_until_done(old, "after")

    # It knows nothing of its successor, and waits for no standby.
    replaced = pair.standby
    (replaced.data / "postgresql.auto.conf").write_text("")
    replaced.start()
    new = await open_database(pair.url, 2)
    found = [await _count(db) for db in (old, new)]
    pair.primary.stop("fast")
    for db in (old, new):
        with pytest.raises(UnavailableError) as refusal:
            await _write_until_refused(db)
        assert "was replaced" in str(refusal.value.__cause__)
    pair.primary.start()
    for db in (old, new):
        await _write_until_done(db, secrets.token_hex(4))
        await db.close()

    assert found == [2, 2]
    assert replaced.execute("select id from note", "transom").split() == ["before"]


async def _write_until_refused(db: Database) -> None:
    """Until no server is left; whatever is written before that fails the test."""
    for _ in range(20):
        try:
            await db.write(INSERT, secrets.token_hex(4))
        except UnavailableError as error:
            if "was replaced" in str(error.__cause__):
                raise
