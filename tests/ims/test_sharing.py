"""Batches of the IMS API, and its native sharing calls: who may, what is done, who then sees what.

The contract is docs/ims.md (Batches, Errors) and the IMS reference, 1.1, 1.2, 2 and 3.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from harness.databases import over_one_database
from harness.forks import create_migrated_database, forked_service
from harness.postgresql import PostgreSQL
from harness.service import MakeService, Service
from sharing_calls import (
    ACCEPTED,
    DEFAULT_DOMAIN,
    DONE,
    ENCRYPTED,
    FOREIGN_DOMAIN,
    OFFERED,
    REJECTED,
    UNKNOWN_ID,
    UNSEEN,
    WHOLE_SERVER,
    WHOLE_SERVER_BACKUP,
    View,
    add_foreigner,
    answer,
    code_of,
    create_image,
    create_public_image,
    create_shared_image,
    list_members,
    message_of,
    outcomes,
    project_of,
    refusal,
    run_batch,
    send_batch,
    set_visibility,
    share,
    share_with_domain,
    show_visibility,
    view,
    withdraw,
)

BAD_LISTS: list[object] = ["x", 1, True, {}, {"0": "x"}, [1], [None], [True], [["x"]], [{}]]
BAD_IDS = ["", "a" * 300, "a/b", "a\0b", "\N{GRINNING FACE}"]
#: What comes along when an id is copied.
MISCOPIED_IDS = [" a", "a\n", "a\tb", "a\x7f", "\N{ZERO WIDTH SPACE}a"]
NOT_A_BODY = [
    b"",
    b"{",
    b"[]",
    b'["images"]',
    b'"x"',
    b"1",
    b"null",
    b"true",
    b"\xff",
    b'{"images": ["\\ud800"]}',
]
BAD_STATUSES: list[object] = ["pending", "Accepted", "", "x", None, 1, True, ["accepted"], {}, "a\0b"]


CALLERS = {"POST": "publisher", "PUT": "recipient", "DELETE": "publisher"}


def brief(value: object) -> str:
    """A test id for a value that may be very long."""
    return ascii(value)[:30]


def answer_body(service: Service, image_id: str, caller: str = "recipient") -> dict[str, Any]:
    return {"images": [image_id], "project_id": project_of(service, caller), "status": "accepted"}


def make_batch(service: Service, method: str, image_id: str) -> dict[str, Any]:
    """A body that would be taken."""
    if method == "PUT":
        return answer_body(service, image_id)
    return {"images": [image_id], "projects": [project_of(service, "recipient")]}


class Attempt:
    """A batch that must be refused at once, on an image that one like it would change."""

    def __init__(self, service: Service, method: str) -> None:
        self.service = service
        self.method = method
        self.image_id = create_image(service) if method == "POST" else create_shared_image(service)
        self.body = make_batch(service, method, self.image_id)
        self.before = self._state()

    def send(self, body: object, caller: str | None = "") -> httpx.Response:
        by = CALLERS[self.method] if caller == "" else caller
        return send_batch(self.service, by, self.method, body)

    def changed_nothing(self) -> bool:
        return self._state() == self.before

    def _state(self) -> tuple[dict[str, str], str]:
        members = list_members(self.service, self.image_id)
        return members, show_visibility(self.service, self.image_id)


# ---- what is wrong with the request itself


METHODS = ["POST", "PUT", "DELETE"]


@pytest.mark.parametrize("method", METHODS)
def test_the_batch_that_the_refused_ones_are_made_of_is_taken(service: Service, method: str) -> None:
    attempt = Attempt(service, method)

    response = attempt.send(attempt.body)

    assert response.status_code == 200
    assert not attempt.changed_nothing()


@over_one_database
@pytest.mark.parametrize("content", NOT_A_BODY, ids=brief)
@pytest.mark.parametrize("method", METHODS)
def test_a_body_that_is_no_object_of_json_is_refused(service: Service, method: str, content: bytes) -> None:
    attempt = Attempt(service, method)

    response = attempt.send(content)

    assert response.status_code == 400
    assert code_of(response) in ("IMG.0001", "IMG.0007")
    assert attempt.changed_nothing()


@pytest.mark.parametrize("content", [b"", b"{"])
@pytest.mark.parametrize("method", METHODS)
def test_an_empty_body_and_a_malformed_one_have_codes_of_their_own(
    service: Service, method: str, content: bytes
) -> None:
    response = send_batch(service, "publisher", method, content)

    assert refusal(response) == (400, "IMG.0007" if content == b"" else "IMG.0001")


@over_one_database
@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("POST", "images"),
        ("POST", "projects"),
        ("PUT", "images"),
        ("PUT", "project_id"),
        ("PUT", "status"),
        ("DELETE", "images"),
        ("DELETE", "projects"),
    ],
)
@pytest.mark.parametrize("absent", ["missing", "null"])
def test_a_batch_without_a_field_it_needs_is_refused(
    service: Service, method: str, field: str, absent: str
) -> None:
    attempt = Attempt(service, method)
    rest = {name: value for name, value in attempt.body.items() if name != field}

    response = attempt.send(rest if absent == "missing" else rest | {field: None})

    assert response.status_code == 400
    assert re.fullmatch(r"IMG\.\d{4}", code_of(response))
    assert field in message_of(response)
    assert attempt.changed_nothing()


@pytest.mark.parametrize(
    ("method", "field"), [("POST", "images"), ("POST", "projects"), ("PUT", "images"), ("DELETE", "images")]
)
def test_a_batch_of_nothing_is_refused(service: Service, method: str, field: str) -> None:
    attempt = Attempt(service, method)

    response = attempt.send(attempt.body | {field: []})

    assert response.status_code == 400
    assert field in message_of(response)
    assert attempt.changed_nothing()


LISTS = [
    ("POST", "images"),
    ("POST", "projects"),
    ("POST", "domains"),
    ("PUT", "images"),
    ("DELETE", "images"),
    ("DELETE", "projects"),
    ("DELETE", "domains"),
]


@over_one_database
@pytest.mark.parametrize("value", BAD_LISTS, ids=brief)
@pytest.mark.parametrize(("method", "field"), LISTS)
def test_a_list_that_is_none_of_ids_is_refused(
    service: Service, method: str, field: str, value: object
) -> None:
    attempt = Attempt(service, method)

    response = attempt.send(attempt.body | {field: value})

    assert refusal(response) == (400, "IMG.0001")
    assert field in message_of(response)
    assert attempt.changed_nothing()


#: An id of an image that is miscopied is no UUID, and refused by another code.
@pytest.mark.parametrize(
    ("method", "field", "value"),
    [
        *((method, field, value) for method, field in LISTS for value in BAD_IDS),
        *((method, field, value) for method, field in LISTS if field != "images" for value in MISCOPIED_IDS),
    ],
    ids=brief,
)
def test_one_id_that_cannot_be_refuses_the_batch(
    service: Service, method: str, field: str, value: str
) -> None:
    attempt = Attempt(service, method)

    response = attempt.send(attempt.body | {field: [*attempt.body.get(field, []), value]})

    assert refusal(response) == (400, "IMG.0001")
    assert field in message_of(response)
    assert attempt.changed_nothing()


def test_an_offer_in_a_batch_has_no_status(service: Service) -> None:
    attempt = Attempt(service, "POST")

    response = attempt.send(attempt.body | {"status": "accepted"})

    assert refusal(response) == (400, "IMG.0001")
    assert "status" in message_of(response)
    assert attempt.changed_nothing()


def test_a_single_offer_has_no_status(service: Service) -> None:
    image_id = create_image(service)
    offer = {"member": project_of(service, "recipient"), "status": "accepted"}

    response = service.client("publisher").post(f"/ims/v2/images/{image_id}/members", json=offer)

    assert refusal(response) == (400, "IMG.0001")
    assert "status" in message_of(response)


@pytest.mark.parametrize(("method", "field"), LISTS)
def test_a_lone_surrogate_refuses_the_batch(service: Service, method: str, field: str) -> None:
    attempt = Attempt(service, method)

    response = attempt.send(attempt.body | {field: [*attempt.body.get(field, []), "a\ud800"]})

    assert refusal(response) == (400, "IMG.0001")
    assert attempt.changed_nothing()


@over_one_database
@pytest.mark.parametrize("value", [1, True, [], {}, ["x"]], ids=brief)
@pytest.mark.parametrize("field", ["project_id", "vault_id"])
def test_an_id_that_is_no_text_is_refused(service: Service, field: str, value: object) -> None:
    attempt = Attempt(service, "PUT")

    response = attempt.send(attempt.body | {field: value})

    assert response.status_code == 400
    assert code_of(response).startswith("IMG.")
    assert field in message_of(response)
    assert attempt.changed_nothing()


@pytest.mark.parametrize("value", ["a" * 300, "a\0b", "a\ud800"], ids=brief)
def test_a_vault_that_cannot_be_is_refused(service: Service, value: str) -> None:
    attempt = Attempt(service, "PUT")

    response = attempt.send(attempt.body | {"vault_id": value})

    assert refusal(response) == (400, "IMG.0001")
    assert attempt.changed_nothing()


@pytest.mark.parametrize("status", BAD_STATUSES, ids=brief)
def test_an_answer_is_accepted_or_rejected(service: Service, status: object) -> None:
    attempt = Attempt(service, "PUT")

    response = attempt.send(attempt.body | {"status": status})

    assert response.status_code == 400
    assert code_of(response).startswith("IMG.")
    assert "status" in message_of(response)
    assert attempt.changed_nothing()


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_over_10000_pairs_are_refused(service: Service, method: str) -> None:
    attempt = Attempt(service, method)
    images = [attempt.image_id, *(str(uuid4()) for _ in range(72))]
    projects = [project_of(service, "recipient"), *(str(number) for number in range(136))]

    response = attempt.send({"images": images, "projects": projects})

    assert response.status_code == 400
    assert "10001" in message_of(response)
    assert attempt.changed_nothing()


def test_domains_count_among_the_pairs(service: Service) -> None:
    attempt = Attempt(service, "POST")
    images = [attempt.image_id, *(str(uuid4()) for _ in range(72))]
    projects = [str(number) for number in range(100)]
    domains = [str(number) for number in range(37)]

    response = attempt.send({"images": images, "projects": projects, "domains": domains})

    assert response.status_code == 400
    assert attempt.changed_nothing()


def test_over_10000_answers_are_refused(service: Service) -> None:
    attempt = Attempt(service, "PUT")
    images = [attempt.image_id, *(str(uuid4()) for _ in range(10_000))]

    response = attempt.send(attempt.body | {"images": images})

    assert response.status_code == 400
    assert "10001" in message_of(response)
    assert attempt.changed_nothing()


def test_the_limit_of_pairs_is_a_setting(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IMS_BATCH_LIMIT="2")
    image_id = create_image(service)

    two = send_batch(service, "publisher", "POST", {"images": [image_id], "projects": ["a", "b"]})
    three = send_batch(service, "publisher", "POST", {"images": [image_id], "projects": ["a", "b", "c"]})

    assert (two.status_code, three.status_code) == (200, 400)


def test_an_image_is_not_shared_with_its_own_project(service: Service) -> None:
    attempt = Attempt(service, "POST")
    projects = [*attempt.body["projects"], project_of(service, "publisher")]

    response = attempt.send(attempt.body | {"projects": projects})

    assert refusal(response) == (400, "IMG.0076")
    assert attempt.changed_nothing()


@pytest.mark.parametrize("other", ["publisher", "other"])
def test_nobody_answers_for_another_project(service: Service, other: str) -> None:
    attempt = Attempt(service, "PUT")
    share(service, attempt.image_id, to="other")
    before = list_members(service, attempt.image_id)

    response = attempt.send(attempt.body | {"project_id": project_of(service, other)})

    assert refusal(response) == (400, "IMG.0030")
    assert "project_id" in message_of(response)
    assert list_members(service, attempt.image_id) == before


def test_even_an_admin_answers_for_its_own_project_only(service: Service) -> None:
    attempt = Attempt(service, "PUT")

    response = attempt.send(attempt.body, caller="admin")

    assert refusal(response) == (400, "IMG.0030")
    assert attempt.changed_nothing()


@pytest.mark.parametrize(
    ("method", "reader"),
    [("POST", "publisher-reader"), ("PUT", "recipient-reader"), ("DELETE", "publisher-reader")],
)
def test_a_reader_may_not(service: Service, method: str, reader: str) -> None:
    attempt = Attempt(service, method)

    response = attempt.send(attempt.body, caller=reader)

    assert refusal(response) == (403, "IMG.0026")
    assert attempt.changed_nothing()


@pytest.mark.parametrize(
    ("method", "manager"),
    [("POST", "publisher-manager"), ("PUT", "recipient-manager"), ("DELETE", "publisher-manager")],
)
def test_a_manager_may_as_a_member_may(service: Service, method: str, manager: str) -> None:
    attempt = Attempt(service, method)

    job = run_batch(service, manager, method, attempt.body)

    assert outcomes(job) == [DONE]
    assert not attempt.changed_nothing()


@pytest.mark.parametrize("method", METHODS)
def test_without_a_token_nothing_is_done(service: Service, method: str) -> None:
    attempt = Attempt(service, method)

    response = attempt.send(attempt.body, caller=None)

    assert refusal(response) == (401, "IMG.0087")
    assert attempt.changed_nothing()


@pytest.mark.parametrize("method", METHODS)
def test_who_the_caller_is_comes_before_what_it_sends(service: Service, method: str) -> None:
    response = send_batch(service, None, method, b"{")

    assert refusal(response) == (401, "IMG.0087")


# ---- who shares, answers and withdraws


def test_a_stranger_shares_nothing(service: Service) -> None:
    image_id = create_shared_image(service)
    body = {"images": [image_id], "projects": ["project"]}

    response = send_batch(service, "other", "POST", body)

    assert refusal(response) == (400, "IMG.0027")
    assert list_members(service, image_id) == {project_of(service, "recipient"): "pending"}


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_a_recipient_does_not_share_further(service: Service, status: str) -> None:
    image_id = create_shared_image(service, status)
    body = {"images": [image_id], "projects": [project_of(service, "other")]}

    job = run_batch(service, "recipient", "POST", body)

    assert outcomes(job) == ["IMG.0047"]
    assert list_members(service, image_id) == {project_of(service, "recipient"): status}
    assert view(service, "other", image_id) == UNSEEN


def test_only_the_owner_withdraws(service: Service) -> None:
    """Whoever sees the image is told so in the job, whoever does not is refused at once."""
    image_id = create_shared_image(service, "accepted")
    body = {"images": [image_id], "projects": ["project"]}
    run_batch(service, "publisher", "POST", body)

    by_recipient = run_batch(service, "recipient", "DELETE", body)
    by_stranger = send_batch(service, "other", "DELETE", body)

    assert outcomes(by_recipient) == ["IMG.0047"]
    assert refusal(by_stranger) == (400, "IMG.0027")
    assert set(list_members(service, image_id)) == {project_of(service, "recipient"), "project"}


def test_a_recipient_does_not_withdraw_its_own_offer(service: Service) -> None:
    """It rejects. Whether the request or the pair is refused is not said; nothing may change."""
    image_id = create_shared_image(service, "accepted")
    body = {"images": [image_id], "projects": [project_of(service, "recipient")]}

    send_batch(service, "recipient", "DELETE", body)

    assert list_members(service, image_id) == {project_of(service, "recipient"): "accepted"}


@pytest.mark.parametrize("caller", ["publisher", "other"])
def test_who_was_offered_nothing_has_nothing_to_answer(service: Service, caller: str) -> None:
    image_id = create_shared_image(service)

    response = send_batch(service, caller, "PUT", answer_body(service, image_id, caller))

    assert refusal(response) == (400, "IMG.9002")
    assert list_members(service, image_id) == {project_of(service, "recipient"): "pending"}


def test_an_admin_shares_and_withdraws_the_image_of_another_project(service: Service) -> None:
    image_id = create_image(service)
    body = {"images": [image_id], "projects": [project_of(service, "recipient")]}

    shared = run_batch(service, "admin", "POST", body)
    seen_when_shared = view(service, "recipient", image_id)
    withdrawn = run_batch(service, "admin", "DELETE", body)

    assert outcomes(shared) + outcomes(withdrawn) == [DONE, DONE]
    assert seen_when_shared == OFFERED
    assert view(service, "recipient", image_id) == UNSEEN


# ---- the life of an offer


def test_an_offer_waits_among_the_pending_ones(service: Service) -> None:
    image_id = create_image(service)

    job = share(service, image_id)

    assert outcomes(job) == [DONE]
    assert view(service, "recipient", image_id) == OFFERED


@pytest.mark.parametrize(("status", "seen"), [("accepted", ACCEPTED), ("rejected", REJECTED)])
@pytest.mark.parametrize("before", ["pending", "accepted", "rejected"])
def test_an_answer_decides_where_the_image_is_listed(
    service: Service, before: str, status: str, seen: View
) -> None:
    image_id = create_shared_image(service, before)

    job = answer(service, status, image_id)

    assert outcomes(job) == [DONE]
    assert view(service, "recipient", image_id) == seen
    assert list_members(service, image_id) == {project_of(service, "recipient"): status}


def test_a_rejected_image_can_still_be_downloaded_by_its_id(service: Service) -> None:
    """The reference, 2.2: rejected, usable by ID, explicitly."""
    image_id = create_image(service, disk_format="raw", container_format="bare")
    service.client("publisher").put(
        f"/v2/images/{image_id}/file",
        content=b"0123456789",
        headers={"Content-Type": "application/octet-stream"},
    )
    share(service, image_id)

    answer(service, "rejected", image_id)

    assert service.client("recipient").get(f"/v2/images/{image_id}/file").content == b"0123456789"
    assert service.client("other").get(f"/v2/images/{image_id}/file").status_code == 404


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_what_is_withdrawn_is_gone(service: Service, status: str) -> None:
    image_id = create_shared_image(service, status)

    job = withdraw(service, image_id)

    assert outcomes(job) == [DONE]
    assert view(service, "recipient", image_id) == UNSEEN
    assert list_members(service, image_id) == {}


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_an_image_without_recipients_is_private(service: Service, status: str) -> None:
    image_id = create_shared_image(service, status)

    withdraw(service, image_id)

    assert show_visibility(service, image_id, "/ims/v2/images") == "private"


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_a_withdrawn_offer_cannot_be_accepted(service: Service, status: str) -> None:
    image_id = create_shared_image(service, status)
    withdraw(service, image_id)

    response = send_batch(service, "recipient", "PUT", answer_body(service, image_id))

    assert refusal(response) == (400, "IMG.9002")
    assert view(service, "recipient", image_id) == UNSEEN


@pytest.mark.parametrize("status", ["accepted", "rejected"])
def test_an_image_that_is_shared_after_a_withdrawal_is_offered_anew(service: Service, status: str) -> None:
    image_id = create_shared_image(service, status)
    withdraw(service, image_id)

    share(service, image_id)

    assert view(service, "recipient", image_id) == OFFERED


def test_sharing_makes_a_private_image_shared(service: Service) -> None:
    image_id = create_image(service)

    share(service, image_id)

    assert show_visibility(service, image_id) == "shared"
    assert show_visibility(service, image_id, "/ims/v2/images") == "shared"


@pytest.mark.parametrize("stage", ["pending", "accepted", "rejected", "withdrawn"])
def test_a_stranger_sees_nothing_at_any_time(service: Service, stage: str) -> None:
    image_id = create_shared_image(service, "pending" if stage == "withdrawn" else stage)
    if stage == "withdrawn":
        withdraw(service, image_id)

    assert view(service, "other", image_id) == UNSEEN
    assert service.client("other").get(f"/ims/v2/images/{image_id}").status_code == 404
    assert service.client("other").get(f"/ims/v2/images/{image_id}/members").status_code == 404


def test_a_private_image_does_not_come_back_to_its_former_recipients(service: Service) -> None:
    """They were kept while it was private: sharing it with one must not give it to the others."""
    image_id = create_image(service, visibility="shared")
    former = project_of(service, "recipient")
    service.client("publisher").post(f"/v2/images/{image_id}/members", json={"member": former})
    service.client("recipient").put(f"/v2/images/{image_id}/members/{former}", json={"status": "accepted"})
    set_visibility(service, image_id, "private")

    share(service, image_id, to="other")

    assert view(service, "other", image_id) == OFFERED
    assert view(service, "recipient", image_id) == UNSEEN
    assert list_members(service, image_id) == {project_of(service, "other"): "pending"}


def test_a_private_image_does_not_come_back_to_its_former_domain(service: Service) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)
    set_visibility(service, image_id, "private")

    share(service, image_id, to="recipient")

    assert view(service, "recipient", image_id) == OFFERED
    assert view(service, "other", image_id) == UNSEEN


def test_a_former_recipient_that_is_named_again_is_offered_anew(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")
    set_visibility(service, image_id, "private")

    share(service, image_id)

    assert view(service, "recipient", image_id) == OFFERED


def test_a_private_image_cannot_be_accepted(service: Service) -> None:
    image_id = create_shared_image(service)
    set_visibility(service, image_id, "private")

    response = send_batch(service, "recipient", "PUT", answer_body(service, image_id))

    assert refusal(response) == (400, "IMG.9002")
    assert view(service, "recipient", image_id) == UNSEEN


# ---- repeating


def test_sharing_again_offers_a_rejected_image_again(service: Service) -> None:
    image_id = create_shared_image(service, "rejected")

    job = share(service, image_id)

    assert outcomes(job) == [DONE]
    assert view(service, "recipient", image_id) == OFFERED


@pytest.mark.parametrize(("status", "seen"), [("pending", OFFERED), ("accepted", ACCEPTED)])
def test_sharing_again_keeps_the_answer(service: Service, status: str, seen: View) -> None:
    image_id = create_shared_image(service, status)

    job = share(service, image_id)

    assert outcomes(job) == [DONE]
    assert view(service, "recipient", image_id) == seen


def test_what_was_never_offered_counts_as_withdrawn(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")

    jobs = [withdraw(service, image_id, to="other"), withdraw(service, create_image(service), to="other")]

    assert [job["status"] for job in jobs] == [DONE, DONE]
    assert view(service, "recipient", image_id) == ACCEPTED


def test_withdrawing_twice_is_harmless(service: Service) -> None:
    image_id = create_shared_image(service)

    jobs = [withdraw(service, image_id), withdraw(service, image_id)]

    assert [job["status"] for job in jobs] == [DONE, DONE]


@pytest.mark.parametrize("method", METHODS)
def test_who_is_named_twice_counts_once(service: Service, method: str) -> None:
    attempt = Attempt(service, method)
    twice = {name: value * 2 for name, value in attempt.body.items() if isinstance(value, list)}

    job = run_batch(service, CALLERS[method], method, attempt.body | twice)

    assert outcomes(job) == [DONE]
    assert not attempt.changed_nothing()


# ---- what can be done is done


def test_sharing_is_judged_image_by_image(service: Service) -> None:
    foreign = create_image(service, "recipient", visibility="shared")
    service.client("recipient").post(
        f"/v2/images/{foreign}/members", json={"member": project_of(service, "publisher")}
    )
    expected = {
        create_image(service): DONE,
        UNKNOWN_ID: "IMG.0027",
        create_image(service, "other"): "IMG.0027",
        foreign: "IMG.0047",
        create_public_image(service): "IMG.0089",
        create_image(service, "publisher", **ENCRYPTED): "IMG.0098",
        create_image(service, "publisher", **WHOLE_SERVER): "IMG.0135",
        create_image(service, "publisher", **WHOLE_SERVER_BACKUP): DONE,
        create_image(service, protected=True): DONE,
        create_image(service, visibility="shared"): DONE,
    }

    job = run_batch(
        service,
        "publisher",
        "POST",
        {"images": list(expected), "projects": [project_of(service, "other")]},
    )

    assert dict(zip(expected, outcomes(job), strict=True)) == expected
    assert job["status"] == "FAIL"


@pytest.mark.parametrize("fields", [ENCRYPTED, WHOLE_SERVER], ids=["encrypted", "whole server"])
def test_an_image_that_cannot_be_shared_stays_private(service: Service, fields: dict[str, str]) -> None:
    image_id = create_image(service, "publisher", **fields)

    share(service, image_id)
    share_with_domain(service, image_id)

    assert view(service, "recipient", image_id) == UNSEEN
    assert list_members(service, image_id) == {}
    assert show_visibility(service, image_id) == "private"


def test_a_protected_image_is_shared_and_withdrawn(service: Service) -> None:
    image_id = create_image(service, protected=True)

    share(service, image_id)
    seen_when_shared = view(service, "recipient", image_id)
    withdraw(service, image_id)

    assert seen_when_shared == OFFERED
    assert view(service, "recipient", image_id) == UNSEEN


def test_a_public_image_gets_no_recipients(service: Service) -> None:
    image_id = create_public_image(service)

    job = share(service, image_id)
    set_private = service.client("admin").patch(
        f"/v2/images/{image_id}",
        json=[{"op": "replace", "path": "/visibility", "value": "private"}],
        headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
    )

    assert outcomes(job) == ["IMG.0089"]
    assert set_private.status_code == 200
    assert list_members(service, image_id) == {}


def test_the_first_failure_speaks_for_the_batch(service: Service) -> None:
    good, encrypted = create_image(service), create_image(service, "publisher", **ENCRYPTED)

    job = share(service, good, encrypted, UNKNOWN_ID)

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0098")
    assert encrypted in job["fail_reason"]
    assert view(service, "recipient", good) == OFFERED


def test_answers_are_judged_image_by_image(service: Service) -> None:
    expected = {
        create_shared_image(service): DONE,
        UNKNOWN_ID: "IMG.9002",
        create_image(service): "IMG.9002",
        create_image(service, "recipient"): "IMG.9002",
        create_public_image(service): "IMG.9002",
        create_shared_image(service, **WHOLE_SERVER_BACKUP): "IMG.9008",
        create_shared_image(service, "rejected"): DONE,
    }

    job = answer(service, "accepted", *expected)

    assert dict(zip(expected, outcomes(job), strict=True)) == expected
    assert job["status"] == "FAIL"


def test_withdrawals_are_judged_image_by_image(service: Service) -> None:
    foreign = create_image(service, "recipient", visibility="shared")
    service.client("recipient").post(
        f"/v2/images/{foreign}/members", json={"member": project_of(service, "publisher")}
    )
    expected = {
        create_shared_image(service): DONE,
        UNKNOWN_ID: "IMG.0027",
        create_image(service, "other"): "IMG.0027",
        foreign: "IMG.0047",
        create_image(service): DONE,
    }

    job = run_batch(
        service,
        "publisher",
        "DELETE",
        {"images": list(expected), "projects": [project_of(service, "recipient")]},
    )

    assert dict(zip(expected, outcomes(job), strict=True)) == expected
    assert list_members(service, next(iter(expected))) == {}


@pytest.mark.parametrize(
    ("method", "caller", "more"),
    [
        ("POST", "other", {"projects": ["project"]}),
        ("DELETE", "other", {"projects": ["project"]}),
        ("PUT", "other", {"status": "accepted"}),
    ],
)
def test_hidden_deleted_and_absent_images_look_alike(
    service: Service, method: str, caller: str, more: dict[str, Any]
) -> None:
    hidden, deleted = create_shared_image(service), create_shared_image(service)
    service.client("publisher").delete(f"/v2/images/{deleted}")
    ids = [hidden, deleted, str(uuid4())]
    if method == "PUT":
        more = more | {"project_id": project_of(service, caller)}

    told = [send_batch(service, caller, method, {"images": [image_id]} | more) for image_id in ids]

    assert [refusal(one)[0] for one in told] == [400] * 3
    assert len({one.text.replace(image_id, "ID") for one, image_id in zip(told, ids, strict=True)}) == 1


NO_UUIDS = [
    "x",
    "web-1",
    "not-a-uuid",
    "0",
    f"{UNKNOWN_ID} ",
    UNKNOWN_ID.replace("-", ""),
    f"{UNKNOWN_ID}0",
    "{}",
]


@over_one_database
@pytest.mark.parametrize("image_id", NO_UUIDS)
@pytest.mark.parametrize("method", METHODS)
def test_one_id_that_is_no_uuid_refuses_the_batch(service: Service, method: str, image_id: str) -> None:
    """IMG.0066 (3.2): packer's plugin and others never look at the job."""
    attempt = Attempt(service, method)

    response = attempt.send(attempt.body | {"images": [attempt.image_id, image_id]})

    assert refusal(response) == (400, "IMG.0066")
    assert "images" in message_of(response)
    assert image_id in message_of(response)
    assert attempt.changed_nothing()


@pytest.mark.parametrize(
    ("method", "code"), [("POST", "IMG.0027"), ("PUT", "IMG.9002"), ("DELETE", "IMG.0027")]
)
@pytest.mark.parametrize("count", [1, 3])
def test_a_batch_of_images_that_the_caller_does_not_know_is_refused(
    service: Service, method: str, code: str, count: int
) -> None:
    attempt = Attempt(service, method)
    unknown = [create_image(service, "other"), *(str(uuid4()) for _ in range(count - 1))]

    response = attempt.send(attempt.body | {"images": unknown})

    assert refusal(response) == (400, code)
    assert message_of(response).startswith("images: ")
    assert unknown[0] in message_of(response)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_of_which_one_image_is_known_is_done_for_that(service: Service, method: str) -> None:
    attempt = Attempt(service, method)

    job = run_batch(
        service, CALLERS[method], method, attempt.body | {"images": [UNKNOWN_ID, attempt.image_id]}
    )

    assert [code == DONE for code in outcomes(job)] == [False, True]
    assert not attempt.changed_nothing()


# ---- whole servers and their vaults


def test_a_server_of_a_backup_is_accepted_into_a_vault(service: Service) -> None:
    image_id = create_shared_image(service, **WHOLE_SERVER_BACKUP)

    without = answer(service, "accepted", image_id)
    with_empty = answer(service, "accepted", image_id, vault_id="")
    seen_without = view(service, "recipient", image_id)
    with_vault = answer(service, "accepted", image_id, vault_id="vault-1")

    assert outcomes(without) + outcomes(with_empty) == ["IMG.9008", "IMG.9008"]
    assert "vault_id" in without["fail_reason"]
    assert seen_without == OFFERED
    assert outcomes(with_vault) == [DONE]
    assert view(service, "recipient", image_id) == ACCEPTED


def test_a_server_of_a_backup_is_rejected_without_a_vault(service: Service) -> None:
    image_id = create_shared_image(service, **WHOLE_SERVER_BACKUP)

    job = answer(service, "rejected", image_id)

    assert outcomes(job) == [DONE]
    assert view(service, "recipient", image_id) == REJECTED


def test_a_vault_does_not_hurt_where_none_is_needed(service: Service) -> None:
    image_id = create_shared_image(service)

    job = answer(service, "accepted", image_id, vault_id="vault-1")

    assert outcomes(job) == [DONE]


@pytest.mark.parametrize(
    "fields", [{"__whole_image": "false", "__backup_id": "b"}, {"__backup_id": "b"}], ids=brief
)
def test_only_a_whole_server_needs_a_vault(service: Service, fields: dict[str, str]) -> None:
    image_id = create_shared_image(service, **fields)

    job = answer(service, "accepted", image_id)

    assert outcomes(job) == [DONE]


def test_a_whole_server_has_ten_recipients(service: Service) -> None:
    image_id = create_image(service, "publisher", **WHOLE_SERVER_BACKUP)
    projects = [f"project-{number}" for number in reversed(range(11))]

    job = run_batch(service, "publisher", "POST", {"images": [image_id], "projects": projects})

    assert outcomes(job) == [DONE] * 10 + ["IMG.9004"]
    assert set(list_members(service, image_id)) == set(projects[:10])


# ---- full images


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def small_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQL
) -> Iterator[Service]:
    """Where an image has two recipients at most."""
    database = create_migrated_database(postgresql) if request.param == "postgresql" else None
    folder = tmp_path_factory.mktemp("small")
    with forked_service(folder, database, {"TRANSOM_IMS_MEMBER_QUOTA": "2"}) as service:
        yield service


def share_with(service: Service, image_id: str, *projects: str, domains: tuple[str, ...] = ()) -> list[str]:
    """What became of each recipient."""
    body = {"images": [image_id], "projects": list(projects), "domains": list(domains)}
    return outcomes(run_batch(service, "publisher", "POST", body))


def test_the_recipients_named_first_get_the_places(small_service: Service) -> None:
    image_id = create_image(small_service)

    result = share_with(small_service, image_id, "c", "a", "b")

    assert result == [DONE, DONE, "IMG.9004"]
    assert set(list_members(small_service, image_id)) == {"c", "a"}


def test_a_domain_takes_a_place_too(small_service: Service) -> None:
    image_id = create_image(small_service)

    result = share_with(small_service, image_id, "a", "b", domains=(DEFAULT_DOMAIN,))

    assert sorted(result) == ["IMG.9004", DONE, DONE]
    assert len(list_members(small_service, image_id)) == 2


def test_who_is_a_recipient_of_a_full_image_stays_one(small_service: Service) -> None:
    image_id = create_image(small_service)
    share_with(small_service, image_id, "a", "b")

    result = share_with(small_service, image_id, "b", "new", "a")

    assert result == [DONE, "IMG.9004", DONE]
    assert set(list_members(small_service, image_id)) == {"a", "b"}


def test_a_rejected_offer_of_a_full_image_is_made_again(small_service: Service) -> None:
    image_id = create_image(small_service)
    recipient = project_of(small_service, "recipient")
    share_with(small_service, image_id, recipient, "a")
    answer(small_service, "rejected", image_id)

    result = share_with(small_service, image_id, recipient)

    assert result == [DONE]
    assert list_members(small_service, image_id)[recipient] == "pending"


def test_a_withdrawal_makes_room(small_service: Service) -> None:
    image_id = create_image(small_service)
    share_with(small_service, image_id, "a", "b")
    run_batch(small_service, "publisher", "DELETE", {"images": [image_id], "projects": ["a"]})

    result = share_with(small_service, image_id, "new")

    assert result == [DONE]
    assert set(list_members(small_service, image_id)) == {"b", "new"}


def test_one_full_image_does_not_keep_another_from_being_shared(small_service: Service) -> None:
    full, empty = create_image(small_service), create_image(small_service)
    share_with(small_service, full, "a", "b")

    job = run_batch(
        small_service, "publisher", "POST", {"images": [full, empty], "projects": ["new", "newer"]}
    )

    assert outcomes(job) == ["IMG.9004", "IMG.9004", DONE, DONE]
    assert set(list_members(small_service, full)) == {"a", "b"}


def test_a_full_image_refuses_the_native_call(small_service: Service) -> None:
    image_id = create_image(small_service)
    share_with(small_service, image_id, "a", "b")

    response = small_service.client("publisher").post(
        f"/ims/v2/images/{image_id}/members", json={"member": "new"}
    )

    assert refusal(response) == (413, "IMG.9004")
    assert set(list_members(small_service, image_id)) == {"a", "b"}


def test_former_recipients_of_a_private_image_take_no_places(small_service: Service) -> None:
    image_id = create_image(small_service)
    share_with(small_service, image_id, "a", "b")
    set_visibility(small_service, image_id, "private")

    result = share_with(small_service, image_id, "c", "d")

    assert result == [DONE, DONE]
    assert set(list_members(small_service, image_id)) == {"c", "d"}


def test_an_image_has_256_recipients_unless_told(service: Service) -> None:
    image_id = create_image(service)

    result = share_with(service, image_id, *(f"project-{number}" for number in range(257)))

    assert result == [DONE] * 256 + ["IMG.9004"]


# ---- domains


def test_a_domains_projects_list_the_image_at_once(service: Service) -> None:
    image_id = create_image(service)

    job = share_with_domain(service, image_id)

    assert outcomes(job) == [DONE]
    assert view(service, "recipient", image_id) == ACCEPTED
    assert view(service, "other", image_id) == ACCEPTED


def test_a_project_of_another_domain_sees_nothing(service: Service) -> None:
    foreigner = add_foreigner(service)
    image_id = create_image(service)

    share_with_domain(service, image_id)

    assert view(service, foreigner, image_id) == UNSEEN


def test_another_domain_gets_its_image_and_no_other_does(service: Service) -> None:
    foreigner = add_foreigner(service)
    image_id = create_image(service)

    share_with_domain(service, image_id, FOREIGN_DOMAIN)

    assert view(service, foreigner, image_id) == ACCEPTED
    assert view(service, "other", image_id) == UNSEEN


def test_a_domain_is_withdrawn(service: Service) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)

    job = run_batch(service, "publisher", "DELETE", {"images": [image_id], "domains": [DEFAULT_DOMAIN]})

    assert outcomes(job) == [DONE]
    assert view(service, "recipient", image_id) == UNSEEN
    assert list_members(service, image_id) == {}


def test_a_domain_is_no_project(service: Service) -> None:
    """Who is named among the projects is not withdrawn by the name of a domain, and the other way round."""
    image_id = create_image(service)
    share_with_domain(service, image_id)
    share_with(service, image_id, "project")

    job = run_batch(
        service,
        "publisher",
        "DELETE",
        {"images": [image_id], "projects": [DEFAULT_DOMAIN], "domains": ["project"]},
    )

    assert outcomes(job) == [DONE, DONE]
    assert list_members(service, image_id) == {DEFAULT_DOMAIN: "accepted", "project": "pending"}


def test_projects_and_domains_go_in_one_batch(service: Service) -> None:
    foreigner = add_foreigner(service)
    image_id = create_image(service)

    result = share_with(service, image_id, project_of(service, "recipient"), domains=(FOREIGN_DOMAIN,))

    assert result == [DONE, DONE]
    assert view(service, "recipient", image_id) == OFFERED
    assert view(service, foreigner, image_id) == ACCEPTED
    assert view(service, "other", image_id) == UNSEEN


def test_what_a_project_rejected_its_domain_does_not_bring_back(service: Service) -> None:
    image_id = create_shared_image(service, "rejected")

    share_with_domain(service, image_id)

    assert view(service, "recipient", image_id) == REJECTED
    assert view(service, "other", image_id) == ACCEPTED


def test_a_project_rejects_its_own_offer_of_what_its_domain_has(service: Service) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)
    share(service, image_id)

    answer(service, "rejected", image_id)

    assert view(service, "recipient", image_id) == REJECTED


def test_the_domain_keeps_what_is_withdrawn_from_one_of_its_projects(service: Service) -> None:
    image_id = create_shared_image(service, "rejected")
    share_with_domain(service, image_id)

    withdraw(service, image_id)

    assert view(service, "recipient", image_id) == ACCEPTED


def test_a_project_keeps_what_is_withdrawn_from_its_domain(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")
    share_with_domain(service, image_id)

    run_batch(service, "publisher", "DELETE", {"images": [image_id], "domains": [DEFAULT_DOMAIN]})

    assert view(service, "recipient", image_id) == ACCEPTED
    assert view(service, "other", image_id) == UNSEEN


def test_a_recipient_by_its_domain_does_not_share_further(service: Service) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)

    job = run_batch(service, "recipient", "POST", {"images": [image_id], "projects": ["project"]})

    assert outcomes(job) == ["IMG.0047"]
    assert list_members(service, image_id) == {DEFAULT_DOMAIN: "accepted"}


def test_a_recipient_by_its_domain_does_not_change_or_delete_the_image(service: Service) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)

    response = service.client("recipient").delete(f"/v2/images/{image_id}")

    assert response.status_code == 403
    assert view(service, "other", image_id) == ACCEPTED


@pytest.mark.parametrize("member_id", [DEFAULT_DOMAIN, f"domain%2F{DEFAULT_DOMAIN}"])
@pytest.mark.parametrize("prefix", ["", "/ims"])
def test_a_project_does_not_answer_for_its_domain(service: Service, prefix: str, member_id: str) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)

    response = service.client("recipient").put(
        f"{prefix}/v2/images/{image_id}/members/{member_id}", json={"status": "rejected"}
    )

    assert response.status_code in (403, 404)
    assert list_members(service, image_id) == {DEFAULT_DOMAIN: "accepted"}
    assert view(service, "other", image_id) == ACCEPTED


@pytest.mark.parametrize("prefix", ["", "/ims"])
def test_a_project_with_the_id_of_a_domain_is_not_that_domain(service: Service, prefix: str) -> None:
    image_id = create_image(service, visibility="shared")

    response = service.client("publisher").post(
        f"{prefix}/v2/images/{image_id}/members", json={"member": DEFAULT_DOMAIN}
    )

    assert response.status_code == 200
    assert view(service, "other", image_id) == UNSEEN


@pytest.mark.parametrize("prefix", ["", "/ims"])
@pytest.mark.parametrize("member_id", [DEFAULT_DOMAIN, f"domain%2F{DEFAULT_DOMAIN}"])
def test_a_project_does_not_withdraw_its_domain(service: Service, member_id: str, prefix: str) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)

    response = service.client("recipient").delete(f"{prefix}/v2/images/{image_id}/members/{member_id}")

    assert response.status_code in (403, 404)
    assert view(service, "other", image_id) == ACCEPTED


def test_an_image_of_a_domain_is_not_deleted_before_it_is_withdrawn(service: Service) -> None:
    publisher = service.client("publisher")
    image_id = create_image(service)
    share_with_domain(service, image_id)

    refused = publisher.delete(f"/ims/v2/images/{image_id}")
    seen = view(service, "other", image_id)
    run_batch(service, "publisher", "DELETE", {"images": [image_id], "domains": [DEFAULT_DOMAIN]})
    deleted = publisher.delete(f"/ims/v2/images/{image_id}")

    assert refused.status_code in (403, 409)
    assert code_of(refused).startswith("IMG.")
    assert seen == ACCEPTED
    assert deleted.status_code == 204


def test_an_image_of_projects_is_deleted_at_any_time(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")

    response = service.client("publisher").delete(f"/ims/v2/images/{image_id}")

    assert response.status_code == 204
    assert view(service, "recipient", image_id) == UNSEEN


def test_the_openstack_api_deletes_an_image_of_a_domain(service: Service) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)

    response = service.client("publisher").delete(f"/v2/images/{image_id}")

    assert response.status_code == 204


# ---- one image, one project: the native calls


MEMBER_KEYS = {"member_id", "image_id", "status", "created_at", "updated_at", "schema", "member_type"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def members_of(image_id: str) -> str:
    return f"/ims/v2/images/{image_id}/members"


def member_of(service: Service, image_id: str, caller: str = "recipient") -> str:
    return f"{members_of(image_id)}/{project_of(service, caller)}"


def offer(
    service: Service, image_id: str, caller: str = "publisher", to: str = "recipient"
) -> httpx.Response:
    return service.client(caller).post(members_of(image_id), json={"member": project_of(service, to)})


def test_a_native_offer_is_pending_and_makes_the_image_shared(service: Service) -> None:
    image_id = create_image(service)

    response = offer(service, image_id)

    member = response.json()
    assert response.status_code == 200
    assert set(member) == MEMBER_KEYS
    assert TIME.fullmatch(member["created_at"])
    assert member["updated_at"] == member["created_at"]
    assert (member["status"], member["image_id"]) == ("pending", image_id)
    assert (member["member_id"], member["member_type"]) == (project_of(service, "recipient"), "project")
    assert show_visibility(service, image_id) == "shared"
    assert view(service, "recipient", image_id) == OFFERED


def test_the_openstack_rules_hold_without_the_prefix(service: Service) -> None:
    image_id = create_image(service)

    response = service.client("publisher").post(f"/v2/images/{image_id}/members", json={"member": "project"})

    assert response.status_code == 403
    assert set(response.json()) == {"message", "code", "title"}
    assert show_visibility(service, image_id) == "private"


@pytest.mark.parametrize(("status", "seen"), [("accepted", ACCEPTED), ("rejected", REJECTED)])
def test_a_native_answer(service: Service, status: str, seen: View) -> None:
    image_id = create_image(service)
    offer(service, image_id)

    response = service.client("recipient").put(member_of(service, image_id), json={"status": status})

    assert response.status_code == 200
    assert response.json()["status"] == status
    assert view(service, "recipient", image_id) == seen


def test_a_native_withdrawal(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")

    response = service.client("publisher").delete(member_of(service, image_id))

    assert response.status_code == 204
    assert response.content == b""
    assert view(service, "recipient", image_id) == UNSEEN


def test_a_rejected_offer_is_made_again_natively(service: Service) -> None:
    image_id = create_shared_image(service, "rejected")

    response = offer(service, image_id)

    assert (response.status_code, response.json()["status"]) == (200, "pending")
    assert view(service, "recipient", image_id) == OFFERED


@pytest.mark.parametrize("status", ["pending", "accepted"])
def test_a_native_offer_is_made_once(service: Service, status: str) -> None:
    image_id = create_shared_image(service, status)

    response = offer(service, image_id)

    assert response.status_code == 409
    assert code_of(response).startswith("IMG.")
    assert list_members(service, image_id) == {project_of(service, "recipient"): status}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"'])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_native_body_that_is_no_object_is_refused(service: Service, method: str, body: bytes) -> None:
    image_id = create_shared_image(service)
    caller, path = (
        ("publisher", members_of(image_id))
        if method == "POST"
        else ("recipient", member_of(service, image_id))
    )

    response = service.client(caller).request(method, path, content=body)

    assert response.status_code == 400
    assert code_of(response) in ("IMG.0001", "IMG.0007")
    assert list_members(service, image_id) == {project_of(service, "recipient"): "pending"}


@pytest.mark.parametrize("member", ["", None, 1, True, ["x"], {}, "a" * 300, "a/b", "a\0b"], ids=brief)
def test_a_native_member_that_cannot_be_is_refused(service: Service, member: object) -> None:
    image_id = create_image(service)

    response = service.client("publisher").post(members_of(image_id), json={"member": member})

    assert refusal(response) == (400, "IMG.0001")
    assert "member" in message_of(response)
    assert list_members(service, image_id) == {}
    assert show_visibility(service, image_id) == "private"


@pytest.mark.parametrize("status", BAD_STATUSES, ids=brief)
def test_a_native_answer_is_accepted_or_rejected(service: Service, status: object) -> None:
    image_id = create_shared_image(service)

    response = service.client("recipient").put(member_of(service, image_id), json={"status": status})

    assert response.status_code == 400
    assert code_of(response).startswith("IMG.")
    assert "status" in message_of(response)
    assert list_members(service, image_id) == {project_of(service, "recipient"): "pending"}


def test_a_native_answer_names_a_vault_where_one_is_needed(service: Service) -> None:
    image_id = create_shared_image(service, **WHOLE_SERVER_BACKUP)
    path = member_of(service, image_id)

    without = service.client("recipient").put(path, json={"status": "accepted"})
    with_vault = service.client("recipient").put(path, json={"status": "accepted", "vault_id": "vault-1"})

    assert (without.status_code, code_of(without)) == (400, "IMG.9008")
    assert with_vault.status_code == 200
    assert view(service, "recipient", image_id) == ACCEPTED


@pytest.mark.parametrize(
    ("fields", "code"), [(ENCRYPTED, "IMG.0098"), (WHOLE_SERVER, "IMG.0135")], ids=["encrypted", "server"]
)
def test_what_a_batch_does_not_share_the_native_call_does_not(
    service: Service, fields: dict[str, str], code: str
) -> None:
    image_id = create_image(service, "publisher", **fields)

    response = offer(service, image_id)

    assert response.status_code in (403, 409)
    assert code_of(response) == code
    assert view(service, "recipient", image_id) == UNSEEN


def test_a_native_offer_does_not_bring_back_former_recipients(service: Service) -> None:
    image_id = create_shared_image(service, "accepted")
    set_visibility(service, image_id, "private")

    response = offer(service, image_id, to="other")

    assert response.status_code == 200
    assert view(service, "other", image_id) == OFFERED
    assert view(service, "recipient", image_id) == UNSEEN


NATIVE_CALLS = [
    pytest.param("GET", "", None, id="list"),
    pytest.param("POST", "", {"member": "project"}, id="offer"),
    pytest.param("GET", "/recipient", None, id="show"),
    pytest.param("PUT", "/recipient", {"status": "accepted"}, id="answer"),
    pytest.param("DELETE", "/recipient", None, id="withdraw"),
]


@pytest.mark.parametrize(("method", "path", "body"), NATIVE_CALLS)
def test_native_calls_do_not_tell_hidden_images_from_absent_ones(
    service: Service, method: str, path: str, body: object
) -> None:
    hidden, absent = create_shared_image(service), str(uuid4())
    path = path.replace("recipient", project_of(service, "recipient"))
    other = service.client("other")

    of_hidden = other.request(method, members_of(hidden) + path, json=body)
    of_absent = other.request(method, members_of(absent) + path, json=body)

    assert refusal(of_hidden) == (404, "IMG.0027")
    assert of_hidden.text.replace(hidden, "ID") == of_absent.text.replace(absent, "ID")
    assert of_hidden.status_code == of_absent.status_code


@pytest.mark.parametrize(
    ("method", "path", "body"), [call for call in NATIVE_CALLS if call.id not in ("list", "show")]
)
@pytest.mark.parametrize("caller", ["publisher-reader", "recipient-reader"])
def test_a_reader_changes_nothing_by_native_calls(
    service: Service, caller: str, method: str, path: str, body: object
) -> None:
    image_id = create_shared_image(service)
    path = path.replace("recipient", project_of(service, "recipient"))

    response = service.client(caller).request(method, members_of(image_id) + path, json=body)

    assert response.status_code == 403
    assert code_of(response).startswith("IMG.")
    assert list_members(service, image_id) == {project_of(service, "recipient"): "pending"}


@pytest.mark.parametrize(("method", "path", "body"), NATIVE_CALLS)
def test_native_calls_need_a_token(service: Service, method: str, path: str, body: object) -> None:
    response = service.client(None).request(method, members_of(UNKNOWN_ID) + path, json=body)

    assert refusal(response) == (401, "IMG.0087")


def test_neither_owner_nor_recipient_does_the_others_part(service: Service) -> None:
    image_id = create_shared_image(service)
    path = member_of(service, image_id)

    answered = service.client("publisher").put(path, json={"status": "accepted"})
    withdrawn = service.client("recipient").delete(path)
    offered = offer(service, image_id, caller="recipient", to="other")

    assert [answered.status_code, withdrawn.status_code, offered.status_code] == [403, 403, 403]
    assert [code_of(answered)[:4], code_of(withdrawn), code_of(offered)] == ["IMG.", "IMG.0047", "IMG.0047"]
    assert list_members(service, image_id) == {project_of(service, "recipient"): "pending"}


def test_a_recipient_reads_its_pending_membership(service: Service) -> None:
    """The accept resource of Open Telekom Cloud's Terraform provider polls it before it answers."""
    image_id = create_shared_image(service)

    response = service.client("recipient").get(member_of(service, image_id))

    assert (response.status_code, response.json()["status"]) == (200, "pending")


# ---- code by code


def _share(service: Service, image_id: str) -> str:
    return outcomes(share(service, image_id))[0]


def _refused(service: Service, caller: str | None, method: str, body: object) -> str:
    response = send_batch(service, caller, method, body)
    assert response.status_code in (400, 401, 403)
    return code_of(response)


def _refused_batch(service: Service, **fields: object) -> str:
    return _refused(service, "publisher", "POST", {"images": [UNKNOWN_ID], "projects": ["y"]} | fields)


def _refused_answer(service: Service, **fields: object) -> str:
    body = {"images": [UNKNOWN_ID], "project_id": project_of(service, "recipient"), "status": "accepted"}
    return _refused(service, "recipient", "PUT", body | fields)


def _full_server(service: Service) -> str:
    image_id = create_image(service, "publisher", **WHOLE_SERVER_BACKUP)
    share_with(service, image_id, *(str(number) for number in range(10)))
    return _share(service, image_id)


def _of_another(service: Service) -> str:
    image_id = create_shared_image(service)
    job = run_batch(service, "recipient", "POST", {"images": [image_id], "projects": ["project"]})
    return outcomes(job)[0]


def _job_of_nobody(service: Service) -> str:
    response = service.client("publisher").get(f"/v1/{project_of(service, 'recipient')}/jobs/x")
    assert response.status_code == 400
    return code_of(response)


def _absent_path(service: Service) -> str:
    return code_of(service.client("publisher").get("/ims/v1/nothing"))


PROVOKED: dict[str, Callable[[Service], str]] = {
    "IMG.0001": lambda service: _refused(service, "publisher", "POST", b"{"),
    "IMG.0007": lambda service: _refused(service, "publisher", "POST", b""),
    "IMG.0026": lambda service: _refused(
        service, "publisher-reader", "POST", {"images": [UNKNOWN_ID], "projects": ["y"]}
    ),
    "IMG.0027": lambda service: _refused_batch(service),
    "IMG.0030": _job_of_nobody,
    "IMG.0047": _of_another,
    "IMG.0076": lambda service: _refused_batch(service, projects=[project_of(service, "publisher")]),
    "IMG.0087": lambda service: _refused(service, None, "POST", {}),
    "IMG.0089": lambda service: _share(service, create_public_image(service)),
    "IMG.0098": lambda service: _share(service, create_image(service, "publisher", **ENCRYPTED)),
    "IMG.0121": _absent_path,
    "IMG.0135": lambda service: _share(service, create_image(service, "publisher", **WHOLE_SERVER)),
    "IMG.0066": lambda service: _refused_batch(service, images=["x"]),
    "IMG.9002": lambda service: _refused_answer(service),
    "IMG.9004": _full_server,
    "IMG.9008": lambda service: outcomes(
        answer(service, "accepted", create_shared_image(service, **WHOLE_SERVER_BACKUP))
    )[0],
    "IMG.9009": lambda service: outcomes(
        run_batch(
            service,
            "publisher",
            "POST",
            {"images": [create_image(service)], "organizations": ["organizations::x:root:o-1/r-1"]},
        )
    )[0],
}


@pytest.mark.parametrize("code", PROVOKED)
def test_each_code_has_its_cause(service: Service, code: str) -> None:
    assert PROVOKED[code](service) == code


def test_what_a_project_shared_with_its_own_domain_is_not_among_what_it_received(service: Service) -> None:
    image_id = create_image(service)
    share_with_domain(service, image_id)
    query = f"/v2/cloudimages?id={image_id}&member_status=accepted"

    received = {
        caller: [image["id"] for image in service.client(caller).get(query).json()["images"]]
        for caller in ("publisher", "recipient")
    }

    assert received == {"publisher": [], "recipient": [image_id]}
