"""The share API as its tests call it: images, offers, answers, and what a problem looks like.

Everything goes over HTTP. It must not know how the service is built.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from harness import plain_http
from harness.service import Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkcore.sdk_request import SdkRequest  # type: ignore[import-untyped]
from huaweicloudsdkcore.signer.signer import Signer  # type: ignore[import-untyped]

Body = dict[str, Any]
PROBLEM = "application/problem+json"
UNKNOWN_ID = "7f0e9a52-0000-4000-8000-000000000000"


def project_of(service: Service, caller: str) -> str:
    """The id of the project that the caller works in."""
    return service.clouds[caller].project_id


def problem_of(response: httpx.Response, name: str, status: int) -> Body:
    """The body of the refusal, which is a problem of this name and status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM, response.text
    body: Body = response.json()
    assert body["type"] == f"/share/v1/problems/{name}", body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == f"urn:x-request:{response.headers['x-openstack-request-id']}"
    return body


def send_signed(
    service: Service, caller: str, method: str, path: str, body: Body | None = None, **headers: str
) -> httpx.Response:
    """The answer to a request that Huawei's own signer has signed with the caller's key. `headers`: others,
    named with underscores for hyphens."""
    cloud = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())["clouds"][caller]
    request = SdkRequest(
        method=method,
        schema="http",
        host=urlsplit(service.url).netloc,
        resource_path=path,
        uri="",
        query_params=[],
        header_params={"Content-Type": "application/json"}
        | {name.replace("_", "-"): value for name, value in headers.items()},
        body=json.dumps(body) if body is not None else "",
    )
    signed = Signer(BasicCredentials(cloud["ak"], cloud["sk"])).sign(request)
    return plain_http.request(
        method, f"{service.url}{path}", headers=signed.header_params, content=signed.body
    )


# ---- images, and the verbs


def create_image(service: Service, caller: str = "publisher", **fields: object) -> str:
    """The id of a new image of the caller's project, `shared` as Glance makes them."""
    response = service.client(caller).post("/v2/images", json={"name": "web-1"} | fields)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def post(service: Service, caller: str, verb: str, **body: object) -> Body:
    """The answer to `POST /share/v1/<verb>`, which is 200."""
    response = service.client(caller).post(f"/share/v1/{verb}", json=body)
    assert response.status_code == 200, response.text
    found: Body = response.json()
    return found


def offer(service: Service, *images: str, to: str = "recipient", **terms: object) -> Body:
    """The publisher offers the images to the project of this caller."""
    projects = [project_of(service, to)]
    return post(service, "publisher", "offers", images=list(images), projects=projects, **terms)


def answer(service: Service, *images: str, status: str = "accepted", caller: str = "recipient") -> Body:
    return post(service, caller, "answers", images=list(images), answer=status)


def get(service: Service, caller: str, path: str, **query: object) -> Body:
    """The answer to `GET /share/v1/<path>`, which is 200."""
    response = service.client(caller).get(f"/share/v1/{path}", params=dict(query))  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    found: Body = response.json()
    return found


def list_all(service: Service, caller: str, path: str, **query: object) -> list[Body]:
    """All items of a list, page after page, by `next`."""
    found: list[Body] = []
    page = get(service, caller, path, **query)
    while True:
        found += page["items"]
        if page["next"] is None:
            return found
        response = service.client(caller).get(page["next"])
        assert response.status_code == 200, response.text
        page = response.json()


def wait_for_events(service: Service, count: int, **query: object) -> list[Body]:
    """So many events of the publisher's feed, which the relay may have yet to number."""
    found: list[Body] = []
    while len(found) < count:
        page = get(service, "publisher", "events", wait=30, **query)
        found += page["events"]
        query["after"] = page["cursor"]
    return found


def find_item(service: Service, image_id: str, caller: str = "recipient", **query: object) -> Body | None:
    """The inbox item of an image, None if there is none."""
    items = list_all(service, caller, "inbox", **query)
    return next((item for item in items if item["kind"] == "image" and item["image"]["id"] == image_id), None)


def share_path(service: Service, image_id: str, to: str = "recipient") -> str:
    return f"/share/v1/images/{image_id}/shares/projects/{project_of(service, to)}"


def find_share(service: Service, image_id: str, to: str = "recipient") -> Body | None:
    """The share as its publisher sees it, None if there is none."""
    response = service.client("publisher").get(share_path(service, image_id, to))
    if response.status_code == 404:
        return None
    assert response.status_code == 200, response.text
    found: Body = response.json()
    return found


def is_listed(service: Service, image_id: str, caller: str = "recipient") -> bool:
    """Whether the Image API lists the image for the caller."""
    images = service.client(caller).get("/v2/images", params={"id": image_id}).json()["images"]
    return bool(images)


def is_seen(service: Service, image_id: str, caller: str = "recipient") -> bool:
    """Whether the Image API shows the image to the caller by its id."""
    return service.client(caller).get(f"/v2/images/{image_id}").status_code == 200
