"""Rules that name no project, as operators write them for a role, give nobody what is another project's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.forks import forked_service
from harness.service import Service

POLICY = """
get_events: role:reader
manage_hook: role:member
manage_family: role:member
manage_share_rule: role:member
add_member: role:member
delete_member: role:member
get_members: role:reader
"""
_FAMILIES, _HOOKS = "/share/v1/families", "/share/v1/hooks"


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("loose")
    (folder / "policy.yaml").write_text(POLICY)
    with forked_service(folder, settings={"TRANSOM_POLICY_FILE": str(folder / "policy.yaml")}) as service:
        yield service


def test_a_webhook_is_its_projects(loose: Service) -> None:
    hook = loose.client("publisher").post(_HOOKS, json={"url": "https://ci.example.org/"}).json()
    path, stranger = f"{_HOOKS}/{hook['id']}", loose.client("other")

    asked = [
        stranger.get(path),
        stranger.patch(path, json={"url": "https://elsewhere.example.org/"}),
        stranger.post(f"{path}/secret"),
        stranger.post(f"{path}/test"),
        stranger.put(f"{path}/cursor", json={"after": hook["cursor"]}),
        stranger.delete(path),
    ]

    assert [answer.status_code for answer in asked] == [404] * len(asked)
    assert stranger.get(_HOOKS).json()["items"] == []
    assert loose.client("publisher").get(path).json()["url"] == hook["url"]
    assert loose.client("admin").get(path).status_code == 200


def test_a_family_is_changed_by_its_project(loose: Service) -> None:
    owner, member = loose.client("publisher"), loose.client("recipient")
    family_id = owner.post(_FAMILIES, json={"name": "loose"}).json()["id"]
    path = f"{_FAMILIES}/{family_id}"
    project_id = loose.clouds["recipient"].project_id
    offer = {"families": [family_id], "projects": [project_id]}
    assert owner.post("/share/v1/offers", json=offer).json()["offered"] == 1
    answer = {"families": [family_id], "answer": "accepted"}
    assert member.post("/share/v1/answers", json=answer).json()["changed"] == 1
    image_id = member.post("/v2/images", json={"name": "own"}).json()["id"]

    asked = [
        member.patch(path, json={"title": "Mine"}),
        member.post(f"{path}/versions", json={"image_id": image_id}),
        member.get(f"{path}/members"),
        member.put(f"{path}/members", json={"projects": []}, headers={"If-Match": "*"}),
        member.patch(f"{path}/members/projects/{project_id}", json={"message": "m"}),
        member.delete(path),
    ]
    others = {"families": [family_id], "projects": [loose.clouds["other"].project_id]}
    acts = [
        member.post(f"/share/v1/{act}", json=others).json()["failures"] for act in ("offers", "withdrawals")
    ]

    assert [one.status_code for one in asked] == [403] * len(asked)
    assert [one["type"] for (one,) in acts] == ["/share/v1/problems/forbidden"] * 2
    assert owner.get(path).json()["members"]["accepted"] == 1


def test_the_feed_and_the_rules_are_those_of_ones_own_project(loose: Service) -> None:
    owner, stranger = loose.client("publisher"), loose.client("other")
    rule = f"/share/v1/rules/projects/{loose.clouds['publisher'].project_id}"
    assert stranger.put(rule, json={"answer": "accepted"}).status_code == 201

    assert owner.get(rule).status_code == 404
    family = owner.post(_FAMILIES, json={"name": "told"}).json()["id"]
    assert family not in stranger.get("/share/v1/events", params={"limit": "1000"}).text
