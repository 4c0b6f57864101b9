"""No room left, for image data or for SQLite: what does not fit is refused and leaves nothing behind.

The disk is a small file system in memory. Where the machine refuses to mount one, the tests are skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from harness.forks import forked_service
from harness.service import MakeService, Service
from harness.stores import MARK

from .calls import (
    add_member,
    add_property,
    create_active_image,
    create_image,
    expect_eventually,
    list_all_images,
    marked,
    member_statuses,
    others_than,
    owned_sizes,
    set_member_status,
    show_image,
    statuses,
    stored_sizes,
    timed,
    together,
    upload_data,
    worker_pids,
)
from .small_disk import fill_disk, leave_room, small_disk

MIB = 1 << 20
STORE_BYTES = 8 * MIB
DISK_BYTES = 16 * MIB
DATABASES = ["sqlite", "postgresql"]
ROUNDS = 10
#: Who has no answer by then never gets one; nothing here takes a tenth of it.
PROMPT_S = 10


@pytest.fixture(params=DATABASES, ids=DATABASES)
def small_store(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[Service]:
    """A service whose image store has room for 8 MiB, and whose database has room enough."""
    service = make_service(request.param)
    images = service.data_dir / "images"
    mark = marked(images)
    with small_disk(images, STORE_BYTES):
        (images / MARK).write_bytes(mark)
        yield service


@contextmanager
def _service_on(folder: Path, size_bytes: int) -> Iterator[Service]:
    """A service with everything it writes on one disk, SQLite's file included."""
    work_dir = folder / "disk"
    work_dir.mkdir()
    # Without metrics: what becomes of their files is the business of one test below.
    with (
        small_disk(work_dir, size_bytes),
        forked_service(work_dir, settings={"TRANSOM_METRICS": "false"}) as running,
    ):
        yield running


@pytest.fixture
def small_service(tmp_path: Path) -> Iterator[Service]:
    with _service_on(tmp_path, DISK_BYTES) as running:
        yield running


@pytest.fixture
def roomy_service(tmp_path: Path) -> Iterator[Service]:
    """On a disk whose reserve is not used up by what is written before it is noticed that it has begun: 3.2
    MiB, of which the last 0.8 are for what takes away."""
    with _service_on(tmp_path, 4 * DISK_BYTES) as running:
        yield running


def test_data_that_the_store_has_no_room_for_is_refused_and_its_image_stays_queued(
    small_store: Service,
) -> None:
    client = small_store.client("publisher")
    image_id = create_image(client)["id"]

    refused = upload_data(client, image_id, b"x" * 2 * STORE_BYTES)

    assert refused.status_code == 413
    assert "full" in refused.json()["message"]
    assert _data_of(client, image_id) == ("queued", None, None)
    assert stored_sizes(small_store) == []
    assert upload_data(client, image_id, b"x" * MIB).status_code == 204


def test_data_of_unknown_size_that_fills_the_store_is_refused_and_its_room_is_free_again(
    small_store: Service,
) -> None:
    client = small_store.client("publisher")
    image_id = create_image(client)["id"]

    refused = upload_data(client, image_id, iter([b"x" * MIB] * 16))

    assert refused.status_code == 413
    assert _data_of(client, image_id) == ("queued", None, None)
    assert stored_sizes(small_store) == []
    assert upload_data(client, image_id, b"x" * (STORE_BYTES - MIB)).status_code == 204


def test_of_uploads_that_fill_the_store_together_each_is_whole_or_refused(small_store: Service) -> None:
    client = small_store.client("publisher")
    client.timeout = PROMPT_S
    for _ in range(ROUNDS):
        image_ids = [create_image(client)["id"] for _ in range(6)]

        answers = together(
            *[partial(upload_data, client, image_id, b"x" * 3 * MIB) for image_id in image_ids]
        )

        assert others_than(answers, 204, 413) == []
        assert statuses(answers)[413] >= 1
        assert stored_sizes(small_store) == [3 * MIB] * statuses(answers)[204]
        assert owned_sizes(small_store) == stored_sizes(small_store)
        for image_id in image_ids:
            assert client.delete(f"/v2/images/{image_id}").status_code == 204


def test_a_full_store_stops_neither_sharing_nor_reading_nor_deleting(small_store: Service) -> None:
    client, recipient = small_store.client("publisher"), small_store.client("recipient")
    member_id = small_store.clouds["recipient"].project_id
    image_id = create_active_image(client, b"data")
    fill_disk(small_store.data_dir / "images")

    assert add_member(client, image_id, member_id).status_code == 200
    assert set_member_status(recipient, image_id, member_id, "accepted").status_code == 200
    assert recipient.get(f"/v2/images/{image_id}/file").content == b"data"
    assert client.delete(f"/v2/images/{image_id}").status_code == 204


def test_an_empty_image_fits_a_full_store_or_is_refused_cleanly(small_store: Service) -> None:
    client = small_store.client("publisher")
    fill_disk(small_store.data_dir / "images")
    image_ids = [create_image(client)["id"] for _ in range(5)]

    answers = [upload_data(client, image_id, b"").status_code for image_id in image_ids]

    assert set(answers) <= {204, 413}
    expected = {204: "active", 413: "queued"}
    assert [show_image(client, one)["status"] for one in image_ids] == [expected[one] for one in answers]


def test_a_full_disk_under_sqlite_refuses_writes_and_loses_none_that_was_answered(
    small_service: Service,
) -> None:
    client = small_service.client("publisher")
    kept = create_active_image(client, b"data", name="kept")
    member_id = small_service.clouds["recipient"].project_id
    add_member(client, kept, member_id)
    filler = fill_disk(small_service.work_dir)

    answers = [_create(client, f"image{number}") for number in range(200)]
    refusals = {answer.status_code for answer in answers} - {201}
    shown = show_image(client, kept)
    read = client.get(f"/v2/images/{kept}/file")
    filler.unlink()

    assert refusals
    assert refusals <= {413, 503}
    assert (shown["status"], read.content) == ("active", b"data")
    made = [answer.json()["name"] for answer in answers if answer.status_code == 201]
    assert sorted(image["name"] for image in list_all_images(small_service)) == sorted([*made, "kept"])
    assert add_property(client, kept, "key", "value").status_code == 200
    assert member_statuses(client, kept) == {member_id: "pending"}
    assert create_active_image(client, b"x" * MIB)


def test_an_upload_that_meets_a_full_disk_under_sqlite_leaves_its_image_queued(tmp_path: Path) -> None:
    work_dir = tmp_path / "disk"
    work_dir.mkdir()
    with (
        small_disk(work_dir, DISK_BYTES),
        forked_service(
            work_dir, settings={"TRANSOM_UPLOAD_LEASE_S": "3", "TRANSOM_METRICS": "false"}
        ) as service,
    ):
        client = service.client("publisher")
        image_id = create_image(client)["id"]

        refused = upload_data(client, image_id, b"x" * 2 * DISK_BYTES)

        assert refused.status_code in (413, 503)
        expect_eventually(lambda: show_image(client, image_id)["status"], "queued")
        expect_eventually(lambda: stored_sizes(service), [])
        assert upload_data(client, image_id, b"x" * MIB).status_code == 204


def test_uploads_stop_before_the_disk_is_full(small_service: Service) -> None:
    """5 % of the disk are left, less what was written between two looks."""
    client = small_service.client("publisher")
    image_ids = [create_image(client)["id"] for _ in range(16)]

    answers = [upload_data(client, image_id, b"x" * MIB).status_code for image_id in image_ids]

    assert answers == sorted(answers)
    assert set(answers) == {204, 413}
    assert shutil.disk_usage(small_service.work_dir).free >= DISK_BYTES // 40
    expect_eventually(
        lambda: client.get("/readyz").json()["disks"]["local"]["free_bytes"] < MIB + DISK_BYTES // 20, True
    )


def test_on_a_disk_without_room_for_data_new_images_are_refused_and_answers_taken(
    roomy_service: Service,
) -> None:
    client, recipient = roomy_service.client("publisher"), roomy_service.client("recipient")
    member_id = roomy_service.clouds["recipient"].project_id
    image_id = create_active_image(client, b"data")
    add_member(client, image_id, member_id)
    leave_room(roomy_service.work_dir, 3 * MIB)

    expect_eventually(lambda: _create(client, "new").status_code, 413)
    expect_eventually(lambda: client.get("/readyz").json()["disks"]["data"]["has_room"], False)
    assert add_member(client, image_id, "another").status_code == 413
    assert set_member_status(recipient, image_id, member_id, "accepted").status_code == 200
    assert client.delete(f"/v2/images/{image_id}/members/{member_id}").status_code == 204
    assert client.delete(f"/v2/images/{image_id}").status_code == 204


def test_a_disk_that_others_filled_can_be_freed_by_deleting(small_service: Service) -> None:
    client = small_service.client("publisher")
    image_ids = [create_active_image(client, b"x" * MIB) for _ in range(4)]
    withdrawn = create_image(client)["id"]
    member_id = small_service.clouds["recipient"].project_id
    add_member(client, withdrawn, member_id)
    fill_disk(small_service.work_dir)

    answers = [client.delete(f"/v2/images/{withdrawn}/members/{member_id}")]
    answers += [client.delete(f"/v2/images/{image_id}") for image_id in image_ids]

    assert [answer.status_code for answer in answers] == [204] * 5
    expect_eventually(lambda: stored_sizes(small_service), [])
    expect_eventually(lambda: _create(client, "new").status_code, 201)


def test_what_is_offered_and_answered_never_takes_the_room_that_taking_away_needs(
    roomy_service: Service,
) -> None:
    """Offers and promotions remove what has ended before they add, and answers add events alone."""
    publisher, recipient = roomy_service.client("publisher"), roomy_service.client("recipient")
    member_id = roomy_service.clouds["recipient"].project_id
    image_ids = [create_image(publisher)["id"] for _ in range(10)]
    versions = [create_active_image(publisher, b"data") for _ in range(2)]
    family = publisher.post("/share/v1/families", json={"name": "web"}).json()["id"]
    path = f"/share/v1/families/{family}"
    for image_id in versions:
        assert publisher.post(f"{path}/versions", json={"image_id": image_id}).status_code == 201
    offered = {"images": image_ids, "families": [family], "projects": [member_id]}
    assert publisher.post("/share/v1/offers", json=offered).status_code == 200

    fill_disk(roomy_service.work_dir)
    expect_eventually(lambda: publisher.get("/readyz").json()["disks"]["data"]["has_room"], False)
    growing = [
        publisher.post("/share/v1/offers", json=offered | {"projects": [f"{n}-{m}" for m in range(10)]})
        for n in range(30)
    ]
    growing += [
        recipient.post("/share/v1/answers", json={"images": image_ids, "answer": status})
        for status in ("accepted", "rejected") * 30
    ]
    away = [
        publisher.post(f"{path}/versions/2/revoke", json={"reason": "A hole."}),
        publisher.post(f"/v2/images/{versions[0]}/actions/deactivate"),
        recipient.post("/share/v1/answers", json={"images": image_ids[:3], "answer": "left"}),
        publisher.post("/share/v1/withdrawals", json={"images": image_ids, "everybody": True}),
        publisher.post("/share/v1/withdrawals", json={"families": [family], "everybody": True}),
        publisher.delete(path),
        *(publisher.delete(f"/v2/images/{image_id}") for image_id in (*image_ids, *versions)),
    ]

    assert {answer.status_code for answer in growing} == {413}
    assert [answer.text for answer in away if not answer.is_success] == []


def test_a_token_can_be_revoked_on_a_full_disk(small_service: Service) -> None:
    client = small_service.client("publisher")
    token = client.headers["X-Auth-Token"]
    fill_disk(small_service.work_dir)

    revoked = client.delete("/identity/v3/auth/tokens", headers={"X-Subject-Token": token})

    assert revoked.status_code == 204
    assert client.get("/v2/images").status_code == 401


def test_what_was_answered_before_the_disk_was_full_is_there_after_a_kill(small_service: Service) -> None:
    client = small_service.client("publisher")
    filler = fill_disk(small_service.work_dir)
    answers = [_create(client, f"image{number}") for number in range(50)]

    small_service.kill()
    filler.unlink()
    small_service.start()

    made = [answer.json()["name"] for answer in answers if answer.status_code == 201]
    assert sorted(image["name"] for image in list_all_images(small_service)) == sorted(made)


def test_no_worker_dies_of_counting_requests_on_a_full_disk(tmp_path: Path) -> None:
    """Counters in a mapped file that has no room on the disk yet end the process with SIGBUS."""
    work_dir = tmp_path / "disk"
    work_dir.mkdir()
    with small_disk(work_dir, DISK_BYTES), forked_service(work_dir) as service:
        client = service.client("publisher")
        before = worker_pids(service)
        filler = fill_disk(work_dir)

        # Each answer is one that was not counted before.
        answers = [timed(partial(client.get, f"/v2/images/{number}")) for number in range(3)]
        answers += [timed(partial(client.get, f"/v2/images?limit={value}")) for value in ("x", "1")]
        answers += [timed(partial(client.post, "/v2/images", json=body)) for body in ({}, {"id": 1})]
        answers += [timed(partial(client.delete, f"/v2/images/{number}")) for number in range(3)]
        after = worker_pids(service)
        filler.unlink()

        assert others_than(answers, 200, 201, 400, 404, 413, 503) == []
        assert after == before


def test_a_disk_of_a_few_mib_is_really_small(tmp_path: Path) -> None:
    """The tests above prove nothing on a disk that never gets full."""
    with small_disk(tmp_path, MIB):
        fill_disk(tmp_path)

        assert shutil.disk_usage(tmp_path).free == 0


def _create(client: httpx.Client, name: str) -> httpx.Response:
    return client.post("/v2/images", json={"name": name, "description": "d" * 1000})


def _data_of(client: httpx.Client, image_id: str) -> tuple[str, int | None, str | None]:
    image = show_image(client, image_id)
    return image["status"], image["size"], image["os_hash_value"]
