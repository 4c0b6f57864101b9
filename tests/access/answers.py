"""What an answer of the image service must look like, whatever was asked: key sets, links, error bodies.

Tests send with `send` and `patch` and judge with the `expect_…` functions, each of which returns what the
test may go on with. Numbers in comments are sections of the reference of Image API v2 behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx

JSONObject = dict[str, Any]

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")  # 1.8
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
REQUEST_ID = "x-openstack-request-id"
JSON_PATCH = "application/openstack-images-v2.1-json-patch"

# 2.1: every image, fresh or not. A service of several stores adds `stores` once there is data.
IMAGE_KEYS = frozenset(
    [
        "checksum",
        "container_format",
        "created_at",
        "disk_format",
        "file",
        "id",
        "min_disk",
        "min_ram",
        "name",
        "os_hash_algo",
        "os_hash_value",
        "os_hidden",
        "owner",
        "protected",
        "schema",
        "self",
        "size",
        "status",
        "tags",
        "updated_at",
        "virtual_size",
        "visibility",
    ]
)
# 4.0
MEMBER_KEYS = frozenset(["member_id", "image_id", "status", "created_at", "updated_at", "schema"])


def send(client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
    """Send one request that asks for JSON, so that errors come in their JSON form (1.4)."""
    headers = {"Accept": "application/json", **options.pop("headers", {})}
    return client.request(method, path, headers=headers, **options)


def patch(client: httpx.Client, image_id: str, *operations: JSONObject) -> httpx.Response:
    """Send JSON-patch operations in the 2.1 form (3.4)."""
    headers = {"Content-Type": JSON_PATCH}
    return send(client, "PATCH", f"/v2/images/{image_id}", json=list(operations), headers=headers)


def replace(name: str, value: object) -> JSONObject:
    return {"op": "replace", "path": f"/{name}", "value": value}


def upload(client: httpx.Client, image_id: str, data: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return send(client, "PUT", f"/v2/images/{image_id}/file", content=data, headers=headers)


def create_image(client: httpx.Client, **properties: Any) -> JSONObject:
    """A fresh image with both formats set, so that it can take data."""
    body = {"disk_format": "raw", "container_format": "bare", **properties}
    return expect_image(send(client, "POST", "/v2/images", json=body), 201)


def add_member(client: httpx.Client, image_id: str, member_id: str) -> httpx.Response:
    return send(client, "POST", f"/v2/images/{image_id}/members", json={"member": member_id})


def answer_share(client: httpx.Client, image_id: str, member_id: str, status: str) -> httpx.Response:
    """Set the status of a membership (4.6)."""
    return send(client, "PUT", f"/v2/images/{image_id}/members/{member_id}", json={"status": status})


def list_images(client: httpx.Client, **query: str) -> list[JSONObject]:
    """All images of a list, following `next` to the last page (3.2)."""
    found: list[JSONObject] = []
    answer = send(client, "GET", "/v2/images", params={"limit": "1000", **query})
    page = expect_page(answer)
    while "next" in page:
        found += page["images"]
        page = expect_page(send(client, "GET", page["next"]))
    return found + list(page["images"])


def list_image_ids(client: httpx.Client, **query: str) -> set[str]:
    return {image["id"] for image in list_images(client, **query)}


def expect(response: httpx.Response, status: int) -> httpx.Response:
    """Any answer behind authentication: the status, and a request id (1.3)."""
    asked = f"{response.request.method} {response.request.url.raw_path.decode()}"
    assert response.status_code == status, f"{asked}: {response.status_code} {response.text}"
    assert response.headers[REQUEST_ID].startswith("req-"), asked
    return response


def expect_empty(response: httpx.Response, status: int = 204) -> httpx.Response:
    assert expect(response, status).content == b""
    return response


def expect_json(response: httpx.Response, status: int) -> JSONObject:
    """A JSON object, whose media type names no charset (1.7)."""
    assert expect(response, status).headers["Content-Type"] == "application/json"
    body: JSONObject = response.json()
    return body


def expect_error(response: httpx.Response, status: int, text: str = "") -> JSONObject:
    """The one JSON error shape (1.4) with this text in its message."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    assert response.headers["Content-Type"] == "application/json"
    body: JSONObject = response.json()
    assert body.keys() == {"message", "code", "title"}
    assert body["code"] == f"{status} {body['title']}"
    assert text in body["message"]
    if status != httpx.codes.UNAUTHORIZED:
        assert response.headers[REQUEST_ID].startswith("req-")
    return body


def expect_image(response: httpx.Response, status: int) -> JSONObject:
    """An image without custom properties: its exact keys and links (2.1)."""
    return check_image(expect_json(response, status))


def check_image(image: JSONObject) -> JSONObject:
    keys_with_data = IMAGE_KEYS | {"stores"}
    assert image.keys() in ((IMAGE_KEYS,) if image["size"] is None else (IMAGE_KEYS, keys_with_data))
    assert UUID.fullmatch(image["id"])
    assert image["self"] == f"/v2/images/{image['id']}"
    assert image["file"] == f"/v2/images/{image['id']}/file"
    assert image["schema"] == "/v2/schemas/image"
    assert TIMESTAMP.fullmatch(image["created_at"])
    assert TIMESTAMP.fullmatch(image["updated_at"])
    return image


def expect_page(response: httpx.Response) -> JSONObject:
    """One page of a list of images (3.2)."""
    page = expect_json(response, 200)
    assert page.keys() - {"next"} == {"images", "first", "schema"}
    assert page["schema"] == "/v2/schemas/images"
    return page


def expect_member(response: httpx.Response, image_id: str, member_id: str, status: str) -> JSONObject:
    """A membership in this state; always 200, never 201 (4.1)."""
    return check_member(expect_json(response, 200), image_id, member_id, status)


def expect_members(response: httpx.Response, image_id: str, statuses: Mapping[str, str]) -> None:
    """Exactly these memberships, by member project and status, in any order (4.0)."""
    body = expect_json(response, 200)
    assert body.keys() == {"members", "schema"}
    assert body["schema"] == "/v2/schemas/members"
    assert sorted(member["member_id"] for member in body["members"]) == sorted(statuses)
    for member in body["members"]:
        check_member(member, image_id, member["member_id"], statuses[member["member_id"]])


def check_member(member: JSONObject, image_id: str, member_id: str, status: str) -> JSONObject:
    assert member.keys() == MEMBER_KEYS
    assert member["image_id"] == image_id
    assert member["member_id"] == member_id
    assert member["status"] == status
    assert member["schema"] == "/v2/schemas/member"
    assert TIMESTAMP.fullmatch(member["created_at"])
    assert TIMESTAMP.fullmatch(member["updated_at"])
    return member
