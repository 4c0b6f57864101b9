"""Idempotency-Key: each POST of the share API is done once, however often it is sent with the same key."""

import sqlite3
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import httpx
import pytest
from conftest import SharedServices
from harness.receiver import Receiver
from harness.service import MakeService, Service

from transom.api.share.acts import MOST_KEPT_BYTES

from .calls import (
    UNKNOWN_ID,
    Body,
    create_image,
    find_share,
    get,
    list_all,
    offer,
    problem_of,
    project_of,
    send_signed,
)
from .family_calls import FAMILIES, Published
from .test_hooks import INSIDE, make_hook

HOOKS = "/share/v1/hooks"


def new_key() -> str:
    return f"key-{uuid.uuid4()}"


def send(service: Service, path: str, body: Any, key: str, caller: str = "publisher") -> httpx.Response:
    """A POST with the key. `body` None: without a body."""
    headers = {"Idempotency-Key": key}
    if body is None:
        return service.client(caller).post(path, headers=headers)
    return service.client(caller).post(path, json=body, headers=headers)


class Sent(NamedTuple):
    """A request that does something, once. `count_done`: of what it has done."""

    path: str
    body: Any
    caller: str
    count_done: Callable[[], int]


def _offers(service: Service) -> Sent:
    image = create_image(service)
    body = {"images": [image], "projects": [project_of(service, "recipient")]}
    return Sent("/share/v1/offers", body, "publisher", lambda: find_share(service, image) is not None)


def _answers(service: Service) -> Sent:
    image = create_image(service)
    offer(service, image)

    def count() -> int:
        share = find_share(service, image)
        return share is not None and share["status"] == "accepted"

    return Sent("/share/v1/answers", {"images": [image], "answer": "accepted"}, "recipient", count)


def _all_answers(service: Service) -> Sent:
    offer(service, image := create_image(service), to="other")
    body = {"all": "pending", "from": project_of(service, "publisher"), "answer": "left"}
    return Sent("/share/v1/answers", body, "other", lambda: find_share(service, image, "other") is None)


def _withdrawals(service: Service) -> Sent:
    image = create_image(service)
    offer(service, image)
    body = {"images": [image], "everybody": True}
    return Sent("/share/v1/withdrawals", body, "publisher", lambda: find_share(service, image) is None)


def _all_withdrawals(service: Service) -> Sent:
    offer(service, image := create_image(service), to="other")
    body = {"everything": True, "projects": [project_of(service, "other")]}
    return Sent(
        "/share/v1/withdrawals", body, "publisher", lambda: find_share(service, image, "other") is None
    )


def _families(service: Service) -> Sent:
    name = f"f-{uuid.uuid4()}"
    return Sent(
        FAMILIES,
        {"name": name},
        "publisher",
        lambda: len(list_all(service, "publisher", "families", name=name)),
    )


def _versions(service: Service) -> Sent:
    family = Published(service, f"f-{uuid.uuid4()}")
    return Sent(
        f"{family.path}/versions", {"image_id": family.image()}, "publisher", lambda: len(family.states())
    )


def _revocations(service: Service) -> Sent:
    family = Published(service, f"f-{uuid.uuid4()}")
    family.publish()
    path = f"{family.path}/versions/1/revoke"
    return Sent(path, {"reason": "broken"}, "publisher", lambda: family.states() == {1: "revoked"})


def _restorations(service: Service) -> Sent:
    family = Published(service, f"f-{uuid.uuid4()}")
    family.publish()
    family.act(1, "revoke")
    path = f"{family.path}/versions/1/restore"
    return Sent(path, None, "publisher", lambda: family.states() == {1: "superseded"})


REQUESTS = [
    _offers,
    _answers,
    _all_answers,
    _withdrawals,
    _all_withdrawals,
    _families,
    _versions,
    _revocations,
    _restorations,
]


@pytest.mark.parametrize("make", REQUESTS)
def test_sent_again_it_is_not_done_again_and_has_the_same_answer(
    service: Service, make: Callable[[Service], Sent]
) -> None:
    sent, key = make(service), new_key()
    assert sent.count_done() == 0

    first = send(service, sent.path, sent.body, key, sent.caller)
    again = send(service, sent.path, sent.body, key, sent.caller)

    assert first.status_code in (200, 201), first.text
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("content-type", "etag", "location"):
        assert again.headers.get(name) == first.headers.get(name)
    assert sent.count_done() == 1


def test_without_a_key_the_answer_is_that_of_the_second_time(service: Service) -> None:
    sent = _offers(service)
    first = service.client("publisher").post(sent.path, json=sent.body)

    again = service.client("publisher").post(sent.path, json=sent.body)

    assert (first.json()["offered"], again.json()["offered"]) == (1, 0)
    assert "idempotency-replayed" not in again.headers


@pytest.mark.parametrize("change", ["body", "path"])
def test_another_request_with_the_key_is_refused_and_not_done(service: Service, change: str) -> None:
    image, other, key = create_image(service), create_image(service), new_key()
    recipients = {"projects": [project_of(service, "recipient")]}
    assert send(service, "/share/v1/offers", {"images": [image], **recipients}, key).status_code == 200

    body = {"images": [other if change == "body" else image], **recipients}
    refused = send(service, f"/share/v1/{'offers' if change == 'body' else 'withdrawals'}", body, key)

    problem_of(refused, "key-reused", 422)
    assert find_share(service, other) is None
    assert find_share(service, image) is not None


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "schlüssel".encode("latin-1")])
def test_a_malformed_key_is_refused(service: Service, key: Any) -> None:
    sent = _offers(service)

    refused = service.client("publisher").post(sent.path, json=sent.body, headers={"Idempotency-Key": key})

    assert "Idempotency-Key" in problem_of(refused, "invalid", 400)["detail"]
    assert sent.count_done() == 0


def test_two_keys_in_one_request_are_none(service: Service) -> None:
    sent = _offers(service)
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]

    problem_of(service.client("publisher").post(sent.path, json=sent.body, headers=headers), "invalid", 400)


def test_the_longest_key_is_one(service: Service) -> None:
    sent = _offers(service)
    key = new_key().ljust(255, "~")

    first = send(service, sent.path, sent.body, key)

    assert first.status_code == 200
    assert "idempotency-replayed" in send(service, sent.path, sent.body, key).headers


def test_a_key_is_one_users(service: Service) -> None:
    image, key = create_image(service), new_key()
    body = {"images": [image], "projects": [project_of(service, "recipient")]}
    send(service, "/share/v1/offers", body, key)

    theirs = send(service, "/share/v1/offers", body, key, "publisher-manager")

    assert "idempotency-replayed" not in theirs.headers
    assert theirs.json()["unchanged"] == 1


def test_a_refused_request_may_be_sent_again_with_its_key(service: Service) -> None:
    name, key = f"f-{uuid.uuid4()}", new_key()
    taken = Published(service, name)
    problem_of(send(service, FAMILIES, {"name": name}, key), "conflict", 409)
    taken.owner.delete(taken.path)

    made = send(service, FAMILIES, {"name": name}, key)

    assert made.status_code == 201
    assert "idempotency-replayed" not in made.headers


def test_what_only_others_may_do_is_refused_with_a_key_as_without(service: Service) -> None:
    sent = _offers(service)

    problem_of(send(service, sent.path, sent.body, new_key(), "publisher-reader"), "forbidden", 403)

    assert sent.count_done() == 0


def test_a_replay_does_not_look_at_what_has_changed_since(service: Service) -> None:
    """It is the answer of then, though the request would be refused now."""
    sent, key = _families(service), new_key()
    made = send(service, sent.path, sent.body, key)
    service.client("publisher").delete(made.headers["location"])

    again = send(service, sent.path, sent.body, key)

    assert (again.status_code, again.json()) == (201, made.json())
    assert sent.count_done() == 0


def test_a_failure_within_a_set_is_part_of_the_answer(service: Service) -> None:
    body = {"images": [UNKNOWN_ID], "projects": [project_of(service, "recipient")]}
    key = new_key()

    first = send(service, "/share/v1/offers", body, key)

    assert len(first.json()["failures"]) == 1
    assert send(service, "/share/v1/offers", body, key).json() == first.json()


def test_equal_requests_at_once_are_done_once(service: Service) -> None:
    sent, key = _families(service), new_key()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _n: send(service, sent.path, sent.body, key), range(8)))

    done = [answer for answer in answers if answer.status_code == 201]
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
    assert len({answer.content for answer in done}) == 1
    for answer in answers:
        if answer not in done:
            problem_of(answer, "key-in-use", 409)
            assert answer.headers["retry-after"] == "1"
    assert sent.count_done() == 1


# ---- what is not answered again


@pytest.mark.parametrize("path", ["", "/{hook}/secret"])
def test_a_secret_is_shown_once(service: Service, path: str) -> None:
    client = service.client("other")
    made = client.post(HOOKS, json={"url": "https://example.org/hook"})
    assert made.status_code == 201, made.text
    hook, key = made.json()["id"], new_key()
    path = HOOKS + path.format(hook=hook)
    body = {"url": "https://example.org/second"} if path == HOOKS else None

    first = send(service, path, body, key, "other")
    again = send(service, path, body, key, "other")

    assert first.json()["secret"].startswith("whsec_")
    assert "secret" in problem_of(again, "key-reused", 409)["detail"]
    assert first.json()["secret"] not in again.text
    hooks: list[Body] = get(service, "other", "hooks")["items"]
    assert len(hooks) == (2 if path == HOOKS else 1)
    for one in hooks:
        client.delete(f"{HOOKS}/{one['id']}")


def test_the_kept_answer_has_no_secret(make_service: MakeService) -> None:
    service = make_service("sqlite")
    made = send(service, HOOKS, {"url": "https://example.org/hook"}, "key")
    assert made.status_code == 201, made.text

    with closing(sqlite3.connect(service.database.removeprefix("sqlite:///"))) as database:
        kept = database.execute("select status, headers, body from answered_request").fetchall()

    assert kept == [(201, "[]", "")]


def test_an_answer_that_is_too_long_is_not_kept_and_its_request_not_done_again(service: Service) -> None:
    """What cannot be done is told of each image: an answer as long as the request lets it be."""
    image = create_image(service)
    images = [image, *(str(uuid.uuid4()) for _ in range(500))]
    body, key = {"images": images, "projects": [project_of(service, "recipient")]}, new_key()
    first = send(service, "/share/v1/offers", body, key)
    assert (first.json()["offered"], len(first.json()["failures"])) == (1, 500)

    again = send(service, "/share/v1/offers", body, key)

    assert len(first.content) > MOST_KEPT_BYTES
    assert "longer" in problem_of(again, "key-reused", 409)["detail"]
    withdrawal = {"images": [image], "everybody": True}
    service.client("publisher").post("/share/v1/withdrawals", json=withdrawal)
    assert send(service, "/share/v1/offers", body, key).status_code == 409
    assert find_share(service, image) is None


def test_a_project_has_so_many_keys_at_once(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IDEMPOTENCY_KEY_QUOTA="2")
    keys = [new_key() for _ in range(3)]
    bodies = [{"name": f"family-{number}"} for number in range(3)]
    done = [send(service, FAMILIES, body, key) for body, key in zip(bodies, keys, strict=True)]

    assert [answer.status_code for answer in done] == [201, 201, 413]
    assert "idempotency_key_quota" in problem_of(done[2], "limit", 413)["detail"]
    assert send(service, FAMILIES, bodies[1], keys[1]).headers["idempotency-replayed"] == "true"
    assert send(service, FAMILIES, {"name": "theirs"}, new_key(), "other").status_code == 201
    assert [one["name"] for one in get(service, "publisher", "families")["items"]] == ["family-0", "family-1"]


def test_a_test_of_a_hook_is_sent_once(shared_services: SharedServices) -> None:
    service = shared_services.get("sqlite", **INSIDE)
    with Receiver() as receiver:
        hook = make_hook(client := service.client("other"), url=receiver.origin)
        path, key = f"{HOOKS}/{hook['id']}", new_key()

        first = send(service, f"{path}/test", None, key, "other")
        receiver.take()
        again = send(service, f"{path}/test", None, key, "other")
        while client.get(path).json()["last_status"] is None:
            pass

        assert (first.status_code, again.status_code) == (202, 202)
        assert again.headers["idempotency-replayed"] == "true"
        assert send(service, f"{path}/test", None, new_key(), "other").status_code == 202
        receiver.take()
        assert receiver.is_empty
        client.delete(path)


def test_a_signed_request_may_have_a_key(service: Service) -> None:
    """The signature is over the body, which is read for the fingerprint as well."""
    sent, key = _offers(service), new_key()

    first, again = (
        send_signed(service, "publisher", "POST", sent.path, sent.body, Idempotency_Key=key) for _ in range(2)
    )

    assert first.status_code == 200, first.text
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()


def test_a_body_that_is_too_large_is_refused_with_a_key_as_without(service: Service) -> None:
    body = {"images": [], "message": "x" * (2 << 20)}

    problem_of(send(service, "/share/v1/offers", body, new_key()), "payload-too-large", 413)
