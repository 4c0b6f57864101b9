"""Families as their tests call them, and the images that are their versions."""

from typing import Any

import httpx
from harness.service import Service

from .calls import Body, project_of

FAMILIES = "/share/v1/families"
_JSON_PATCH = "application/openstack-images-v2.1-json-patch"


def ok(response: httpx.Response, status: int = 200) -> Body:
    """The body of an answer that has this status."""
    assert response.status_code == status, response.text
    body: Body = response.json()
    return body


# ---- images


def queued_image(client: httpx.Client, **fields: Any) -> Body:
    given = {"disk_format": "raw", "container_format": "bare", **fields}
    return ok(client.post("/v2/images", json=given), 201)


def active_image(client: httpx.Client, **fields: Any) -> Body:
    image_id = queued_image(client, **fields)["id"]
    headers = {"Content-Type": "application/octet-stream"}
    filled = client.put(f"/v2/images/{image_id}/file", content=b"0123456789", headers=headers)
    assert filled.status_code == 204, filled.text
    return shown_image(client, image_id)


def shown_image(client: httpx.Client, image_id: str) -> Body:
    return ok(client.get(f"/v2/images/{image_id}"))


def patched_image(client: httpx.Client, image_id: str, **fields: Any) -> httpx.Response:
    operations = [{"op": "replace", "path": f"/{name}", "value": value} for name, value in fields.items()]
    headers = {"Content-Type": _JSON_PATCH}
    return client.patch(f"/v2/images/{image_id}", json=operations, headers=headers)


# ---- families


class Published:
    """A family of the publisher's, and what its owner does with it."""

    def __init__(self, service: Service, name: str) -> None:
        self.service = service
        self.owner = service.client("publisher")
        made = self.owner.post(FAMILIES, json={"name": name, "title": "Web server"})
        assert made.status_code == 201, made.text
        self.made = made
        self.id: str = made.json()["id"]
        self.name = name
        self.path = f"{FAMILIES}/{self.id}"

    def show(self, caller: str = "publisher") -> Body:
        return ok(self.service.client(caller).get(self.path))

    def image(self, **fields: Any) -> str:
        """The id of a new active image of the publisher's."""
        return str(active_image(self.owner, visibility="private", **fields)["id"])

    def publish(self, image_id: str | None = None, **more: Any) -> Body:
        body = {"image_id": image_id or self.image(), **more}
        return ok(self.owner.post(f"{self.path}/versions", json=body), 201)

    def point_at(self, number: int) -> httpx.Response:
        tag = self.owner.get(f"{self.path}/current").headers["etag"]
        return self.owner.put(f"{self.path}/current", json={"number": number}, headers={"If-Match": tag})

    def act(self, number: int, verb: str, **body: Any) -> httpx.Response:
        json: Body = {"json": body} if verb == "revoke" else {}
        return self.owner.post(f"{self.path}/versions/{number}/{verb}", **json)

    def states(self) -> dict[int, str]:
        items = ok(self.owner.get(f"{self.path}/versions"))["items"]
        return {item["number"]: item["state"] for item in items}

    def found(self) -> list[str]:
        """The images that a client of the Image API finds by the name of the family."""
        listed = self.owner.get("/v2/images", params={"os_share_family": self.name})
        return [image["id"] for image in ok(listed)["images"]]

    def offer(self, *callers: str, **terms: Any) -> httpx.Response:
        """Make these its members, and nobody else."""
        tag = self.owner.get(f"{self.path}/members").headers["etag"]
        projects = [project_of(self.service, caller) for caller in callers]
        headers = {"If-Match": tag}
        return self.owner.put(f"{self.path}/members", json={"projects": projects, **terms}, headers=headers)


def shown(family: Published, image_id: str) -> Body:
    """What the image says of its family, without the prefix, and whether it is hidden."""
    image = shown_image(family.owner, image_id)
    said = {
        name.removeprefix("os_share_"): value
        for name, value in image.items()
        if name.startswith("os_share_") and name != "os_share_family"
    }
    return {**said, "hidden": image["os_hidden"]}


def ask(service: Service, caller: str, verb: str, **body: Any) -> Body:
    """The answer to one of the three verbs."""
    return ok(service.client(caller).post(f"/share/v1/{verb}", json=body))


def offer_to(family: Published, *callers: str, **terms: Any) -> Body:
    projects = [project_of(family.service, caller) for caller in callers]
    return ask(family.service, "publisher", "offers", families=[family.id], projects=projects, **terms)


def answer_as(family: Published, caller: str, answer: str, **more: Any) -> Body:
    return ask(family.service, caller, "answers", families=[family.id], answer=answer, **more)


def listed_as(family: Published, caller: str) -> list[str]:
    """The images that a client of the Image API finds in its list by the name of the family."""
    listed = family.service.client(caller).get("/v2/images", params={"os_share_family": family.name})
    return [image["id"] for image in ok(listed)["images"]]
