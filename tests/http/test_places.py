"""PATCH of locations, where they are shown (images-v2, 6.3)."""

from typing import Any

import httpx
import pytest
from conftest import IMPORTING, SharedServices
from harness.file_server import FileServer
from harness.service import Service
from images import (
    JSON_PATCH,
    TEN_BYTES,
    create_active_image,
    create_image,
    create_raw_image,
    show_image,
    update_image,
)

SHA512 = "0" * 128


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def showing(
    request: pytest.FixtureRequest, shared_services: SharedServices, tmp_path_factory: pytest.TempPathFactory
) -> Service:
    """A service that shows where data lies."""
    stores = f"fast=file://{tmp_path_factory.mktemp('showing')}/fast,web=http://"
    return shared_services.get(
        request.param,
        TRANSOM_STORES=stores,
        TRANSOM_DEFAULT_STORE="fast",
        TRANSOM_SHOW_MULTIPLE_LOCATIONS="true",
        TRANSOM_IMAGE_LOCATION_QUOTA="3",
        **IMPORTING,
    )


def add(client: httpx.Client, image_id: str, url: object, position: str = "-", **more: Any) -> httpx.Response:
    value = {"url": url, "metadata": more.pop("metadata", {}), **more}
    return update_image(client, image_id, {"op": "add", "path": f"/locations/{position}", "value": value})


def urls(client: httpx.Client, image_id: str) -> list[str]:
    return [one["url"] for one in show_image(client, image_id)["locations"]]


def test_a_location_makes_a_queued_image_active(showing: Service, files: FileServer) -> None:
    client = showing.client("publisher")
    image_id = create_raw_image(client)["id"]
    url = files.offer(TEN_BYTES)
    before = show_image(client, image_id)["locations"]
    created = create_image(client)["locations"]

    added = add(client, image_id, url, metadata={"a": "b"})

    assert (created, before, added.status_code) == ([], [], 200), added.text
    shown = show_image(client, image_id)
    assert (shown["status"], shown["size"], shown["os_hash_value"]) == ("active", 10, None)
    assert shown["locations"] == [{"url": url, "metadata": {"a": "b", "store": "web"}}]


def test_locations_are_changed_by_the_conditions(showing: Service, files: FileServer) -> None:
    client = showing.client("publisher")
    image_id = create_raw_image(client)["id"]
    place = [{"op": "add", "path": "/locations/-", "value": {"url": files.offer(TEN_BYTES), "metadata": {}}}]
    path, headers = f"/v2/images/{image_id}", {"Content-Type": JSON_PATCH}
    old = client.get(path).headers["etag"]
    client.put(f"{path}/tags/blue").raise_for_status()
    now = client.get(path).headers["etag"]

    stale = client.patch(path, json=place, headers=headers | {"If-Match": old})
    fresh = client.patch(path, json=place, headers=headers | {"If-Match": now})

    assert (stale.status_code, fresh.status_code) == (412, 200)
    assert fresh.headers["etag"] == client.get(path).headers["etag"]
    # Nobody has hashed the data, so it has no tag.
    known = client.get(f"{path}/file", headers={"If-None-Match": '"x"'})
    assert (known.status_code, "etag" in known.headers) == (200, False)


def test_what_is_said_of_the_data_is_kept_and_not_shown(showing: Service, files: FileServer) -> None:
    client = showing.client("publisher")
    image_id = create_raw_image(client)["id"]
    claimed = {"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": "0" * 32}

    add(client, image_id, files.offer(TEN_BYTES), validation_data=claimed)
    again = add(client, image_id, files.offer(TEN_BYTES), validation_data=claimed)
    other = add(
        client,
        image_id,
        files.offer(TEN_BYTES),
        validation_data=claimed | {"os_hash_value": "1" * 128},
    )

    shown = show_image(client, image_id)
    assert {name: shown[name] for name in claimed} == claimed
    assert (again.status_code, other.status_code) == (200, 409)
    assert all(set(one) == {"url", "metadata"} for one in shown["locations"])


def test_locations_are_put_where_they_are_said_to_be(showing: Service, files: FileServer) -> None:
    client = showing.client("publisher")
    image_id = create_raw_image(client)["id"]
    first, second = files.offer(TEN_BYTES), files.offer(TEN_BYTES)

    add(client, image_id, first)
    add(client, image_id, second, "0")
    beyond = add(client, image_id, files.offer(TEN_BYTES), "3")
    twice = add(client, image_id, first)

    assert urls(client, image_id) == [second, first]
    assert (beyond.status_code, twice.status_code) == (400, 400)


def test_an_image_has_no_more_locations_than_it_may(showing: Service, files: FileServer) -> None:
    client = showing.client("publisher")
    image_id = create_raw_image(client)["id"]

    statuses = [add(client, image_id, files.offer(TEN_BYTES)).status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 413]


def test_the_locations_of_an_active_image_can_be_arranged_and_no_others_be_set(
    showing: Service, files: FileServer
) -> None:
    client = showing.client("publisher")
    image_id = create_raw_image(client)["id"]
    first, second = files.offer(TEN_BYTES), files.offer(TEN_BYTES)
    add(client, image_id, first)
    add(client, image_id, second)

    def replace(*named: str) -> int:
        value = [{"url": url, "metadata": {"x": "y"}} for url in named]
        operation = {"op": "replace", "path": "/locations", "value": value}
        return update_image(client, image_id, operation).status_code

    assert [replace(second, first), replace(first), replace(first, files.offer(b"x")), replace()] == [
        *(200, 400, 400, 403)
    ]
    assert urls(client, image_id) == [second, first]


def test_an_admin_removes_locations_but_not_the_last(showing: Service, files: FileServer) -> None:
    client = showing.client("admin")
    image_id = create_active_image(client, TEN_BYTES)["id"]
    add(client, image_id, files.offer(TEN_BYTES))

    def remove(position: str, caller: str = "admin") -> int:
        operation = {"op": "remove", "path": f"/locations/{position}"}
        return update_image(showing.client(caller), image_id, operation).status_code

    assert [remove("2"), remove("x"), remove("0"), remove("0")] == [400, 400, 200, 403]
    assert client.get(f"/v2/images/{image_id}/file").content == TEN_BYTES


def test_other_fields_change_in_the_same_request(showing: Service, files: FileServer) -> None:
    client = showing.client("publisher")
    image_id = create_image(client)["id"]
    place = {"url": files.offer(TEN_BYTES), "metadata": {}}

    response = update_image(
        client,
        image_id,
        {"op": "add", "path": "/disk_format", "value": "raw"},
        {"op": "add", "path": "/container_format", "value": "bare"},
        {"op": "add", "path": "/name", "value": "named"},
        {"op": "add", "path": "/locations/-", "value": place},
    )

    assert response.status_code == 200, response.text
    shown = show_image(client, image_id)
    assert (shown["name"], shown["status"], shown["disk_format"]) == ("named", "active", "raw")


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("gopher://127.0.0.1/x", {}),
        ("file:///etc/passwd", {}),
        ("http://169.254.169.254/x", {}),
        (7, {}),
        ("http://127.0.0.1/" + "x" * 255, {}),
        ("http://127.0.0.1/x", {"metadata": "x"}),
        ("http://127.0.0.1/x", {"validation_data": {"os_hash_algo": "sha512"}}),
    ],
)
def test_what_may_not_be_named_is_refused(showing: Service, url: object, more: dict[str, Any]) -> None:
    client = showing.client("publisher")
    image_id = create_raw_image(client)["id"]

    assert add(client, image_id, url, **more).status_code == 400
    assert show_image(client, image_id)["status"] == "queued"


def test_who_may_not_change_an_image_makes_the_service_fetch_nothing(
    showing: Service, files: FileServer
) -> None:
    image_id = create_raw_image(showing.client("admin"), visibility="public")["id"]
    url = files.offer(TEN_BYTES)

    response = add(showing.client("publisher"), image_id, url)

    assert (response.status_code, files.times_asked(url)) == (403, 0)
