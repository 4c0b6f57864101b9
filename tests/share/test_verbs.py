"""Offer, answer, withdraw: what each answers, and what the Image API shows then."""

from datetime import UTC, datetime, timedelta

import pytest
from harness.service import MakeService, Service

from .calls import (
    UNKNOWN_ID,
    answer,
    create_image,
    find_item,
    find_share,
    get,
    is_listed,
    is_seen,
    list_all,
    offer,
    post,
    problem_of,
    project_of,
    send_signed,
)


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def members_of(service: Service, image_id: str) -> dict[str, str]:
    """Recipient → status, by the Image API."""
    body = service.client("publisher").get(f"/v2/images/{image_id}/members").json()
    return {member["member_id"]: member["status"] for member in body["members"]}


# ---- offer


def test_an_offer_is_a_pending_membership(service: Service) -> None:
    image = create_image(service)

    done = offer(service, image)

    assert done == {"offered": 1, "renewed": 0, "unchanged": 0, "failures": []}
    assert members_of(service, image) == {project_of(service, "recipient"): "pending"}
    assert not is_listed(service, image)


def test_an_offer_has_a_message_a_deadline_and_an_end(service: Service) -> None:
    image = create_image(service)
    answer_by, expires_at = in_days(7), in_days(30)

    offer(service, image, message="Replaces web-0.\nPlease move.", answer_by=answer_by, expires_at=expires_at)

    item = find_item(service, image)
    assert item is not None
    assert item["message"] == "Replaces web-0.\nPlease move."
    assert (item["answer_by"], item["expires_at"]) == (answer_by, expires_at)


def test_a_deadline_after_the_end_of_the_share_is_none(service: Service) -> None:
    image = create_image(service)

    offer(service, image, answer_by=in_days(30), expires_at=(end := in_days(7)))

    item = find_item(service, image)
    assert item is not None
    assert (item["answer_by"], item["expires_at"]) == (None, end)


def test_an_offer_once_more_changes_nothing(service: Service) -> None:
    image = create_image(service)
    offer(service, image, message="first", expires_at=in_days(30))
    before = find_share(service, image)

    done = offer(service, image, message="second")

    assert done == {"offered": 0, "renewed": 0, "unchanged": 1, "failures": []}
    after = find_share(service, image)
    assert after is not None
    assert before is not None
    assert after | {"usage": None} == before | {"usage": None}


def test_a_rejected_offer_is_made_again_with_the_new_terms(service: Service) -> None:
    image = create_image(service)
    offer(service, image, message="first")
    answer(service, image, status="rejected")

    done = offer(service, image, message="second")

    assert done == {"offered": 0, "renewed": 1, "unchanged": 0, "failures": []}
    item = find_item(service, image)
    assert item is not None
    assert item["message"] == "second"


def test_offers_are_pairs_of_all_images_and_all_recipients(service: Service) -> None:
    images = [create_image(service) for _ in range(3)]
    recipient, other = project_of(service, "recipient"), project_of(service, "other")
    offer(service, images[0])

    done = post(
        service, "publisher", "offers", images=images, projects=[recipient, other], domains=["elsewhere"]
    )

    assert done == {"offered": 8, "renewed": 0, "unchanged": 1, "failures": []}
    assert members_of(service, images[2]) == {recipient: "pending", other: "pending", "elsewhere": "accepted"}


def test_a_recipient_or_an_image_named_twice_counts_once(service: Service) -> None:
    image, recipient = create_image(service), project_of(service, "recipient")

    done = post(service, "publisher", "offers", images=[image, image], projects=[recipient, recipient])

    assert done["offered"] == 1


def test_a_private_image_becomes_shared_and_forgets_whom_it_was_shared_with(service: Service) -> None:
    image = create_image(service)
    offer(service, image, to="other")
    patch = [{"op": "replace", "path": "/visibility", "value": "private"}]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    service.client("publisher").patch(f"/v2/images/{image}", json=patch, headers=headers)

    offer(service, image)

    assert service.client("publisher").get(f"/v2/images/{image}").json()["visibility"] == "shared"
    assert members_of(service, image) == {project_of(service, "recipient"): "pending"}


def test_what_cannot_be_offered_is_told_image_by_image(service: Service) -> None:
    mine, foreign = create_image(service), create_image(service, "recipient")
    owner = project_of(service, "publisher")
    public = create_image(service, "admin", visibility="public", owner=owner)
    locked = create_image(service, __system__cmkid="key")
    images = [mine, foreign, UNKNOWN_ID, public, locked]

    done = post(service, "publisher", "offers", images=images, projects=[project_of(service, "other"), owner])

    assert done["offered"] == 1
    failures = {(one["image"], one["type"].rpartition("/")[2]) for one in done["failures"]}
    assert failures == {
        (mine, "not-shareable"),
        (foreign, "not-found"),
        (UNKNOWN_ID, "not-found"),
        (public, "not-shareable"),
        (locked, "not-shareable"),
    }
    of_pairs = [one for one in done["failures"] if "recipient" in one]
    assert [one["recipient"] for one in of_pairs] == [{"project": owner}]


def test_hidden_and_absent_fail_alike(service: Service) -> None:
    hidden = create_image(service, "recipient")
    to = [project_of(service, "other")]

    of_hidden = post(service, "publisher", "offers", images=[hidden], projects=to)["failures"][0]
    of_absent = post(service, "publisher", "offers", images=[UNKNOWN_ID], projects=to)["failures"][0]

    assert str(of_hidden).replace(hidden, UNKNOWN_ID) == str(of_absent)


def test_a_signature_does_the_same_as_a_token(service: Service) -> None:
    image = create_image(service)
    body = {"images": [image], "projects": [project_of(service, "recipient")]}

    response = send_signed(service, "publisher", "POST", "/share/v1/offers", body)

    assert response.json() == {"offered": 1, "renewed": 0, "unchanged": 0, "failures": []}


# ---- answer


@pytest.mark.parametrize(
    ("status", "listed", "seen"),
    [("accepted", True, True), ("rejected", False, True), ("pending", False, True), ("left", False, False)],
)
def test_an_answer_is_what_the_image_api_shows(
    service: Service, status: str, listed: bool, seen: bool
) -> None:
    image = create_image(service)
    offer(service, image)

    done = answer(service, image, status=status)

    changed = 0 if status == "pending" else 1
    assert done == {"changed": changed, "unchanged": 1 - changed, "remaining": 0, "failures": []}
    assert (is_listed(service, image), is_seen(service, image)) == (listed, seen)


def test_who_has_left_can_be_offered_again(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    answer(service, image, status="left")

    assert offer(service, image)["offered"] == 1


def test_hidden_absent_left_and_withdrawn_are_answered_alike(service: Service) -> None:
    hidden, left, withdrawn = (create_image(service) for _ in range(3))
    offer(service, left, withdrawn)
    answer(service, left, status="left")
    to = [project_of(service, "recipient")]
    post(service, "publisher", "withdrawals", images=[withdrawn], projects=to)
    images = [hidden, UNKNOWN_ID, left, withdrawn]

    done = answer(service, *images)

    assert (done["changed"], done["unchanged"]) == (0, 0)
    assert [one["image"] for one in done["failures"]] == images
    assert {one["type"] for one in done["failures"]} == {"/share/v1/problems/not-found"}
    texts = {str(one).replace(one["image"], "") for one in done["failures"]}
    assert len(texts) == 1


def test_what_a_whole_domain_has_is_not_answered(service: Service) -> None:
    image = create_image(service)
    post(service, "publisher", "offers", images=[image], domains=["default"])

    done = answer(service, image, status="rejected")

    assert [(one["image"], one["type"]) for one in done["failures"]] == [
        (image, "/share/v1/problems/conflict")
    ]
    assert is_listed(service, image)


def test_all_pending_offers_of_one_project_are_answered_at_once(service: Service) -> None:
    mine = [create_image(service) for _ in range(3)]
    theirs = create_image(service, "other")
    offer(service, *mine)
    post(service, "other", "offers", images=[theirs], projects=[project_of(service, "recipient")])
    body = {"all": "pending", "from": project_of(service, "publisher"), "answer": "accepted"}

    done = post(service, "recipient", "answers", **body)

    # Other tests have offered this project what it cannot accept in this way.
    assert done["changed"] >= 3
    assert done["remaining"] == 0
    assert not {failure["image"] for failure in done["failures"]} & set(mine)
    assert all(is_listed(service, image) for image in mine)
    assert not is_listed(service, theirs)
    assert post(service, "recipient", "answers", **body)["changed"] == 0


# ---- withdraw


def test_what_is_withdrawn_is_gone(service: Service) -> None:
    images = [create_image(service) for _ in range(2)]
    offer(service, images[0])
    answer(service, images[0])
    to = [project_of(service, "recipient")]

    done = post(service, "publisher", "withdrawals", images=images, projects=to, reason="Licence ended.")

    assert done == {"withdrawn": 1, "absent": 1, "remaining": 0, "failures": []}
    assert not is_seen(service, images[0])
    assert service.client("publisher").get(f"/v2/images/{images[0]}").json()["visibility"] == "shared"


def test_everybody_loses_what_is_withdrawn_from_everybody(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    offer(service, image, to="other")
    post(service, "publisher", "offers", images=[image], domains=["elsewhere"])

    done = post(service, "publisher", "withdrawals", images=[image], everybody=True)

    assert done == {"withdrawn": 3, "absent": 0, "remaining": 0, "failures": []}
    assert members_of(service, image) == {}


def test_a_leaving_customer_loses_everything(service: Service) -> None:
    images = [create_image(service) for _ in range(3)]
    offer(service, *images)
    offer(service, images[0], to="other")
    to = [project_of(service, "recipient")]

    done = post(service, "publisher", "withdrawals", everything=True, projects=to)

    assert done["withdrawn"] >= 3
    assert done["remaining"] == 0
    assert not any(is_seen(service, image) for image in images)
    assert is_seen(service, images[0], "other")
    assert post(service, "publisher", "withdrawals", everything=True, projects=to)["withdrawn"] == 0


def test_hidden_and_absent_are_withdrawn_alike(service: Service) -> None:
    hidden = create_image(service, "recipient")
    to = [project_of(service, "other")]

    of_hidden = post(service, "publisher", "withdrawals", images=[hidden], projects=to)
    of_absent = post(service, "publisher", "withdrawals", images=[UNKNOWN_ID], projects=to)

    assert of_absent["failures"][0]["type"] == "/share/v1/problems/not-found"
    assert str(of_hidden).replace(hidden, UNKNOWN_ID) == str(of_absent)


def test_a_recipient_withdraws_nothing(service: Service) -> None:
    image = create_image(service)
    offer(service, image)
    to = [project_of(service, "recipient")]

    done = post(service, "recipient", "withdrawals", images=[image], projects=to)

    assert [one["type"] for one in done["failures"]] == ["/share/v1/problems/forbidden"]
    assert is_seen(service, image)


# ---- bounds


def test_a_request_has_at_most_so_many_pairs(make_service: MakeService) -> None:
    server = make_service("sqlite", TRANSOM_SHARE_BATCH_LIMIT="4")
    images = [create_image(server) for _ in range(3)]
    projects = ["one", "two"]

    for verb in ("offers", "withdrawals"):
        response = server.client("publisher").post(
            f"/share/v1/{verb}", json={"images": images, "projects": projects}
        )
        problem_of(response, "limit", 413)
    for number in range(3):
        offer(server, images[number])
        post(server, "publisher", "offers", images=[images[number]], projects=["one"])

    everything = {"everything": True, "everybody": True, "sure": project_of(server, "publisher")}
    done = post(server, "publisher", "withdrawals", **everything)
    assert done == {"withdrawn": 4, "absent": 0, "remaining": 2, "failures": []}
    assert post(server, "publisher", "withdrawals", **everything)["remaining"] == 0
    assert [len(list_all(server, "publisher", f"images/{image}/shares")) for image in images] == [0, 0, 0]


def test_the_oldest_of_all_offers_wait_for_the_next_request(make_service: MakeService) -> None:
    server = make_service("sqlite", TRANSOM_SHARE_BATCH_LIMIT="2")
    images = [create_image(server) for _ in range(3)]
    for image in images:
        offer(server, image)

    done = post(server, "recipient", "answers", all="pending", answer="accepted")

    assert done == {"changed": 2, "unchanged": 0, "remaining": 1, "failures": []}
    assert [is_listed(server, image) for image in images] == [False, True, True]


def test_an_image_has_at_most_so_many_recipients(make_service: MakeService) -> None:
    server = make_service("sqlite", TRANSOM_SHARE_MEMBER_QUOTA="2")
    image = create_image(server)

    done = post(server, "publisher", "offers", images=[image], projects=["a", "b", "c"])

    assert done["offered"] == 2
    assert [(one["recipient"], one["type"]) for one in done["failures"]] == [
        ({"project": "c"}, "/share/v1/problems/limit")
    ]


def test_an_offer_that_names_no_deadline_has_the_operators(make_service: MakeService) -> None:
    server = make_service("sqlite", TRANSOM_OFFER_LIFETIME_DAYS="30")
    image = create_image(server)
    offer(server, image)

    item = find_item(server, image)

    assert item is not None
    assert in_days(29) < item["answer_by"] < in_days(31)
    assert get(server, "publisher", "")["limits"]["offer_lifetime_days"] == 30


def test_a_recipient_that_does_not_exist_is_told_where_that_is_checked(make_service: MakeService) -> None:
    server = make_service("sqlite", TRANSOM_CHECK_RECIPIENTS="true")
    image = create_image(server)
    projects = [project_of(server, "recipient"), "nobody"]

    done = post(server, "publisher", "offers", images=[image], projects=projects)

    assert done["offered"] == 1
    assert [(one["recipient"], one["type"]) for one in done["failures"]] == [
        ({"project": "nobody"}, "/share/v1/problems/not-found")
    ]
