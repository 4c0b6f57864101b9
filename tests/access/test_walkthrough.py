"""Image sharing told as a story, request by request, with whole answers checked.

The first test is the walk-through of the reference (section 4.12) in its 27 steps; after it come what a
membership's status changes (4.9), how sharing and visibility go together (4.10), and what all these answers
have in common: request ids, `Allow`, 401, and that hidden and absent look alike (1.2 to 1.6). Numbers in
comments and docstrings are sections of that reference. `answers.py` holds the shapes.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Any

import httpx
import pytest
from harness.service import Service

from .answers import (
    IMAGE_KEYS,
    JSON_PATCH,
    REQUEST_ID,
    JSONObject,
    add_member,
    answer_share,
    create_image,
    expect,
    expect_empty,
    expect_error,
    expect_image,
    expect_member,
    expect_members,
    list_image_ids,
    list_images,
    patch,
    replace,
    send,
    upload,
)

DATA = b"0123456789"
STATUSES = ["pending", "accepted", "rejected"]
NOT_AUTHORIZED = "You are not authorized to complete {} action."
ABSENT_ID = "5a1b9c3e-0000-4000-8000-000000000000"
BAD_STATUS = 'Incorrect request: Status must be "pending", "accepted" or "rejected".'


def make_image(service: Service, **properties: Any) -> str:
    return str(create_image(service.client("publisher"), **properties)["id"])


def make_share(service: Service, status: str, **properties: Any) -> str:
    """An image of project publisher whose only member, project recipient, answered with this status."""
    image_id = make_image(service, **properties)
    recipient = service.clouds["recipient"].project_id
    expect_member(
        add_member(service.client("publisher"), image_id, recipient), image_id, recipient, "pending"
    )
    answer = answer_share(service.client("recipient"), image_id, recipient, status)
    expect_member(answer, image_id, recipient, status)
    return image_id


def set_visibility(service: Service, image_id: str, visibility: str) -> JSONObject:
    """Change the visibility as admin, who may set any (2.2)."""
    answer = patch(service.client("admin"), image_id, replace("visibility", visibility))
    return expect_image(answer, 200)


# --- 4.12 -------------------------------------------------------------------------------------------------


def test_an_image_is_shared_answered_hidden_and_withdrawn(service: Service) -> None:
    """The 27 steps of 4.12; D is project publisher, A is project recipient, T is project other."""
    d_member, d_reader = service.client("publisher"), service.client("publisher-reader")
    a_member, a_reader = service.client("recipient"), service.client("recipient-reader")
    t_member = service.client("other")
    a, t = service.clouds["recipient"].project_id, service.clouds["other"].project_id

    # 1: a new image is shared, with nobody yet.
    created = send(
        d_member,
        "POST",
        "/v2/images",
        json={"name": "i", "disk_format": "raw", "container_format": "bare"},
    )
    image = expect_image(created, 201)
    image_id = image["id"]
    path = f"/v2/images/{image_id}"
    members = f"{path}/members"
    assert image.keys() == IMAGE_KEYS
    assert image["visibility"] == "shared"
    assert image["status"] == "queued"
    assert image["owner"] == service.clouds["publisher"].project_id
    assert created.headers["Location"] == f"{service.url}{path}"

    # 2: so project A does not see it.
    expect_error(send(a_member, "GET", path), 404, f"No image found with ID {image_id}")

    # 3
    expect_members(send(d_member, "GET", members), image_id, {})

    # 4: a reader of the owner project may not share.
    expect_error(add_member(d_reader, image_id, a), 403, NOT_AUTHORIZED.format("add_member"))

    # 5: an added member is pending; the answer is 200 and has no Location (4.1).
    added = add_member(d_member, image_id, a)
    expect_member(added, image_id, a, "pending")
    assert "Location" not in added.headers

    # 6
    expect_error(add_member(d_member, image_id, a), 409, f"Member {a} is duplicated for image {image_id}")

    # 7: the member sees the image and its own entry at once.
    expect_image(send(a_member, "GET", path), 200)
    expect_members(send(a_member, "GET", members), image_id, {a: "pending"})
    expect_member(send(a_member, "GET", f"{members}/{a}"), image_id, a, "pending")

    # 8: but its default list does not show what was only offered.
    assert image_id not in list_image_ids(a_member)
    assert image_id in list_image_ids(a_member, visibility="shared", member_status="pending")

    # 9 to 12: only the member may answer, not the owner, not a reader, not a stranger; and not with anything.
    expect_error(answer_share(d_member, image_id, a, "accepted"), 403, NOT_AUTHORIZED.format("modify_member"))
    expect_error(answer_share(a_reader, image_id, a, "accepted"), 403, NOT_AUTHORIZED.format("modify_member"))
    expect_error(answer_share(t_member, image_id, a, "accepted"), 404, f"Image {image_id} not found.")
    expect_error(answer_share(a_member, image_id, a, "foo"), 400, BAD_STATUS)

    # 13, 14: accepted, it is in the default list.
    expect_member(answer_share(a_member, image_id, a, "accepted"), image_id, a, "accepted")
    assert image_id in list_image_ids(a_member)

    # 15: its data are for role member, not for readers (3.7, 3.8).
    expect_empty(upload(d_member, image_id, DATA))
    with_data = expect_image(send(d_member, "GET", path), 200)
    assert with_data["status"] == "active"
    assert with_data["size"] == with_data["virtual_size"] == len(DATA)
    assert with_data["checksum"] == hashlib.md5(DATA).hexdigest()
    assert with_data["os_hash_algo"] == "sha512"
    assert with_data["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    downloaded = expect(send(a_member, "GET", f"{path}/file"), 200)
    assert downloaded.content == DATA
    assert downloaded.headers["Content-Type"] == "application/octet-stream"
    assert downloaded.headers["Content-Length"] == str(len(DATA))
    assert downloaded.headers["Content-MD5"] == hashlib.md5(DATA).hexdigest()
    expect_error(send(a_reader, "GET", f"{path}/file"), 403, NOT_AUTHORIZED.format("download_image"))

    # 16, 17: a member changes nothing, not even its own membership's existence.
    renamed = patch(a_member, image_id, replace("name", "mine"))
    expect_error(renamed, 403, NOT_AUTHORIZED.format("modify_image"))
    expect_error(send(a_member, "PUT", f"{path}/tags/mine"), 403, NOT_AUTHORIZED.format("modify_image"))
    expect_error(send(a_member, "DELETE", path), 403, NOT_AUTHORIZED.format("delete_image"))
    expect_error(add_member(a_member, image_id, t), 403, NOT_AUTHORIZED.format("add_member"))
    withdrawn = send(a_member, "DELETE", f"{members}/{a}")
    expect_error(withdrawn, 403, NOT_AUTHORIZED.format("delete_member"))

    # 18: rejecting hides the image from the list and from nothing else.
    expect_member(answer_share(a_member, image_id, a, "rejected"), image_id, a, "rejected")
    assert image_id not in list_image_ids(a_member)
    expect_image(send(a_member, "GET", path), 200)
    assert expect(send(a_member, "GET", f"{path}/file"), 200).content == DATA

    # 19, 20: a member learns nothing of the other members.
    expect_member(add_member(d_member, image_id, t), image_id, t, "pending")
    expect_members(send(a_member, "GET", members), image_id, {a: "rejected"})
    t_not_found = f"{t} not found in the member list of the image {image_id}."
    expect_error(send(a_member, "GET", f"{members}/{t}"), 404, t_not_found)
    expect_error(answer_share(a_member, image_id, t, "accepted"), 404, t_not_found)

    # 21, 22: made private, the image is hidden from its members and has no member list for its owner.
    private = expect_image(patch(d_member, image_id, replace("visibility", "private")), 200)
    assert private["visibility"] == "private"
    only_shared = f"Not allowed to list members for image {image_id}: Only shared images have members."
    expect_error(send(d_member, "GET", members), 403, only_shared)
    expect_error(send(a_member, "GET", members), 404, f"Image {image_id} not found.")

    # 23: shared again, everybody is back with the status they had.
    expect_image(patch(d_member, image_id, replace("visibility", "shared")), 200)
    expect_members(send(d_member, "GET", members), image_id, {a: "rejected", t: "pending"})

    # 24, 25: removed, project A is a stranger at once.
    expect_empty(send(d_member, "DELETE", f"{members}/{a}"))
    a_not_found = f"{a} not found in the member list of the image {image_id}."
    expect_error(send(d_member, "DELETE", f"{members}/{a}"), 404, a_not_found)
    expect_error(send(a_member, "GET", path), 404, f"No image found with ID {image_id}")

    # 26: added once more, it starts as pending.
    expect_member(add_member(d_member, image_id, a), image_id, a, "pending")

    # 27: deleted, the image has no members for anybody.
    expect_empty(send(d_member, "DELETE", path))
    for client in (d_member, a_member, t_member, service.client("admin")):
        expect_error(send(client, "GET", members), 404, f"Image {image_id} not found.")


# --- 4.9 --------------------------------------------------------------------------------------------------


def name_of_case(value: object) -> str | None:
    """The query is the case's name; what is shown gets the number that pytest gives it."""
    if not isinstance(value, dict):
        return None
    return "&".join(f"{key}={wanted}" for key, wanted in value.items()) or "no-filter"


@pytest.mark.parametrize("account", ["recipient", "recipient-reader"])
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"accepted"}),
        ({"visibility": "shared"}, {"accepted"}),
        ({"member_status": "pending"}, {"pending"}),
        ({"member_status": "accepted"}, {"accepted"}),
        ({"member_status": "rejected"}, {"rejected"}),
        ({"member_status": "all"}, {"pending", "accepted", "rejected"}),
        ({"visibility": "shared", "member_status": "pending"}, {"pending"}),
        ({"visibility": "shared", "member_status": "accepted"}, {"accepted"}),
        ({"visibility": "shared", "member_status": "rejected"}, {"rejected"}),
        ({"visibility": "shared", "member_status": "all"}, {"pending", "accepted", "rejected"}),
        ({"visibility": "all"}, {"accepted"}),
        ({"visibility": "all", "member_status": "pending"}, {"pending"}),
        ({"visibility": "all", "member_status": "rejected"}, {"rejected"}),
        ({"visibility": "all", "member_status": "all"}, {"pending", "accepted", "rejected"}),
        ({"visibility": "private", "member_status": "all"}, set()),
        ({"visibility": "community", "member_status": "all"}, set()),
        ({"visibility": "public", "member_status": "all"}, set()),
    ],
    ids=name_of_case,
)
def test_a_list_shows_what_was_shared_by_member_status(
    service: Service, account: str, query: dict[str, str], shown: set[str]
) -> None:
    batch = uuid.uuid4().hex
    image_ids = {status: make_share(service, status, name=batch) for status in STATUSES}

    listed = list_image_ids(service.client(account), name=batch, **query)

    assert listed == {image_ids[status] for status in shown}


@pytest.mark.parametrize("member_status", [*STATUSES, "all"])
def test_member_status_leaves_own_and_public_images_in_the_list(service: Service, member_status: str) -> None:
    batch = uuid.uuid4().hex
    recipient = service.client("recipient")
    own_private = create_image(recipient, name=batch, visibility="private")["id"]
    own_shared = create_image(recipient, name=batch)["id"]
    public = create_image(service.client("admin"), name=batch, visibility="public")["id"]
    community = make_image(service, name=batch, visibility="community")

    by_default = list_image_ids(recipient, name=batch, member_status=member_status)
    of_all = list_image_ids(recipient, name=batch, member_status=member_status, visibility="all")
    of_shared = list_image_ids(recipient, name=batch, member_status=member_status, visibility="shared")

    assert by_default == {own_private, own_shared, public}
    assert of_all == {own_private, own_shared, public, community}
    assert of_shared == {own_shared}


def test_listed_images_are_whole_and_each_comes_once(service: Service) -> None:
    """4.13: an image of several members is one image."""
    batch = uuid.uuid4().hex
    image_id = make_share(service, "accepted", name=batch)
    for further in ("one", "two"):
        expect_member(
            add_member(service.client("publisher"), image_id, further), image_id, further, "pending"
        )

    listed = {
        account: list_images(service.client(account), name=batch, member_status="all")
        for account in ("publisher", "recipient", "admin")
    }

    shown = expect_image(send(service.client("recipient"), "GET", f"/v2/images/{image_id}"), 200)
    assert listed == {"publisher": [shown], "recipient": [shown], "admin": [shown]}


@pytest.mark.parametrize("member_status", [*STATUSES, "all"])
def test_member_status_means_nothing_to_an_admin(service: Service, member_status: str) -> None:
    image_id = make_share(service, "rejected", name=uuid.uuid4().hex)

    assert image_id in list_image_ids(service.client("admin"), id=image_id, member_status=member_status)


@pytest.mark.parametrize("account", ["recipient", "publisher", "admin"])
def test_an_unknown_member_status_is_refused(service: Service, account: str) -> None:
    answer = send(service.client(account), "GET", "/v2/images", params={"member_status": "foo"})

    expect_error(answer, 400, "Invalid status: foo")


def test_the_owner_filter_finds_accepted_shares_of_that_owner(service: Service) -> None:
    batch = uuid.uuid4().hex
    accepted = make_share(service, "accepted", name=batch)
    make_share(service, "pending", name=batch)
    publisher = service.clouds["publisher"].project_id

    listed = list_image_ids(service.client("recipient"), name=batch, visibility="shared", owner=publisher)

    assert listed == {accepted}


@pytest.mark.parametrize("after", STATUSES)
@pytest.mark.parametrize("before", STATUSES)
def test_a_member_may_change_its_mind_in_every_direction(service: Service, before: str, after: str) -> None:
    """4.6: all nine transitions, to the same status too."""
    recipient = service.clouds["recipient"].project_id
    image_id = make_share(service, before)

    answer = answer_share(service.client("recipient-manager"), image_id, recipient, after)

    expect_member(answer, image_id, recipient, after)
    shown = send(service.client("publisher-reader"), "GET", f"/v2/images/{image_id}/members/{recipient}")
    expect_member(shown, image_id, recipient, after)


# --- 4.10 -------------------------------------------------------------------------------------------------


def test_a_new_image_is_in_effect_private(service: Service) -> None:
    image_id = make_image(service)

    for account in ("recipient", "other"):
        answer = send(service.client(account), "GET", f"/v2/images/{image_id}")
        expect_error(answer, 404, f"No image found with ID {image_id}")
    expect_members(send(service.client("publisher"), "GET", f"/v2/images/{image_id}/members"), image_id, {})


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("visibility", "shown_meanwhile"), [("private", 404), ("community", 200), ("public", 200)]
)
def test_memberships_survive_a_change_of_visibility(
    service: Service, visibility: str, shown_meanwhile: int, status: str
) -> None:
    recipient = service.clouds["recipient"].project_id
    image_id = make_share(service, status)
    path = f"/v2/images/{image_id}"

    set_visibility(service, image_id, visibility)
    expect(send(service.client("recipient"), "GET", path), shown_meanwhile)
    set_visibility(service, image_id, "shared")

    expect_members(send(service.client("publisher"), "GET", f"{path}/members"), image_id, {recipient: status})
    expect_member(
        send(service.client("recipient"), "GET", f"{path}/members/{recipient}"), image_id, recipient, status
    )


@pytest.mark.parametrize("account", ["publisher", "publisher-reader", "admin"])
@pytest.mark.parametrize("visibility", ["private", "community", "public"])
def test_an_image_that_is_not_shared_has_no_member_calls(
    service: Service, visibility: str, account: str
) -> None:
    """4.2 step 6: for whoever sees the image, whatever the role and the value sent."""
    image_id = make_share(service, "accepted")
    recipient = service.clouds["recipient"].project_id
    set_visibility(service, image_id, visibility)
    client = service.client(account)
    member = f"/v2/images/{image_id}/members/{recipient}"

    refused = f"Not allowed to {{}} members for image {image_id}"
    expect_error(add_member(client, image_id, "anybody"), 403, f"{refused.format('create')}.")
    expect_error(answer_share(client, image_id, recipient, "rejected"), 403, f"{refused.format('update')}.")
    expect_error(answer_share(client, image_id, recipient, "foo"), 403, f"{refused.format('update')}.")
    expect_error(send(client, "DELETE", member), 403, f"{refused.format('delete')}.")
    expect_error(send(client, "GET", member), 404, "Only shared images have members.")
    only_shared = f"{refused.format('list')}: Only shared images have members."
    expect_error(send(client, "GET", f"/v2/images/{image_id}/members"), 403, only_shared)


@pytest.mark.parametrize(
    ("account", "visibility", "status"),
    [
        ("publisher", "public", 403),
        ("publisher-manager", "public", 403),
        ("publisher-reader", "public", 403),
        ("recipient", "public", 403),
        ("admin", "public", 200),
        ("publisher", "community", 200),
        ("publisher-manager", "community", 200),
        ("publisher-reader", "community", 403),
        ("recipient", "community", 403),
        ("admin", "community", 200),
        ("publisher", "private", 200),
        ("publisher-reader", "private", 403),
        ("recipient", "private", 403),
        ("admin", "private", 200),
        ("other", "private", 404),
        ("other", "community", 404),
        ("other", "public", 404),
    ],
)
def test_who_may_change_the_visibility_of_a_share(
    service: Service, account: str, visibility: str, status: int
) -> None:
    """Publishing is for admins alone; the rest for them and the owner project from role member up (8)."""
    image_id = make_share(service, "accepted")

    answer = patch(service.client(account), image_id, replace("visibility", visibility))

    expect(answer, status)
    shown = expect_image(send(service.client("admin"), "GET", f"/v2/images/{image_id}"), 200)
    assert shown["visibility"] == (visibility if status == httpx.codes.OK else "shared")


@pytest.mark.parametrize("account", ["publisher", "publisher-manager"])
def test_only_an_admin_may_create_a_public_image(service: Service, account: str) -> None:
    refused = send(service.client(account), "POST", "/v2/images", json={"visibility": "public"})
    created = send(service.client("admin"), "POST", "/v2/images", json={"visibility": "public"})

    expect_error(refused, 403, NOT_AUTHORIZED.format("publicize_image"))
    assert expect_image(created, 201)["visibility"] == "public"


def test_a_community_image_is_only_listed_when_asked_for(service: Service) -> None:
    batch = uuid.uuid4().hex
    image_id = make_image(service, name=batch, visibility="community")

    for account in ("recipient", "other-reader", "admin"):
        client = service.client(account)
        assert list_image_ids(client, name=batch) == set()
        assert list_image_ids(client, name=batch, visibility="community") == {image_id}
        assert list_image_ids(client, name=batch, visibility="all") == {image_id}
    assert list_image_ids(service.client("publisher-reader"), name=batch) == {image_id}


def test_a_new_owner_that_was_a_member_counts_as_owner(service: Service) -> None:
    """Memberships stay when an admin gives the image away; the former owner becomes a stranger."""
    owner, recipient = service.client("publisher"), service.client("recipient")
    admin = service.client("admin")
    new_owner = service.clouds["recipient"].project_id
    image_id = make_share(service, "pending")
    expect_member(add_member(owner, image_id, "bystander"), image_id, "bystander", "pending")
    members = f"/v2/images/{image_id}/members"

    given = expect_image(patch(admin, image_id, replace("owner", new_owner)), 200)

    assert given["owner"] == new_owner
    expect_error(send(owner, "GET", f"/v2/images/{image_id}"), 404, f"No image found with ID {image_id}")
    both = {new_owner: "pending", "bystander": "pending"}
    expect_members(send(recipient, "GET", members), image_id, both)
    answered = answer_share(recipient, image_id, new_owner, "accepted")
    expect_error(answered, 403, NOT_AUTHORIZED.format("modify_member"))
    expect_member(answer_share(admin, image_id, new_owner, "accepted"), image_id, new_owner, "accepted")
    expect_empty(send(recipient, "DELETE", f"{members}/bystander"))
    assert image_id in list_image_ids(recipient, id=image_id, member_status="rejected")


@pytest.mark.parametrize("operation", ["replace", "add"])
@pytest.mark.parametrize("account", ["publisher", "publisher-manager"])
def test_an_owner_may_not_give_its_image_away(service: Service, account: str, operation: str) -> None:
    """3.4, and 9.3 for `add`."""
    image_id = make_image(service)
    change = {"op": operation, "path": "/owner", "value": service.clouds["recipient"].project_id}

    expect_error(patch(service.client(account), image_id, change), 403)

    shown = expect_image(send(service.client("publisher"), "GET", f"/v2/images/{image_id}"), 200)
    assert shown["owner"] == service.clouds["publisher"].project_id


@pytest.mark.parametrize("account", ["publisher", "recipient", "other", "admin"])
def test_a_deleted_image_has_no_members_for_anybody(service: Service, account: str) -> None:
    image_id = make_share(service, "accepted")
    recipient = service.clouds["recipient"].project_id
    client = service.client(account)
    member = f"/v2/images/{image_id}/members/{recipient}"

    expect_empty(send(service.client("publisher"), "DELETE", f"/v2/images/{image_id}"))

    gone = f"Image {image_id} not found."
    expect_error(send(client, "GET", f"/v2/images/{image_id}/members"), 404, gone)
    expect_error(add_member(client, image_id, "anybody"), 404, gone)
    expect_error(send(client, "GET", member), 404, gone)
    expect_error(answer_share(client, image_id, recipient, "rejected"), 404, gone)
    expect_error(send(client, "DELETE", member), 404, gone)


def test_a_deactivated_image_keeps_its_members_and_withholds_its_data(service: Service) -> None:
    owner, recipient, admin = (service.client(name) for name in ("publisher", "recipient", "admin"))
    project = service.clouds["recipient"].project_id
    image_id = make_share(service, "pending")
    path = f"/v2/images/{image_id}"
    expect_empty(upload(owner, image_id, DATA))

    expect_empty(send(owner, "POST", f"{path}/actions/deactivate"))

    for client in (owner, recipient):
        shown = expect_image(send(client, "GET", path), 200)
        assert shown["status"] == "deactivated"
        assert shown.keys() == IMAGE_KEYS
        refused = "The requested image has been deactivated. Image data download is forbidden."
        expect_error(send(client, "GET", f"{path}/file"), 403, refused)
    assert expect(send(admin, "GET", f"{path}/file"), 200).content == DATA
    expect_members(send(recipient, "GET", f"{path}/members"), image_id, {project: "pending"})
    expect_member(answer_share(recipient, image_id, project, "accepted"), image_id, project, "accepted")
    expect_member(add_member(owner, image_id, "bystander"), image_id, "bystander", "pending")
    assert image_id in list_image_ids(recipient, id=image_id)

    expect_empty(send(owner, "POST", f"{path}/actions/reactivate"))

    assert expect(send(recipient, "GET", f"{path}/file"), 200).content == DATA


def test_a_hidden_share_is_reached_by_id_and_by_lists_of_hidden_images(service: Service) -> None:
    batch = uuid.uuid4().hex
    recipient = service.client("recipient")
    accepted = make_share(service, "accepted", name=batch, os_hidden=True)
    pending = make_share(service, "pending", name=batch, os_hidden=True)
    make_share(service, "accepted", name=batch)

    shown = expect_image(send(recipient, "GET", f"/v2/images/{accepted}"), 200)

    assert shown["os_hidden"] is True
    assert not list_image_ids(recipient, name=batch) & {accepted, pending}
    assert list_image_ids(recipient, name=batch, os_hidden="true") == {accepted}
    hidden_offers = list_image_ids(recipient, name=batch, os_hidden="true", member_status="pending")
    assert hidden_offers == {pending}


def test_a_protected_image_is_shared_like_any_other(service: Service) -> None:
    image_id = make_share(service, "accepted", protected=True)
    owner, recipient = service.client("publisher"), service.clouds["recipient"].project_id
    path = f"/v2/images/{image_id}"

    refused = f"Image {image_id} is protected and cannot be deleted."
    expect_error(send(owner, "DELETE", path), 403, refused)
    expect_error(send(service.client("admin"), "DELETE", path), 403, refused)

    expect_members(send(owner, "GET", f"{path}/members"), image_id, {recipient: "accepted"})
    expect_empty(send(owner, "DELETE", f"{path}/members/{recipient}"))
    expect_member(add_member(owner, image_id, recipient), image_id, recipient, "pending")


# --- 1.2 to 1.6: what all answers have in common ------------------------------------------------------------

# Every call on one image or its members, and the text for an image that is not there (1.5).
CALLS_ON_AN_IMAGE = [
    ("GET", "", {}, "No image found with ID {id}"),
    (
        "PATCH",
        "",
        {
            "content": b'[{"op": "replace", "path": "/name", "value": "x"}]',
            "headers": {"Content-Type": JSON_PATCH},
        },
        "No image found with ID {id}",
    ),
    ("DELETE", "", {}, "Failed to find image {id} to delete"),
    ("GET", "/file", {}, "No image found with ID {id}"),
    (
        "PUT",
        "/file",
        {"content": DATA, "headers": {"Content-Type": "application/octet-stream"}},
        "No image found with ID {id}",
    ),
    ("POST", "/actions/deactivate", {}, "No image found with ID {id}"),
    ("POST", "/actions/reactivate", {}, "No image found with ID {id}"),
    ("PUT", "/tags/x", {}, "Image {id} not found."),
    ("DELETE", "/tags/x", {}, "Image {id} not found."),
    ("GET", "/members", {}, "Image {id} not found."),
    ("POST", "/members", {"json": {"member": "anybody"}}, "Image {id} not found."),
    ("GET", "/members/anybody", {}, "Image {id} not found."),
    ("PUT", "/members/anybody", {"json": {"status": "accepted"}}, "Image {id} not found."),
    ("DELETE", "/members/anybody", {}, "Image {id} not found."),
]


def face(response: httpx.Response, *ids: str) -> tuple[int, list[str], str]:
    """All that a client can tell one answer from another by, but for the ids it sent itself."""
    text = response.text
    for sent in ids:
        text = text.replace(sent, "{id}")
    return response.status_code, sorted(response.headers), text


@pytest.mark.parametrize(("method", "below", "options", "text"), CALLS_ON_AN_IMAGE)
def test_hidden_deleted_and_absent_images_look_alike(
    service: Service, method: str, below: str, options: dict[str, Any], text: str
) -> None:
    stranger = service.client("other")
    own_deleted = str(create_image(stranger)["id"])
    expect_empty(send(stranger, "DELETE", f"/v2/images/{own_deleted}"))
    image_ids = {
        "absent": str(uuid.uuid4()),
        "private": make_image(service, visibility="private"),
        "shared with nobody": make_image(service),
        "shared with another": make_share(service, "accepted"),
        "deleted": own_deleted,
        "no id at all": "no-such-image",
    }

    answers = {
        kind: send(stranger, method, f"/v2/images/{image_id}{below}", **options)
        for kind, image_id in image_ids.items()
    }

    for kind, image_id in image_ids.items():
        expect_error(answers[kind], 404, text.format(id=image_id))
    faces = {kind: face(answers[kind], image_id) for kind, image_id in image_ids.items()}
    assert faces == dict.fromkeys(image_ids, faces["absent"])


@pytest.mark.parametrize(
    ("method", "options"), [("GET", {}), ("PUT", {"json": {"status": "accepted"}}), ("DELETE", {})]
)
def test_memberships_of_others_and_absent_ones_look_alike_to_a_member(
    service: Service, method: str, options: dict[str, Any]
) -> None:
    """4.5 to 4.7: the member is looked up with the caller's eyes, before policy."""
    image_id = make_share(service, "accepted")
    expect(add_member(service.client("publisher"), image_id, "bystander"), 200)
    members = f"/v2/images/{image_id}/members"

    of_another = send(service.client("recipient"), method, f"{members}/bystander", **options)
    absent = send(service.client("recipient"), method, f"{members}/nobody", **options)

    text = f"not found in the member list of the image {image_id}."
    expect_error(of_another, 404, f"bystander {text}")
    expect_error(absent, 404, f"nobody {text}")
    assert face(of_another, "bystander") == face(absent, "nobody")


def test_hidden_and_absent_markers_look_alike(service: Service) -> None:
    """9.3: an image the caller cannot see is no marker, just as one that does not exist."""
    hidden, absent = make_image(service, visibility="private"), str(uuid.uuid4())
    stranger = service.client("other")

    with_hidden = send(stranger, "GET", "/v2/images", params={"marker": hidden})
    with_absent = send(stranger, "GET", "/v2/images", params={"marker": absent})

    expect_error(with_hidden, 400, f"No image found with ID {hidden}")
    assert face(with_hidden, hidden) == face(with_absent, absent)


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/v2/images", {}),
        ("PUT", "/v2/images", {}),
        ("POST", "/v2/images", {"content": b"no json"}),
        ("GET", f"/v2/images/{ABSENT_ID}", {}),
        ("GET", f"/v2/images/{ABSENT_ID}/members", {}),
        ("POST", f"/v2/images/{ABSENT_ID}/members", {"content": b"no json"}),
        ("GET", "/v2/schemas/member", {}),
        ("GET", "/v2/no/such/path", {}),
    ],
)
@pytest.mark.parametrize("token", [None, "no-such-token"])
def test_authentication_comes_before_everything(
    service: Service, token: str | None, method: str, path: str, options: dict[str, Any]
) -> None:
    """1.2: 401 before 404, 405 and the body; the header says where tokens are given out."""
    headers = {} if token is None else {"X-Auth-Token": token}

    answer = send(service.client(None), method, path, headers=headers, **options)

    expect_error(answer, 401, "This server could not verify that you are authorized")
    challenge = re.fullmatch(r'Keystone uri="(https?://[^"]+)"', answer.headers["WWW-Authenticate"])
    assert challenge is not None
    assert service.clouds["publisher"].auth_url.startswith(challenge[1].rstrip("/"))


@pytest.mark.parametrize(
    ("path", "allowed", "refused"),
    [
        ("/v2/images", "GET, POST", ["PUT", "PATCH", "DELETE"]),
        ("/v2/images/{id}", "GET, PATCH, DELETE", ["PUT", "POST"]),
        ("/v2/images/{id}/file", "GET, PUT", ["POST", "PATCH", "DELETE"]),
        ("/v2/images/{id}/members", "GET, POST", ["PUT", "PATCH", "DELETE"]),
        ("/v2/images/{id}/members/{member}", "GET, PUT, DELETE", ["POST", "PATCH"]),
        ("/v2/images/{id}/tags/x", "PUT, DELETE", ["GET", "POST", "PATCH"]),
        ("/v2/images/{id}/actions/deactivate", "POST", ["GET", "PUT", "DELETE"]),
        ("/v2/schemas/member", "GET", ["POST", "PUT", "DELETE"]),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    service: Service, path: str, allowed: str, refused: list[str]
) -> None:
    """1.6; HEAD is implied by GET for image data only, which is our own addition."""
    owner = service.client("publisher")
    image_id = make_share(service, "accepted")
    url = path.format(id=image_id, member=service.clouds["recipient"].project_id)

    for method in refused:
        answer = send(owner, method, url)
        expect_error(answer, 405, f"The method {method} is not allowed for this resource.")
        assert sorted(answer.headers["Allow"].split(", ")) == sorted(allowed.split(", "))


@pytest.mark.parametrize(
    "path", ["/v2/images", "/v2/images/{id}", "/v2/images/{id}/members", "/v2/schemas/member"]
)
def test_head_is_not_implied_by_get(service: Service, path: str) -> None:
    """1.6"""
    image_id = make_share(service, "accepted")

    head = expect_empty(send(service.client("publisher"), "HEAD", path.format(id=image_id)), 405)

    assert "GET" in head.headers["Allow"].split(", ")


@pytest.mark.parametrize("below", ["/members/", "/members/anybody/x", "/members/anybody/", "/tags", "/x"])
def test_an_unknown_path_below_an_image_is_not_found(service: Service, below: str) -> None:
    """1.6, 4.1: a trailing slash is not forgiven, for an image one owns either."""
    image_id = make_image(service)

    answer = send(service.client("publisher"), "GET", f"/v2/images/{image_id}{below}")

    expect_error(answer, 404, "The resource could not be found.")


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/v2/images", {}, 200),
        ("GET", "/v2/schemas/members", {}, 200),
        ("POST", "/v2/images/no-such-image/members", {"content": b"no json"}, 400),
        ("POST", "/v2/images", {"json": {"visibility": "public"}}, 403),
        ("GET", "/v2/images/no-such-image", {}, 404),
        ("GET", "/v2/no/such/path", {}, 404),
        ("PUT", "/v2/images", {}, 405),
        ("PATCH", "/v2/images/no-such-image", {"json": []}, 415),
    ],
)
def test_an_answer_behind_authentication_carries_the_request_id_sent(
    service: Service, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    """1.3: echoed, with `req-` put in front if it was missing; made up if none was sent."""
    client, name = service.client("publisher"), str(uuid.uuid4())

    without = expect(send(client, method, path, **options), status)
    bare = expect(send(client, method, path, headers={REQUEST_ID: name}, **options), status)
    full = expect(send(client, method, path, headers={REQUEST_ID: f"req-{name}"}, **options), status)

    assert len(without.headers[REQUEST_ID]) > len("req-")
    assert bare.headers[REQUEST_ID] == full.headers[REQUEST_ID] == f"req-{name}"


def test_request_ids_differ_and_have_an_upper_length(service: Service) -> None:
    """1.3, and 9.3: more than 64 characters are 431."""
    client = service.client("publisher")

    made_up = {expect(send(client, "GET", "/v2/images?limit=0"), 200).headers[REQUEST_ID] for _ in range(3)}
    longest = f"req-{'x' * 60}"
    at_limit = expect(send(client, "GET", "/v2/images?limit=0", headers={REQUEST_ID: longest}), 200)
    over_limit = send(client, "GET", "/v2/images?limit=0", headers={REQUEST_ID: f"{longest}x"})

    assert len(made_up) == 3
    assert at_limit.headers[REQUEST_ID] == longest
    assert over_limit.status_code == 431
