"""Members of a family (share-api, 7 and 8): offered, asked, answered, left, withdrawn; what they get."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from harness.service import Service

from .calls import UNKNOWN_ID, Body, problem_of, project_of
from .family_calls import FAMILIES, Published, answer_as, ask, listed_as, offer_to, ok, shown_image

NONE = {"remaining": 0, "failures": []}


@pytest.fixture
def family(service: Service) -> Iterator[Published]:
    """Gone afterwards: a project may have so many."""
    made = Published(service, f"web-{uuid.uuid4()}")
    yield made
    made.owner.delete(made.path)


def test_an_unanswered_family_gives_nothing_an_accepted_one_each_version(family: Published) -> None:
    first, second = family.image(), family.image()
    family.publish(first)

    offered = offer_to(family, "recipient", message="Take it")
    before = family.service.client("recipient").get(f"/v2/images/{first}").status_code
    accepted = answer_as(family, "recipient", "accepted")
    got = listed_as(family, "recipient")
    family.publish(second)

    assert offered == {"offered": 1, "renewed": 0, "unchanged": 0, "failures": []}
    assert before == 404
    assert accepted == {"changed": 1, "unchanged": 0, **NONE}
    assert got == [first]
    assert listed_as(family, "recipient") == [second]
    assert shown_image(family.service.client("recipient"), first)["os_share_replaced_by"] == second


def test_a_member_sees_the_versions_that_were_current_and_why_one_is_not(family: Published) -> None:
    first, second = family.image(), family.image()
    family.publish(first)
    family.publish(second)
    family.publish(promote=False)
    offer_to(family, "recipient")
    answer_as(family, "recipient", "accepted")
    recipient = family.service.client("recipient")

    ok(family.act(2, "revoke", reason="CVE-2026-1"))

    items = ok(recipient.get(f"{family.path}/versions"))["items"]
    assert [(one["number"], one["state"], one["revoke_reason"]) for one in items] == [
        (2, "revoked", "CVE-2026-1"),
        (1, "current", None),
    ]
    # It joined when the second was current: the first came by falling back.
    assert [one["image"]["id"] for one in items] == [second, first]
    assert recipient.get(f"{family.path}/versions/3").status_code == 404
    assert recipient.get(f"/v2/images/{second}/file").status_code == 403


def test_who_joins_late_is_not_shown_images_that_it_has_not(family: Published) -> None:
    family.publish()
    second = family.image()
    family.publish(second)
    offer_to(family, "recipient")
    answer_as(family, "recipient", "accepted")

    items = ok(family.service.client("recipient").get(f"{family.path}/versions"))["items"]

    assert [one["image"] and one["image"]["id"] for one in items] == [second, None]


def test_who_wants_to_be_asked_is_offered_each_version(family: Published) -> None:
    family.publish()
    offer_to(family, "recipient")
    answer_as(family, "recipient", "accepted", new_versions="pending")
    second = family.image()
    family.publish(second)
    recipient = family.service.client("recipient")

    inbox = ok(recipient.get("/share/v1/inbox", params={"kind": "image", "limit": 1000}))["items"]
    ask(family.service, "recipient", "answers", images=[second], answer="accepted")

    assert second in [item["image"]["id"] for item in inbox]
    assert listed_as(family, "recipient") == [second]
    assert family.show()["members"] == {
        "accepted": 1,
        "asked_each_time": 1,
        "pending": 0,
        "rejected": 0,
        "more": False,
    }


def test_the_list_tells_the_owner_of_members_and_the_last_promotion(family: Published) -> None:
    fresh, said = _listed(family, "publisher"), {"members", "promoted_at"}
    family.publish()
    offer_to(family, "recipient")
    answer_as(family, "recipient", "accepted")
    offer_to(family, "other")
    promoted = _listed(family, "publisher")

    assert (fresh["promoted_at"], fresh["members"]["accepted"]) == (None, 0)
    assert promoted["promoted_at"] == family.show()["current"]["promoted_at"]
    assert promoted["members"] == family.show()["members"]
    assert (promoted["members"]["accepted"], promoted["members"]["pending"]) == (1, 1)
    assert not said & set(_listed(family, "recipient"))


def _listed(family: Published, caller: str) -> Body:
    found = ok(family.service.client(caller).get(FAMILIES, params={"name": family.name}))["items"]
    return next(one for one in found if one["id"] == family.id)


@pytest.mark.parametrize("end", ["left", "withdrawn"])
def test_who_leaves_or_is_withdrawn_loses_what_the_family_brought_and_nothing_else(
    family: Published, end: str
) -> None:
    first, second = family.image(), family.image()
    project = project_of(family.service, "recipient")
    family.publish(first)
    ask(family.service, "publisher", "offers", images=[first], projects=[project])
    ask(family.service, "recipient", "answers", images=[first], answer="accepted")
    offer_to(family, "recipient")
    answer_as(family, "recipient", "accepted")
    family.publish(second)

    if end == "left":
        told = answer_as(family, "recipient", "left")
        assert told == {"changed": 1, "unchanged": 0, **NONE}
    else:
        told = ask(family.service, "publisher", "withdrawals", families=[family.id], projects=[project])
        assert told == {"withdrawn": 1, "absent": 0, **NONE}

    recipient = family.service.client("recipient")
    assert [recipient.get(f"/v2/images/{one}").status_code for one in (first, second)] == [200, 404]
    assert recipient.get(family.path).status_code == 404


def test_a_rejected_family_is_offered_again(family: Published) -> None:
    family.publish()
    offer_to(family, "recipient")
    answer_as(family, "recipient", "rejected")
    hidden = family.service.client("recipient").get(family.path).status_code

    again = offer_to(family, "recipient")

    assert (hidden, again["renewed"]) == (404, 1)
    assert family.show("recipient")["status"] == "pending"


def test_families_and_images_are_offered_together_and_each_failure_is_told(family: Published) -> None:
    first = family.image()
    project = project_of(family.service, "recipient")

    told = ask(
        family.service,
        "publisher",
        "offers",
        images=[first, UNKNOWN_ID],
        families=[family.id, UNKNOWN_ID],
        projects=[project, project_of(family.service, "publisher")],
    )

    assert (told["offered"], told["renewed"], told["unchanged"]) == (2, 0, 0)
    failures = [
        (one.get("image"), one.get("family"), one["type"].rpartition("/")[2]) for one in told["failures"]
    ]
    assert sorted(failures, key=str) == sorted(
        [
            (UNKNOWN_ID, None, "not-found"),
            (first, None, "not-shareable"),
            (None, UNKNOWN_ID, "not-found"),
            (None, family.id, "not-shareable"),
        ],
        key=str,
    )


def test_an_offered_family_stands_in_the_inbox_and_its_summary(family: Published) -> None:
    family.publish()
    recipient = family.service.client("recipient")
    before = ok(recipient.get("/share/v1/inbox/summary"))["families"]["pending"]

    offer_to(family, "recipient", message="Take it")

    newest = ok(recipient.get("/share/v1/inbox", params={"kind": "family", "limit": 1}))["items"][0]
    one = recipient.get(f"/share/v1/inbox/families/{family.id}")
    assert (newest["kind"], newest["family"]) == (
        "family",
        {"id": family.id, "name": family.name, "title": "Web server", "current_number": 1},
    )
    assert (newest["message"], "image" in newest) == ("Take it", False)
    assert ok(one) == newest
    assert ok(recipient.get("/share/v1/inbox/summary"))["families"]["pending"] == before + 1
    again = recipient.get(one.request.url.path, headers={"If-None-Match": one.headers["etag"]})
    assert again.status_code == 304
    stranger = family.service.client("other").get(f"/share/v1/inbox/families/{family.id}")
    assert stranger.status_code == 404


@pytest.mark.parametrize("verb", ["offers", "answers", "withdrawals"])
def test_a_family_of_others_looks_absent_to_each_verb(family: Published, verb: str) -> None:
    def failure(family_id: str) -> Any:
        body: dict[str, Any] = {"families": [family_id]}
        body |= {"answer": "accepted"} if verb == "answers" else {"projects": ["somebody"]}
        (one,) = ask(family.service, "other", verb, **body)["failures"]
        return one

    hidden, absent = failure(family.id), failure(UNKNOWN_ID)

    assert hidden["type"] == "/share/v1/problems/not-found"
    assert {**hidden, "family": "", "detail": hidden["detail"].replace(family.id, UNKNOWN_ID)} == {
        **absent,
        "family": "",
    }


def test_all_pending_offers_of_a_project_are_answered_at_once(family: Published) -> None:
    first = family.image()
    family.publish(first)
    offer_to(family, "recipient")
    owner = project_of(family.service, "publisher")

    told = ask(
        family.service, "recipient", "answers", **{"all": "pending", "from": owner, "answer": "accepted"}
    )

    assert told["changed"] >= 1
    assert listed_as(family, "recipient") == [first]


def test_a_membership_that_the_owner_limits_ends_with_what_it_brought(family: Published) -> None:
    first = family.image()
    family.publish(first)
    offer_to(family, "recipient", expires_at="2099-01-01T00:00:00Z")
    answer_as(family, "recipient", "accepted")
    project = project_of(family.service, "recipient")

    sooner = {"expires_at": "2098-01-01T00:00:00Z"}
    ok(family.owner.patch(f"{family.path}/members/projects/{project}", json=sooner))

    (share,) = ok(family.owner.get(f"/share/v1/images/{first}/shares"))["items"]
    assert share["expires_at"].startswith("2098")
    assert share["family"]["number"] == 1


@pytest.mark.parametrize("until", ["2099-06-01T00:00:00Z", None])
def test_an_inherited_share_does_not_outlast_the_membership_that_brought_it(
    family: Published, until: str | None
) -> None:
    """Share-api, 8: it has the end of the family's membership."""
    path = _inherited_share(family, expires_at="2099-01-01T00:00:00Z")

    longer = family.owner.patch(path, json={"expires_at": until})
    sooner = ok(family.owner.patch(path, json={"expires_at": "2098-01-01T00:00:00Z", "message": "Move"}))
    as_long = ok(family.owner.patch(path, json={"expires_at": "2099-01-01T00:00:00Z"}))

    told = problem_of(longer, "conflict", 409)
    assert "2099-01-01T00:00:00" in told["detail"]
    assert (sooner["expires_at"][:4], sooner["message"]) == ("2098", "Move")
    assert as_long["expires_at"].startswith("2099-01-01")


def test_an_inherited_share_without_an_end_is_given_any_and_loses_it_again(family: Published) -> None:
    path = _inherited_share(family)

    ending = ok(family.owner.patch(path, json={"expires_at": "2099-06-01T00:00:00Z"}))
    endless = ok(family.owner.patch(path, json={"expires_at": None}))

    assert ending["expires_at"].startswith("2099-06")
    assert endless["expires_at"] is None


def test_an_inherited_share_that_was_offered_directly_is_given_any_end(family: Published) -> None:
    path = _inherited_share(family, expires_at="2099-01-01T00:00:00Z")
    project = project_of(family.service, "recipient")
    image_id = ok(family.owner.get(f"{family.path}/current"))["image"]["id"]
    ask(family.service, "publisher", "offers", images=[image_id], projects=[project])

    share = ok(family.owner.patch(path, json={"expires_at": None}))

    assert share["expires_at"] is None


def _inherited_share(family: Published, **terms: Any) -> str:
    """The path of the share that the recipient inherited; `terms`: of the family's offer."""
    image_id = family.image()
    family.publish(image_id)
    offer_to(family, "recipient", **terms)
    answer_as(family, "recipient", "accepted")
    return f"/share/v1/images/{image_id}/shares/projects/{project_of(family.service, 'recipient')}"


def test_the_members_come_in_pages_and_the_tag_with_the_first(family: Published) -> None:
    ask(family.service, "publisher", "offers", families=[family.id], projects=["one", "two"])

    first = family.owner.get(f"{family.path}/members", params={"limit": 1})
    second = family.owner.get(ok(first)["next"])

    assert (len(ok(first)["items"]), len(ok(second)["items"]), ok(second)["next"]) == (1, 1, None)
    assert ("etag" in first.headers, "etag" in second.headers) == (True, False)


def test_the_members_are_not_replaced_blindly(family: Published) -> None:
    for headers in ({}, {"If-None-Match": '"x"'}, {"If-None-Match": "*"}):
        replaced = family.owner.put(f"{family.path}/members", json={}, headers=headers)

        problem_of(replaced, "precondition-required", 428)
