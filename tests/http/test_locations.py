"""POST and GET /v2/images/{id}/locations: data that lies elsewhere (images-v2, 6.4)."""

import hashlib
from typing import Any

import httpx
import pytest
from conftest import IMPORTING, SharedServices
from harness import plain_http
from harness.databases import over_one
from harness.file_server import FileServer
from harness.service import Service
from images import (
    TEN_BYTES,
    UNKNOWN_ID,
    create_active_image,
    create_public_image,
    create_raw_image,
    explanation,
    show_image,
)
from importing import finish_import

DATA = bytes(range(256)) * 4096


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def placing(
    request: pytest.FixtureRequest, shared_services: SharedServices, tmp_path_factory: pytest.TempPathFactory
) -> Service:
    """A service that also reads data from the web."""
    folder = tmp_path_factory.mktemp("placing")
    stores = f"fast=file://{folder}/fast,web=http://"
    return shared_services.get(
        request.param, TRANSOM_STORES=stores, TRANSOM_DEFAULT_STORE="fast", **IMPORTING
    )


def add(client: httpx.Client, image_id: str, url: object, **claimed: object) -> httpx.Response:
    body: dict[str, Any] = {"url": url, "validation_data": claimed}
    return client.post(f"/v2/images/{image_id}/locations", json=body)


def test_data_elsewhere_becomes_the_images(placing: Service, files: FileServer) -> None:
    client = placing.client("publisher")
    image_id = create_raw_image(client)["id"]

    added = add(client, image_id, files.offer(DATA))
    task = finish_import(client, image_id)

    assert (added.status_code, added.content) == (202, b"")
    assert (task["type"], task["status"]) == ("location_import", "success"), task
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"], shown["stores"]) == ("active", len(DATA), "web")
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
    assert shown["checksum"] == hashlib.md5(DATA).hexdigest()
    assert client.get(f"/v2/images/{image_id}/file").content == DATA


def test_an_answer_that_is_not_the_data_fails_the_task_and_is_told(
    placing: Service, files: FileServer
) -> None:
    client = placing.client("publisher")
    image_id = create_raw_image(client)["id"]

    add(client, image_id, files.offer(DATA, headers={"Content-Encoding": "gzip"}))
    task = finish_import(client, image_id)

    assert (task["status"], "content coding 'gzip'" in task["message"]) == ("failure", True), task
    assert show_image(client, image_id)["status"] == "queued"


def test_what_is_said_of_the_data_is_compared(placing: Service, files: FileServer) -> None:
    client = placing.client("publisher")
    right, wrong = create_raw_image(client)["id"], create_raw_image(client)["id"]
    value = hashlib.sha256(DATA).hexdigest()

    add(client, right, files.offer(DATA), os_hash_algo="sha256", os_hash_value=value)
    add(client, wrong, files.offer(DATA[1:]), os_hash_algo="sha256", os_hash_value=value)
    tasks = [finish_import(client, image_id) for image_id in (right, wrong)]

    assert [task["status"] for task in tasks] == ["success", "failure"]
    shown = show_image(client, right)
    assert (shown["status"], shown["os_hash_algo"], shown["os_hash_value"]) == ("active", "sha256", value)
    failed = show_image(client, wrong)
    assert (failed["status"], failed["os_hash_algo"], failed["checksum"]) == ("queued", None, None)


@over_one("placing")
@pytest.mark.parametrize("status", [404, 500])
def test_data_that_is_not_there_fails_the_task(placing: Service, files: FileServer, status: int) -> None:
    client = placing.client("publisher")
    image_id = create_raw_image(client)["id"]

    add(client, image_id, files.offer(b"", status))
    task = finish_import(client, image_id)

    assert task["status"] == "failure"
    assert show_image(client, image_id)["status"] == "queued"


def test_a_deleted_image_leaves_other_peoples_data_alone(placing: Service, files: FileServer) -> None:
    client = placing.client("publisher")
    image_id = create_raw_image(client)["id"]
    url = files.offer(DATA)
    add(client, image_id, url)
    finish_import(client, image_id)

    assert client.delete(f"/v2/images/{image_id}").status_code == 204
    assert plain_http.get(url).content == DATA


def test_where_data_lies_is_told_to_services_and_admins(placing: Service, files: FileServer) -> None:
    client = placing.client("publisher")
    image_id = create_raw_image(client)["id"]
    url = files.offer(TEN_BYTES)
    add(client, image_id, url)
    finish_import(client, image_id)

    told = placing.client("admin").get(f"/v2/images/{image_id}/locations")
    refused = client.get(f"/v2/images/{image_id}/locations")
    hidden = placing.client("other").get(f"/v2/images/{image_id}/locations")

    assert told.json() == [{"url": url, "metadata": {"store": "web"}}]
    assert (refused.status_code, hidden.status_code) == (403, 404)


def test_an_image_without_data_lies_nowhere(placing: Service) -> None:
    image_id = create_raw_image(placing.client("publisher"))["id"]

    assert placing.client("admin").get(f"/v2/images/{image_id}/locations").json() == []


@pytest.mark.parametrize(
    ("url", "claimed", "status"),
    [
        (None, {}, 400),
        ("http://127.0.0.1/x", {"os_hash_algo": "sha512"}, 400),
        ("http://127.0.0.1/x", {"os_hash_algo": "sha123", "os_hash_value": "0" * 128}, 400),
        ("http://127.0.0.1/x", {"os_hash_algo": "sha512", "os_hash_value": "0" * 64}, 400),
        ("http://169.254.169.254/x", {}, 400),
        ("http://127.1/x", {}, 400),
        ("file:///etc/passwd", {}, 403),
        ("s3://bucket/key", {}, 403),
    ],
)
def test_what_may_not_be_added_is_refused_at_once(
    placing: Service, url: object, claimed: dict[str, object], status: int
) -> None:
    client = placing.client("publisher")
    image_id = create_raw_image(client)["id"]

    assert add(client, image_id, url, **claimed).status_code == status
    assert show_image(client, image_id)["status"] == "queued"


def test_an_image_with_data_takes_no_location(placing: Service) -> None:
    client = placing.client("publisher")
    image_id = create_active_image(client)["id"]

    response = add(client, image_id, "http://127.0.0.1/x")

    assert (response.status_code, explanation(response)) == (
        409,
        "It's not allowed to add locations if image status is active.",
    )


def test_without_such_a_store_users_add_nothing(service: Service) -> None:
    client = service.client("publisher")

    response = add(client, create_raw_image(client)["id"], "http://example.org/x")

    assert (response.status_code, explanation(response)) == (
        403,
        "http store must be enabled to use location API by normal user.",
    )


def test_who_may_not_see_or_change_an_image_adds_nothing(placing: Service) -> None:
    hidden = create_raw_image(placing.client("publisher"), visibility="private")["id"]
    public = create_public_image(placing)["id"]

    answers = [add(placing.client("other"), one, "http://x/") for one in (hidden, UNKNOWN_ID, public)]

    assert [one.status_code for one in answers] == [404, 404, 403]
