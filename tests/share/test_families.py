"""Families (share-api, 8): versions come, become current, are revoked and restored; who sees what of it."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from conftest import SharedServices
from harness.service import Service

from .calls import UNKNOWN_ID, Body, problem_of, project_of
from .family_calls import (
    FAMILIES,
    Published,
    active_image,
    answer_as,
    offer_to,
    ok,
    patched_image,
    queued_image,
    shown,
    shown_image,
)

SOON, PAST = (datetime.now(UTC) + timedelta(days=30)).isoformat(), "2020-01-01T00:00:00Z"


@pytest.fixture
def family(service: Service) -> Iterator[Published]:
    """Gone afterwards: a project may have so many."""
    made = Published(service, f"web-{uuid.uuid4()}")
    yield made
    made.owner.delete(made.path)


# ---- the family


def test_a_new_family_has_nothing_current(family: Published) -> None:
    body = family.made.json()

    assert family.made.headers["location"] == family.path
    assert body == family.show()
    assert (body["name"], body["title"], body["current_number"], body["current"]) == (
        family.name,
        "Web server",
        None,
        None,
    )
    assert body["owner"] == {"project": project_of(family.service, "publisher")}
    assert body["members"] == {
        "accepted": 0,
        "asked_each_time": 0,
        "pending": 0,
        "rejected": 0,
        "more": False,
    }


def test_a_name_is_taken_once_in_a_project(family: Published) -> None:
    again = family.owner.post(FAMILIES, json={"name": family.name})

    problem_of(again, "conflict", 409)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/name"),
        ({"name": "Web"}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "-web"}, "/name"),
        ({"name": "a" * 64}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": "web", "naem_": "web"}, "/naem_"),
        ({"name": "web", "title": "two\nlines"}, "/title"),
        ({"name": "web", "title": "x" * 256}, "/title"),
        ({"name": "web", "description": "\0"}, "/description"),
        ({"name": "web", "description": "x" * 4001}, "/description"),
        ({"name": "web", "support_url": "javascript:alert(1)"}, "/support_url"),
        ({"name": "web", "provided_until": "soon"}, "/provided_until"),
        ({"name": "web", "provided_until": "2026-12-06T00:00:00"}, "/provided_until"),
    ],
)
def test_what_is_wrong_with_a_new_family_is_named(service: Service, body: Body, field: str) -> None:
    refused = service.client("publisher").post(FAMILIES, json=body)

    assert problem_of(refused, "invalid", 400)["field"] == field


def test_a_patch_changes_what_it_names(family: Published) -> None:
    given = {"description": "Debian with nginx", "support_url": "https://example.org", "provided_until": SOON}
    changed = ok(family.owner.patch(family.path, json=given))
    left = ok(family.owner.patch(family.path, json={"title": None, "provided_until": None}))

    assert (changed["title"], changed["description"]) == ("Web server", "Debian with nginx")
    assert changed["provided_until"] is not None
    assert (left["title"], left["description"], left["provided_until"]) == (None, "Debian with nginx", None)


def test_a_family_may_have_ended_long_ago(family: Published) -> None:
    assert ok(family.owner.patch(family.path, json={"provided_until": PAST}))["provided_until"].startswith(
        "2020"
    )


def test_a_family_is_read_again_only_when_it_has_changed(family: Published) -> None:
    tag = family.owner.get(family.path).headers["etag"]

    same = family.owner.get(family.path, headers={"If-None-Match": tag})
    family.publish()
    other = family.owner.get(family.path, headers={"If-None-Match": tag})

    assert (same.status_code, other.status_code) == (304, 200)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_family_that_changed_meanwhile_is_not_written(family: Published, method: str) -> None:
    tag = family.owner.get(family.path).headers["etag"]
    family.publish()
    body: dict[str, Any] = {"json": {"title": "x"}} if method == "PATCH" else {}

    refused = family.owner.request(method, family.path, headers={"If-Match": tag}, **body)

    problem_of(refused, "precondition-failed", 412)
    assert family.show()["title"] == "Web server"


def test_families_are_listed_by_name_and_page(service: Service) -> None:
    mark = uuid.uuid4().hex
    made = [Published(service, f"{mark}-{n}") for n in (2, 1, 3)]
    owner = service.client("publisher")
    try:
        found, path = [], f"{FAMILIES}?role=owner&limit=2"
        while path:
            page = ok(owner.get(path))
            found += [item["name"] for item in page["items"] if item["name"].startswith(mark)]
            path = page["next"]
        named = ok(owner.get(FAMILIES, params={"name": f"{mark}-2"}))["items"]
    finally:
        for one in made:
            owner.delete(one.path)

    assert found == [f"{mark}-1", f"{mark}-2", f"{mark}-3"]
    assert [item["id"] for item in named] == [made[0].id]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("role=both", "role"),
        ("role=", "role"),
        ("limit=0", "limit"),
        ("after=x", "after"),
        ("naem_=web", "naem_"),
    ],
)
def test_what_is_wrong_with_a_query_is_named(service: Service, query: str, parameter: str) -> None:
    refused = service.client("publisher").get(f"{FAMILIES}?{query}")

    assert problem_of(refused, "invalid", 400)["parameter"] == parameter


# ---- versions


def test_a_published_version_is_current_and_the_one_that_is_found(family: Published) -> None:
    first = family.image()
    body = family.publish(first, name="1.0", notes="First.", end_of_life=PAST)

    assert (body["number"], body["state"], body["name"], body["notes"]) == (1, "current", "1.0", "First.")
    assert body["image"] == {"id": first, "name": None, "status": "active"}
    assert family.show()["current"] | {"usage": None} == body
    assert family.found() == [first]
    assert shown(family, first) == {"version": "1", "state": "current", "hidden": False}
    assert shown_image(family.owner, first)["visibility"] == "shared"


def test_a_candidate_is_hidden_until_it_is_promoted(family: Published) -> None:
    first, second = family.image(), family.image()
    family.publish(first)
    family.publish(second, promote=False)
    before = family.found(), shown(family, second)

    promoted = ok(family.point_at(2))

    assert before == ([first], {"version": "2", "state": "candidate", "hidden": True})
    assert promoted["state"] == "current"
    assert family.found() == [second]
    assert shown(family, first) == {
        "version": "1",
        "state": "superseded",
        "replaced_by": second,
        "hidden": True,
    }
    assert family.states() == {2: "current", 1: "superseded"}


def test_a_roll_back_is_a_promote_of_an_older_version(family: Published) -> None:
    first, second = family.image(), family.image()
    family.publish(first)
    family.publish(second)

    ok(family.point_at(1))

    assert family.found() == [first]
    assert family.states() == {2: "superseded", 1: "current"}
    assert shown(family, second)["replaced_by"] == first


def test_promoting_what_is_current_changes_nothing(family: Published) -> None:
    family.publish()
    before = family.show()

    ok(family.point_at(1))

    assert family.show()["current"] == before["current"]


def test_the_pointer_is_moved_by_who_knows_where_it_is(family: Published) -> None:
    family.publish(promote=False)
    path = f"{family.path}/current"
    nothing = family.owner.get(path)

    blindly = family.owner.put(path, json={"number": 1})
    wrongly = family.owner.put(path, json={"number": 1}, headers={"If-Match": '"x"'})
    rightly = family.owner.put(path, json={"number": 1}, headers={"If-Match": nothing.headers["etag"]})
    late = family.owner.put(path, json={"number": 1}, headers={"If-None-Match": "*"})

    problem_of(nothing, "not-found", 404)
    problem_of(blindly, "precondition-required", 428)
    problem_of(wrongly, "precondition-failed", 412)
    assert (nothing.headers["etag"], rightly.status_code) == ('"0"', 200)
    problem_of(late, "precondition-failed", 412)


def test_images_that_cannot_be_versions_are_refused(family: Published) -> None:
    queued = queued_image(family.owner)["id"]
    theirs = active_image(family.service.client("other"))["id"]
    public = active_image(family.service.client("admin"), visibility="public")["id"]
    mine = family.image()
    family.publish(mine, name="1.0")

    def refused(image_id: str, **more: Any) -> httpx.Response:
        return family.owner.post(f"{family.path}/versions", json={"image_id": image_id, **more})

    problem_of(refused(queued), "image-not-active", 409)
    hidden, absent = refused(theirs), refused(UNKNOWN_ID)
    problem_of(refused(public), "forbidden", 403)
    problem_of(refused(mine), "conflict", 409)
    problem_of(refused(family.image(), name="1.0"), "conflict", 409)
    problem_of(hidden, "not-found", 404)
    assert hidden.json()["detail"].replace(theirs, UNKNOWN_ID) == absent.json()["detail"]
    assert problem_of(refused("x"), "invalid", 400)["field"].startswith("/image_id")


def test_an_image_is_a_version_of_one_family(family: Published) -> None:
    image_id = family.image()
    family.publish(image_id)
    other = Published(family.service, f"other-{uuid.uuid4()}")
    try:
        refused = other.owner.post(f"{other.path}/versions", json={"image_id": image_id})
    finally:
        other.owner.delete(other.path)

    problem_of(refused, "conflict", 409)


def test_a_version_that_leaves_is_as_it_was(family: Published) -> None:
    first = family.image(os_hidden=True)
    family.publish(first)
    family.publish()

    current = family.owner.delete(f"{family.path}/versions/2")
    gone = family.owner.delete(f"{family.path}/versions/1")

    problem_of(current, "conflict", 409)
    assert gone.status_code == 204
    assert shown(family, first) == {"hidden": True}
    assert family.states() == {2: "current"}


def test_a_deleted_family_leaves_its_images(family: Published) -> None:
    first = family.image()
    family.publish(first)

    assert family.owner.delete(family.path).status_code == 204

    assert "os_share_family" not in shown_image(family.owner, first)
    problem_of(family.owner.get(family.path), "not-found", 404)


@pytest.mark.parametrize("number", ["0", "2", "x", "01", "-1", "9" * 30])
def test_a_version_that_is_not_there_is_not_found(family: Published, number: str) -> None:
    family.publish()

    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/restore")):
        found = family.owner.request(method, f"{family.path}/versions/{number}{path}")
        problem_of(found, "not-found", 404)


# ---- revoke, restore


def test_a_revoked_version_says_why_and_the_one_before_takes_its_place(family: Published) -> None:
    first, second = family.image(), family.image()
    family.publish(first)
    family.publish(second)

    revoked = ok(family.act(2, "revoke", reason="CVE-2026-1"))

    assert (revoked["state"], revoked["revoke_reason"]) == ("revoked", "CVE-2026-1")
    assert revoked["image"]["status"] == "deactivated"
    assert family.found() == [first]
    assert shown(family, second) == {
        "version": "2",
        "state": "revoked",
        "revoke_reason": "CVE-2026-1",
        "replaced_by": first,
        "hidden": True,
    }


def test_a_reason_can_be_given_later_and_members_are_told(family: Published) -> None:
    image_id = family.image()
    family.publish(image_id)
    ok(family.act(1, "revoke"))
    offer_to(family, "recipient")
    member = family.service.client("recipient")
    query = {"family": family.id, "type": "family.changed", "wait": "30"}

    given = ok(family.act(1, "revoke", reason="CVE-2026-1"))
    told = ok(member.get("/share/v1/events", params=query))
    again = ok(family.act(1, "revoke"))

    assert (given["state"], given["revoke_reason"]) == ("revoked", "CVE-2026-1")
    assert shown(family, image_id)["revoke_reason"] == "CVE-2026-1"
    assert [event["data"]["reason"] for event in told["events"]] == ["CVE-2026-1"]
    assert again == given


def test_a_download_under_way_ends_although_its_version_is_revoked(family: Published) -> None:
    data = bytes(16 << 20)
    image_id = queued_image(family.owner, visibility="private")["id"]
    headers = {"Content-Type": "application/octet-stream"}
    assert family.owner.put(f"/v2/images/{image_id}/file", content=data, headers=headers).is_success
    family.publish(image_id)
    offer_to(family, "recipient")
    answer_as(family, "recipient", "accepted")
    member = family.service.client("recipient")

    with member.stream("GET", f"/v2/images/{image_id}/file") as download:
        chunks = download.iter_raw()
        received = len(next(chunks))
        assert family.act(1, "revoke", reason="CVE-2026-1").status_code == 200
        received += sum(map(len, chunks))

    assert received == len(data)
    assert member.get(f"/v2/images/{image_id}/file").status_code == 403


def test_with_nothing_to_fall_back_to_nothing_is_current(family: Published) -> None:
    first = family.image()
    family.publish(first)

    refused = family.act(1, "revoke", fall_back=False)
    ok(family.act(1, "revoke"))

    problem_of(refused, "conflict", 409)
    assert (family.show()["current_number"], family.found()) == (None, [])
    problem_of(family.owner.get(f"{family.path}/current"), "not-found", 404)


def test_a_restored_version_is_promoted_by_hand(family: Published) -> None:
    family.publish()
    family.publish()
    ok(family.act(2, "revoke"))
    too_early = family.point_at(2)

    restored = ok(family.act(2, "restore"))
    ok(family.act(2, "restore"))
    promoted = ok(family.point_at(2))

    problem_of(too_early, "conflict", 409)
    assert (restored["state"], restored["image"]["status"]) == ("superseded", "active")
    assert promoted["state"] == "current"


def test_a_revocation_can_be_planned_and_called_off(family: Published) -> None:
    first = family.image()
    family.publish(first)

    planned = ok(family.act(1, "revoke", at=SOON, reason="End of support"))
    said = shown(family, first)
    off = ok(family.owner.patch(f"{family.path}/versions/1", json={"revoke_at": None}))

    assert (planned["state"], planned["revoke_at"]) == ("current", said["revoke_at"])
    assert (off["revoke_at"], "revoke_at" in shown(family, first)) == (None, False)


def test_the_event_of_a_planned_revocation_says_when_and_why(family: Published) -> None:
    family.publish(family.image())
    query = {"family": family.id, "type": "family.changed", "wait": "30"}

    planned = ok(family.act(1, "revoke", at=SOON, reason="End of support"))
    told = ok(family.owner.get("/share/v1/events", params=query))
    ok(family.owner.patch(f"{family.path}/versions/1", json={"revoke_at": None}))
    after = ok(family.owner.get("/share/v1/events", params=query | {"after": told["cursor"]}))

    (data,) = (event["data"] for event in told["events"])
    assert (data["revoke_at"], data["reason"]) == (planned["revoke_at"], "End of support")
    assert ["revoke_at" in event["data"] for event in after["events"]] == [False]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"at": PAST}, "/at"),
        ({"at": SOON, "fall_back": False}, "/fall_back"),
        ({"reason": "x" * 1001}, "/reason"),
        ({"reason": "\x1b[31m"}, "/reason"),
        ({"because": "x"}, "/because"),
    ],
)
def test_what_is_wrong_with_a_revocation_is_named(family: Published, body: Body, field: str) -> None:
    family.publish()

    assert problem_of(family.act(1, "revoke", **body), "invalid", 400)["field"] == field
    assert family.states() == {1: "current"}


# ---- members


def test_a_set_of_members_is_replaced_by_who_knows_it(family: Published) -> None:
    path = f"{family.path}/members"
    tag = family.owner.get(path).headers["etag"]
    recipient, other = (project_of(family.service, caller) for caller in ("recipient", "other"))

    blindly = family.owner.put(path, json={"projects": [recipient]})
    first = family.owner.put(path, json={"projects": [recipient], "message": "Hi"}, headers={"If-Match": tag})
    late = family.owner.put(path, json={"projects": []}, headers={"If-Match": tag})
    second = family.owner.put(path, json={"projects": [other]}, headers={"If-Match": first.headers["etag"]})

    problem_of(blindly, "precondition-required", 428)
    counts = {"offered": 1, "renewed": 0, "unchanged": 0, "withdrawn": 0, "failures": []}
    assert ok(first) == counts
    problem_of(late, "precondition-failed", 412)
    assert ok(second) == {**counts, "withdrawn": 1}
    (item,) = ok(family.owner.get(path))["items"]
    assert (item["recipient"], item["status"], item["new_versions"]) == (
        {"project": other},
        "pending",
        "accepted",
    )
    assert family.show()["members"]["pending"] == 1


def test_a_domain_is_a_member_at_once(family: Published) -> None:
    path = f"{family.path}/members"
    image_id = family.image()
    family.publish(image_id)
    tag = family.owner.get(path).headers["etag"]

    ok(family.owner.put(path, json={"domains": ["theirs"]}, headers={"If-Match": tag}))

    (item,) = ok(family.owner.get(path))["items"]
    assert (item["recipient"], item["status"]) == ({"domain": "theirs"}, "accepted")
    (member,) = ok(family.owner.get(f"/v2/images/{image_id}/members"))["members"]
    assert (member["member_id"], member["status"]) == ("theirs", "accepted")


def test_terms_of_a_member_are_changed(family: Published) -> None:
    ok(family.offer("recipient", message="Hi", answer_by=SOON))
    member = f"{family.path}/members/projects/{project_of(family.service, 'recipient')}"
    before = family.owner.get(member)

    changed = ok(family.owner.patch(member, json={"answer_by": None, "expires_at": SOON, "message": None}))
    late = family.owner.patch(member, json={}, headers={"If-Match": before.headers["etag"]})
    past = family.owner.patch(member, json={"expires_at": PAST})

    assert before.json()["answer_by"] is not None
    assert (changed["answer_by"], changed["message"], changed["expires_at"] is None) == (None, None, False)
    problem_of(late, "precondition-failed", 412)
    assert problem_of(past, "invalid", 400)["field"] == "/expires_at"


def test_the_owner_is_no_member(family: Published) -> None:
    (failure,) = ok(family.offer("publisher"))["failures"]

    assert failure["type"] == "/share/v1/problems/not-shareable"
    assert failure["recipient"] == {"project": project_of(family.service, "publisher")}


# ---- who sees what


def test_who_was_asked_sees_the_family_and_no_version(family: Published) -> None:
    family.publish()
    ok(family.offer("recipient"))
    recipient = family.service.client("recipient")

    seen = family.show("recipient")

    assert (seen["name"], seen["status"], seen["current_number"]) == (family.name, "pending", 1)
    assert (seen["current"], "members" in seen) == (None, False)
    for path in ("/versions", "/versions/1", "/current"):
        problem_of(recipient.get(family.path + path), "not-found", 404)
    problem_of(recipient.get(f"{family.path}/members"), "forbidden", 403)
    assert family.id in [item["id"] for item in _all(recipient, f"{FAMILIES}?role=member")]


@pytest.mark.parametrize("answer", [None, "rejected"])
def test_who_has_not_accepted_sees_no_version_even_of_a_public_image(
    family: Published, answer: str | None
) -> None:
    image_id = family.image()
    family.publish(image_id)
    assert patched_image(family.service.client("admin"), image_id, visibility="public").is_success
    ok(family.offer("recipient"))
    if answer is not None:
        answer_as(family, "recipient", answer)

    for path in ("/versions", "/versions/1", "/current"):
        problem_of(family.service.client("recipient").get(family.path + path), "not-found", 404)
    assert family.show("recipient")["current"] is None


def test_whoever_sees_the_current_image_sees_the_family(family: Published) -> None:
    image_id = family.image()
    family.publish(image_id)
    admin = family.service.client("admin")
    assert patched_image(admin, image_id, visibility="public").is_success

    seen = family.show("other")
    owner = project_of(family.service, "publisher")

    assert (seen["status"], seen["current"]["image"]["id"]) == (None, image_id)
    found = _all(family.service.client("other"), f"{FAMILIES}?owner={owner}")
    assert family.id in [item["id"] for item in found]


def _all(client: httpx.Client, path: str | None) -> list[Body]:
    found: list[Body] = []
    while path:
        page = ok(client.get(path))
        found += page["items"]
        path = page["next"]
    return found


CALLS: list[tuple[str, str, Body | None]] = [
    ("GET", "", None),
    ("PATCH", "", {"title": "x"}),
    ("DELETE", "", None),
    ("GET", "/versions", None),
    ("POST", "/versions", {"image_id": UNKNOWN_ID}),
    ("GET", "/versions/1", None),
    ("PATCH", "/versions/1", {"notes": "x"}),
    ("DELETE", "/versions/1", None),
    ("POST", "/versions/1/revoke", {}),
    ("POST", "/versions/1/restore", None),
    ("GET", "/current", None),
    ("PUT", "/current", {"number": 1}),
    ("GET", "/members", None),
    ("PUT", "/members", {"projects": []}),
    ("GET", "/members/projects/x", None),
    ("PATCH", "/members/projects/x", {}),
]


def _ask(client: httpx.Client, method: str, path: str, body: Body | None) -> httpx.Response:
    more: dict[str, Any] = {} if body is None else {"json": body}
    return client.request(method, path, headers={"If-Match": '"0"'}, **more)


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_a_hidden_family_looks_absent(family: Published, method: str, path: str, body: Body | None) -> None:
    family.publish()
    stranger = family.service.client("other")

    hidden = _ask(stranger, method, family.path + path, body)
    absent = _ask(stranger, method, f"{FAMILIES}/{UNKNOWN_ID}{path}", body)

    assert (hidden.status_code, absent.status_code) == (404, 404)
    changing = {"date", "x-openstack-request-id"}
    said = [
        {name: value for name, value in one.headers.items() if name not in changing}
        for one in (hidden, absent)
    ]
    assert said[0] == said[1]
    told = [
        {key: value for key, value in one.json().items() if key != "instance"} for one in (hidden, absent)
    ]
    assert told[0]["detail"].replace(family.id, UNKNOWN_ID) == told[1]["detail"]


@pytest.mark.parametrize(("method", "path", "body"), [call for call in CALLS if call[0] != "GET"])
@pytest.mark.parametrize("caller", ["publisher-reader", "recipient"])
def test_who_sees_a_family_and_may_not_change_it_is_told_so(
    family: Published, caller: str, method: str, path: str, body: Body | None
) -> None:
    family.publish()
    ok(family.offer("recipient"))

    refused = _ask(family.service.client(caller), method, family.path + path, body)

    problem_of(refused, "forbidden", 403)
    assert family.states() == {1: "current"}


def test_an_admin_does_it_for_others(family: Published) -> None:
    family.publish()
    admin = family.service.client("admin")

    assert ok(admin.patch(family.path, json={"title": "By an admin"}))["title"] == "By an admin"
    assert admin.get(f"{family.path}/members").status_code == 200


# ---- what clients of the Image API do to versions


def test_a_deleted_current_version_is_followed_by_the_one_before(family: Published) -> None:
    first, second = family.image(), family.image()
    family.publish(first)
    family.publish(second)

    assert family.owner.delete(f"/v2/images/{second}").status_code == 204

    assert (family.found(), family.states()) == ([first], {1: "current"})
    assert family.publish()["number"] == 3


def test_a_deactivated_version_stays_current_and_says_so(family: Published) -> None:
    first = family.image()
    family.publish(first)

    family.owner.post(f"/v2/images/{first}/actions/deactivate")

    current = family.show()["current"]
    assert (current["state"], current["image"]["status"]) == ("current", "deactivated")


def test_reactivating_a_revoked_version_restores_it(family: Published) -> None:
    first, second = family.image(), family.image()
    family.publish(first)
    family.publish(second)
    ok(family.act(2, "revoke", reason="CVE-2026-1"))

    family.owner.post(f"/v2/images/{second}/actions/reactivate")

    assert family.states() == {2: "superseded", 1: "current"}
    assert "revoke_reason" not in shown(family, second)


def test_an_image_that_gets_another_owner_leaves_the_family(family: Published) -> None:
    first, second = family.image(), family.image()
    family.publish(first)
    family.publish(second)
    admin, other = family.service.client("admin"), project_of(family.service, "other")

    assert patched_image(admin, second, owner=other).status_code == 200

    assert (family.found(), family.states()) == ([first], {1: "current"})
    left = shown_image(family.service.client("other"), second)
    assert [name for name in left if name.startswith("os_share_")] == []


def test_what_the_owner_hides_is_his_to_hide_until_the_next_promote(family: Published) -> None:
    first = family.image()
    family.publish(first)

    assert patched_image(family.owner, first, os_hidden=True).status_code == 200
    hidden = family.show()["current"]["hidden"]
    ok(family.point_at(1))

    assert (hidden, family.show()["current"]["hidden"]) == (True, False)


def test_what_the_service_says_of_a_family_is_not_the_clients_to_change(family: Published) -> None:
    first = family.image()
    family.publish(first)

    for name in ("os_share_state", "os_share_family", "os_share_anything"):
        refused = patched_image(family.owner, first, **{name: "x"})
        assert (refused.status_code, "is reserved" in refused.text) == (403, True)
    assert patched_image(family.owner, first, name="web-1", min_ram=512).status_code == 200
    assert shown(family, first)["state"] == "current"


def test_a_snapshot_with_all_properties_of_a_version_poses_as_nothing(family: Published) -> None:
    """As Nova makes one of a server that was booted from the version."""
    first = family.image(hw_disk_bus="scsi")
    family.publish(first)
    base = shown_image(family.owner, first)
    properties = {
        name: value for name, value in base.items() if name.startswith(("hw_", "os_share_", "os_distro"))
    }

    snapshot = active_image(family.owner, base_image_ref=first, image_type="snapshot", **properties)

    assert snapshot["hw_disk_bus"] == "scsi"
    assert [name for name in snapshot if name.startswith("os_share_")] == []
    assert family.found() == [first]


def test_properties_that_terraform_manages_stay_as_they_were(family: Published) -> None:
    """Its resource takes every property that starts with `os_` for the service's own, and writes the others
    again where they differ."""
    managed = {"hw_disk_bus": "scsi", "architecture": "x86_64"}
    first = family.image(**managed)
    family.publish(first)
    family.publish()

    image = shown_image(family.owner, first)
    fields = set(queued_image(family.owner)) | {"stores", "direct_url", "locations"}
    own = {name: value for name, value in image.items() if name not in fields and not name.startswith("os_")}
    assert own == managed


# ---- where locations are shown, a PATCH may change them with all else


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def showing(request: pytest.FixtureRequest, shared_services: SharedServices) -> Service:
    """A service that shows where data lies."""
    return shared_services.get(request.param, TRANSOM_SHOW_MULTIPLE_LOCATIONS="true")


def _patched_with_locations(service: Service, caller: str, image_id: str, **fields: Any) -> None:
    client = service.client(caller)
    places = shown_image(client, image_id)["locations"]
    changed = ok(patched_image(client, image_id, locations=places, **fields))
    assert (len(places), changed["locations"]) == (1, places)


def test_an_image_leaves_whose_owner_changes_with_its_locations(showing: Service) -> None:
    family = Published(showing, f"web-{uuid.uuid4()}")
    first, second = family.image(), family.image()
    family.publish(first)
    family.publish(second)
    offer_to(family, "recipient")

    _patched_with_locations(showing, "admin", second, owner=project_of(showing, "other"))

    assert (family.states(), family.found()) == ({1: "current"}, [first])
    assert "os_share_family" not in shown_image(showing.client("other"), second)


def test_a_version_shared_again_with_its_locations_reaches_the_members(showing: Service) -> None:
    family = Published(showing, f"web-{uuid.uuid4()}")
    first = family.image()
    family.publish(first)
    patched_image(family.owner, first, visibility="community")
    offer_to(family, "recipient")
    answer_as(family, "recipient", "accepted")

    _patched_with_locations(showing, "publisher", first, visibility="shared")

    assert shown_image(showing.client("recipient"), first)["visibility"] == "shared"
