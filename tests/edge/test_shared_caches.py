"""A cache between clients and the service keeps no answer: it does not know whose it is (RFC 9111, 3.5)."""

from __future__ import annotations

import httpx
import pytest
from harness.service import Service

#: `{image}`: that of another project.
PATHS = [
    "/v2/images",
    "/v2/images/{image}",
    "/v2/images/{image}/file",
    "/v2/images/{image}/members",
    "/v2/tasks",
    "/v2/metadefs/namespaces",
    "/ims/v2/cloudimages",
    "/share/v1",
    "/share/v1/inbox",
    "/share/v1/events",
    "/identity/v3/projects",
    "/identity/v3/auth/tokens",
]


@pytest.fixture(scope="module")
def image_id(server: Service) -> str:
    publisher = server.client("publisher")
    draft = {"disk_format": "raw", "container_format": "bare"}
    made: str = publisher.post("/v2/images", json=draft).json()["id"]
    publisher.put(
        f"/v2/images/{made}/file", content=b"x", headers={"Content-Type": "application/octet-stream"}
    )
    return made


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("account", ["publisher", "recipient", None])
def test_no_shared_cache_may_keep_it(server: Service, image_id: str, account: str | None, path: str) -> None:
    response = server.client(account).get(path.format(image=image_id))

    assert _may_be_kept_by(response) <= {"private", "no-store"}
    assert _may_be_kept_by(response)


def _may_be_kept_by(response: httpx.Response) -> set[str]:
    return {word.strip() for word in response.headers.get("Cache-Control", "").split(",")} - {""}
