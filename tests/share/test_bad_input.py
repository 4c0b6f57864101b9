"""What the verbs refuse: by a pointer to the part, and without having changed anything."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import SharedServices
from harness.service import Service

from .calls import UNKNOWN_ID, create_image, list_all, offer, problem_of, project_of, share_path

PAST = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
FUTURE = "2999-12-31T23:59:59.999999+14:00"
IMAGES = [UNKNOWN_ID]
LONG = "x" * 1001
OFFER: dict[str, Any] = {"images": IMAGES, "projects": ["p"]}
ANSWER: dict[str, Any] = {"images": IMAGES, "answer": "accepted"}
WITHDRAW: dict[str, Any] = {"images": IMAGES, "projects": ["p"]}

Cases = list[tuple[dict[str, Any], str]]

OFFERS: Cases = [
    ({"projects": ["p"]}, "/images"),
    ({"images": [], "projects": ["p"]}, "/images"),
    ({"images": IMAGES}, "/projects"),
    ({"images": IMAGES, "projects": [], "domains": []}, "/projects"),
    (OFFER | {"images": "x"}, "/images"),
    (OFFER | {"images": [UNKNOWN_ID, "x"]}, "/images/1"),
    (OFFER | {"images": [UNKNOWN_ID, 5]}, "/images/1"),
    (OFFER | {"projects": ["p", ""]}, "/projects/1"),
    (OFFER | {"projects": ["a/b"]}, "/projects/0"),
    (OFFER | {"projects": ["\0"]}, "/projects/0"),
    (OFFER | {"projects": [" p"]}, "/projects/0"),
    (OFFER | {"domains": ["x" * 256]}, "/domains/0"),
    (OFFER | {"organizations": ["o/1"]}, "/organizations/0"),
    (OFFER | {"organizations": ["ou-1"], "answer_by": FUTURE}, "/answer_by"),
    (OFFER | {"expire_at": FUTURE}, "/expire_at"),
    (OFFER | {"message": LONG}, "/message"),
    (OFFER | {"message": "a\0"}, "/message"),
    (OFFER | {"message": "\x1b[2J"}, "/message"),
    (OFFER | {"message": 5}, "/message"),
    (OFFER | {"expires_at": PAST}, "/expires_at"),
    (OFFER | {"answer_by": PAST}, "/answer_by"),
    (OFFER | {"expires_at": "tomorrow"}, "/expires_at"),
    (OFFER | {"expires_at": "2999-12-31"}, "/expires_at"),
    (OFFER | {"expires_at": "2999-12-31T00:00:00"}, "/expires_at"),
    (OFFER | {"expires_at": "9999-12-31T23:59:59-14:00"}, "/expires_at"),
    (OFFER | {"expires_at": 1796000000}, "/expires_at"),
    (OFFER | {"domains": ["d"], "answer_by": FUTURE}, "/answer_by"),
]
ANSWERS: Cases = [
    ({"images": IMAGES}, "/answer"),
    ({"answer": "accepted"}, "/images"),
    (ANSWER | {"answer": "yes"}, "/answer"),
    (ANSWER | {"answer": None}, "/answer"),
    (ANSWER | {"all": "pending"}, "/all"),
    (ANSWER | {"from": "p"}, "/from"),
    (ANSWER | {"vault_id": "a/b"}, "/vault_id"),
    (ANSWER | {"new_versions": "rejected"}, "/new_versions"),
    ({"all": "offered", "answer": "accepted"}, "/all"),
    ({"all": "pending", "from": "\0", "answer": "accepted"}, "/from"),
]
WITHDRAWALS: Cases = [
    ({"projects": ["p"]}, "/images"),
    ({"images": IMAGES}, "/projects"),
    (WITHDRAW | {"everybody": True}, "/everybody"),
    (WITHDRAW | {"everything": True}, "/everything"),
    (WITHDRAW | {"everybody": "yes"}, "/everybody"),
    (WITHDRAW | {"reason": LONG}, "/reason"),
    (WITHDRAW | {"reason": "\x07"}, "/reason"),
    ({"everything": True, "everybody": True}, "/sure"),
    ({"everything": True, "everybody": True, "sure": "yes"}, "/sure"),
]
VERBS: dict[str, Cases] = {"offers": OFFERS, "answers": ANSWERS, "withdrawals": WITHDRAWALS}
CASES = [
    pytest.param(verb, body, pointer, id=f"{verb}{pointer}-{number}")
    for verb, cases in VERBS.items()
    for number, (body, pointer) in enumerate(cases)
]


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    """One database will do: nothing of this comes there."""
    return shared_services.get("sqlite")


@pytest.mark.parametrize(("verb", "body", "pointer"), CASES)
def test_a_body_that_is_wrong_is_refused_by_its_pointer(
    server: Service, verb: str, body: dict[str, Any], pointer: str
) -> None:
    response = server.client("publisher").post(f"/share/v1/{verb}", json=body)

    assert problem_of(response, "invalid", 400)["field"] == pointer


def test_half_a_surrogate_pair_is_refused_by_its_pointer(server: Service) -> None:
    raw = b'{"images": ["%s"], "projects": ["p"], "message": "\\ud800"}' % UNKNOWN_ID.encode()

    response = server.client("publisher").post("/share/v1/offers", content=raw)

    assert problem_of(response, "invalid", 400)["field"] == "/message"


def test_a_body_that_is_refused_changes_nothing(server: Service) -> None:
    image = create_image(server)
    body = {"images": [image], "projects": [project_of(server, "recipient")], "expires_at": PAST}

    server.client("publisher").post("/share/v1/offers", json=body)

    assert list_all(server, "publisher", f"images/{image}/shares") == []


def test_a_million_ids_are_too_many(server: Service) -> None:
    ids = b",".join([b'"%s"' % UNKNOWN_ID.encode()] * 1_000_000)

    response = server.client("publisher").post("/share/v1/answers", content=b'{"images": [%s]}' % ids)

    problem_of(response, "payload-too-large", 413)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"expires_at": PAST}, "/expires_at"),
        ({"answer_by": PAST}, "/answer_by"),
        ({"message": LONG}, "/message"),
        ({"status": "accepted"}, "/status"),
        ({"expires_at": 5}, "/expires_at"),
    ],
)
def test_terms_that_are_wrong_are_refused_by_their_pointer(
    server: Service, body: dict[str, Any], pointer: str
) -> None:
    image = create_image(server)
    offer(server, image)

    response = server.client("publisher").patch(share_path(server, image), json=body)

    assert problem_of(response, "invalid", 400)["field"] == pointer


@pytest.mark.parametrize("tag", ["x", '"unclosed', '"a" "b"'])
def test_a_tag_that_is_none_is_refused(server: Service, tag: str) -> None:
    image = create_image(server)

    response = server.client("publisher").put(
        f"/share/v1/images/{image}/shares", json={}, headers={"If-Match": tag}
    )

    problem_of(response, "invalid", 400)
