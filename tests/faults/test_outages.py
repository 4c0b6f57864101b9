"""What the service needs is killed under load and comes back: Keystone, PostgreSQL, the source of an import.

Meanwhile every answer is right or 503; afterwards nothing that was answered is lost, and nobody had to lay a
hand on the service. PostgreSQL alone is in `test_database_outage.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import IMPORTING
from harness.forks import forked_service
from harness.keystone import Keystone
from harness.service import MakeService, Service

from .calls import (
    add_member,
    create_image,
    expect_eventually,
    owned_sizes,
    remove_member,
    saving_images,
    set_member_status,
    show_image,
    stored_sizes,
    update_image,
    upload_data,
)
from .journal import Journal, data_of
from .postgres_server import OwnPostgreSQL
from .readers import Readers
from .web_source import WebSource
from .workload import Workload

SEED = secrets.token_hex(4)
MIB = 1 << 20
ANSWERS = 60
REFUSALS = 20
IMPORTS = 3
DATA = secrets.token_bytes(8 * MIB)
UNFINISHED = ("pending", "processing")


class Load:
    """Clients that write and clients that read, all at once, and what they were told."""

    def __init__(self, service: Service, *, may_be_down: bool) -> None:
        self.journal = Journal()
        self._service = service
        self.readers = Readers(service, self.journal, may_be_down=may_be_down)
        self.writers = Workload(service, self.journal, SEED, may_be_down=may_be_down)

    def find_faults(self) -> list[str]:
        """What is wrong when all is over: a call that does not succeed, a write that is lost."""
        expect_eventually(lambda: saving_images(self._service), [])
        expect_eventually(lambda: stored_sizes(self._service) == owned_sizes(self._service), True)
        faults = [*self.journal.find_losses(self._service), *self.readers.read_all(), *_write(self._service)]
        return [f"seed {SEED}, {self.journal.answers} answered writes", *faults] if faults else []


@pytest.fixture
def running_keystone(keystone: Keystone) -> Iterator[Keystone]:
    """The one that tests share, to be killed: it runs again afterwards."""
    yield keystone
    if not keystone.is_running:
        keystone.start()


@pytest.fixture
def postgres() -> Iterator[OwnPostgreSQL]:
    with OwnPostgreSQL() as server:
        yield server


def test_keystone_and_postgresql_are_killed_under_load_and_nothing_answered_is_lost(
    running_keystone: Keystone, postgres: OwnPostgreSQL, tmp_path: Path
) -> None:
    """Tokens are known for a short while only, so that all of them are asked for while Keystone is away."""
    with _service_with_keystone(running_keystone, tmp_path, postgres.url, cache_s=3) as service:
        load = Load(service, may_be_down=True)

        with load.readers.running(), load.writers.running():
            load.journal.wait_for_answers(ANSWERS)
            running_keystone.kill()
            load.journal.wait_for_outages(REFUSALS)
            running_keystone.start()
            load.journal.wait_for_answers(ANSWERS)
            postgres.stop("immediate")
            load.journal.wait_for_outages(REFUSALS)
            postgres.start()
            load.journal.wait_for_answers(ANSWERS)

        assert load.find_faults() == []


def test_whose_token_is_known_does_not_notice_that_keystone_was_killed(
    running_keystone: Keystone, tmp_path: Path
) -> None:
    with _service_with_keystone(running_keystone, tmp_path, None, cache_s=300) as service:
        load = Load(service, may_be_down=False)
        for name in ("publisher", "recipient", "other", "admin"):
            assert service.client(name).get("/v2/images").status_code == 200
        stranger = running_keystone.token("demo")

        with load.readers.running(), load.writers.running():
            load.journal.wait_for_answers(ANSWERS)
            running_keystone.kill()
            during = [_list_images(service, token) for token in (stranger, "junk")]
            load.journal.wait_for_answers(ANSWERS)
        # It is asked for nobody's token meanwhile: there is nothing that the load could meet.
        running_keystone.start()
        with load.readers.running(), load.writers.running():
            after = [_list_images(service, token) for token in (stranger, "junk")]
            load.journal.wait_for_answers(ANSWERS)

        assert [(answer.status_code, "retry-after" in answer.headers) for answer in during] == [
            (503, True)
        ] * 2
        assert [answer.status_code for answer in after] == [200, 401]
        assert load.find_faults() == []


@pytest.fixture
def source(tmp_path: Path) -> Iterator[WebSource]:
    with WebSource(tmp_path, DATA) as server:
        yield server


def test_imports_whose_source_is_killed_and_comes_back_end_well(
    make_service: MakeService, source: WebSource
) -> None:
    service = make_service("sqlite", **IMPORTING, TRANSOM_JOBS_AT_ONCE=str(2 * IMPORTS))
    load = Load(service, may_be_down=False)
    source.start(hold_after=len(DATA) // 2)

    with load.readers.running(), load.writers.running():
        image_ids = [_import_new(service, load.journal, source.url) for _ in range(IMPORTS)]
        expect_eventually(lambda: _being_fetched(service, image_ids), IMPORTS)
        source.kill()
        expect_eventually(lambda: _being_fetched(service, image_ids), 0)
        source.start()
        expect_eventually(lambda: _outcomes(service, image_ids), [["success"]] * IMPORTS)

    assert load.find_faults() == []


def test_imports_whose_source_stays_away_fail_and_can_be_made_anew(
    make_service: MakeService, source: WebSource
) -> None:
    service = make_service("postgresql", **IMPORTING, TRANSOM_JOBS_AT_ONCE=str(2 * IMPORTS))
    load = Load(service, may_be_down=False)
    source.start(hold_after=len(DATA) // 2)
    image_ids = [_import_new(service, load.journal, source.url) for _ in range(IMPORTS)]
    expect_eventually(lambda: _being_fetched(service, image_ids), IMPORTS)

    source.kill()
    expect_eventually(lambda: _outcomes(service, image_ids), [["failure"]] * IMPORTS)

    shown = [show_image(service.client("publisher"), image_id) for image_id in image_ids]
    assert [(image["status"], image["size"]) for image in shown] == [("queued", None)] * IMPORTS
    expect_eventually(lambda: stored_sizes(service), owned_sizes(service))
    source.start()
    for image_id in image_ids:
        _import(service, image_id, source.url)
    expect_eventually(lambda: _outcomes(service, image_ids), [["failure", "success"]] * IMPORTS)
    assert load.find_faults() == []


def _service_with_keystone(
    keystone: Keystone, folder: Path, database: str | None, *, cache_s: int
) -> Service:
    """With the accounts that the clients of the load have, and the shortest lease: an upload that lost its
    database is given up after three seconds."""
    settings = {"TRANSOM_KEYSTONE_CACHE_S": str(cache_s), "TRANSOM_UPLOAD_LEASE_S": "3"}
    service = forked_service(folder, database, {**keystone.settings(), **settings})
    accounts = {"publisher": "demo", "recipient": "alt", "other": "third", "admin": "admin"}
    service.use_clouds({ours: keystone.clouds[theirs] for ours, theirs in accounts.items()})
    return service


def _list_images(service: Service, token: str) -> httpx.Response:
    return service.client(None).get("/v2/images", headers={"X-Auth-Token": token})


def _write(service: Service) -> list[str]:
    """The answers that are no success to one write of each kind. Nothing is left of what they make."""
    owner, recipient = service.client("publisher"), service.client("recipient")
    recipient_id = service.clouds["recipient"].project_id
    image_id = create_image(owner)["id"]
    answers = [
        upload_data(owner, image_id, b"data"),
        update_image(owner, image_id, {"op": "add", "path": "/key", "value": "value"}),
        owner.put(f"/v2/images/{image_id}/tags/tag"),
        add_member(owner, image_id, recipient_id),
        set_member_status(recipient, image_id, recipient_id, "accepted"),
        remove_member(owner, image_id, recipient_id),
        owner.delete(f"/v2/images/{image_id}"),
    ]
    return [
        f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
        for answer in answers
        if not answer.is_success
    ]


# ---- imports


def _import_new(service: Service, journal: Journal, url: str) -> str:
    """The id of a new image that is being filled from the URL, and in the end is to hold the data."""
    image_id = str(create_image(service.client("publisher"))["id"])
    record = journal.new_record(image_id)
    record.exists.settle(True)
    record.data.settle(data_of(DATA))
    _import(service, image_id, url)
    return image_id


def _import(service: Service, image_id: str, url: str) -> None:
    body = {"method": {"name": "web-download", "uri": url}}
    response = service.client("publisher").post(f"/v2/images/{image_id}/import", json=body)
    assert response.status_code == 202, response.text


def _being_fetched(service: Service, image_ids: list[str]) -> int:
    """How many of the images have a file in the store that has begun to fill."""
    sizes = []
    for image_id in image_ids:
        for path in (service.data_dir / "images").rglob(f"{image_id}-*"):
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:  # Removed since it was listed.
                continue
    return sum(size > 0 for size in sizes)


def _outcomes(service: Service, image_ids: list[str]) -> list[list[str]]:
    """How each image's imports ended, in order of their beginning; of one that is not over, nothing."""
    client = service.client("admin")
    outcomes = []
    for image_id in image_ids:
        tasks = client.get(f"/v2/images/{image_id}/tasks").json()["tasks"]
        tasks.sort(key=lambda task: task["created_at"])
        outcomes.append([task["status"] for task in tasks if task["status"] not in UNFINISHED])
    return outcomes
