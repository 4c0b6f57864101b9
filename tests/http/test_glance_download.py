"""Import by glance-download: an image of another service, here of this one itself (images-v2, 5.3, 5.4)."""

from typing import Any

import pytest
from harness.loopback import Handler, LoopbackServer
from harness.service import Service
from images import TEN_BYTES, UNKNOWN_ID, create_active_image, create_raw_image, explanation, show_image
from importing import finish_import, start_import, told

REGION = "RegionOne"


def download(service: Service, image_id: str, source_id: str, **arguments: Any) -> dict[str, Any]:
    given = {"glance_region": REGION, "glance_image_id": source_id} | arguments
    started = start_import(service.client("publisher"), image_id, "glance-download", **given)
    assert started.status_code == 202, started.text
    return finish_import(service.client("publisher"), image_id)


def test_data_formats_and_some_properties_are_taken_over(importing: Service) -> None:
    client = importing.client("publisher")
    properties: dict[str, Any] = {
        "hw_cpu_cores": "5",
        "trait:STORAGE_DISK_SSD": "required",
        "os_distro": "rhel",
    }
    source = create_active_image(client, speed="88mph", **properties)
    own = {"hw_cpu_cores": "1", "colour": "blue"}
    image_id = create_raw_image(client, disk_format="iso", container_format="ovf", **own)["id"]

    task = download(importing, image_id, source["id"])

    assert task["status"] == "success", task
    shown = show_image(client, image_id)
    assert {name: shown[name] for name in properties} == properties
    assert (shown["disk_format"], shown["container_format"]) == ("raw", "bare")
    assert (shown["colour"], shown.get("speed")) == ("blue", None)
    assert client.get(f"/v2/images/{image_id}/file").content == TEN_BYTES
    assert shown["checksum"] == source["checksum"]


def test_the_token_is_shown_nowhere(importing: Service) -> None:
    client = importing.client("publisher")
    image_id = create_raw_image(client)["id"]

    task = download(importing, image_id, create_active_image(client)["id"])

    assert importing.token("publisher") not in str(task)
    assert importing.token("publisher") not in importing.read_log()


def test_the_token_goes_to_this_service_whatever_host_the_request_named(importing: Service) -> None:
    client = importing.client("publisher")
    source, image_id = create_active_image(client), create_raw_image(client)["id"]
    asked: list[str] = []

    class Thief(Handler):
        def respond(self) -> None:
            asked.append(self.path)
            self.answer(404, b"")

    with LoopbackServer(Thief) as thief:
        started = client.post(
            f"/v2/images/{image_id}/import",
            json={
                "method": {
                    "name": "glance-download",
                    "glance_region": REGION,
                    "glance_image_id": source["id"],
                }
            },
            headers={"Host": f"127.0.0.1:{thief.port}"},
        )
        assert started.status_code == 202, started.text
        task = finish_import(client, image_id)

    assert (task["status"], asked) == ("success", [])


@pytest.mark.parametrize(
    "arguments",
    [
        {"glance_region": "not a region"},
        {"glance_service_interface": "not an interface"},
        {"glance_image_id": UNKNOWN_ID},
    ],
)
def test_what_is_not_there_fails_the_task_and_leaves_the_image_as_it_was(
    importing: Service, arguments: dict[str, Any]
) -> None:
    client = importing.client("publisher")
    image_id = create_raw_image(client, disk_format="iso", hw_cpu_cores="1")["id"]
    source_id = create_active_image(client, hw_cpu_cores="5")["id"]

    task = download(importing, image_id, source_id, **arguments)

    assert task["status"] == "failure"
    shown = show_image(client, image_id)
    assert (shown["status"], shown["disk_format"], shown["hw_cpu_cores"]) == ("queued", "iso", "1")
    assert told(client, image_id) == (None, "", "fast")


def test_no_more_properties_are_taken_over_than_an_image_may_have(importing: Service) -> None:
    client = importing.client("publisher")
    own: dict[str, Any] = {f"own_{n}": "x" for n in range(100)}
    others: dict[str, Any] = {f"hw_{n}": "x" for n in range(100)}
    image_id = create_raw_image(client, **own)["id"]
    source = create_active_image(client, **others)

    task = download(importing, image_id, source["id"])

    assert (task["status"], "image properties" in task["message"]) == ("failure", True)
    assert show_image(client, image_id)["status"] == "queued"


def test_an_image_without_data_is_no_source(importing: Service) -> None:
    client = importing.client("publisher")

    task = download(importing, create_raw_image(client)["id"], create_raw_image(client)["id"])

    assert "should be active instead of queued" in task["message"]


def test_a_hidden_image_is_no_source(importing: Service) -> None:
    hidden = create_active_image(importing.client("other"))["id"]

    task = download(importing, create_raw_image(importing.client("publisher"))["id"], hidden)

    assert (task["status"], "404" in task["message"]) == ("failure", True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "'glance_region' needs to be set for glance-download import method"),
        ({"glance_region": "x"}, "'glance_image_id' needs to be set for glance-download import method"),
        (
            {"glance_region": "x", "glance_image_id": "foo"},
            "Remote image id does not look like a UUID: foo",
        ),
        ({"glance_region": 7, "glance_image_id": UNKNOWN_ID}, "'glance_region' must be a string."),
    ],
)
def test_a_source_that_is_not_named_in_full_is_refused(
    importing: Service, arguments: dict[str, Any], text: str
) -> None:
    client = importing.client("publisher")

    response = start_import(client, create_raw_image(client)["id"], "glance-download", **arguments)

    assert (response.status_code, explanation(response)) == (400, text)
