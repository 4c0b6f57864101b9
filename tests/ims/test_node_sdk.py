"""Huawei Cloud's SDK for Node.js, unmodified, signs and sends the calls of the IMS API.

Its core is what npm has; a generated client adds to it the path and the names of a call's parameters, which
the tests give. Where Node.js or the npm registry is missing the tests are skipped, and say what is.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.node import NodeMissingError, NodeProgram, install_node
from harness.service import Service
from sharing_calls import BATCH, create_image, list_members, project_of

IMAGES = "/v2/cloudimages"
#: All that a query must encode, and what clients do not agree on whether it must be.
SPECIAL = "a b+c&d=e/f%25?#[]@!$'()*,;:\"<>\\^`{|}~-._ü€"

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProgram]:
    try:
        folder = install_node()
    except NodeMissingError as error:
        pytest.skip(str(error))
    program = Path(__file__).with_name("node_sdk.js")
    with NodeProgram(program, folder, tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(params=["plain", "derived"])
def call(request: pytest.FixtureRequest, node: NodeProgram, shared_services: Any) -> Callable[..., Answer]:
    """A function that makes a call as an account of the shared service; with `SDK-HMAC-SHA256`, and with the
    derived keys of `V11-HMAC-SHA256`. `client`: what differs from that account's own client."""
    service: Service = shared_services.get("sqlite")

    def make(caller: str, method: str, url: str, client: dict[str, Any] | None = None, **more: Any) -> Answer:
        derived = {"region": "eu-de", "derivedFor": "ims"} if request.param == "derived" else {}
        credentials = client_of(service, caller) | derived | (client or {})
        return node.ask({"client": credentials, "request": {"method": method, "url": url, **more}})

    return make


@pytest.fixture
def service(shared_services: Any) -> Service:
    one: Service = shared_services.get("sqlite")
    return one


def client_of(service: Service, caller: str) -> dict[str, Any]:
    cloud = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())["clouds"][caller]
    keys = {"ak": cloud["ak"], "sk": cloud["sk"]}
    return keys | {"projectId": cloud["auth"]["project_id"], "endpoint": service.url}


def test_images_are_shared_accepted_and_withdrawn_in_batches(
    call: Callable[..., Answer], service: Service
) -> None:
    image_id, recipient = create_image(service), project_of(service, "recipient")
    pairs = {"images": [image_id], "projects": [recipient]}
    reply = {"images": [image_id], "project_id": recipient, "status": "accepted"}
    jobs = "/v1/{project_id}/jobs/{job_id}"

    shared = call("publisher", "POST", BATCH, data=pairs)
    job = call("publisher", "GET", jobs, pathParams={"job_id": shared["body"]["job_id"]})
    answered = call("recipient", "PUT", BATCH, data=reply)
    members = list_members(service, image_id)
    withdrawn = call("publisher", "DELETE", BATCH, data=pairs)

    assert [answer["status"] for answer in (shared, job, answered, withdrawn)] == [200] * 4
    assert (job["body"]["job_type"], job["body"]["status"]) == ("imsAddImageMembersJob", "SUCCESS")
    assert members == {recipient: "accepted"}
    assert list_members(service, image_id) == {}


def test_recipients_are_listed(call: Callable[..., Answer], service: Service) -> None:
    image_id, recipient = create_image(service), project_of(service, "recipient")
    call("publisher", "POST", BATCH, data={"images": [image_id], "projects": [recipient]})
    path = {"image_id": image_id}

    extended = call("publisher", "GET", "/v1/{project_id}/cloudimages/{image_id}/members", pathParams=path)
    native = call("recipient", "GET", "/v2/images/{image_id}/members", pathParams=path)

    for answer in (extended, native):
        assert [one["member_id"] for one in answer["body"]["members"]] == [recipient]


@pytest.mark.parametrize("name", ["colour", "a colour", "größe", "x+y"])
def test_special_characters_are_signed_in_names_and_values_of_a_query(
    call: Callable[..., Answer], service: Service, name: str
) -> None:
    image_id = create_image(service, **{name: SPECIAL})

    found = call("publisher", "GET", IMAGES, queryParams={"id": image_id, name: SPECIAL})
    other = call("publisher", "GET", IMAGES, queryParams={"id": image_id, name: SPECIAL + "."})

    assert [image["id"] for image in found["body"]["images"]] == [image_id]
    assert other == {"status": 200, "body": {"images": []}}


def test_repeated_and_empty_parameters_are_signed(call: Callable[..., Answer]) -> None:
    repeated = call("publisher", "GET", "/v1/cloudimages/os_version", queryParams={"tag": ["x86", "arm"]})
    empty = call("publisher", "GET", IMAGES, queryParams={"name": "", "limit": 1})

    assert [answer["status"] for answer in (repeated, empty)] == [200, 200]


def test_special_characters_are_signed_in_a_body(call: Callable[..., Answer], service: Service) -> None:
    made = call("publisher", "POST", "/v2/images", data={"name": "named", "__description": "größer, 5 €"})

    assert made["status"] == 201
    assert made["body"]["__description"] == "größer, 5 €"
    assert made["body"]["owner"] == project_of(service, "publisher")


def test_tags_are_set_and_removed(call: Callable[..., Answer], service: Service) -> None:
    path = {"image_id": create_image(service)}
    tags, one = "/v2/{project_id}/images/{image_id}/tags", {"key": "stage", "value": "test"}

    several = call(
        "publisher", "POST", f"{tags}/action", pathParams=path, data={"action": "create", "tags": [one]}
    )
    listed = call("publisher", "GET", tags, pathParams=path)
    removed = call("publisher", "DELETE", tags + "/{key}", pathParams=path | {"key": "stage"})
    native = call("publisher", "PUT", "/v2/images/{image_id}/tags/key", pathParams=path)
    after = call("publisher", "GET", tags, pathParams=path)

    assert [answer["status"] for answer in (several, removed, native)] == [204] * 3
    assert listed["body"]["tags"] == [one]
    assert after["body"]["tags"] == [{"key": "key", "value": ""}]


def test_the_quota_is_shown(call: Callable[..., Answer]) -> None:
    answer = call("publisher", "GET", "/v1/cloudimages/quota")

    assert {one["type"] for one in answer["body"]["quotas"]["resources"]} == {
        "image",
        "image_shared",
        "image_member",
    }


def test_an_image_is_filled_changed_copied_and_deleted(call: Callable[..., Answer], service: Service) -> None:
    path = {"image_id": create_image(service, disk_format="raw", container_format="bare")}
    patch = [{"op": "replace", "path": "/name", "value": "changed"}]

    filled = call(
        "publisher",
        "PUT",
        "/v2/images/{image_id}/file",
        pathParams=path,
        contentType="application/octet-stream",
        data="data of an image, ö\n",
    )
    extended = call("publisher", "PATCH", IMAGES + "/{image_id}", pathParams=path, data=patch)
    native = call(
        "publisher",
        "PATCH",
        "/v2/images/{image_id}",
        pathParams=path,
        contentType="application/openstack-images-v2.1-json-patch",
        data=patch,
    )
    copied = call(
        "publisher", "POST", "/v1/cloudimages/{image_id}/copy", pathParams=path, data={"name": "copy"}
    )
    data = service.client("publisher").get(f"/v2/images/{path['image_id']}/file").text
    deleted = call("publisher", "DELETE", "/v2/images/{image_id}", pathParams=path)

    answers = (filled, extended, native, copied, deleted)
    assert [answer["status"] for answer in answers] == [204, 200, 200, 200, 204]
    assert extended["body"]["name"] == native["body"]["name"] == "changed"
    assert data == "data of an image, ö\n"


def test_a_refusal_reaches_the_program_with_its_code_and_text(
    call: Callable[..., Answer], service: Service
) -> None:
    own = {"images": [create_image(service)], "projects": [project_of(service, "publisher")]}

    answer = call("publisher", "POST", BATCH, data=own)

    assert (answer["status"], answer["code"]) == (400, "IMG.0076")
    assert answer["text"]


@pytest.mark.parametrize("part", ["ak", "sk"])
def test_another_key_is_refused(call: Callable[..., Answer], part: str) -> None:
    answer = call("publisher", "GET", IMAGES, client={part: "wrong"})

    assert (answer["status"], answer["code"]) == (401, "IMG.0087")


def test_a_project_of_others_is_refused(call: Callable[..., Answer], service: Service) -> None:
    answer = call("publisher", "GET", IMAGES, client={"projectId": project_of(service, "other")})

    assert (answer["status"], answer["code"]) == (401, "IMG.0087")


def test_the_project_is_found_by_the_regions_name(node: NodeProgram, service: Service) -> None:
    """The SDK asks `/v3/projects?name=…` at the address that it is given as that of the identity service."""
    client = client_of(service, "publisher") | {"region": "RegionOne", "iamEndpoint": service.url}

    answer = node.ask(
        {
            "client": client | {"projectId": None},
            "request": {"method": "POST", "url": "/v2/images", "data": {"name": "regional"}},
        }
    )

    assert answer["status"] == 201
    assert answer["body"]["owner"] == project_of(service, "publisher")
