"""Clients that take the image endpoint from the catalog, and are to get the IMS rules there.

Open Telekom Cloud's Terraform provider has no setting for the endpoint: what the catalog says is what it
asks, with `/v1` or `/v2` appended. `catalog_ims_endpoint` is made for it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import glanceclient
import httpx
import pytest
from harness.forks import forked_service
from harness.sdk import connect
from harness.service import Service
from image_calls import OCTET_STREAM, new_mark
from sharing_calls import refusal

from transom.api.routes import IMS_ROUTES, ROUTES, Route

INTERFACES = {"public", "internal", "admin"}
#: Not asked by a token, or not at the image endpoint.
#: Not the IMS API's to answer: `/share` is there as well, with errors of its own.
ELSEWHERE = ("/identity", "/healthcheck", "/healthz", "/readyz", "/metrics", "/share")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("ims-endpoint")
    with forked_service(folder, None, {"TRANSOM_CATALOG_IMS_ENDPOINT": "true"}) as service:
        yield service


class Client:
    """It knows nothing but the endpoint that its token's catalog names, without a slash at its end."""

    def __init__(self, cloud: Service, caller: str) -> None:
        self._client = cloud.client(caller)
        self.project_id = cloud.clouds[caller].project_id
        self.endpoint = image_endpoints(cloud)["public"]

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self._client.request(method, f"{self.endpoint}{path}", json=body)

    def upload(self, image_id: str, data: bytes) -> httpx.Response:
        url = f"{self.endpoint}/v2/images/{image_id}/file"
        return self._client.put(url, content=data, headers={"Content-Type": OCTET_STREAM})


def image_endpoints(cloud: Service) -> dict[str, str]:
    """Interface → URL, of the image service in a token's catalog."""
    catalog = cloud.client("publisher").get("/identity/v3/auth/catalog").json()["catalog"]
    (image,) = [service for service in catalog if service["type"] == "image"]
    return {endpoint["interface"]: endpoint["url"] for endpoint in image["endpoints"]}


def test_the_catalog_names_the_image_endpoint_of_the_ims_api(cloud: Service) -> None:
    endpoints = cloud.client("admin").get("/identity/v3/endpoints").json()["endpoints"]

    assert image_endpoints(cloud) == dict.fromkeys(INTERFACES, f"{cloud.url}/ims")
    assert {endpoint["url"] for endpoint in endpoints} == {f"{cloud.url}/ims", f"{cloud.url}/identity/v3"}


def test_the_catalog_is_as_everywhere_unless_told(service: Service) -> None:
    assert image_endpoints(service) == dict.fromkeys(INTERFACES, service.url)


@pytest.mark.parametrize("path", ["", "/", "/versions"])
def test_the_versions_there_are_below_the_endpoint(service: Service, path: str) -> None:
    """Clients that look versions up go on where the links lead."""
    versions = service.client("publisher").get(f"/ims{path}").json()["versions"]

    assert {link["href"] for version in versions for link in version["links"]} == {f"{service.url}/ims/v2/"}


def test_an_image_lives_as_the_provider_has_it(cloud: Service) -> None:
    """Created, filled, found, tagged, shared, accepted, listed, changed, and deleted with a body."""
    publisher, recipient = Client(cloud, "publisher"), Client(cloud, "recipient")
    created = publisher.call("POST", "/v2/images", {"name": "web", "disk_format": "raw"})
    image_id = created.json()["id"]
    own = f"/v2/images/{image_id}/members/{recipient.project_id}"

    answers = [
        created,
        publisher.upload(image_id, b"0123456789"),
        publisher.call("GET", f"/v2/cloudimages?id={image_id}"),
        publisher.call("POST", f"/v2/{publisher.project_id}/images/{image_id}/tags", {"tag": {"key": "a"}}),
        publisher.call("POST", f"/v2/images/{image_id}/members", {"member": recipient.project_id}),
        recipient.call("GET", own),
        recipient.call("PUT", own, {"status": "accepted"}),
        recipient.call("GET", "/v2/cloudimages?member_status=accepted&visibility=shared"),
        publisher.call("PATCH", f"/v2/cloudimages/{image_id}", [rename("web-2")]),
        publisher.call("DELETE", own),
        publisher.call("DELETE", f"/v2/images/{image_id}", {"delete_backup": True}),
        publisher.call("GET", f"/v2/images/{image_id}"),
    ]

    statuses = [201, 204, 200, 204, 200, 200, 200, 200, 200, 204, 204, 404]
    assert [answer.status_code for answer in answers] == statuses
    assert [image["id"] for image in answers[2].json()["images"]] == [image_id]
    assert [image["id"] for image in answers[7].json()["images"]] == [image_id]
    assert created.json()["visibility"] == "private"
    assert created.headers["Location"] == f"{publisher.endpoint}/v2/images/{image_id}"
    assert refusal(answers[-1]) == (404, "IMG.0027")


def rename(name: str) -> dict[str, str]:
    return {"op": "replace", "path": "/name", "value": name}


def test_a_batch_and_its_job_are_asked_for_at_the_same_endpoint(cloud: Service) -> None:
    publisher, recipient = Client(cloud, "publisher"), Client(cloud, "recipient")
    image_id = publisher.call("POST", "/v2/images", {"name": "batch"}).json()["id"]
    pairs = {"images": [image_id], "projects": [recipient.project_id]}

    taken = publisher.call("POST", "/v1/cloudimages/members", pairs)
    job = publisher.call("GET", f"/v1/{publisher.project_id}/jobs/{taken.json()['job_id']}")

    assert (taken.status_code, job.status_code, job.json()["status"]) == (200, 200, "SUCCESS")


REST = [route for route in (*ROUTES, *IMS_ROUTES) if not route.path.startswith(ELSEWHERE)]


@pytest.mark.parametrize("route", REST, ids=[f"{route.method} {route.path}" for route in REST])
def test_every_call_is_there_below_the_endpoint(cloud: Service, route: Route) -> None:
    """Whatever it says of a body, an image or a job that is not there: it is the call that says so."""
    publisher = Client(cloud, "publisher")
    path = re.sub(r"\{\w+\}", "nothing", route.path.replace("{project_id}", publisher.project_id))

    answer = publisher.call(route.method, path, {} if route.takes_body else None)

    assert answer.status_code not in (405, 500, 501)
    assert "The resource could not be found." not in answer.text
    if route.method != "HEAD" and answer.status_code >= 400:
        assert answer.json()["error"]["code"].startswith("IMG.")


# ---- pages


@pytest.fixture(scope="module")
def shelf(cloud: Service) -> tuple[str, set[str]]:
    """(a tag, the ids of the images under it)."""
    tag, publisher = new_mark(), Client(cloud, "publisher")
    bodies = [publisher.call("POST", "/v2/images", {"name": f"n{n}", "tags": [tag]}).json() for n in range(5)]
    return tag, {body["id"] for body in bodies}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_openstacksdk_walks_the_native_list(cloud: Service, shelf: tuple[str, set[str]]) -> None:
    tag, ids = shelf

    with connect(cloud, "publisher") as connection:
        found = list(connection.image.images(tag=tag, limit=2))

    assert {image.id for image in found} == ids
    assert {image.visibility for image in found} == {"private"}


# It finds a version in a URL only where nothing stands before it.
@pytest.mark.filterwarnings("ignore:`version` keyword is being deprecated:DeprecationWarning")
def test_glanceclient_walks_the_native_list(cloud: Service, shelf: tuple[str, set[str]]) -> None:
    tag, ids = shelf
    client = glanceclient.Client("2", Client(cloud, "publisher").endpoint, token=cloud.token("publisher"))

    found = list(client.images.list(filters={"tag": [tag]}, page_size=2))

    assert {image.id for image in found} == ids


def test_links_are_paths_from_the_endpoint_on(cloud: Service, shelf: tuple[str, set[str]]) -> None:
    """Open Telekom Cloud's SDK for Go appends them to the endpoint, as the OpenStack clients do."""
    tag, ids = shelf
    publisher, walked, path = Client(cloud, "publisher"), set(), f"/v2/images?tag={tag}&limit=2"

    while path:
        page = publisher.call("GET", path).json()
        walked |= {image["id"] for image in page["images"]}
        path = page.get("next", "")

    assert walked == ids
    for image in page["images"]:
        for link in ("self", "schema"):
            assert publisher.call("GET", image[link]).status_code == 200
