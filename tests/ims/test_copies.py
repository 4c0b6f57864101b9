"""Copies within the region (ims-api, I15): what can be copied, what the copy is, how the job tells of it."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from harness.service import Service
from harness.stores import stored_files
from sharing_calls import (
    ENCRYPTED,
    UNKNOWN_ID,
    WHOLE_SERVER_BACKUP,
    answer,
    message_of,
    project_of,
    refusal,
    share,
    share_with_domain,
    show_job,
    withdraw,
)

DATA = bytes(range(256)) * 4096
PATIENCE_S = 30
#: What a copy has of its source, here or in another region.
KEPT = ("checksum", "os_hash_value", "size", "disk_format", "container_format", "min_disk", "os_distro")
PATHS = ["/v1/cloudimages/{}/copy", "/v2/cloudimages/{}/copy", "/v2.1/cloudimages/{}/copy"]


def create_image(
    service: Service, data: bytes | None = DATA, caller: str = "publisher", **fields: Any
) -> str:
    """The id of an image of the caller's project; `data` None leaves it `queued`."""
    client = service.client(caller)
    document = {"disk_format": "raw", "container_format": "bare"} | fields
    created = client.post("/v2/images", json=document)
    assert created.status_code == 201, created.text
    image_id = str(created.json()["id"])
    if data is not None:
        headers = {"Content-Type": "application/octet-stream"}
        stored = client.put(f"/v2/images/{image_id}/file", content=data, headers=headers)
        assert stored.status_code == 204, stored.text
    return image_id


def copy(service: Service, caller: str, image_id: str, path: str = PATHS[0], **given: Any) -> Any:
    return service.client(caller).post(path.format(image_id), json={"name": "a copy"} | given)


def finish(service: Service, caller: str, job_id: str) -> dict[str, Any]:
    """The job, once it is over."""
    deadline = time.monotonic() + PATIENCE_S
    while (job := show_job(service, caller, job_id))["status"] in ("INIT", "RUNNING"):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def download(service: Service, caller: str, image_id: str) -> bytes:
    response = service.client(caller).get(f"/v2/images/{image_id}/file")
    assert response.status_code == 200, response.text
    return response.content


def show(service: Service, caller: str, image_id: str) -> dict[str, Any]:
    response = service.client(caller).get(f"/v2/images/{image_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.mark.parametrize("path", PATHS)
def test_a_copy_is_a_private_image_of_ones_own_with_the_same_data(service: Service, path: str) -> None:
    image_id = create_image(service, os_distro="debian", min_disk=3, protected=True)

    taken = copy(service, "publisher", image_id, path, description="for the lab", enterprise_project_id="0")
    job = finish(service, "publisher", taken.json()["job_id"])

    assert (taken.status_code, job["status"], job["job_type"]) == (200, "SUCCESS", "imsCopyImageInRegionJob")
    assert job["entities"]["image_name"] == "a copy"
    made = show(service, "publisher", job["entities"]["image_id"])
    original = show(service, "publisher", image_id)
    assert {name: made[name] for name in KEPT} == {name: original[name] for name in KEPT}
    assert (made["name"], made["visibility"], made["protected"]) == ("a copy", "private", False)
    assert (made["__originalimagename"], made["__description"]) == (image_id, "for the lab")
    assert download(service, "publisher", made["id"]) == DATA


def test_the_progress_of_a_copy_ends_at_one(service: Service) -> None:
    taken = copy(service, "publisher", create_image(service)).json()["job_id"]
    finish(service, "publisher", taken)

    told = service.client("publisher").get(f"/v1/cloudimages/job/{taken}").json()

    assert (told["status"], told["entities"]["process_percent"]) == ("SUCCESS", 1.0)


def test_an_image_without_a_byte_is_copied(service: Service) -> None:
    taken = copy(service, "publisher", create_image(service, data=b"", disk_format="raw"))

    assert finish(service, "publisher", taken.json()["job_id"])["status"] == "SUCCESS"


def test_a_copy_of_an_accepted_image_outlives_its_withdrawal(service: Service) -> None:
    image_id = create_image(service)
    share(service, image_id)
    answer(service, "accepted", image_id)

    job = finish(service, "recipient", copy(service, "recipient", image_id).json()["job_id"])
    withdraw(service, image_id)

    made = show(service, "recipient", job["entities"]["image_id"])
    assert made["owner"] == project_of(service, "recipient")
    assert download(service, "recipient", made["id"]) == DATA


@pytest.mark.parametrize("status", ["pending", "rejected"])
def test_an_offer_has_to_be_accepted_before_it_is_copied(service: Service, status: str) -> None:
    image_id = create_image(service)
    share(service, image_id)
    if status == "rejected":
        answer(service, "rejected", image_id)

    assert refusal(copy(service, "recipient", image_id)) == (400, "IMG.0196")


def test_an_image_shared_with_the_whole_domain_can_be_copied(service: Service) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)

    job = finish(service, "other", copy(service, "other", image_id).json()["job_id"])

    assert job["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("fields", "data", "code"),
    [
        ({}, None, "IMG.0046"),
        (WHOLE_SERVER_BACKUP, DATA, "IMG.0130"),
        (ENCRYPTED, DATA, "IMG.0197"),
    ],
    ids=["queued", "whole server", "encrypted"],
)
def test_what_cannot_be_copied_is_refused_at_once(
    service: Service, fields: dict[str, Any], data: bytes | None, code: str
) -> None:
    assert refusal(copy(service, "publisher", create_image(service, data, **fields))) == (400, code)


def test_a_deactivated_image_is_not_copied_for_its_state(service: Service) -> None:
    image_id = create_image(service)
    deactivate(service, image_id)

    assert refusal(copy(service, "publisher", image_id)) == (400, "IMG.0046")


def test_an_iso_image_cannot_be_copied(service: Service) -> None:
    image_id = create_image(service, data=b"", disk_format="iso", container_format="ami")

    assert refusal(copy(service, "publisher", image_id)) == (400, "IMG.0167")


@pytest.mark.parametrize(
    ("given", "code", "named"),
    [
        ({"name": None}, "IMG.0013", "name"),
        ({"name": ""}, "IMG.0013", "name"),
        ({"name": "n" * 129}, "IMG.0002", "name"),
        ({"name": " n"}, "IMG.0003", "name"),
        ({"name": 7}, "IMG.0001", "name"),
        ({"description": "d" * 1025}, "IMG.0004", "description"),
        ({"description": "<b>"}, "IMG.0054", "description"),
        ({"description": "a\0b"}, "IMG.0001", "description"),
        ({"description": "\N{GRINNING FACE}"}, "IMG.0001", "description"),
        ({"cmk_id": "key"}, "IMG.0095", "cmk_id"),
        ({"enterprise_project_id": 7}, "IMG.0001", "enterprise_project_id"),
    ],
)
def test_a_bad_field_is_named(service: Service, given: dict[str, Any], code: str, named: str) -> None:
    refused = copy(service, "publisher", create_image(service), **given)

    assert refusal(refused) == (400, code)
    assert named in message_of(refused)


def test_hidden_and_absent_images_look_alike(service: Service) -> None:
    hidden = create_image(service)

    of_hidden, of_absent = (copy(service, "other", image_id) for image_id in (hidden, UNKNOWN_ID))

    assert refusal(of_hidden) == refusal(of_absent) == (400, "IMG.0027")
    assert message_of(of_hidden).replace(hidden, UNKNOWN_ID) == message_of(of_absent)


def test_a_reader_copies_nothing(service: Service) -> None:
    image_id = create_image(service)

    assert refusal(copy(service, "publisher-reader", image_id)) == (403, "IMG.0026")


def test_a_copy_counts_as_one_of_the_projects_images(make_service: Any) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_COUNT_QUOTA="1")
    image_id = create_image(service)

    refused = copy(service, "publisher", image_id, name=f"copy-{uuid4()}")

    assert refusal(refused) == (400, "IMG.0015")
    assert len(service.client("publisher").get("/v2/images").json()["images"]) == 1


def test_a_copy_beyond_the_quota_of_storage_fails_for_that(make_service: Any) -> None:
    service = make_service("sqlite", TRANSOM_USER_STORAGE_QUOTA=str(2 * len(DATA) - 1))
    image_id = create_image(service)

    job = finish(service, "publisher", copy(service, "publisher", image_id).json()["job_id"])

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0015")
    assert "storage quota" in job["fail_reason"]


def test_a_copy_of_data_that_is_not_what_was_recorded_fails_and_leaves_no_image(make_service: Any) -> None:
    service = make_service("sqlite")
    image_id = create_image(service)
    (stored,) = stored_files(service.data_dir / "images")
    stored.write_bytes(b"x" * len(DATA))

    job = finish(service, "publisher", copy(service, "publisher", image_id).json()["job_id"])

    assert job["status"] == "FAIL"
    assert job["error_code"] == "IMG.0061"
    assert job["fail_reason"]
    left = service.client("publisher").get("/v2/images").json()["images"]
    assert [image["id"] for image in left] == [image_id]


def take_store_away(folder: Path) -> None:
    """What it has cannot be looked at any more: a file lies where its folder was."""
    shutil.rmtree(folder)
    folder.touch()


def empty_store(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize("damage", [take_store_away, empty_store])
def test_an_image_is_copied_from_another_store_when_the_first_fails(
    make_service: Any, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    service = make_service(
        "sqlite",
        TRANSOM_STORES=f"fast=file://{tmp_path}/fast?weight=10,slow=file://{tmp_path}/slow",
        TRANSOM_DEFAULT_STORE="slow",
        TRANSOM_ENABLED_IMPORT_METHODS="copy-image",
    )
    image_id = create_image(service, data=None)
    headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": "fast"}
    service.client("publisher").put(f"/v2/images/{image_id}/file", content=DATA, headers=headers)
    wanted = {"method": {"name": "copy-image"}, "stores": ["slow"]}
    service.client("admin").post(f"/v2/images/{image_id}/import", json=wanted)
    wait_until_in(service, image_id, "fast,slow")

    damage(tmp_path / "fast")
    job = finish(service, "publisher", copy(service, "publisher", image_id).json()["job_id"])

    assert job["status"] == "SUCCESS", job
    assert download(service, "publisher", job["entities"]["image_id"]) == DATA


def wait_until_in(service: Service, image_id: str, stores: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (image := show(service, "publisher", image_id))["stores"] != stores:
        assert time.monotonic() < deadline, image
        time.sleep(0.02)


def test_a_copy_of_data_that_is_gone_fails_without_telling_where_it_was(make_service: Any) -> None:
    service = make_service("sqlite")
    image_id = create_image(service)
    (stored,) = stored_files(service.data_dir / "images")
    stored.unlink()

    job = finish(service, "publisher", copy(service, "publisher", image_id).json()["job_id"])

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0027")
    assert job["fail_reason"] == f"The data of image {image_id} was deleted before it was copied."


def deactivate(service: Service, image_id: str) -> None:
    assert service.client("admin").post(f"/v2/images/{image_id}/actions/deactivate").status_code == 204


def hide(service: Service, image_id: str) -> None:
    patch = [{"op": "replace", "path": "/visibility", "value": "private"}]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    hidden = service.client("publisher").patch(f"/v2/images/{image_id}", json=patch, headers=headers)
    assert hidden.status_code == 200, hidden.text


def reject(service: Service, image_id: str) -> None:
    answer(service, "rejected", image_id)


@pytest.mark.parametrize("end_right", [withdraw, reject, deactivate, hide])
def test_a_copy_whose_right_ended_before_it_ran_fails_and_gives_no_data(
    make_service: Any, end_right: Callable[[Service, str], Any]
) -> None:
    """Asked for while nobody runs jobs, and run when the recipient may not have the data any more."""
    service: Service = make_service("sqlite", TRANSOM_SERVE_RUNS_JOBS="false")
    image_id = create_image(service)
    share(service, image_id)
    answer(service, "accepted", image_id)
    job_id = copy(service, "recipient", image_id).json()["job_id"]
    end_right(service, image_id)

    service.stop()
    service.settings["TRANSOM_SERVE_RUNS_JOBS"] = "true"
    service.start()
    job = finish(service, "recipient", job_id)

    assert job["status"] == "FAIL"
    assert job["fail_reason"]
    listed = service.client("recipient").get("/v2/images?visibility=private").json()["images"]
    assert listed == []
