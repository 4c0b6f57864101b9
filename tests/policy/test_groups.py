"""Whether an operator lets everybody share with whole domains and organisations, which nobody there is asked
about."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from harness.forks import forked_service
from harness.service import Service

POLICY = "add_group_member: rule:context_is_admin\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("groups")
    (folder / "policy.yaml").write_text(POLICY)
    settings = {"TRANSOM_POLICY_FILE": str(folder / "policy.yaml")}
    with forked_service(folder, settings=settings) as service:
        yield service


@pytest.fixture(scope="module")
def image(guarded: Service) -> str:
    body = {"name": "image", "visibility": "shared"}
    return str(guarded.client("publisher").post("/v2/images", json=body).json()["id"])


@pytest.fixture(scope="module")
def family(guarded: Service) -> str:
    return str(guarded.client("publisher").post("/share/v1/families", json={"name": "f"}).json()["id"])


def calls_for(guarded: Service, image: str, family: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Each call that shares something with a group."""
    project = guarded.clouds["recipient"].project_id
    both: dict[str, Any] = {"projects": [project], "domains": ["default"]}
    return {
        "batch": ("POST", "/v1/cloudimages/members", {"images": [image], **both}),
        "offers": ("POST", "/share/v1/offers", {"images": [image], "families": [family], **both}),
        "set of an image": ("PUT", f"/share/v1/images/{image}/shares", both),
        "set of a family": ("PUT", f"/share/v1/families/{family}/members", both),
    }


@pytest.mark.parametrize("name", ["batch", "offers", "set of an image", "set of a family"])
def test_who_may_not_share_with_a_whole_domain_shares_nothing_by_that_call(
    guarded: Service, image: str, family: str, name: str
) -> None:
    method, path, body = calls_for(guarded, image, family)[name]
    owner, there = guarded.client("publisher"), guarded.client("other")

    tag = {"If-Match": owner.get(path).headers["ETag"]} if method == "PUT" else {}
    refused = owner.request(method, path, json=body, headers=tag)

    assert refused.status_code == 403
    assert there.get(f"/v2/images/{image}").status_code == 404
    assert owner.get(f"/share/v1/images/{image}/shares").json()["items"] == []
    assert owner.get(f"/share/v1/families/{family}/members").json()["items"] == []


def test_projects_are_offered_to_as_ever_and_an_admin_shares_with_the_domain(guarded: Service) -> None:
    owner, admin = guarded.client("publisher"), guarded.client("admin")
    made = owner.post("/v2/images", json={"name": "for all", "visibility": "shared"}).json()["id"]
    project = guarded.clouds["recipient"].project_id

    to_project = owner.post("/share/v1/offers", json={"images": [made], "projects": [project]}).json()
    to_domain = admin.post("/share/v1/offers", json={"images": [made], "domains": ["default"]}).json()
    seen = guarded.client("other").get(f"/v2/images/{made}").status_code
    gone = owner.post("/share/v1/withdrawals", json={"images": [made], "domains": ["default"]}).json()

    assert (to_project["offered"], to_domain["offered"], seen) == (1, 1, 200)
    assert gone["withdrawn"] == 1


@pytest.mark.parametrize("noun", ["images", "families"])
def test_who_may_not_share_with_a_whole_domain_gives_it_no_later_end(guarded: Service, noun: str) -> None:
    owner, admin = guarded.client("publisher"), guarded.client("admin")
    project = guarded.clouds["recipient"].project_id
    made = {
        "images": lambda: owner.post("/v2/images", json={"visibility": "shared"}),
        "families": lambda: owner.post("/share/v1/families", json={"name": "for-a-while"}),
    }[noun]().json()["id"]
    both = {noun: [made], "projects": [project], "domains": ["default"], "expires_at": "2999-01-01T00:00:00Z"}
    assert admin.post("/share/v1/offers", json=both).json()["offered"] == 2
    path = f"/share/v1/{noun}/{made}/{'shares' if noun == 'images' else 'members'}"

    refused = owner.patch(f"{path}/domains/default", json={"expires_at": None})
    after = {one["expires_at"] for one in owner.get(path).json()["items"]}
    by_admin = admin.patch(f"{path}/domains/default", json={"expires_at": None})
    of_project = owner.patch(f"{path}/projects/{project}", json={"expires_at": None})

    assert (refused.status_code, after) == (403, {"2999-01-01T00:00:00.000000Z"})
    assert (by_admin.status_code, of_project.status_code) == (200, 200)


@pytest.mark.parametrize("name", ["batch", "offers", "set of an image"])
def test_that_does_not_depend_on_an_image_which_may_come_to_be_meanwhile(guarded: Service, name: str) -> None:
    absent = str(uuid.uuid4())
    method, path, body = calls_for(guarded, absent, str(uuid.uuid4()))[name]
    tag = {"If-Match": '"0"'} if method == "PUT" else {}

    refused = guarded.client("publisher").request(method, path, json=body, headers=tag)

    assert refused.status_code == 403
