"""Every caller asks everything of an image in every state of sharing; `table.py` holds the right answers.

One case is one visibility, one state of the membership and one caller; it reports all wrong answers at once.
What the caller may not do is tried on one image, which must come out unharmed; what it may do and what
changes the image is done to an image of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import httpx
import pytest
from harness.service import Service

from .answers import (
    add_member,
    answer_share,
    create_image,
    expect,
    expect_empty,
    expect_members,
    list_image_ids,
    patch,
    replace,
    send,
    upload,
)
from .table import CALLERS, MEMBERSHIPS, TABLE, VISIBILITIES, answers_for

ACCOUNTS = {
    "owner-member": "publisher",
    "owner-manager": "publisher-manager",
    "owner-reader": "publisher-reader",
    "recipient-member": "recipient",
    "recipient-reader": "recipient-reader",
    "other-member": "other",
    "other-reader": "other-reader",
    "admin": "admin",
    "anonymous": None,
}
BYSTANDER = "bystander"
#: Each visibility and each membership once.
IN_SHORT = [
    ("private", "none"),
    ("shared", "none"),
    ("shared", "accepted"),
    ("community", "pending"),
    ("public", "rejected"),
]
DATA = b"some bytes of a disk"


class Case:
    """An image of project publisher in one state of sharing, and one caller who asks things of it."""

    def __init__(self, service: Service, visibility: str, membership: str, caller: str) -> None:
        self.service = service
        self.visibility = visibility
        self.membership = membership
        self.caller = service.client(ACCOUNTS[caller])
        self.recipient = service.clouds["recipient"].project_id
        self.image_id = self.make_image()

    @property
    def path(self) -> str:
        return f"/v2/images/{self.image_id}"

    @property
    def members(self) -> dict[str, str]:
        """The members the image was given, by status."""
        recipient = {} if self.membership == "none" else {self.recipient: self.membership}
        return {BYSTANDER: "pending", **recipient}

    def make_image(self) -> str:
        """Make a further image in this state: shared first, then answered, then its visibility changed."""
        owner = self.service.client("publisher")
        image_id = str(create_image(owner, name="original")["id"])
        expect_empty(upload(owner, image_id, DATA))
        for member_id, status in self.members.items():
            expect(add_member(owner, image_id, member_id), 200)
            if status != "pending":
                expect(answer_share(self.service.client("recipient"), image_id, member_id, status), 200)
        if self.visibility != "shared":
            # Only an admin may publish (2.2).
            changer = self.service.client("admin") if self.visibility == "public" else owner
            expect(patch(changer, image_id, replace("visibility", self.visibility)), 200)
        return image_id

    def ask(self, action: str, answer: str) -> str:
        """Do this action and return what came, in the words of the table."""
        if action not in CHANGES or not answer.startswith("2"):
            return ACTIONS[action](self)
        shared_image_id, self.image_id = self.image_id, self.make_image()
        try:
            return ACTIONS[action](self)
        finally:
            self.image_id = shared_image_id


def status_of(response: httpx.Response) -> str:
    return str(response.status_code)


def look_in_list(case: Case, **query: str) -> str:
    """Look for this image alone, so that the many others of a shared service do not matter."""
    answer = send(case.caller, "GET", "/v2/images", params={"id": case.image_id, **query})
    if answer.status_code != httpx.codes.OK:
        return status_of(answer)
    found = [image["id"] for image in answer.json()["images"]]
    return {(): "no", (case.image_id,): "yes"}.get(tuple(found), f"a list with {found}")


def download(case: Case) -> str:
    answer = send(case.caller, "GET", f"{case.path}/file")
    if answer.status_code != httpx.codes.OK:
        return status_of(answer)
    return "200" if answer.content == DATA else f"200 with {answer.content!r}"


def list_members(case: Case) -> str:
    answer = send(case.caller, "GET", f"{case.path}/members")
    if answer.status_code != httpx.codes.OK:
        return status_of(answer)
    found = sorted(member["member_id"] for member in answer.json()["members"])
    if found == sorted(case.members):
        return "all"
    return "own" if found == [case.recipient] else f"200 with {found}"


def show_membership(case: Case, member_id: str) -> str:
    return status_of(send(case.caller, "GET", f"{case.path}/members/{member_id}"))


def set_membership(case: Case, member_id: str, status: str) -> str:
    return status_of(answer_share(case.caller, case.image_id, member_id, status))


def deactivate(case: Case) -> str:
    return status_of(send(case.caller, "POST", f"{case.path}/actions/deactivate"))


ACTIONS: dict[str, Callable[[Case], str]] = {
    "in default list": look_in_list,
    "in list of its visibility": lambda case: look_in_list(case, visibility=case.visibility),
    "in list of its visibility, any member status": lambda case: look_in_list(
        case, visibility=case.visibility, member_status="all"
    ),
    "in list of all visibilities": lambda case: look_in_list(case, visibility="all"),
    "show": lambda case: status_of(send(case.caller, "GET", case.path)),
    "download": download,
    "list members": list_members,
    "show recipient's membership": lambda case: show_membership(case, case.recipient),
    "show bystander's membership": lambda case: show_membership(case, BYSTANDER),
    "accept for recipient": lambda case: set_membership(case, case.recipient, "accepted"),
    "accept for bystander": lambda case: set_membership(case, BYSTANDER, "accepted"),
    "set status foo for recipient": lambda case: set_membership(case, case.recipient, "foo"),
    "add a member": lambda case: status_of(add_member(case.caller, case.image_id, uuid.uuid4().hex)),
    "remove recipient": lambda case: status_of(
        send(case.caller, "DELETE", f"{case.path}/members/{case.recipient}")
    ),
    "rename": lambda case: status_of(patch(case.caller, case.image_id, replace("name", "renamed"))),
    "tag": lambda case: status_of(send(case.caller, "PUT", f"{case.path}/tags/new")),
    "upload again": lambda case: status_of(upload(case.caller, case.image_id, b"other bytes")),
    "deactivate": deactivate,
    "delete": lambda case: status_of(send(case.caller, "DELETE", case.path)),
    "show deactivated": lambda case: status_of(send(case.caller, "GET", case.path)),
    "download deactivated": download,
}
ON_DEACTIVATED = frozenset(["show deactivated", "download deactivated"])
CHANGES = frozenset(
    [
        "accept for recipient",
        "accept for bystander",
        "set status foo for recipient",
        "add a member",
        "remove recipient",
        "rename",
        "tag",
        "upload again",
        "deactivate",
        "delete",
    ]
)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("membership", MEMBERSHIPS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_each_caller_gets_the_answers_of_the_table(
    service: Service, visibility: str, membership: str, caller: str
) -> None:
    hold_to_table(service, visibility, membership, caller)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(("visibility", "membership"), IN_SHORT)
def test_the_table_holds_for_tokens_of_a_real_keystone(
    keystone_service: Service, visibility: str, membership: str, caller: str
) -> None:
    """In short: where roles and projects come from has no bearing on what an image is."""
    hold_to_table(keystone_service, visibility, membership, caller)


def hold_to_table(service: Service, visibility: str, membership: str, caller: str) -> None:
    expected = answers_for(visibility, membership, caller)
    case = Case(service, visibility, membership, caller)
    untouched = read_all(case)

    found = {
        action: case.ask(action, answer)
        for action, answer in expected.items()
        if action not in ON_DEACTIVATED
    }
    refused_left = read_all(case)
    # Unjudged here, so that all wrong answers are reported: were it refused, the downloads would tell.
    send(service.client("publisher"), "POST", f"{case.path}/actions/deactivate")
    found |= {action: case.ask(action, expected[action]) for action in ON_DEACTIVATED}

    wrong = [
        f"{action}: {found[action]}, not {answer}"
        for action, answer in expected.items()
        if found[action] != answer
    ]
    assert not wrong, "\n".join([f"{caller}, {visibility}, {membership}:", *wrong])
    assert refused_left == untouched, "a refused request changed the image"
    expect_members_kept(case)


def read_all(case: Case) -> object:
    """All that an admin can read of the image, its time of update included."""
    admin = case.service.client("admin")
    return send(admin, "GET", case.path).json(), send(admin, "GET", f"{case.path}/file").content


def expect_members_kept(case: Case) -> None:
    """No refused request and no change of visibility touched a membership (4.10)."""
    owner = case.service.client("publisher")
    expect(patch(owner, case.image_id, replace("visibility", "shared")), 200)
    expect_members(send(owner, "GET", f"{case.path}/members"), case.image_id, case.members)


def test_the_table_and_the_actions_name_the_same_things() -> None:
    assert [block.action for block in TABLE] == list(ACTIONS)


def test_the_default_list_names_what_it_contains_without_any_filter(service: Service) -> None:
    """The table looks for one image by id; without any filter the list says the same (3.2, 4.9)."""
    accepted = Case(service, "shared", "accepted", "recipient-member")
    pending = Case(service, "shared", "pending", "recipient-member")

    listed = list_image_ids(service.client("recipient"))

    assert accepted.image_id in listed
    assert pending.image_id not in listed
