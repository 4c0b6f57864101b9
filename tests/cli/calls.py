"""What several of these tests need to be there first."""

from __future__ import annotations

import uuid

from harness.service import Service


def make_image(service: Service, name: str, data: bytes = b"data") -> str:
    """The id of a new image of the publisher."""
    owner = service.client("publisher")
    body = {"name": name, "disk_format": "raw", "container_format": "bare"}
    image_id = str(owner.post("/v2/images", json=body).json()["id"])
    headers = {"Content-Type": "application/octet-stream"}
    owner.put(f"/v2/images/{image_id}/file", content=data, headers=headers)
    return image_id


def new_name(kind: str = "web") -> str:
    """Of nothing else that tests make."""
    return f"{kind}-{uuid.uuid4()}"
