"""What of an event is shown to whom: each side its own, and the image only to who may see it."""

import msgspec
import pytest
from domain.samples import OWNER, RECIPIENT

from transom.domain.events import Actor, Event, EventData, Via
from transom.identity import Names
from transom.sharing.events import EVERYTHING, EventNames, Viewer, cloud_event, users_in

PUBLISHER = Viewer(project=OWNER, member_ids=frozenset({OWNER}))
MEMBER = Viewer(project=RECIPIENT, member_ids=frozenset({RECIPIENT}))
BY_OWNER = Actor(via=Via.SHARE, project=OWNER, user="user", request_id="req-1")
ANSWERED = Event(
    seq=1,
    at=1,
    type="share.rejected",
    owner=OWNER,
    member_id=RECIPIENT,
    image_id="image",
    family_id=None,
    actor=Actor(via=Via.SHARE, project=RECIPIENT, user="person", request_id="req-2"),
    data=EventData(image="web-1", status="rejected", was="pending"),
)
PROMOTED = Event(
    seq=2,
    at=2,
    type="family.promoted",
    owner=OWNER,
    member_id=None,
    image_id="image",
    family_id="family",
    actor=BY_OWNER,
    data=EventData(image="web-1", family="web", number=2),
)


def test_a_publisher_cannot_tell_the_answer_of_a_rule_from_that_of_a_person() -> None:
    by_rule = msgspec.structs.replace(ANSWERED, actor=Actor(via=Via.RULE, project=RECIPIENT))

    assert cloud_event(by_rule, PUBLISHER) == cloud_event(ANSWERED, PUBLISHER)
    assert cloud_event(by_rule, MEMBER)["data"]["via"] == "rule"


@pytest.mark.parametrize(
    ("viewer", "shown"),
    [(PUBLISHER, None), (MEMBER, "req-2"), (EVERYTHING, "req-2")],
    ids=["other", "own", "all"],
)
def test_a_request_is_named_to_the_side_that_made_it(viewer: Viewer, shown: str | None) -> None:
    assert cloud_event(ANSWERED, viewer)["data"]["request_id"] == shown


@pytest.mark.parametrize(
    ("viewer", "shown"),
    [(PUBLISHER, None), (MEMBER, "Ann"), (EVERYTHING, "Ann")],
    ids=["other", "own", "all"],
)
def test_a_user_is_asked_for_and_named_on_the_own_side_alone(viewer: Viewer, shown: str | None) -> None:
    names = EventNames(users={"person": Names(name="Ann")})

    assert cloud_event(ANSWERED, viewer, names)["data"]["by"]["user_name"] == shown
    assert list(users_in([ANSWERED], viewer)) == (["person"] if shown else [])


def test_what_all_members_of_a_family_are_told_does_not_name_the_image() -> None:
    shown = cloud_event(PROMOTED, MEMBER)

    assert shown["subject"] == "families/family"
    assert shown["data"]["family"] == {"id": "family", "name": "web", "number": 2}
    assert "image" not in shown["data"]


@pytest.mark.parametrize("viewer", [PUBLISHER, EVERYTHING], ids=["owner", "administrator"])
def test_the_owner_of_a_family_is_told_which_image_it_was(viewer: Viewer) -> None:
    shown = cloud_event(PROMOTED, viewer)

    assert shown["subject"] == "images/image"
    assert shown["data"]["image"] == {"id": "image", "name": "web-1"}


def test_who_got_the_image_by_a_family_is_told_which_it_was() -> None:
    granted = msgspec.structs.replace(PROMOTED, type="share.granted", member_id=RECIPIENT)

    assert cloud_event(granted, MEMBER)["data"]["image"] == {"id": "image", "name": "web-1"}
