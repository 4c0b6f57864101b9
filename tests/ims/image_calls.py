"""The image calls of the IMS API as their tests make them over plain HTTP, below `/ims`.

Start reading at `create_image`.
"""

from typing import Any
from uuid import uuid4

import httpx
from harness.service import Service

Body = dict[str, Any]

UNKNOWN_ID = "7f0e9a52-0000-4000-8000-000000000000"
IMAGES = "/ims/v2/images"
CLOUD_IMAGES = "/v2/cloudimages"
JSON_PATCH = "application/openstack-images-v2.1-json-patch"
OCTET_STREAM = "application/octet-stream"


def new_mark() -> str:
    """A tag that no other test's images have."""
    return f"t-{uuid4().hex[:20]}"


def create_image(service: Service, caller: str = "publisher", **fields: object) -> Body:
    """The body of a new image of the caller's project."""
    response = service.client(caller).post(IMAGES, json=fields)
    assert response.status_code == 201, response.text
    return dict(response.json())


def create_native_image(service: Service, caller: str = "publisher", **fields: object) -> str:
    """The id of an image as OpenStack clients make them."""
    response = service.client(caller).post("/v2/images", json=fields)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def create_public_image(service: Service, **fields: Any) -> str:
    """The id of a public image that belongs to the publisher; only an admin may publish."""
    owner = service.clouds["publisher"].project_id
    return create_native_image(service, "admin", visibility="public", owner=owner, **fields)


def upload(service: Service, image_id: str, data: bytes = b"0123456789") -> httpx.Response:
    return service.client("publisher").put(
        f"{IMAGES}/{image_id}/file", content=data, headers={"Content-Type": OCTET_STREAM}
    )


def create_active_image(service: Service, **fields: Any) -> str:
    """The id of an image of the publisher's that holds ten bytes."""
    image_id = str(create_image(service, **fields)["id"])
    uploaded = upload(service, image_id)
    assert uploaded.status_code == 204, uploaded.text
    return image_id


def show_image(service: Service, image_id: str, caller: str = "publisher", path: str = IMAGES) -> Body:
    response = service.client(caller).get(f"{path}/{image_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def list_images(service: Service, caller: str, query: str, path: str = CLOUD_IMAGES) -> list[Body]:
    response = service.client(caller).get(f"{path}?{query}")
    assert response.status_code == 200, response.text
    return list(response.json()["images"])


def list_names(service: Service, caller: str, query: str, path: str = CLOUD_IMAGES) -> set[str]:
    return {image["name"] for image in list_images(service, caller, query, path)}


def operation(op: str, name: str, value: object = None) -> Body:
    """One step of an update; without a value when there is none to be given."""
    step = {"op": op, "path": f"/{name}"}
    return step if op == "remove" else step | {"value": value}
