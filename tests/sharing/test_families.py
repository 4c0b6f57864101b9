"""What each act does to a family, its versions and their images (share-api, 8), without a database."""

from typing import Any

import msgspec
import pytest
from domain.samples import OWNER, STRANGER
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import ConflictError, NotFoundError, Reason, TransomError
from transom.domain.families import Family, Known, State, VersionImage
from transom.domain.model import NEVER, Status, Visibility
from transom.sharing.families import changes

NOW = 1_796_515_200_000_000
FAMILY = Family(
    id="family",
    owner=OWNER,
    name="web",
    title=None,
    description=None,
    support_url=None,
    current_number=None,
    last_number=0,
    provided_until=NEVER,
    created_at=1,
    updated_at=1,
)
EMPTY = Known(family=FAMILY, versions=[])


def an_image(image_id: str, **changes: Any) -> VersionImage:
    return msgspec.structs.replace(
        VersionImage(
            id=image_id,
            owner=OWNER,
            name=image_id,
            status=Status.ACTIVE,
            visibility=Visibility.PRIVATE,
            os_hidden=False,
            properties={"mine": "1"},
            updated_at=1,
        ),
        **changes,
    )


def added(known: Known, image: VersionImage, name: str | None = None) -> Known:
    return changes.describe(
        changes.add_version(known, image, name=name, notes=None, end_of_life=NEVER, now=NOW)
    )


def family(count: int, current: int | None = None) -> Known:
    """With so many versions, which were all promoted in turn, and this one last."""
    known = EMPTY
    for number in range(1, count + 1):
        known = promoted(added(known, an_image(f"image-{number}")), number)
    return promoted(known, current) if current is not None else known


def promoted(known: Known, number: int) -> Known:
    return changes.describe(changes.promote(known, number, NOW))


def image_of(known: Known, number: int) -> VersionImage:
    return changes.require_version(known, number).image


def said(known: Known, number: int) -> dict[str, str]:
    """What the image says of the family, without the prefix."""
    found = image_of(known, number).properties
    return {
        name.removeprefix("os_share_"): value for name, value in found.items() if name.startswith("os_share_")
    }


def states(known: Known) -> dict[int, str]:
    return {version.number: str(known.state_of(version)) for version in known.versions}


def shown(known: Known) -> list[int]:
    return [version.number for version in known.versions if not version.image.os_hidden]


def refused(error: type[TransomError], act: Any, *values: Any, **named: Any) -> TransomError:
    with pytest.raises(error) as raised:
        act(*values, **named)
    return raised.value


# ---- a version begins as a candidate


def test_a_candidate_is_hidden_and_says_what_it_is() -> None:
    known = added(family(1), an_image("image-2"), "1.1")

    assert (states(known), shown(known)) == ({2: "candidate", 1: "current"}, [1])
    assert said(known, 2) == {"family": "web", "version": "2", "state": "candidate"}
    assert image_of(known, 2).properties["mine"] == "1"
    assert image_of(known, 2).visibility == Visibility.PRIVATE


def test_numbers_are_not_given_twice() -> None:
    left, _image = changes.remove_version(added(family(1), an_image("image-2")), 2)

    assert states(added(left, an_image("image-3"))) == {3: "candidate", 1: "current"}


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (an_image("x", owner=STRANGER), None),
        (an_image("x", status=Status.QUEUED), Reason.IMAGE_NOT_READY),
        (an_image("x", status=Status.DEACTIVATED), Reason.IMAGE_NOT_READY),
        (an_image("x", properties={"__system__cmkid": "key"}), Reason.ENCRYPTED_NOT_SHARED),
        (an_image("x", properties={"__whole_image": "true", "__backup_id": "1"}), Reason.WHOLE_NOT_SHARED),
        (an_image("x", properties={"os_share_family": "other"}), None),
        (an_image("image-1", properties={"os_share_family": "web"}), None),
    ],
    ids=["another's", "without data", "deactivated", "encrypted", "whole server", "of another", "there"],
)
def test_an_image_that_not_all_members_could_get_is_no_version(
    image: VersionImage, reason: Reason | None
) -> None:
    assert refused(ConflictError, added, family(1), image).reason == reason


def test_two_versions_do_not_have_one_name() -> None:
    known = added(EMPTY, an_image("image-1"), "1.0")

    refused(ConflictError, added, known, an_image("image-2"), "1.0")


# ---- promote, roll back


def test_the_promoted_version_is_the_one_that_is_found() -> None:
    known = family(3)

    assert (states(known), shown(known)) == ({3: "current", 2: "superseded", 1: "superseded"}, [3])
    assert said(known, 3) == {"family": "web", "version": "3", "state": "current"}
    assert said(known, 1) == {
        "family": "web", "version": "1", "state": "superseded", "replaced_by": "image-3"
    }  # fmt: skip


def test_a_roll_back_names_the_older_version_as_the_one_that_replaces_the_others() -> None:
    known = family(3, current=2)

    assert (states(known), shown(known)) == ({3: "superseded", 2: "current", 1: "superseded"}, [2])
    assert [said(known, number).get("replaced_by") for number in (3, 2, 1)] == ["image-2", None, "image-2"]


def test_a_private_image_becomes_shared_and_others_stay_what_they_are() -> None:
    known = EMPTY
    for number, visibility in enumerate(Visibility, start=1):
        known = promoted(added(known, an_image(f"image-{number}", visibility=visibility)), number)

    found = [image_of(known, number).visibility for number in (1, 2, 3, 4)]
    assert found == [Visibility.SHARED, Visibility.SHARED, Visibility.COMMUNITY, Visibility.PUBLIC]


def test_promoting_what_is_current_puts_right_what_its_owner_hid() -> None:
    known = family(2)
    hidden = [
        msgspec.structs.replace(
            one, image=msgspec.structs.replace(one.image, os_hidden=not one.image.os_hidden)
        )
        for one in known.versions
    ]

    assert shown(promoted(msgspec.structs.replace(known, versions=hidden), 2)) == [2]


def test_a_version_says_when_it_became_current_last() -> None:
    back = changes.promote(family(3), 1, NOW + 1)
    again = changes.promote(back, 1, NOW + 2)
    fallen_back = changes.revoke(back, 1, None, NOW + 3)
    left_alone = changes.drop_version(fallen_back, changes.require_version(fallen_back, 3), NOW + 4)

    told = [[one.promoted_at for one in known.versions] for known in (back, again, fallen_back, left_alone)]
    assert told == [
        [NOW, NOW, NOW + 1],
        [NOW, NOW, NOW + 1],
        [NOW + 3, NOW, NOW + 1],
        [NOW + 4, NOW + 1],
    ]


@pytest.mark.parametrize("number", [0, 4, 2**63])
def test_a_version_that_is_not_there_is_not_promoted(number: int) -> None:
    refused(NotFoundError, changes.promote, family(3), number, NOW)


def test_a_revoked_version_is_not_promoted() -> None:
    known = changes.revoke(family(2), 1, None, NOW)

    refused(ConflictError, changes.promote, known, 1, NOW)


# ---- revoke, restore


def test_revoking_the_current_version_falls_back_to_the_newest_that_can_be() -> None:
    known = changes.describe(changes.revoke(changes.revoke(family(4), 3, None, NOW), 4, "CVE-1", NOW))

    assert states(known) == {4: "revoked", 3: "revoked", 2: "current", 1: "superseded"}
    assert shown(known) == [2]
    assert image_of(known, 4).status == Status.DEACTIVATED
    assert said(known, 4) == {
        "family": "web", "version": "4", "state": "revoked", "revoke_reason": "CVE-1",
        "replaced_by": "image-2",
    }  # fmt: skip


def test_it_falls_back_neither_to_a_candidate_nor_to_an_image_that_is_not_active() -> None:
    known = added(family(3), an_image("image-4"))
    versions = [
        msgspec.structs.replace(one, image=msgspec.structs.replace(one.image, status=Status.DEACTIVATED))
        if one.number == 2
        else one
        for one in known.versions
    ]

    left = changes.revoke(msgspec.structs.replace(known, versions=versions), 3, None, NOW)

    assert states(left) == {4: "candidate", 3: "revoked", 2: "superseded", 1: "current"}


def test_with_nothing_to_fall_back_to_there_is_no_current_version() -> None:
    known = changes.describe(changes.revoke(added(family(1), an_image("image-2")), 1, None, NOW))

    assert (known.current, shown(known)) == (None, [])
    assert "replaced_by" not in said(known, 1)
    assert image_of(known, 1).status == Status.DEACTIVATED


def test_what_was_deactivated_before_stays_so_when_it_is_restored() -> None:
    known = family(2)
    older = msgspec.structs.replace(image_of(known, 1), status=Status.DEACTIVATED)
    versions = [known.versions[0], msgspec.structs.replace(known.versions[1], image=older)]
    known = msgspec.structs.replace(known, versions=versions)

    restored = {
        number: image_of(changes.restore(changes.revoke(known, number, None, NOW), number), number).status
        for number in (1, 2)
    }

    assert restored == {1: Status.DEACTIVATED, 2: Status.ACTIVE}


def test_the_current_version_is_not_revoked_where_nothing_may_take_its_place() -> None:
    refused(ConflictError, changes.revoke, family(2), 2, None, NOW, fall_back=False)


def test_another_version_is_revoked_whatever_is_said_of_falling_back() -> None:
    known = changes.revoke(family(2), 1, None, NOW, fall_back=False)

    assert states(known) == {2: "current", 1: "revoked"}


@pytest.mark.parametrize(
    ("first", "second", "then"), [("a", None, "a"), ("a", "a", "a"), ("a", "b", "b"), (None, "b", "b")]
)
def test_of_what_was_revoked_only_the_reason_changes(
    first: str | None, second: str | None, then: str | None
) -> None:
    known = changes.revoke(family(2), 1, first, NOW)

    again = changes.revoke(known, 1, second, NOW + 1)

    assert again == changes.revoke(family(2), 1, then, NOW)


def test_a_restored_version_can_be_used_and_is_not_current_by_itself() -> None:
    revoked = changes.describe(changes.revoke(family(2), 2, "CVE-1", NOW))

    known = changes.describe(changes.restore(revoked, 2))

    assert (states(known), shown(known)) == ({2: "superseded", 1: "current"}, [1])
    assert image_of(known, 2).status == Status.ACTIVE
    assert "revoke_reason" not in said(known, 2)


def test_a_restored_candidate_is_one_again() -> None:
    revoked = changes.revoke(added(EMPTY, an_image("image-1")), 1, None, NOW)

    assert states(changes.restore(revoked, 1)) == {1: "candidate"}


def test_a_version_says_when_it_is_to_be_revoked() -> None:
    at = NOW + 1_500_000
    known = changes.describe(changes.schedule_revocation(family(1), 1, at, "end of support"))

    assert said(known, 1)["revoke_at"] == "2026-12-06T00:00:01.500000Z"
    assert "revoke_at" not in said(changes.describe(changes.schedule_revocation(known, 1, NEVER, None)), 1)
    assert states(known) == {1: "current"}


# ---- leaving


@pytest.mark.parametrize("was_hidden", [True, False])
def test_an_image_that_leaves_is_as_it_was(was_hidden: bool) -> None:
    image = an_image("image-2", os_hidden=was_hidden)

    left, released = changes.remove_version(added(family(1), image), 2)

    assert (states(left), released) == ({1: "current"}, image)


def test_the_current_version_does_not_leave() -> None:
    refused(ConflictError, changes.remove_version, family(2), 2)


# ---- laws

numbers = st.integers(1, 4)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("promote"), numbers),
        st.tuples(st.just("revoke"), numbers),
        st.tuples(st.just("restore"), numbers),
        st.tuples(st.just("remove"), numbers),
        st.tuples(st.just("add"), st.just(0)),
    ),
    max_size=12,
)


@given(acts=acts)
def test_at_most_one_version_is_found_and_it_is_the_current_one(acts: list[tuple[str, int]]) -> None:
    known = family(2)
    for step, (act, number) in enumerate(acts):
        try:
            known = changes.describe(_after(known, act, number, step))
        except TransomError:
            continue
        current = known.current
        assert shown(known) == ([] if current is None else [current.number])
        assert states(known) == {one.number: said(known, one.number)["state"] for one in known.versions}
        named = {said(known, one.number).get("replaced_by") for one in known.versions}
        assert named <= {None, current.image.id if current is not None else None}
        assert current is None or known.state_of(current) is State.CURRENT


def _after(known: Known, act: str, number: int, step: int) -> Known:
    if act == "add":
        return added(known, an_image(f"new-{step}"))
    if act == "promote":
        return changes.promote(known, number, NOW)
    if act == "revoke":
        return changes.revoke(known, number, None, NOW)
    if act == "restore":
        return changes.restore(known, number)
    return changes.remove_version(known, number)[0]
