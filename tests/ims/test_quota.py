"""How many images a project may own and has shared (ims-api, 1.10, and the setting `image_count_quota`)."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from harness.service import MakeService, Service
from image_calls import IMAGES, create_image, create_native_image, upload
from sharing_calls import refusal, run_batch

DATABASES = ["sqlite", "postgresql"]
QUOTA = "/v1/cloudimages/quota"


def show_quota(service: Service, caller: str = "publisher") -> dict[str, dict[str, Any]]:
    """What is told of each kind of resource."""
    response = service.client(caller).get(QUOTA)
    assert response.status_code == 200, response.text
    return {resource.pop("type"): resource for resource in response.json()["quotas"]["resources"]}


@pytest.fixture
def newcomer(service: Service) -> str:
    """A member of a project that owns nothing yet."""
    name = f"newcomer-{uuid4().hex[:8]}"
    service.add_user(name, name, "member")
    return name


def test_nothing_is_used_by_a_new_project_and_only_recipients_are_limited(
    service: Service, newcomer: str
) -> None:
    unlimited = {"used": 0, "quota": -1, "min": 1, "max": 1_000_000}

    assert show_quota(service, newcomer) == {
        "image": unlimited,
        "image_shared": unlimited,
        "image_member": unlimited | {"quota": 256},
    }


def test_what_a_project_owns_and_shares_is_counted(service: Service, newcomer: str) -> None:
    once, twice, _unshared = [str(create_image(service, newcomer)["id"]) for _ in range(3)]
    create_native_image(service, newcomer, visibility="community")
    recipients = [service.clouds[name].project_id for name in ("recipient", "other")]
    run_batch(service, newcomer, "POST", {"images": [once, twice], "projects": recipients[:1]})
    run_batch(service, newcomer, "POST", {"images": [twice], "projects": recipients})

    quota = show_quota(service, newcomer)

    assert {kind: found["used"] for kind, found in quota.items()} == {
        "image": 4,
        "image_shared": 2,
        "image_member": 2,
    }


def test_what_was_received_is_not_counted(service: Service, newcomer: str) -> None:
    image_id = str(create_image(service)["id"])
    project_id = service.clouds[newcomer].project_id
    run_batch(service, "publisher", "POST", {"images": [image_id], "projects": [project_id]})

    assert {found["used"] for found in show_quota(service, newcomer).values()} == {0}


def test_a_reader_is_told_and_a_stranger_is_not(service: Service) -> None:
    assert show_quota(service, "publisher-reader") == show_quota(service)
    assert refusal(service.client(None).get(QUOTA)) == (401, "IMG.0087")


@pytest.mark.parametrize("database", DATABASES)
def test_a_project_owns_no_more_images_than_it_may(make_service: MakeService, database: str) -> None:
    service = make_service(database, TRANSOM_IMAGE_COUNT_QUOTA="2")
    publisher = service.client("publisher")
    first = create_image(service)["id"]
    create_native_image(service)

    by_ims = publisher.post(IMAGES, json={})
    by_openstack = publisher.post("/v2/images", json={"id": str(uuid4())})

    assert refusal(by_ims) == (413, "IMG.0015")
    assert (by_openstack.status_code, by_openstack.json()["title"]) == (413, "Request Entity Too Large")
    assert show_quota(service)["image"] == {"used": 2, "quota": 2, "min": 1, "max": 1_000_000}
    assert refusal(service.client("recipient").post(IMAGES, json={"id": first})) == (409, "IMG.0035")
    assert publisher.delete(f"{IMAGES}/{first}").status_code == 204
    assert publisher.post(IMAGES, json={}).status_code == 201
    # What an admin gives it counts, and is not refused.
    given = service.client("recipient").post("/v2/images", json={}).json()["id"]
    operation = {"op": "replace", "path": "/owner", "value": service.clouds["publisher"].project_id}
    moved = service.client("admin").patch(
        f"/v2/images/{given}",
        content=json.dumps([operation]),
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
    )
    assert moved.status_code == 200, moved.text
    assert show_quota(service)["image"]["used"] == 3
    assert publisher.post(IMAGES, json={}).status_code == 413


def test_data_that_is_too_much_is_told_from_data_that_is_too_large(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_SIZE_CAP="100", TRANSOM_USER_STORAGE_QUOTA="150")

    answers = [upload(service, create_image(service)["id"], bytes(size)) for size in (101, 100, 51)]

    assert [answer.status_code for answer in answers] == [413, 204, 413]
    assert [refusal(answer)[1] for answer in answers[::2]] == ["IMG.0059", "IMG.0015"]


@pytest.mark.parametrize("database", DATABASES)
def test_images_made_at_once_do_not_pass_the_quota(make_service: MakeService, database: str) -> None:
    service = make_service(database, TRANSOM_IMAGE_COUNT_QUOTA="3")
    publisher = service.client("publisher")

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: publisher.post(IMAGES, json={}).status_code, range(24)))

    assert sorted(answers) == [201] * 3 + [413] * 21
    assert show_quota(service)["image"]["used"] == 3
