"""The sharing calls of the IMS API as their tests make them, and what a caller then sees of an image.

Everything here goes through HTTP; images are made by the OpenStack API. Start reading at `run_batch`.
"""

import functools
import json
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import yaml
from harness.service import Service

Body = dict[str, Any]
Job = dict[str, Any]

BATCH = "/v1/cloudimages/members"
UNKNOWN_ID = "7f0e9a52-0000-4000-8000-000000000000"
DEFAULT_DOMAIN = "default"
FOREIGN_DOMAIN = "elsewhere"
WHOLE_SERVER = {"__whole_image": "true"}
WHOLE_SERVER_BACKUP = {"__whole_image": "true", "__backup_id": "4f0c7a52-backup"}
ENCRYPTED = {"__system__cmkid": "8a1d-key"}
DONE = "SUCCESS"


class View(NamedTuple):
    """What a caller sees of one image: by its id, in its list, and in its lists of shares by their status."""

    by_id: bool
    in_list: bool
    shares: list[str]


UNSEEN = View(by_id=False, in_list=False, shares=[])
OFFERED = View(by_id=True, in_list=False, shares=["pending"])
ACCEPTED = View(by_id=True, in_list=True, shares=["accepted"])
REJECTED = View(by_id=True, in_list=False, shares=["rejected"])


def project_of(service: Service, caller: str) -> str:
    """The id of the project that the caller works in."""
    return service.clouds[caller].project_id


def create_image(service: Service, caller: str = "publisher", **fields: object) -> str:
    """The id of a new image of the caller's project; private, as the IMS API makes them."""
    response = service.client(caller).post("/v2/images", json={"visibility": "private"} | fields)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def create_public_image(service: Service) -> str:
    """The id of a public image that belongs to the publisher; only an admin may publish."""
    owner = project_of(service, "publisher")
    return create_image(service, "admin", visibility="public", owner=owner)


def set_visibility(service: Service, image_id: str, visibility: str) -> None:
    """By the OpenStack API, which has a call for it."""
    response = service.client("publisher").patch(
        f"/v2/images/{image_id}",
        json=[{"op": "replace", "path": "/visibility", "value": visibility}],
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
    )
    assert response.status_code == 200, response.text


def show_visibility(service: Service, image_id: str, path: str = "/v2/images") -> str:
    response = service.client("publisher").get(f"{path}/{image_id}")
    assert response.status_code == 200, response.text
    return str(response.json()["visibility"])


def send_batch(service: Service, caller: str | None, method: str, body: object) -> httpx.Response:
    """The answer to a batch. Bytes go as they are; all else as JSON of ASCII, which can hold a surrogate."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return service.client(caller).request(
        method, BATCH, content=content, headers={"Content-Type": "application/json"}
    )


def run_batch(service: Service, caller: str, method: str, body: object) -> Job:
    """The job of a batch that was taken, as the caller is told of it."""
    response = send_batch(service, caller, method, body)
    assert response.status_code == 200, response.text
    return show_job(service, caller, response.json()["job_id"])


def show_job(service: Service, caller: str, job_id: str) -> Job:
    response = service.client(caller).get(f"/v1/{project_of(service, caller)}/jobs/{job_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def share(service: Service, *image_ids: str, to: str = "recipient") -> Job:
    """The job that shares the publisher's images with the project of another caller."""
    body = {"images": list(image_ids), "projects": [project_of(service, to)]}
    return run_batch(service, "publisher", "POST", body)


def share_with_domain(service: Service, image_id: str, domain: str = DEFAULT_DOMAIN) -> Job:
    return run_batch(service, "publisher", "POST", {"images": [image_id], "domains": [domain]})


def answer(service: Service, status: str, *image_ids: str, caller: str = "recipient", **more: object) -> Job:
    """The job with which the caller accepts or rejects."""
    project_id = project_of(service, caller)
    body = {"images": list(image_ids), "project_id": project_id, "status": status} | more
    return run_batch(service, caller, "PUT", body)


def withdraw(service: Service, *image_ids: str, to: str = "recipient") -> Job:
    body = {"images": list(image_ids), "projects": [project_of(service, to)]}
    return run_batch(service, "publisher", "DELETE", body)


def create_shared_image(service: Service, status: str = "pending", **fields: str) -> str:
    """An image that the publisher shared with the recipient, who answered so."""
    image_id = create_image(service, "publisher", **fields)
    assert share(service, image_id)["status"] == DONE
    if status != "pending":
        assert answer(service, status, image_id)["status"] == DONE
    return image_id


def outcomes(job: Job) -> list[str]:
    """What became of each pair, in order: `SUCCESS` or the code of its failure."""
    return [result.get("error_code") or result["status"] for result in job["entities"]["results"]]


def members_path(service: Service, caller: str, image_id: str) -> str:
    """The address of an image's recipients in the extension, for this caller."""
    return f"/v1/{project_of(service, caller)}/cloudimages/{image_id}/members"


def list_members(service: Service, image_id: str, caller: str = "publisher") -> dict[str, str]:
    """The recipients and their answers, as the caller sees them. One page holds them all."""
    response = service.client(caller).get(members_path(service, caller, image_id))
    assert response.status_code == 200, response.text
    return {member["member_id"]: member["status"] for member in response.json()["members"]}


def view(service: Service, caller: str, image_id: str) -> View:
    """What the caller sees of the image by the OpenStack API."""
    client = service.client(caller)
    shown = client.get(f"/v2/images/{image_id}")
    assert shown.status_code in (200, 404), shown.text
    statuses = ("pending", "accepted", "rejected")
    return View(
        by_id=shown.status_code == 200,
        in_list=_is_listed(client, image_id, ""),
        shares=[
            status
            for status in statuses
            if _is_listed(client, image_id, f"&visibility=shared&member_status={status}")
        ],
    )


def _is_listed(client: httpx.Client, image_id: str, query: str) -> bool:
    response = client.get(f"/v2/images?id={image_id}{query}")
    assert response.status_code == 200, response.text
    return [image["id"] for image in response.json()["images"]] == [image_id]


def code_of(response: httpx.Response) -> str:
    """The code of a refusal; its body must be of the one shape, and say something."""
    body = response.json()
    assert set(body) == {"error"}, body
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["message"]
    return str(body["error"]["code"])


def refusal(response: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return response.status_code, code_of(response)


def message_of(response: httpx.Response) -> str:
    return str(response.json()["error"]["message"])


@functools.cache
def add_foreigner(service: Service) -> str:
    """The name of a caller whose project belongs to another domain; the user itself is of the default one.

    `transom accounts` makes projects of the default domain only: this one moves by an edit of the file.
    """
    name = f"foreigner-{uuid4().hex[:8]}"
    service.add_user(name, name, "member")
    path = service.data_dir / "identity" / "accounts.yaml"
    accounts = yaml.safe_load(path.read_text())
    accounts["domains"].append({"id": FOREIGN_DOMAIN, "name": "Elsewhere"})
    project = next(project for project in accounts["projects"] if project["name"] == name)
    project["domain_id"] = FOREIGN_DOMAIN
    draft = path.with_name("accounts.draft")
    draft.write_text(yaml.safe_dump(accounts))
    draft.chmod(0o600)
    draft.replace(path)
    # An edit is seen within a quarter of a second, what the command does at once, and the edit with it.
    service.add_user(f"{name}-witness", "witnesses", "reader")
    return name
