"""PostgreSQL goes away under load and comes back: honest answers meanwhile, nothing lost, no hand needed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness.forks import forked_service
from harness.service import Service

from .calls import (
    add_member,
    create_active_image,
    create_image,
    eventually,
    expect_eventually,
    owned_sizes,
    saving_images,
    set_member_status,
    show_image,
    stored_sizes,
    update_image,
    upload_data,
)
from .journal import Journal
from .postgres_server import OwnPostgreSQL
from .uploads import HeldUpload
from .workload import Workload

SEED = secrets.token_hex(4)
MIB = 1 << 20
ANSWERS = 60
REFUSALS = 20


@pytest.fixture
def postgres() -> Iterator[OwnPostgreSQL]:
    with OwnPostgreSQL() as server:
        yield server


@pytest.fixture
def service(postgres: OwnPostgreSQL, tmp_path: Path) -> Iterator[Service]:
    """With the shortest lease: an upload that lost its database is given up after three seconds."""
    with forked_service(tmp_path, postgres.url, {"TRANSOM_UPLOAD_LEASE_S": "3"}) as running:
        yield running


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_writes_are_answered_rightly_or_with_503_and_none_that_was_answered_is_lost(
    postgres: OwnPostgreSQL, service: Service, mode: str
) -> None:
    journal = Journal()
    workload = Workload(service, journal, SEED, may_be_down=True)

    with workload.running():
        for _ in range(2):
            journal.wait_for_answers(ANSWERS)
            postgres.stop(mode)
            journal.wait_for_outages(REFUSALS)
            postgres.start()
        journal.wait_for_answers(ANSWERS)

    expect_eventually(lambda: saving_images(service), [])
    expect_eventually(lambda: stored_sizes(service) == owned_sizes(service), True)
    losses = journal.find_losses(service)
    assert not losses, "\n".join([f"seed {SEED}, {journal.answers} answered writes", *losses])


def test_while_the_database_is_away_every_call_says_so_and_when_to_try_again(
    postgres: OwnPostgreSQL, service: Service
) -> None:
    owner = service.client("publisher")
    recipient, recipient_id = service.client("recipient"), service.clouds["recipient"].project_id
    active, queued = create_active_image(owner, b"data"), create_image(owner)["id"]
    add_member(owner, active, recipient_id)

    postgres.stop("immediate")
    answers = [
        owner.get("/v2/images"),
        owner.get(f"/v2/images/{active}"),
        owner.get(f"/v2/images/{active}/file"),
        owner.get(f"/v2/images/{active}/members"),
        recipient.get("/v2/images?visibility=shared&member_status=pending"),
        owner.post("/v2/images", json={}),
        update_image(owner, active, {"op": "add", "path": "/key", "value": "value"}),
        owner.put(f"/v2/images/{active}/tags/tag"),
        upload_data(owner, queued, b"x" * MIB),
        add_member(owner, active, "project"),
        set_member_status(recipient, active, recipient_id, "accepted"),
        owner.delete(f"/v2/images/{active}"),
        owner.get("/readyz"),
    ]
    alive = owner.get("/healthz")
    postgres.start()

    assert [_wrong(answer) for answer in answers if _wrong(answer)] == []
    assert alive.status_code == 200
    recovered = eventually(lambda: owner.get("/readyz").status_code, lambda status: status == 200)
    assert recovered == 200
    assert show_image(owner, active)["status"] == "active"
    assert show_image(owner, queued)["status"] == "queued"
    assert set_member_status(recipient, active, recipient_id, "accepted").status_code == 200
    assert upload_data(owner, queued, b"x" * MIB).status_code == 204


def test_an_upload_that_ends_while_the_database_is_away_leaves_its_image_queued(
    postgres: OwnPostgreSQL, service: Service
) -> None:
    owner = service.client("publisher")
    image_id = create_image(owner)["id"]

    with HeldUpload(service, "publisher", image_id) as upload:
        upload.send(b"x" * MIB)
        expect_eventually(lambda: show_image(owner, image_id)["status"], "saving")
        postgres.stop("immediate")
        answer = upload.finish()
    postgres.start()

    assert answer == 503
    expect_eventually(lambda: _status(owner, image_id), "queued")
    expect_eventually(lambda: stored_sizes(service), [])
    assert upload_data(owner, image_id, b"again").status_code == 204


def test_an_upload_that_outlasts_a_short_outage_is_finished(postgres: OwnPostgreSQL, tmp_path: Path) -> None:
    with forked_service(tmp_path, postgres.url, {"TRANSOM_UPLOAD_LEASE_S": "60"}) as service:
        owner = service.client("publisher")
        image_id = create_image(owner)["id"]

        with HeldUpload(service, "publisher", image_id) as upload:
            upload.send(b"x" * MIB)
            expect_eventually(lambda: show_image(owner, image_id)["status"], "saving")
            postgres.stop("immediate")
            assert owner.get("/readyz").status_code == 503
            postgres.start()
            upload.send(b"y" * MIB)
            answer = upload.finish()

        assert answer == 204
        assert owner.get(f"/v2/images/{image_id}/file").content == b"x" * MIB + b"y" * MIB
        assert stored_sizes(service) == [2 * MIB]


def test_a_deleted_image_whose_removal_was_cut_short_by_the_outage_leaves_no_file(
    postgres: OwnPostgreSQL, service: Service
) -> None:
    owner = service.client("publisher")
    image_ids = [create_active_image(owner, b"data") for _ in range(10)]

    postgres.stop("immediate")
    refused = [owner.delete(f"/v2/images/{image_id}").status_code for image_id in image_ids]
    postgres.start()
    deleted = [owner.delete(f"/v2/images/{image_id}").status_code for image_id in image_ids]

    assert set(refused) == {503}
    assert set(deleted) == {204}
    expect_eventually(lambda: stored_sizes(service), [])


def _wrong(answer: httpx.Response) -> str:
    """What is wrong with an answer that should say that the database is away; empty if nothing is."""
    if answer.status_code == 503 and answer.headers.get("retry-after", "").isdigit():
        return ""
    request = answer.request
    return f"{request.method} {request.url.path}: {answer.status_code} {dict(answer.headers)} {answer.text}"


def _status(client: httpx.Client, image_id: str) -> str | None:
    """The image's status; None while the service cannot tell."""
    response = client.get(f"/v2/images/{image_id}")
    return str(response.json()["status"]) if response.status_code == 200 else None
