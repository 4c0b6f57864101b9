"""The members of an image: who shares, answers, sees whom, and every refusal (images-v2, 4.1-4.12)."""

import re
from threading import Barrier, Thread
from uuid import uuid4

import httpx
import pytest
from harness.databases import over_one_database
from harness.service import MakeService, Service
from images import (
    EMOJI,
    UNKNOWN_ID,
    Image,
    brief,
    create_image,
    create_public_image,
    delete_image,
    escape,
    explanation,
    list_ids,
    share_image,
    show_image,
    update_image,
)

MEMBER_KEYS = {"member_id", "image_id", "status", "created_at", "updated_at", "schema"}
STATUSES = ["pending", "accepted", "rejected"]
BAD_BODIES = [
    (b"{", "Malformed JSON in request body."),
    (b"", "Body expected in request."),
    (b'"x"', "Unexpected body type. Expected list/dict."),
    (b"1", "Unexpected body type. Expected list/dict."),
    (b"null", "Unexpected body type. Expected list/dict."),
    (b"true", "Unexpected body type. Expected list/dict."),
]
BAD_MEMBERS = [
    ([], 'Expected a member in the form: {"member": "image_id"}'),
    (["x"], 'Expected a member in the form: {"member": "image_id"}'),
    ({}, "Member to be added not specified"),
    ({"tenant": "x"}, "Member to be added not specified"),
    ({"Member": "x"}, "Member to be added not specified"),
    ({"member": ""}, "Member can't be empty"),
    ({"member": None}, "Member can't be empty"),
    ({"member": 0}, "Member can't be empty"),
    ({"member": []}, "Member can't be empty"),
    ({"member": {}}, "Member can't be empty"),
    ({"member": False}, "Member can't be empty"),
    ({"member": 1}, "ember"),
    ({"member": True}, "ember"),
    ({"member": ["x"]}, "ember"),
    ({"member": {"id": "x"}}, "ember"),
    ({"member": "a" * 256}, "ember"),
    ({"member": "a/b"}, "ember"),
    ({"member": "a\0b"}, "ember"),
    ({"member": " a"}, "Member must not begin or end with blanks"),
    ({"member": "a "}, "Member must not begin or end with blanks"),
    ({"member": "a\n"}, "Member must not begin or end with blanks"),
    ({"member": "\N{NO-BREAK SPACE}a"}, "Member must not begin or end with blanks"),
    ({"member": " "}, "Member must not begin or end with blanks"),
    ({"member": "a\tb"}, "Member can't contain control characters"),
    ({"member": "a\x7fb"}, "Member can't contain control characters"),
    ({"member": "a\x85b"}, "Member can't contain control characters"),
    ({"member": "\N{ZERO WIDTH SPACE}a"}, "Member can't contain control characters"),
    ({"member": EMOJI}, "Member can't contain 4 byte unicode characters."),
]
GOOD_MEMBERS = ["no-such-project", "a" * 255, "é" * 255, "with space", "a.b", "100%", "a?b", "a:b"]
BAD_STATUS_BODIES = [
    ([], 'Expected a status in the form: {"status": "status"}'),
    (["accepted"], 'Expected a status in the form: {"status": "status"}'),
    ({}, "Status not specified"),
    ({"Status": "accepted"}, "Status not specified"),
]
BAD_STATUSES = ["foo", "Accepted", "", None, 1, True, ["accepted"], {"status": "accepted"}, "a\0b", EMOJI]
WRONG_STATUS = 'Incorrect request: Status must be "pending", "accepted" or "rejected".'


def members_of(image: Image) -> str:
    """The address of the image's members."""
    return f"{image['self']}/members"


def member_of(service: Service, image: Image, name: str = "recipient") -> str:
    """The address of one membership; `name` is that of a caller."""
    return f"{image['self']}/members/{service.clouds[name].project_id}"


def create_shared_image(service: Service, status: str = "pending") -> Image:
    """An image of the publisher of which the recipient is a member."""
    image = create_image(service.client("publisher"))
    share_image(service, image["id"], status)
    return image


def list_member_ids(client: httpx.Client, image: Image) -> list[str]:
    """Whom the caller sees among the members, in order."""
    response = client.get(members_of(image))
    assert response.status_code == 200, response.text
    return [member["member_id"] for member in response.json()["members"]]


def add_twice_at_once(service: Service, image: Image) -> list[int]:
    """The statuses of two adds of one member that start at the same moment, smallest first."""
    start = Barrier(2)
    statuses: list[int] = []

    def add(caller: str) -> None:
        client = service.client(caller)
        start.wait(30)
        statuses.append(client.post(members_of(image), json={"member": "project"}).status_code)

    threads = [Thread(target=add, args=(caller,)) for caller in ("publisher", "admin")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(statuses)


# Adding a member


def test_a_new_member_is_pending(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.post(members_of(image), json={"member": "project"})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert "Location" not in response.headers
    assert response.json() | {"created_at": "", "updated_at": ""} == {
        "member_id": "project",
        "image_id": image["id"],
        "status": "pending",
        "created_at": "",
        "updated_at": "",
        "schema": "/v2/schemas/member",
    }


def test_a_new_member_was_updated_when_it_was_created(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    member = publisher.post(members_of(image), json={"member": "project"}).json()

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", member["created_at"])
    assert member["updated_at"] == member["created_at"]


def test_a_new_member_does_not_touch_the_image(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    publisher.post(members_of(image), json={"member": "project"})

    assert show_image(publisher, image["id"]) == image


@pytest.mark.parametrize("member_id", GOOD_MEMBERS, ids=brief)
def test_a_member_need_not_be_a_known_project(service: Service, member_id: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.post(members_of(image), json={"member": member_id})

    assert response.status_code == 200
    shown = publisher.get(f"{members_of(image)}/{escape(member_id)}")
    assert shown.json() == response.json()


def test_further_keys_of_the_body_are_ignored(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.post(members_of(image), json={"member": "project", "can_share": True, "x": 1})

    assert response.status_code == 200
    assert response.json()["status"] == "pending"
    assert set(response.json()) == MEMBER_KEYS


@pytest.mark.parametrize("status", ["accepted", "pending", None])
def test_an_owner_may_not_answer_in_the_offer(service: Service, status: str | None) -> None:
    image = create_image(service.client("publisher"))
    offer = {"member": service.clouds["recipient"].project_id, "status": status}

    response = service.client("publisher").post(members_of(image), json=offer)

    assert response.status_code == 400
    assert "status" in explanation(response)
    assert list_member_ids(service.client("publisher"), image) == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=UTF-8", "a/b-json-patch"])
def test_a_body_is_read_whatever_its_media_type(service: Service, content_type: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.post(
        members_of(image), content=b'{"member": "project"}', headers={"Content-Type": content_type}
    )

    assert response.status_code == 200


def test_an_admin_shares_the_image_of_another_project(service: Service) -> None:
    image = create_image(service.client("publisher"))

    response = service.client("admin").post(members_of(image), json={"member": "project"})

    assert response.status_code == 200


@pytest.mark.parametrize(("body", "reason"), BAD_BODIES, ids=brief)
def test_adding_needs_a_body_of_json_even_on_an_absent_image(
    service: Service, body: bytes, reason: str
) -> None:
    response = service.client("publisher").post(f"/v2/images/{UNKNOWN_ID}/members", content=body)

    assert response.status_code == 400
    assert reason in explanation(response)


@over_one_database
@pytest.mark.parametrize(("body", "reason"), BAD_MEMBERS, ids=brief)
def test_a_member_that_cannot_be_is_refused(service: Service, body: object, reason: str) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.post(members_of(image), json=body)

    assert response.status_code == 400
    assert reason in explanation(response)
    assert list_member_ids(publisher, image) == []


@pytest.mark.parametrize("body", [[], {}, {"member": ""}, {"member": 1}], ids=brief)
def test_the_shape_of_a_body_is_found_wrong_before_the_image_is_looked_up(
    service: Service, body: object
) -> None:
    response = service.client("publisher").post(f"/v2/images/{UNKNOWN_ID}/members", json=body)

    assert response.status_code == 400


def test_a_member_is_added_once(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)
    publisher.post(members_of(image), json={"member": "project"})

    response = publisher.post(members_of(image), json={"member": "project"})

    assert response.status_code == 409
    assert f"Member project is duplicated for image {image['id']}" in explanation(response)
    assert list_member_ids(publisher, image) == ["project"]


@pytest.mark.parametrize("status", STATUSES)
def test_adding_a_member_again_does_not_change_its_answer(service: Service, status: str) -> None:
    publisher = service.client("publisher")
    image = create_shared_image(service, status)
    before = publisher.get(members_of(image)).json()

    response = publisher.post(members_of(image), json={"member": service.clouds["recipient"].project_id})

    assert response.status_code == 409
    assert publisher.get(members_of(image)).json() == before


def test_of_two_adds_at_once_one_wins_and_one_conflicts(service: Service) -> None:
    image = create_image(service.client("publisher"))

    statuses = add_twice_at_once(service, image)

    assert statuses == [200, 409]
    assert list_member_ids(service.client("publisher"), image) == ["project"]


@pytest.mark.parametrize(
    ("caller", "status"),
    [("publisher-reader", 403), ("recipient", 403), ("recipient-reader", 403), ("other", 404)],
)
def test_only_the_owner_shares(service: Service, caller: str, status: int) -> None:
    image = create_shared_image(service, "accepted")

    response = service.client(caller).post(members_of(image), json={"member": "project"})

    assert response.status_code == status
    assert list_member_ids(service.client("publisher"), image) == [service.clouds["recipient"].project_id]


def test_who_sees_but_does_not_own_is_not_authorized_to_share(service: Service) -> None:
    image = create_shared_image(service)

    response = service.client("recipient").post(members_of(image), json={"member": "project"})

    assert "You are not authorized to complete add_member action." in explanation(response)


def test_the_128th_member_is_the_last(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)
    added = {
        publisher.post(members_of(image), json={"member": f"p{number}"}).status_code for number in range(128)
    }

    response = publisher.post(members_of(image), json={"member": "one-more"})

    assert added == {200}
    assert response.status_code == 413
    assert f"Image member limit exceeded for image {image['id']}" in explanation(response)
    assert "Attempted: 129, Maximum: 128" in explanation(response)


def test_the_quota_is_a_setting_and_a_duplicate_is_told_before_it(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_MEMBER_QUOTA="1")
    publisher = service.client("publisher")
    image = create_image(publisher)
    first = publisher.post(members_of(image), json={"member": "project"})

    duplicate = publisher.post(members_of(image), json={"member": "project"})
    second = publisher.post(members_of(image), json={"member": "one-more"})

    assert [first.status_code, duplicate.status_code, second.status_code] == [200, 409, 413]


def test_a_quota_of_zero_turns_sharing_off(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_MEMBER_QUOTA="0")
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.post(members_of(image), json={"member": "project"})

    assert response.status_code == 413


def test_a_negative_quota_is_none(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_MEMBER_QUOTA="-1")
    publisher = service.client("publisher")
    image = create_image(publisher)

    added = {
        publisher.post(members_of(image), json={"member": f"p{number}"}).status_code for number in range(129)
    }

    assert added == {200}


def test_a_removed_member_does_not_count_against_the_quota(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_IMAGE_MEMBER_QUOTA="1")
    publisher = service.client("publisher")
    image = create_image(publisher)
    publisher.post(members_of(image), json={"member": "project"})
    publisher.delete(f"{members_of(image)}/project")

    response = publisher.post(members_of(image), json={"member": "one-more"})

    assert response.status_code == 200


# Listing and showing members


def test_an_image_that_is_shared_with_nobody_has_an_empty_list(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.get(members_of(image))

    assert response.status_code == 200
    assert response.json() == {"members": [], "schema": "/v2/schemas/members"}


def test_the_list_holds_whole_members(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_shared_image(service, "accepted")

    members = publisher.get(members_of(image)).json()["members"]

    assert members == [publisher.get(member_of(service, image)).json()]
    assert set(members[0]) == MEMBER_KEYS


def test_the_list_keeps_one_order(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)
    added = [
        publisher.post(members_of(image), json={"member": name}).status_code for name in ("c", "a", "d", "b")
    ]

    first = list_member_ids(publisher, image)

    assert added == [200, 200, 200, 200]
    assert sorted(first) == ["a", "b", "c", "d"]
    assert list_member_ids(publisher, image) == first


def test_a_query_changes_nothing_of_the_list(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_shared_image(service)

    response = publisher.get(f"{members_of(image)}?limit=0&marker=x&status=accepted")

    assert response.json() == publisher.get(members_of(image)).json()


@pytest.mark.parametrize("caller", ["publisher", "publisher-reader", "admin"])
def test_the_side_of_the_owner_sees_all_members(service: Service, caller: str) -> None:
    image = create_shared_image(service)
    share_image(service, image["id"], member="other")

    member_ids = list_member_ids(service.client(caller), image)

    assert sorted(member_ids) == sorted(
        [service.clouds["recipient"].project_id, service.clouds["other"].project_id]
    )


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("caller", ["recipient", "recipient-reader"])
def test_a_member_sees_only_itself_whatever_it_answered(service: Service, caller: str, status: str) -> None:
    image = create_shared_image(service, status)
    share_image(service, image["id"], member="other")

    member_ids = list_member_ids(service.client(caller), image)

    assert member_ids == [service.clouds["recipient"].project_id]


def test_a_stranger_sees_no_members(service: Service) -> None:
    image = create_shared_image(service)

    response = service.client("other").get(members_of(image))

    assert response.status_code == 404
    assert f"Image {image['id']} not found." in explanation(response)


@pytest.mark.parametrize(
    "caller", ["publisher", "publisher-reader", "admin", "recipient", "recipient-reader"]
)
def test_a_membership_is_shown_to_both_sides(service: Service, caller: str) -> None:
    image = create_shared_image(service)

    response = service.client(caller).get(member_of(service, image))

    assert response.status_code == 200
    assert response.json()["member_id"] == service.clouds["recipient"].project_id
    assert set(response.json()) == MEMBER_KEYS


@pytest.mark.parametrize("caller", ["recipient", "recipient-reader"])
def test_a_member_does_not_see_another(service: Service, caller: str) -> None:
    image = create_shared_image(service)
    share_image(service, image["id"], member="other")
    other_id = service.clouds["other"].project_id

    response = service.client(caller).get(member_of(service, image, "other"))

    assert response.status_code == 404
    assert f"{other_id} not found in the member list of the image {image['id']}." in explanation(response)


@pytest.mark.parametrize("caller", ["publisher", "admin", "recipient"])
def test_a_member_that_is_not_there_is_not_found(service: Service, caller: str) -> None:
    image = create_shared_image(service)

    response = service.client(caller).get(f"{members_of(image)}/project")

    assert response.status_code == 404
    assert f"project not found in the member list of the image {image['id']}." in explanation(response)


def test_a_stranger_is_shown_no_membership(service: Service) -> None:
    image = create_shared_image(service)

    response = service.client("other").get(member_of(service, image))

    assert response.status_code == 404
    assert f"Image {image['id']} not found." in explanation(response)


# Answering a share


@pytest.mark.parametrize("new", STATUSES)
@pytest.mark.parametrize("old", STATUSES)
def test_a_member_changes_its_answer_in_any_direction(service: Service, old: str, new: str) -> None:
    image = create_shared_image(service, old)

    response = service.client("recipient").put(member_of(service, image), json={"status": new})

    assert response.status_code == 200
    assert set(response.json()) == MEMBER_KEYS
    assert service.client("publisher").get(member_of(service, image)).json() == response.json()
    assert response.json()["status"] == new


def test_an_answer_does_not_touch_the_image(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_shared_image(service)

    service.client("recipient").put(member_of(service, image), json={"status": "accepted"})

    assert show_image(publisher, image["id"]) == image


def test_an_answer_keeps_the_time_of_the_share(service: Service) -> None:
    image = create_shared_image(service)
    before = service.client("recipient").get(member_of(service, image)).json()

    after = service.client("recipient").put(member_of(service, image), json={"status": "accepted"}).json()

    assert after["created_at"] == before["created_at"]
    assert after["updated_at"] >= before["updated_at"]


def test_further_keys_of_an_answer_are_ignored(service: Service) -> None:
    image = create_shared_image(service)

    response = service.client("recipient").put(
        member_of(service, image), json={"status": "accepted", "member": "x", "member_id": "x"}
    )

    assert response.status_code == 200
    assert response.json()["member_id"] == service.clouds["recipient"].project_id


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=UTF-8"])
def test_an_answer_is_read_whatever_its_media_type(service: Service, content_type: str) -> None:
    image = create_shared_image(service)

    response = service.client("recipient").put(
        member_of(service, image), content=b'{"status": "accepted"}', headers={"Content-Type": content_type}
    )

    assert response.status_code == 200


def test_an_admin_answers_for_a_member(service: Service) -> None:
    image = create_shared_image(service)

    response = service.client("admin").put(member_of(service, image), json={"status": "accepted"})

    assert response.status_code == 200
    assert response.json()["status"] == "accepted"


@pytest.mark.parametrize("caller", ["publisher", "publisher-reader", "recipient-reader"])
def test_nobody_else_answers_for_a_member(service: Service, caller: str) -> None:
    image = create_shared_image(service)

    response = service.client(caller).put(member_of(service, image), json={"status": "accepted"})

    assert response.status_code == 403
    assert "You are not authorized to complete modify_member action." in explanation(response)
    assert service.client("publisher").get(member_of(service, image)).json()["status"] == "pending"


def test_the_owner_does_not_answer_for_its_own_entry(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)
    added = publisher.post(members_of(image), json={"member": service.clouds["publisher"].project_id})

    response = publisher.put(member_of(service, image, "publisher"), json={"status": "accepted"})

    assert (added.status_code, response.status_code) in [(200, 403), (400, 404)]


def test_a_stranger_answers_for_nobody(service: Service) -> None:
    image = create_shared_image(service)

    response = service.client("other").put(member_of(service, image), json={"status": "accepted"})

    assert response.status_code == 404
    assert f"Image {image['id']} not found." in explanation(response)


def test_a_member_does_not_answer_for_another(service: Service) -> None:
    image = create_shared_image(service)
    share_image(service, image["id"], member="other")
    other_id = service.clouds["other"].project_id

    response = service.client("recipient").put(
        member_of(service, image, "other"), json={"status": "accepted"}
    )

    assert response.status_code == 404
    assert f"{other_id} not found in the member list of the image {image['id']}." in explanation(response)
    assert service.client("publisher").get(member_of(service, image, "other")).json()["status"] == "pending"


@pytest.mark.parametrize(("body", "reason"), BAD_BODIES, ids=brief)
def test_an_answer_needs_a_body_of_json_even_on_an_absent_image(
    service: Service, body: bytes, reason: str
) -> None:
    response = service.client("recipient").put(f"/v2/images/{UNKNOWN_ID}/members/x", content=body)

    assert response.status_code == 400
    assert reason in explanation(response)


@pytest.mark.parametrize(("body", "reason"), BAD_STATUS_BODIES, ids=brief)
def test_an_answer_needs_a_status_even_on_an_absent_image(
    service: Service, body: object, reason: str
) -> None:
    response = service.client("recipient").put(f"/v2/images/{UNKNOWN_ID}/members/x", json=body)

    assert response.status_code == 400
    assert reason in explanation(response)


@pytest.mark.parametrize("status", BAD_STATUSES, ids=brief)
@pytest.mark.parametrize("caller", ["recipient", "admin"])
def test_an_answer_is_one_of_three(service: Service, caller: str, status: object) -> None:
    image = create_shared_image(service)

    response = service.client(caller).put(member_of(service, image), json={"status": status})

    assert response.status_code == 400
    assert WRONG_STATUS in explanation(response)
    assert service.client("publisher").get(member_of(service, image)).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("caller", "member", "status"),
    [
        ("publisher", "recipient", 403),
        ("recipient-reader", "recipient", 403),
        ("other", "recipient", 404),
        ("recipient", "other", 404),
        ("admin", "other", 404),
    ],
)
def test_a_wrong_status_is_found_last_of_all(service: Service, caller: str, member: str, status: int) -> None:
    image = create_shared_image(service)

    response = service.client(caller).put(member_of(service, image, member), json={"status": "foo"})

    assert response.status_code == status


# Removing a member


@pytest.mark.parametrize("caller", ["publisher", "admin"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_member_is_removed_whatever_it_answered(service: Service, status: str, caller: str) -> None:
    image = create_shared_image(service, status)

    response = service.client(caller).delete(member_of(service, image))

    assert response.status_code == 204
    assert response.content == b""
    assert "Content-Type" not in response.headers
    assert list_member_ids(service.client("publisher"), image) == []


def test_a_removed_member_sees_the_image_no_more(service: Service) -> None:
    image = create_shared_image(service, "accepted")
    service.client("publisher").delete(member_of(service, image))

    recipient = service.client("recipient")

    assert recipient.get(image["self"]).status_code == 404
    assert list_ids(recipient, f"id={image['id']}") == []


@pytest.mark.parametrize(
    ("caller", "status"),
    [("publisher-reader", 403), ("recipient", 403), ("recipient-reader", 403), ("other", 404)],
)
def test_only_the_owner_removes_a_member_not_even_the_member(
    service: Service, caller: str, status: int
) -> None:
    image = create_shared_image(service, "accepted")

    response = service.client(caller).delete(member_of(service, image))

    assert response.status_code == status
    assert list_member_ids(service.client("publisher"), image) == [service.clouds["recipient"].project_id]


def test_a_member_is_not_authorized_to_remove_itself(service: Service) -> None:
    image = create_shared_image(service)

    response = service.client("recipient").delete(member_of(service, image))

    assert "You are not authorized to complete delete_member action." in explanation(response)


def test_a_member_is_removed_once(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_shared_image(service)
    member_id = service.clouds["recipient"].project_id
    publisher.delete(member_of(service, image))

    response = publisher.delete(member_of(service, image))

    assert response.status_code == 404
    assert f"{member_id} not found in the member list of the image {image['id']}." in explanation(response)


@pytest.mark.parametrize("status", STATUSES)
def test_a_member_that_is_added_again_is_pending(service: Service, status: str) -> None:
    publisher = service.client("publisher")
    image = create_shared_image(service, status)
    publisher.delete(member_of(service, image))

    response = publisher.post(members_of(image), json={"member": service.clouds["recipient"].project_id})

    assert response.status_code == 200
    assert response.json()["status"] == "pending"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_body_is_refused_where_none_belongs(service: Service, method: str) -> None:
    image = create_shared_image(service)

    response = service.client("publisher").request(method, member_of(service, image), content=b"{}")

    assert response.status_code == 400
    assert "A body is not expected with this request." in explanation(response)


# Images that are absent, or not shared

EVERY_CALL = [
    pytest.param("POST", "", {"member": "project"}, id="add"),
    pytest.param("GET", "", None, id="list"),
    pytest.param("GET", "/project", None, id="show"),
    pytest.param("PUT", "/project", {"status": "accepted"}, id="answer"),
    pytest.param("DELETE", "/project", None, id="remove"),
]
REFUSALS_WHEN_NOT_SHARED = [
    pytest.param("POST", "", {"member": "project"}, 403, "create members", id="add"),
    pytest.param("GET", "", None, 403, "list members", id="list"),
    pytest.param("GET", "/project", None, 404, "Only shared images have members.", id="show"),
    pytest.param("PUT", "/project", {"status": "accepted"}, 403, "update members", id="answer"),
    pytest.param("PUT", "/project", {"status": "foo"}, 403, "update members", id="answer wrongly"),
    pytest.param("DELETE", "/project", None, 403, "delete members", id="remove"),
]


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
@pytest.mark.parametrize("image_id", [UNKNOWN_ID, "not-a-uuid"])
@pytest.mark.parametrize("caller", ["publisher", "admin"])
def test_an_absent_image_is_not_found(
    service: Service, caller: str, image_id: str, method: str, path: str, body: object
) -> None:
    response = service.client(caller).request(method, f"/v2/images/{image_id}/members{path}", json=body)

    assert response.status_code == 404
    assert f"Image {image_id} not found." in explanation(response)


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
@pytest.mark.parametrize("visibility", ["private", "shared"])
def test_an_image_the_caller_cannot_see_is_not_found(
    service: Service, visibility: str, method: str, path: str, body: object
) -> None:
    image = create_image(service.client("publisher"), visibility=visibility)

    response = service.client("other").request(method, f"{members_of(image)}{path}", json=body)

    assert response.status_code == 404
    assert f"Image {image['id']} not found." in explanation(response)


@pytest.mark.parametrize(("method", "path", "body", "status", "reason"), REFUSALS_WHEN_NOT_SHARED)
@pytest.mark.parametrize("caller", ["publisher", "publisher-reader", "admin"])
@pytest.mark.parametrize("visibility", ["private", "community"])
def test_only_shared_images_have_members_even_to_owner_and_admin(
    service: Service,
    visibility: str,
    caller: str,
    method: str,
    path: str,
    body: object,
    status: int,
    reason: str,
) -> None:
    image = create_image(service.client("publisher"), visibility=visibility)

    response = service.client(caller).request(method, f"{members_of(image)}{path}", json=body)

    assert response.status_code == status
    assert reason in explanation(response)


@pytest.mark.parametrize(("method", "path", "body", "status", "reason"), REFUSALS_WHEN_NOT_SHARED)
@pytest.mark.parametrize("caller", ["publisher", "other", "recipient-reader", "admin"])
def test_a_public_image_has_no_members_to_anybody(
    service: Service, caller: str, method: str, path: str, body: object, status: int, reason: str
) -> None:
    image = create_public_image(service)

    response = service.client(caller).request(method, f"{members_of(image)}{path}", json=body)

    assert response.status_code == status
    assert reason in explanation(response)


def test_the_list_says_why_an_unshared_image_has_none(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher, visibility="private")

    response = publisher.get(members_of(image))

    assert f"Not allowed to list members for image {image['id']}: Only shared images have members." in (
        explanation(response)
    )


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_a_deleted_image_has_no_members(service: Service, method: str, path: str, body: object) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)
    publisher.post(members_of(image), json={"member": "project"})
    delete_image(publisher, image["id"])

    response = publisher.request(method, f"{members_of(image)}{path}", json=body)

    assert response.status_code == 404
    assert f"Image {image['id']} not found." in explanation(response)


# What a membership gives, and what it does not


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("caller", ["recipient", "recipient-reader"])
def test_a_member_sees_the_image_whatever_it_answered(service: Service, caller: str, status: str) -> None:
    image = create_shared_image(service, status)

    assert show_image(service.client(caller), image["id"]) == image


@pytest.mark.parametrize("visibility", ["private", "community", "public"])
def test_members_come_back_with_their_answers_when_an_image_is_shared_again(
    service: Service, visibility: str
) -> None:
    admin = service.client("admin")
    image = create_shared_image(service, "rejected")
    share_image(service, image["id"], "pending", member="other")
    before = admin.get(members_of(image)).json()

    update_image(admin, image["id"], {"op": "replace", "path": "/visibility", "value": visibility})
    update_image(admin, image["id"], {"op": "replace", "path": "/visibility", "value": "shared"})

    assert admin.get(members_of(image)).json() == before


def test_a_private_image_is_hidden_from_its_former_members(service: Service) -> None:
    image = create_shared_image(service, "accepted")

    update_image(
        service.client("publisher"), image["id"], {"op": "replace", "path": "/visibility", "value": "private"}
    )

    assert service.client("recipient").get(image["self"]).status_code == 404


def test_an_accepted_image_is_listed_and_a_rejected_one_is_not(service: Service) -> None:
    name = str(uuid4())
    image = create_image(service.client("publisher"), name=name)
    share_image(service, image["id"], "accepted")
    recipient = service.client("recipient")
    listed_when_accepted = list_ids(recipient, f"name={name}")

    recipient.put(member_of(service, image), json={"status": "rejected"})

    assert listed_when_accepted == [image["id"]]
    assert list_ids(recipient, f"name={name}") == []


def test_an_offer_is_the_only_image_a_stranger_finds_among_pending_shares(service: Service) -> None:
    name = str(uuid4())
    image = create_image(service.client("publisher"), name=name)
    share_image(service, image["id"], "pending")

    ids = list_ids(service.client("recipient"), f"visibility=shared&member_status=pending&name={name}")

    assert ids == [image["id"]]


def test_a_new_owner_that_was_a_member_counts_as_the_owner(service: Service) -> None:
    image = create_shared_image(service, "accepted")
    new_owner = service.clouds["recipient"].project_id
    update_image(
        service.client("admin"), image["id"], {"op": "replace", "path": "/owner", "value": new_owner}
    )

    added = service.client("recipient").post(members_of(image), json={"member": "project"})
    answered = service.client("recipient").put(member_of(service, image), json={"status": "rejected"})

    assert (added.status_code, answered.status_code) == (200, 403)


def test_a_blank_member_is_added_or_refused(service: Service) -> None:
    publisher = service.client("publisher")
    image = create_image(publisher)

    response = publisher.post(members_of(image), json={"member": " "})

    assert response.status_code in (200, 400)
