"""A share that has ended is absent for each call, removed or not: it answers as if it had never been made."""

import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from harness.service import Service

from .calls import Body, answer, create_image, get, list_all, offer, project_of
from .ending import end_membership, end_share
from .family_calls import FAMILIES, Published, answer_as, offer_to, ok

STATUSES = ("pending", "accepted", "rejected")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
#: Of one answer alone.
_OWN = re.compile(r'"instance":"[^"]*"')


class Call(NamedTuple):
    """A call on the thing `{id}`, whose recipient is the project `{to}`. `is_guarded`: by the tag that a read
    of the same path has."""

    caller: str
    method: str
    path: str
    body: Body | None = None
    is_guarded: bool = False


def filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, str):
        for name, to in names.items():
            value = value.replace(f"{{{name}}}", to)
        return value
    if isinstance(value, dict):
        return {key: filled(one, names) for key, one in value.items()}
    return [filled(one, names) for one in value] if isinstance(value, list) else value


def told(service: Service, call: Call, thing: dict[str, str]) -> tuple[int, str]:
    """What the call answers, without what tells one thing and one moment from another. `thing`: its `id`, and
    whatever else it is known by."""
    client, names = service.client(call.caller), {**thing, "to": project_of(service, "recipient")}
    path, headers = filled(f"/share/v1{call.path}", names), {}
    if call.is_guarded:
        headers["If-Match"] = client.get(path).headers["etag"]
    body = filled(call.body, names)
    answered = client.request(call.method, path, json=body, headers=headers)
    assert answered.status_code < 500, answered.text
    text = _TIME.sub("TIME", _OWN.sub("", answered.text))
    for name, value in thing.items():
        text = text.replace(value, name)
    return answered.status_code, text


# ---- images

_SHARES = "/images/{id}/shares"
READS = [
    Call("recipient", "GET", "/inbox/images/{id}"),
    Call("publisher", "GET", _SHARES),
    *(Call("publisher", "GET", f"{_SHARES}?status={status}") for status in STATUSES),
    Call("publisher", "GET", f"{_SHARES}/summary"),
    Call("publisher", "GET", f"{_SHARES}/projects/{{to}}"),
]
_PAIR: Body = {"images": ["{id}"], "projects": ["{to}"]}
WRITES = [
    *(
        Call("recipient", "POST", "/answers", {"images": ["{id}"], "answer": word})
        for word in (*STATUSES, "left")
    ),
    Call("publisher", "PATCH", f"{_SHARES}/projects/{{to}}", {"message": "Hello."}),
    Call("publisher", "PUT", _SHARES, {"projects": ["{to}"]}, is_guarded=True),
    Call("publisher", "PUT", _SHARES, {"projects": []}, is_guarded=True),
    Call("publisher", "POST", "/withdrawals", _PAIR),
    Call("publisher", "POST", "/withdrawals", {"images": ["{id}"], "everybody": True}),
    Call("publisher", "POST", "/offers", _PAIR),
]


def name_of(call: Call) -> str:
    return f"{call.method} {call.path} {'' if call.body is None else call.body.get('answer', '')}".strip()


def ended_image(service: Service, status: str) -> dict[str, str]:
    image = create_image(service)
    offer(service, image)
    if status != "pending":
        answer(service, image, status=status)
    end_share(service, image, project_of(service, "recipient"))
    return {"id": image}


@pytest.mark.parametrize("status", STATUSES)
def test_an_ended_share_looks_as_if_it_had_never_been(service: Service, status: str) -> None:
    ended, never = ended_image(service, status), {"id": create_image(service)}

    for call in READS:
        assert told(service, call, ended) == told(service, call, never), call


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("call", WRITES, ids=name_of)
def test_what_is_done_to_an_ended_share_is_as_if_it_had_never_been(
    service: Service, call: Call, status: str
) -> None:
    ended, never = ended_image(service, status), {"id": create_image(service)}

    assert told(service, call, ended) == told(service, call, never)
    for look in READS:
        assert told(service, look, ended) == told(service, look, never), look


# ---- families

_MEMBERS = "/families/{id}/members"
FAMILY_READS = [
    Call("recipient", "GET", "/inbox/families/{id}"),
    *(
        Call("recipient", "GET", f"/families/{{id}}{path}")
        for path in ("", "/versions", "/versions/1", "/current", "/members")
    ),
    Call("publisher", "GET", "/families/{id}"),
    Call("publisher", "GET", _MEMBERS),
    Call("publisher", "GET", f"{_MEMBERS}?status=accepted"),
    Call("publisher", "GET", f"{_MEMBERS}/projects/{{to}}"),
    # What the family brought.
    Call("recipient", "GET", "/inbox/images/{image}"),
    Call("publisher", "GET", "/images/{image}/shares"),
]
_MEMBER: Body = {"families": ["{id}"], "projects": ["{to}"]}
FAMILY_WRITES = [
    *(
        Call("recipient", "POST", "/answers", {"families": ["{id}"], "answer": word})
        for word in (*STATUSES, "left")
    ),
    Call("publisher", "PATCH", f"{_MEMBERS}/projects/{{to}}", {"message": "Hello."}),
    Call("publisher", "PUT", _MEMBERS, {"projects": ["{to}"]}, is_guarded=True),
    Call("publisher", "POST", "/withdrawals", _MEMBER),
    Call("publisher", "POST", "/withdrawals", {"families": ["{id}"], "everybody": True}),
    Call("publisher", "POST", "/offers", _MEMBER),
    Call("publisher", "PUT", "/families/{id}/current", {"number": 1}, is_guarded=True),
]


def new_family(service: Service) -> tuple[Published, dict[str, str]]:
    """A family with a current version, and what it is known by."""
    family = Published(service, f"f-{uuid.uuid4()}")
    image = family.publish()["image"]["id"]
    return family, {"id": family.id, "name": family.name, "image": image}


def ended_family(service: Service, status: str) -> dict[str, str]:
    family, names = new_family(service)
    offer_to(family, "recipient")
    if status != "pending":
        answer_as(family, "recipient", status)
    end_membership(service, family.id, project_of(service, "recipient"))
    return names


@pytest.mark.parametrize("status", STATUSES)
def test_an_ended_membership_of_a_family_looks_as_if_it_had_never_been(service: Service, status: str) -> None:
    ended, (_family, never) = ended_family(service, status), new_family(service)

    for call in FAMILY_READS:
        assert told(service, call, ended) == told(service, call, never), call


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("call", FAMILY_WRITES, ids=name_of)
def test_what_is_done_to_an_ended_membership_is_as_if_it_had_never_been(
    service: Service, call: Call, status: str
) -> None:
    ended, (_family, never) = ended_family(service, status), new_family(service)

    assert told(service, call, ended) == told(service, call, never)
    for look in FAMILY_READS:
        assert told(service, look, ended) == told(service, look, never), look


# ---- what lists and counts


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("end", [ended_image, ended_family])
def test_what_has_ended_is_in_no_list_and_no_count(
    service: Service, end: Callable[[Service, str], dict[str, str]], status: str
) -> None:
    before = get(service, "recipient", "inbox/summary")
    ended = end(service, status)

    after = get(service, "recipient", "inbox/summary")
    assert (after["images"], after["families"]) == (before["images"], before["families"])
    for one in STATUSES:
        found = list_all(service, "recipient", "inbox", status=one, limit=1000)
        assert ended["id"] not in {item[item["kind"]]["id"] for item in found}
    to = project_of(service, "recipient")
    given = list_all(service, "publisher", "shares", to=to, limit=1000)
    assert ended["id"] not in {item[item["kind"]]["id"] for item in given}
    joined = ok(service.client("recipient").get(FAMILIES, params={"role": "member", "limit": 1000}))["items"]
    assert ended["id"] not in {family["id"] for family in joined}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("end", [ended_image, ended_family])
def test_all_and_everything_pass_by_what_has_ended(
    service: Service, end: Callable[[Service, str], dict[str, str]], status: str
) -> None:
    """Of which nothing is left by the calls before."""
    publisher, to = project_of(service, "publisher"), project_of(service, "recipient")
    client = service.client("publisher")
    client.post("/share/v1/withdrawals", json={"everything": True, "projects": [to]})
    end(service, status)

    for was in STATUSES:
        body = {"all": was, "from": publisher, "answer": "left"}
        done = ok(service.client("recipient").post("/share/v1/answers", json=body))
        assert done == {"changed": 0, "unchanged": 0, "remaining": 0, "failures": []}
    done = ok(client.post("/share/v1/withdrawals", json={"everything": True, "projects": [to]}))
    assert (done["withdrawn"], done["remaining"], done["failures"]) == (0, 0, [])
