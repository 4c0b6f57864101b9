"""Machines that share a PostgreSQL and whose clocks differ; one whose clock is set."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from harness import plain_http
from harness.forks import forked_service
from harness.postgresql import PostgreSQL
from harness.service import MakeService, Service

from transom.liveness import Liveness

from .calls import create_image, expect_eventually, show_image
from .uploads import HeldUpload

MIB = 1 << 20
AHEAD_S = 600
#: Every process of a service imports it when it starts: its machine's clock is ahead.
_CLOCK = """
import time

_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {ahead_s}
time.time_ns = lambda: _time_ns() + {ahead_s} * 10**9
"""
#: A clock that is ahead by as many seconds as a file says, which may change.
_SET_CLOCK = """
import os, time

_time, _time_ns = time.time, time.time_ns

def _ahead_s():
    with open(os.environ["CLOCK_AHEAD"]) as file:
        return int(file.read() or 0)

time.time = lambda: _time() + _ahead_s()
time.time_ns = lambda: _time_ns() + _ahead_s() * 10**9
"""
#: How far it is set at once: many leases, and less than a token lives.
_STEP_S = 100
_STEPS = 5
_TIME = "%Y-%m-%dT%H:%M:%SZ"
SKEW = "transom_database_clock_skew_seconds"


@pytest.fixture
def url(postgresql: PostgreSQL) -> str:
    return postgresql.create_database()


@pytest.fixture
def start(tmp_path: Path, url: str) -> Callable[[str], Service]:
    """A machine with a data folder of its own, which shares database and store with the others."""

    def make(name: str, **settings: str) -> Service:
        folder = tmp_path / name
        folder.mkdir()
        shared = {"TRANSOM_STORES": f"shared=file://{tmp_path}/shared", "TRANSOM_UPLOAD_LEASE_S": "3"}
        return forked_service(folder, url, shared | settings)

    return make


@contextmanager
def _ahead(start: Callable[..., Service], tmp_path: Path, ahead_s: int = AHEAD_S) -> Iterator[Service]:
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(_CLOCK.format(ahead_s=ahead_s))
    with start("ahead", PYTHONPATH=str(tmp_path / "clock")) as service:
        yield service


def _skew(service: Service) -> float | None:
    lines = plain_http.get(f"{service.url}/metrics").text.splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith(SKEW)), None)


def test_a_machine_whose_clock_is_ahead_leaves_the_uploads_of_others_alone(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    with start("right") as service:
        owner = service.client("publisher")
        image_id = create_image(owner)["id"]
        with HeldUpload(service, "publisher", image_id) as upload:
            upload.send(b"x" * MIB)
            expect_eventually(lambda: show_image(owner, image_id)["status"], "saving")
            # It cleans up before it is ready.
            with _ahead(start, tmp_path) as ahead:
                expect_eventually(lambda: round(_skew(ahead) or 0), -AHEAD_S)
                log = ahead.read_log()
                answer = upload.finish()

        assert answer == 204
        assert re.search(r"the database's clock is \d+\.\d s behind this machine's", log)
        assert abs(_skew(service) or 0) < 1


@pytest.mark.parametrize("ahead_s", [AHEAD_S, -AHEAD_S])
def test_a_share_ends_by_the_databases_clock_whatever_a_machine_takes_for_the_time(
    start: Callable[..., Service], tmp_path: Path, url: str, ahead_s: int
) -> None:
    """Each end is nearer than the clocks are apart."""
    with _ahead(start, tmp_path, ahead_s) as service:
        owner, recipient = service.client("publisher"), service.client("recipient")
        project_id = service.clouds["recipient"].project_id
        image_id = create_image(owner, visibility="shared")["id"]
        path = f"/v2/images/{image_id}"
        soon = datetime.now(UTC) + timedelta(seconds=AHEAD_S / 2)
        offer = {"images": [image_id], "projects": [project_id], "expires_at": soon.strftime(_TIME)}
        assert owner.post("/share/v1/offers", json=offer).status_code == 200
        before = recipient.get(path).status_code
        lately = round((time.time() - AHEAD_S / 2) * 1e6)
        asyncio.run(_execute(url, f"update member set ends_at = {lately}, expires_at = {lately}"))

        assert (before, recipient.get(path).status_code) == (200, 404)


def test_the_uploads_of_a_machine_whose_clock_is_behind_are_held(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    with _ahead(start, tmp_path) as ahead:
        owner = ahead.client("publisher")
        image_id = create_image(owner)["id"]
        with HeldUpload(ahead, "publisher", image_id) as upload:
            upload.send(b"x" * MIB)
            expect_eventually(lambda: show_image(owner, image_id)["status"], "saving")
            with start("right"):
                answer = upload.finish()

        assert answer == 204


def test_an_upload_that_lost_its_lease_is_broken_off_while_the_client_sends(
    start: Callable[..., Service], url: str
) -> None:
    with start("right") as service:
        owner = service.client("publisher")
        image_id = create_image(owner)["id"]
        with HeldUpload(service, "publisher", image_id) as upload:
            upload.send(b"x" * MIB)
            expect_eventually(lambda: show_image(owner, image_id)["status"], "saving")
            # What another machine does with an upload whose lease has run out.
            asyncio.run(_execute(url, "update loose_blob set holder = null, image_id = null, held_until = 0"))
            answer = upload.read_status()

        assert answer == 503
        assert "The upload was aborted" in service.read_log()


def test_a_clock_that_is_set_forward_ends_no_upload_of_workers_that_live(
    make_service: MakeService, tmp_path: Path
) -> None:
    """All leases end at once then, by the clock of a machine that has its database in a file."""
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(_SET_CLOCK)
    service = make_service(
        "sqlite",
        PYTHONPATH=str(tmp_path),
        CLOCK_AHEAD=str(ahead),
        TRANSOM_WORKERS="2",
        TRANSOM_UPLOAD_LEASE_S="3",
    )
    owner = service.client("publisher")
    image_id = create_image(owner)["id"]

    def is_renewed() -> bool:
        with closing(sqlite3.connect(service.work_dir / "transom.db")) as db:
            (held_until,) = db.execute("select max(held_until) from loose_blob").fetchone()
        return (held_until or 0) > (time.time() + int(ahead.read_text())) * 1e6

    with HeldUpload(service, "publisher", image_id) as upload:
        upload.send(b"x" * MIB)
        expect_eventually(lambda: show_image(owner, image_id)["status"], "saving")
        for step in range(1, _STEPS + 1):
            (tmp_path / "new").write_text(str(step * _STEP_S))
            (tmp_path / "new").rename(ahead)
            expect_eventually(is_renewed, True)
        answer = upload.finish()

    assert answer == 204


def test_a_worker_that_lives_and_does_not_renew_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    with closing(Liveness(tmp_path)) as other:
        patient, hasty = Liveness(tmp_path, 3600), Liveness(tmp_path, 0)
        with closing(patient), closing(hasty):
            asked = [one.may_renew(name, 1) for one in (patient, hasty) for name in (other.name, "gone")]

    assert asked == [True, False, False, False]


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()
