"""What an operator's rules say of an image holds for the families that it is a version of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from harness.forks import forked_service
from harness.service import Service

#: Confidential images are offered to nobody, and what is quarantined is hidden from all but admins.
POLICY = """
add_member: rule:context_is_admin or (role:member and project_id:%(owner)s and not 'yes':%(confidential)s)
get_image: "rule:context_is_admin or not 'yes':%(quarantined)s"
"""
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
_FAMILIES = "/share/v1/families"


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("families")
    (folder / "policy.yaml").write_text(POLICY)
    settings = {"TRANSOM_POLICY_FILE": str(folder / "policy.yaml")}
    with forked_service(folder, settings=settings) as service:
        yield service


class Joined:
    """A family of the publisher's that project `recipient` has accepted."""

    def __init__(self, service: Service, name: str) -> None:
        self.owner, self.member = service.client("publisher"), service.client("recipient")
        self.admin, self.stranger = service.client("admin"), service.client("other")
        self.id = str(self.owner.post(_FAMILIES, json={"name": name}).json()["id"])
        self.path = f"{_FAMILIES}/{self.id}"
        offer = {"families": [self.id], "projects": [service.clouds["recipient"].project_id]}
        assert self.owner.post("/share/v1/offers", json=offer).json()["offered"] == 1
        answer = {"families": [self.id], "answer": "accepted"}
        assert self.member.post("/share/v1/answers", json=answer).json()["changed"] == 1

    def image(self, **fields: Any) -> str:
        body = {"disk_format": "raw", "container_format": "bare", "visibility": "private", **fields}
        made = self.owner.post("/v2/images", json=body).json()
        assert self.owner.put(made["file"], content=b"bytes", headers=OCTETS).status_code == 204
        return str(made["id"])

    def publish(self, image_id: str, **more: Any) -> httpx.Response:
        return self.owner.post(f"{self.path}/versions", json={"image_id": image_id, **more})

    def point_at(self, number: int) -> httpx.Response:
        tag = self.owner.get(f"{self.path}/current").headers["ETag"]
        return self.owner.put(f"{self.path}/current", json={"number": number}, headers={"If-Match": tag})

    def quarantine(self, image_id: str) -> None:
        change = [{"op": "add", "path": "/quarantined", "value": "yes"}]
        assert self.admin.patch(f"/v2/images/{image_id}", json=change, headers=PATCH).status_code == 200


def test_members_get_no_image_that_may_not_be_offered(governed: Service) -> None:
    family = Joined(governed, "confidential")
    image_id = family.image(confidential="yes")

    published = family.publish(image_id)
    candidate = family.publish(image_id, promote=False)
    promoted = family.point_at(1)

    assert (published.status_code, candidate.status_code, promoted.status_code) == (403, 201, 403)
    assert "add_member" in published.text
    assert "add_member" in promoted.text
    assert family.member.get(f"/v2/images/{image_id}").status_code == 404
    assert family.owner.get(f"/v2/images/{image_id}").json()["visibility"] == "private"
    assert (
        family.admin.put(
            f"{family.path}/current", json={"number": 1}, headers={"If-Match": '"0"'}
        ).status_code
        == 200
    )


def test_an_image_that_is_hidden_from_its_owner_is_no_version(governed: Service) -> None:
    family = Joined(governed, "hidden")
    image_id = family.image()
    family.quarantine(image_id)

    hidden, absent = family.publish(image_id), family.publish("11111111-2222-4333-8444-555555555555")

    assert (hidden.status_code, absent.status_code) == (404, 404)


def test_nothing_is_done_to_a_version_that_is_hidden_from_its_owner(governed: Service) -> None:
    family = Joined(governed, "acts")
    for _ in range(3):
        assert family.publish(family.image()).status_code == 201
    revoke = f"{family.path}/versions/1/revoke"
    assert family.owner.post(revoke, json={"reason": "old"}).status_code == 200
    versions = family.owner.get(f"{family.path}/versions").json()["items"]
    for version in versions:
        family.quarantine(version["image"]["id"])

    acts = [
        family.point_at(2),
        family.owner.post(f"{family.path}/versions/2/revoke", json={"reason": "mine"}),
        family.owner.post(f"{family.path}/versions/1/restore"),
        family.owner.patch(f"{family.path}/versions/3", json={"revoke_at": "2099-01-01T00:00:00Z"}),
    ]

    assert [one.status_code for one in acts] == [404, 404, 404, 404]


def test_a_hidden_version_is_shown_without_its_image(governed: Service) -> None:
    family = Joined(governed, "shown")
    image_id = family.image(name="secret name")
    assert family.publish(image_id).status_code == 201
    assert family.member.get(f"{family.path}/current").json()["image"]["id"] == image_id
    family.quarantine(image_id)

    for client in (family.member, family.owner):
        assert client.get(f"/v2/images/{image_id}").status_code == 404
        current = client.get(f"{family.path}/current")
        (version,) = client.get(f"{family.path}/versions").json()["items"]
        assert (current.json()["image"], version["image"]) == (None, None)
        assert client.get(family.path).json()["current"]["image"] is None
    assert family.admin.get(f"{family.path}/current").json()["image"]["id"] == image_id


def test_who_sees_a_family_by_its_image_alone_does_not_see_it_when_that_is_hidden(governed: Service) -> None:
    family = Joined(governed, "public")
    image_id = family.image()
    public = [{"op": "replace", "path": "/visibility", "value": "community"}]
    assert family.owner.patch(f"/v2/images/{image_id}", json=public, headers=PATCH).status_code == 200
    assert family.publish(image_id).status_code == 201
    owner = family.owner.get(f"/v2/images/{image_id}").json()["owner"]
    listed = f"{_FAMILIES}?owner={owner}"

    before = family.stranger.get(family.path).status_code, family.id in family.stranger.get(listed).text
    family.quarantine(image_id)
    after = family.stranger.get(family.path).status_code, family.id in family.stranger.get(listed).text

    assert (before, after) == ((200, True), (404, False))
