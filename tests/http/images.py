"""The image service as its tests call it: images made, shared, filled and looked at over HTTP.

Everything here goes through the API, or looks from outside at the files of the filesystem store.
It must not know how the service is built. Start reading at `create_image`.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import harness.stores
import httpx
from harness.service import Service

Image = dict[str, Any]
Observed = TypeVar("Observed")

JSON_PATCH = "application/openstack-images-v2.1-json-patch"
OLD_JSON_PATCH = "application/openstack-images-v2.0-json-patch"
OCTET_STREAM = "application/octet-stream"
UNKNOWN_ID = "7f0e9a52-0000-4000-8000-000000000000"
TEN_BYTES = b"0123456789"
EMOJI = "\N{GRINNING FACE}"
PATIENCE_S = 20
NO_FILES: set[Path] = set()


def create_image(client: httpx.Client, **fields: object) -> Image:
    """The body of the new image."""
    response = client.post("/v2/images", json=fields)
    assert response.status_code == 201, response.text
    return dict(response.json())


def create_raw_image(client: httpx.Client, **fields: object) -> Image:
    """A queued image whose formats are set, so that data may come."""
    return create_image(client, **{"disk_format": "raw", "container_format": "bare"} | fields)


def create_active_image(client: httpx.Client, data: bytes = TEN_BYTES, **fields: object) -> Image:
    """The body of a raw image as shown after its upload."""
    image = create_raw_image(client, **fields)
    response = upload_data(client, image["id"], data)
    assert response.status_code == 204, response.text
    return show_image(client, image["id"])


def create_public_image(service: Service, **fields: object) -> Image:
    """A queued public image that belongs to the publisher; only an admin may publish."""
    return create_raw_image(
        service.client("admin"), visibility="public", owner=service.clouds["publisher"].project_id, **fields
    )


def share_image(service: Service, image_id: str, status: str = "pending", member: str = "recipient") -> None:
    """Makes the caller's project a member of the publisher's image; it answers with the status."""
    member_id = service.clouds[member].project_id
    added = service.client("publisher").post(f"/v2/images/{image_id}/members", json={"member": member_id})
    assert added.status_code == 200, added.text
    answered = service.client(member).put(
        f"/v2/images/{image_id}/members/{member_id}", json={"status": status}
    )
    assert answered.status_code == 200, answered.text


def upload_data(
    client: httpx.Client,
    image_id: str,
    data: bytes | Iterable[bytes],
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """The answer to PUT file; bytes go with Content-Length, any other iterable goes chunked."""
    return client.put(
        f"/v2/images/{image_id}/file",
        content=data,
        headers={"Content-Type": OCTET_STREAM} | dict(headers or {}),
    )


def update_image(
    client: httpx.Client, image_id: str, *operations: object, media_type: str = JSON_PATCH
) -> httpx.Response:
    """The answer to PATCH with these operations."""
    return client.patch(f"/v2/images/{image_id}", json=operations, headers={"Content-Type": media_type})


def show_image(client: httpx.Client, image_id: str) -> Image:
    """The image's body."""
    response = client.get(f"/v2/images/{image_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def delete_image(client: httpx.Client, image_id: str) -> None:
    """Deletes the image, which must be there."""
    response = client.delete(f"/v2/images/{image_id}")
    assert response.status_code == 204, response.text


def list_ids(client: httpx.Client, query: str) -> list[str]:
    """The ids of one page, in order; the query as it stands in the URL."""
    response = client.get(f"/v2/images?{query}")
    assert response.status_code == 200, response.text
    return [image["id"] for image in response.json()["images"]]


def list_names(client: httpx.Client, query: str) -> list[str]:
    """The names of one page, in order; the query as it stands in the URL."""
    response = client.get(f"/v2/images?{query}")
    assert response.status_code == 200, response.text
    return [image["name"] for image in response.json()["images"]]


def escape(value: str) -> str:
    """The value as it stands in a path segment or a query: nothing is left unescaped that means something."""
    return quote(value, safe="")


def brief(value: object) -> str:
    """A test id for a value that may be very long."""
    return repr(value)[:40]


def explanation(response: httpx.Response) -> str:
    """The text of an error, out of its JSON body."""
    return str(response.json()["message"])


def stored_files(service: Service) -> set[Path]:
    """Every file below the filesystem store's folder, finished or not."""
    return harness.stores.stored_files(service.data_dir / "images")


def new_files(service: Service, before: set[Path]) -> set[Path]:
    """The files that have come into the store since, finished or not."""
    return stored_files(service) - before


def eventually(observe: Callable[[], Observed], expected: Observed) -> Observed:
    """What was seen last: the expected, unless that did not come about while our patience held.

    For what the service does after a client hung up, where no answer tells that it is done.
    """
    deadline = time.monotonic() + PATIENCE_S
    seen = observe()
    while seen != expected and time.monotonic() < deadline:
        seen = observe()
    return seen
