"""What single resources, lists and changes of terms have in common, written from the specification."""

import uuid
from typing import Any, NamedTuple

import httpx
import pytest
from conftest import SharedServices
from harness.service import MakeService, Service

from .calls import Body, create_image, get, offer, problem_of, project_of, wait_for_events
from .ending import remove_events
from .family_calls import Published, answer_as, offer_to, ok

SOON, PAST = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"
HOOK = "https://ci.example.org/images"


class World(NamedTuple):
    """Two of each thing, so that a page of one entry has a next one. `paths`: of single resources and sets,
    by their names here."""

    service: Service
    family: Published
    image_id: str
    paths: dict[str, str]


@pytest.fixture(scope="module")
def world(shared_services: SharedServices) -> World:
    """One database will do: conditions, pages and terms are the same on each. A service of its own, for its
    rules would answer the offers of others."""
    service = shared_services.get("sqlite", TRANSOM_OFFER_LIFETIME_DAYS="30")
    owner, admin = service.client("publisher"), service.client("admin")
    family = Published(service, f"f-{uuid.uuid4()}")
    Published(service, f"f-{uuid.uuid4()}")
    family.publish()
    family.publish()
    image_id = create_image(service)
    create_image(service, "other")
    other = project_of(service, "other")
    for to in ("recipient", "other"):
        offer(service, image_id, to=to)
        offer_to(family, to)
        answer_as(family, to, "accepted")
    rules = [f"/share/v1/rules/projects/{other}", "/share/v1/rules/everybody"]
    for rule in rules:
        assert service.client("publisher").put(rule, json={"answer": "accepted"}).is_success
    hooks = [ok(owner.post("/share/v1/hooks", json={"url": HOOK}), 201)["id"] for _ in range(2)]
    publisher = f"/share/v1/publishers/{project_of(service, 'publisher')}"
    assert admin.put(publisher, json={"name": f"Team {uuid.uuid4()}"}).is_success
    recipient = project_of(service, "recipient")
    paths = {
        "share": f"/share/v1/images/{image_id}/shares/projects/{recipient}",
        "set": f"/share/v1/images/{image_id}/shares",
        "family": family.path,
        "version": f"{family.path}/versions/1",
        "current": f"{family.path}/current",
        "member": f"{family.path}/members/projects/{recipient}",
        "members": f"{family.path}/members",
        "rule": rules[0],
        "hook": f"/share/v1/hooks/{hooks[0]}",
        "publisher": publisher,
    }
    return World(service, family, image_id, paths)


# ---- entity tags and conditions


@pytest.mark.parametrize(
    "name", ["share", "family", "version", "current", "member", "rule", "hook", "publisher"]
)
def test_a_single_resource_has_a_strong_tag_and_is_not_sent_twice(world: World, name: str) -> None:
    client = world.service.client("publisher")
    first = client.get(world.paths[name])

    again = client.get(world.paths[name], headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["etag"].startswith('"')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])


WRITES: list[tuple[str, str, Body | None]] = [
    ("PATCH", "share", {"message": "new"}),
    ("PUT", "set", {}),
    ("PATCH", "family", {"title": "new"}),
    ("DELETE", "family", None),
    ("PATCH", "version", {"notes": "new"}),
    ("DELETE", "version", None),
    ("PUT", "current", {"number": 1}),
    ("PATCH", "member", {"message": "new"}),
    ("PUT", "members", {}),
    ("PUT", "rule", {"answer": "rejected"}),
    ("DELETE", "rule", None),
    ("PATCH", "hook", {"enabled": False}),
    ("DELETE", "hook", None),
    ("PUT", "publisher", {"name": "new"}),
    ("DELETE", "publisher", None),
]


@pytest.mark.parametrize(("method", "name", "body"), WRITES, ids=lambda value: str(value))
def test_what_somebody_changed_since_is_not_written(
    world: World, method: str, name: str, body: Body | None
) -> None:
    client = world.service.client("admin" if name == "publisher" else "publisher")
    before = client.get(world.paths[name]).json()
    more: dict[str, Any] = {} if body is None else {"json": body}

    refused = client.request(method, world.paths[name], headers={"If-Match": '"another"'}, **more)

    problem_of(refused, "precondition-failed", 412)
    assert _decided(client.get(world.paths[name]).json()) == _decided(before)


def _decided(value: Any) -> Any:
    """Without what moves by itself."""
    if isinstance(value, dict):
        return {name: _decided(inner) for name, inner in value.items() if name != "usage"}
    return [_decided(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["set", "members", "current"])
def test_a_set_and_the_current_version_are_not_replaced_blindly(world: World, name: str) -> None:
    body = {"number": 1} if name == "current" else {}

    problem_of(world.family.owner.put(world.paths[name], json=body), "precondition-required", 428)


def test_an_offer_is_sent_again_when_its_image_has_changed(world: World) -> None:
    service, image_id = world.service, world.image_id
    client, path = service.client("recipient"), f"/share/v1/inbox/images/{world.image_id}"
    tag = client.get(path).headers["etag"]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    renamed = [{"op": "replace", "path": "/name", "value": "web-2"}]
    ok(world.family.owner.patch(f"/v2/images/{image_id}", json=renamed, headers=headers))

    again = client.get(path, headers={"If-None-Match": tag})

    assert ok(again)["image"]["name"] == "web-2"
    assert service.client("recipient").get(path, headers={"If-None-Match": again.headers["etag"]}).is_redirect


def test_an_offered_family_is_sent_again_when_another_version_is_current(world: World) -> None:
    client, path = world.service.client("recipient"), f"/share/v1/inbox/families/{world.family.id}"
    first = client.get(path)
    number = 3 - first.json()["family"]["current_number"]
    assert world.family.point_at(number).is_success

    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert ok(again)["family"]["current_number"] == number


# ---- lists

LISTS = ["inbox", "set", "to", "recipients", "families", "versions", "members", "rules", "hooks", "projects"]


def _list_path(world: World, name: str) -> tuple[httpx.Client, str]:
    service, family = world.service, world.family
    recipient = project_of(service, "recipient")
    caller, path = {
        "inbox": ("recipient", "/share/v1/inbox?status=accepted&"),
        "set": ("publisher", f"{world.paths['set']}?"),
        "to": ("publisher", f"/share/v1/shares?to={recipient}&"),
        "recipients": ("publisher", "/share/v1/recipients?"),
        "families": ("publisher", "/share/v1/families?role=owner&"),
        "versions": ("publisher", f"{family.path}/versions?"),
        "members": ("publisher", f"{family.path}/members?"),
        "rules": ("publisher", "/share/v1/rules?"),
        "hooks": ("publisher", "/share/v1/hooks?"),
        "projects": ("admin", "/share/v1/projects?"),
    }[name]
    return service.client(caller), path


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_pages_that_lead_to_the_next(world: World, name: str) -> None:
    client, path = _list_path(world, name)

    first = client.get(f"{path}limit=1")

    page = ok(first)
    assert page.keys() == {"items", "next"}
    assert len(page["items"]) == 1
    assert first.headers["link"] == f'<{page["next"]}>; rel="next"'
    second = ok(client.get(page["next"]))
    assert len(second["items"]) == 1
    assert second["items"] != page["items"]
    assert ok(client.get(f"{path}limit=1000"))["next"] is None


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("wrong", ["limit=0", "limit=1001", "limit=x", "after=x", "after="])
def test_a_page_that_no_list_has_is_refused_by_name(world: World, name: str, wrong: str) -> None:
    client, path = _list_path(world, name)

    problem = problem_of(client.get(path + wrong), "invalid", 400)

    assert problem["parameter"] == wrong.partition("=")[0]


@pytest.mark.parametrize("path", ["inbox?from=", "families?owner=", "events?with=", "shares?to="])
def test_an_id_that_is_none_is_refused_by_name(world: World, path: str) -> None:
    problem = problem_of(world.service.client("publisher").get(f"/share/v1/{path}"), "invalid", 400)

    assert f"{problem['parameter']}=" in path


@pytest.mark.parametrize("name", ["set", "members"])
@pytest.mark.parametrize("status", ["", "left"])
def test_a_status_that_none_has_is_refused_by_name(world: World, name: str, status: str) -> None:
    client, path = _list_path(world, name)

    problem = problem_of(client.get(f"{path}status={status}"), "invalid", 400)

    assert problem["parameter"] == "status"


# ---- terms


@pytest.mark.parametrize("name", ["share", "member"])
def test_an_end_in_the_past_is_a_withdrawal_and_says_so(world: World, name: str) -> None:
    patched = world.family.owner.patch(world.paths[name], json={"expires_at": PAST})

    problem = problem_of(patched, "invalid", 400)
    assert problem["field"] == "/expires_at"
    assert "/share/v1/withdrawals" in problem["detail"]


def test_who_has_accepted_a_family_has_nothing_to_answer_by(world: World) -> None:
    patched = world.family.owner.patch(world.paths["member"], json={"answer_by": SOON})

    assert "answer_by" in problem_of(patched, "conflict", 409)["detail"]


def test_the_tag_of_a_replaced_set_is_that_of_the_set(world: World) -> None:
    owner, path = world.family.owner, world.paths["members"]
    projects = [project_of(world.service, caller) for caller in ("recipient", "other")]
    headers = {"If-Match": owner.get(path).headers["etag"]}

    put = owner.put(path, json={"projects": projects}, headers=headers)

    assert put.headers["etag"] == owner.get(path).headers["etag"]


# ---- events


def test_the_owner_of_a_family_is_not_its_recipient(world: World) -> None:
    told = wait_for_events(world.service, 2, type="family.version_published", family=world.family.id)

    assert [event["data"]["family"]["number"] for event in told] == [1, 2]
    assert not any("recipient" in event["data"] for event in told)


def test_a_cursor_of_what_is_kept_no_more_names_the_oldest_that_is_good(make_service: MakeService) -> None:
    service = make_service("sqlite")
    image_id = create_image(service)
    start = get(service, "publisher", "events")["cursor"]
    offer(service, image_id)
    offer(service, image_id, to="other")
    _first, second = wait_for_events(service, 2)
    remove_events(service, before=int(second["sequence"]))

    refused = service.client("publisher").get("/share/v1/events", params={"after": start})

    oldest = problem_of(refused, "cursor-too-old", 410)["oldest"]
    after = get(service, "publisher", "events", after=oldest)["events"]
    assert [event["id"] for event in after] == [second["id"]]
