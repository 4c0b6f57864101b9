"""DELETE /v2/images/{id}: who may, what stands against it, and that nothing stays behind (images-v2, 3.5)."""

from http.client import HTTPConnection

import httpx
import pytest
from harness.service import Service
from images import (
    NO_FILES,
    PATIENCE_S,
    UNKNOWN_ID,
    create_active_image,
    create_image,
    create_public_image,
    create_raw_image,
    delete_image,
    eventually,
    explanation,
    list_ids,
    new_files,
    share_image,
    show_image,
    stored_files,
    update_image,
    upload_data,
)


def test_deleting_answers_without_a_body(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]

    response = publisher.delete(f"/v2/images/{image_id}")

    assert response.status_code == 204
    assert response.content == b""


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("GET", "/file", None),
        ("PUT", "/tags/blue", None),
        ("DELETE", "/tags/blue", None),
        ("POST", "/actions/deactivate", None),
        ("GET", "/members", None),
        ("GET", "/members/x", None),
        ("POST", "/members", {"member": "x"}),
        ("PUT", "/members/x", {"status": "accepted"}),
        ("DELETE", "/members/x", None),
    ],
)
@pytest.mark.parametrize("caller", ["publisher", "admin"])
def test_a_deleted_image_is_absent_to_every_call(
    service: Service, caller: str, method: str, path: str, body: object
) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher, tags=["blue"])["id"]
    delete_image(publisher, image_id)

    response = service.client(caller).request(method, f"/v2/images/{image_id}{path}", json=body)

    assert response.status_code == 404


def test_deleting_twice_finds_nothing(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]
    delete_image(publisher, image_id)

    response = publisher.delete(f"/v2/images/{image_id}")

    assert response.status_code == 404
    assert f"Failed to find image {image_id} to delete" in explanation(response)


@pytest.mark.parametrize("image_id", [UNKNOWN_ID, "not-a-uuid"])
def test_an_absent_image_cannot_be_deleted(service: Service, image_id: str) -> None:
    response = service.client("publisher").delete(f"/v2/images/{image_id}")

    assert response.status_code == 404
    assert f"Failed to find image {image_id} to delete" in explanation(response)


def test_an_image_the_caller_cannot_see_is_absent(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = service.client("other").delete(image["self"])

    assert response.status_code == 404
    assert f"Failed to find image {image['id']} to delete" in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("caller", ["publisher-reader", "recipient", "recipient-reader"])
def test_who_merely_sees_an_image_deletes_nothing(service: Service, caller: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)
    share_image(service, image["id"], "accepted")

    response = service.client(caller).delete(image["self"])

    assert response.status_code == 403
    assert "You are not authorized to complete delete_image action." in explanation(response)
    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("visibility", ["public", "community"])
def test_an_image_for_everybody_is_not_everybodys_to_delete(service: Service, visibility: str) -> None:
    image = create_image(service.client("admin"), visibility=visibility)

    response = service.client("other").delete(image["self"])

    assert response.status_code == 403


def test_the_owner_deletes_its_public_image(service: Service) -> None:
    path = create_public_image(service)["self"]

    response = service.client("publisher").delete(path)

    assert response.status_code == 204


def test_an_admin_deletes_the_image_of_another_project(service: Service) -> None:
    path = create_image(service.client("publisher"), visibility="private")["self"]

    response = service.client("admin").delete(path)

    assert response.status_code == 204


@pytest.mark.parametrize("caller", ["publisher", "admin"])
def test_a_protected_image_cannot_be_deleted_even_by_an_admin(service: Service, caller: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, protected=True)

    response = service.client(caller).delete(image["self"])

    assert response.status_code == 403
    assert f"Image {image['id']} is protected and cannot be deleted." in explanation(response)
    assert show_image(publisher, image["id"]) == image


def test_a_protected_image_keeps_its_data(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_active_image(publisher, protected=True)

    publisher.delete(image["self"])

    assert publisher.get(image["file"]).content == b"0123456789"


def test_protection_can_be_lifted(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, protected=True)
    update_image(publisher, image["id"], {"op": "replace", "path": "/protected", "value": False})

    response = publisher.delete(image["self"])

    assert response.status_code == 204


def test_a_reader_learns_nothing_of_the_protection(service: Service) -> None:
    path = create_image(service.client("publisher"), protected=True)["self"]

    response = service.client("publisher-reader").delete(path)

    assert response.status_code == 403
    assert "delete_image" in explanation(response)


@pytest.mark.parametrize("body", [b"{}", b'{"delete_backup": true}', b'{"delete_backup"', b"\0"])
def test_a_body_is_taken_and_not_heeded(service: Service, body: bytes) -> None:
    """Open Telekom Cloud's Terraform provider sends one; Glance refuses it (docs/deviations.md)."""
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.request("DELETE", image["self"], content=body)

    assert (response.status_code, response.content) == (204, b"")
    assert publisher.get(image["self"]).status_code == 404


@pytest.mark.parametrize("size", [2, 100_000, 2_000_000])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", "/v2/images/{id}", 204), ("GET", "/v2/images?limit=0", 200), ("POST", "/v9/images", 404)],
)
def test_the_connection_goes_on_behind_a_body_that_nobody_reads(
    service: Service, method: str, path: str, status: int, size: int
) -> None:
    image = create_image(service.client("publisher"))
    headers = {"X-Auth-Token": service.token("publisher")}
    url = httpx.URL(service.url)
    connection = HTTPConnection(url.host, url.port, timeout=PATIENCE_S)
    statuses = []

    for call, target, body in [
        (method, path.format(id=image["id"]), b"{}".ljust(size)),
        ("GET", "/v2/images?limit=0", None),
    ]:
        connection.request(call, target, body, headers)
        # Without it the client would dial again by itself.
        connection.auto_open = 0
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()

    assert statuses == [status, 200]


def test_the_data_of_an_active_image_goes_with_it(service: Service) -> None:
    publisher = service.client("publisher")
    files_before = stored_files(service)
    image_id = create_active_image(publisher)["id"]

    delete_image(publisher, image_id)

    assert eventually(lambda: new_files(service, files_before), NO_FILES) == NO_FILES


def test_the_data_of_a_deactivated_image_goes_with_it(service: Service) -> None:
    publisher = service.client("publisher")
    files_before = stored_files(service)
    image = create_active_image(publisher)
    publisher.post(f"{image['self']}/actions/deactivate")

    delete_image(publisher, image["id"])

    assert eventually(lambda: new_files(service, files_before), NO_FILES) == NO_FILES


def test_equal_data_of_another_image_stays(service: Service) -> None:
    publisher = service.client("publisher")
    twin = create_active_image(publisher)
    image_id = create_active_image(publisher)["id"]

    delete_image(publisher, image_id)

    assert publisher.get(twin["file"]).content == b"0123456789"


def test_a_shared_image_leaves_the_list_of_its_members(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, name="shared and deleted")
    share_image(service, image["id"], "accepted")

    delete_image(publisher, image["id"])

    recipient = service.client("recipient")
    assert list_ids(recipient, f"id={image['id']}") == []
    assert recipient.get(image["self"]).status_code == 404


def test_an_image_that_failed_its_upload_can_be_deleted(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_raw_image(publisher, disk_format="qcow2")
    refused = upload_data(publisher, image["id"], b"no qcow2 at all")
    assert refused.status_code == 415

    response = publisher.delete(image["self"])

    assert response.status_code == 204
