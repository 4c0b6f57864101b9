"""What whoever is refused is told, to the letter, and the terms that an offer ends up with."""

from collections.abc import Callable

import msgspec
import pytest
from domain.samples import OWNER, RECIPIENT, STRANGER, caller, image, member, refusal_of
from msgspec import UNSET

from transom.domain import families
from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
    TransomError,
)
from transom.domain.memberships import ChangeTerms, Found, NewTerms, Seen, Terms
from transom.domain.model import NEVER, Caller, Member, Visibility
from transom.sharing import rules
from transom.sharing.families import rules as family_rules

from .test_families import FAMILY, added, an_image, family

PUBLISHER, RECEIVER, PASSER_BY = caller(), caller("member", RECIPIENT), caller("member", STRANGER)
ADMIN = caller("admin", STRANGER)
WHOLE = {"__whole_image": "true", "__backup_id": "backup"}


def allowed_by_the_operator(who: Caller, rule: str) -> Caller:
    """This caller where the operator's rule lets everybody do this to whatever there is."""
    rules = {**who.policy.rules, rule: lambda _caller, _target: True}
    return msgspec.structs.replace(who, policy=msgspec.structs.replace(who.policy, rules=rules))


PASSER_BY_READING_ALL = allowed_by_the_operator(PASSER_BY, "get_members")
RECEIVER_ANSWERING_ALL = allowed_by_the_operator(RECEIVER, "modify_member")


def found(is_member: bool = False, asked: Member | None = None, **changes: object) -> Found:
    return Found(image_id="image", image=image(**changes), is_member=is_member, member=asked)


def seen(is_member: bool = False, **changes: object) -> Seen:
    shared = Seen(
        ids=["image"], owner=OWNER, visibility=Visibility.SHARED, properties={}, is_member=is_member
    )
    return msgspec.structs.replace(shared, **changes)


def stands(status: str | None, sees_current: bool = False) -> families.Seen:
    return families.Seen(family=FAMILY, status=status, sees_current=sees_current)


def share(image: Seen | None, who: Caller = PUBLISHER) -> Callable[[], object]:
    return lambda: rules.share_from(who, image, "image")


ABSENT = "Image image not found."
REFUSALS: list[tuple[Callable[[], object], type[TransomError], str, Reason | None]] = [
    (
        lambda: rules.offer(PUBLISHER, found(asked=member()), RECIPIENT),
        ConflictError,
        "Member recipient-project is duplicated for image image",
        None,
    ),
    (
        lambda: rules.require_room("image", 3, 3),
        LimitExceededError,
        "Image member limit exceeded for image image: The limit has been exceeded on the number of allowed "
        "image members for this image. Attempted: 4, Maximum: 3",
        None,
    ),
    (
        lambda: rules.answer(RECEIVER, found(True, member()), RECIPIENT, "foo"),
        InvalidError,
        'Incorrect request: Status must be "pending", "accepted" or "rejected".',
        Reason.MEMBER_STATUS_INVALID,
    ),
    (
        lambda: rules.answer_for_itself(ADMIN, found(False, member()), member(), "accepted", None, 1),
        ForbiddenError,
        "An offer is answered by the project that it was made to.",
        Reason.NOT_OWNER,
    ),
    (
        lambda: rules.answer_for_itself(PASSER_BY, found(), member(STRANGER), "accepted", None, 1),
        NotFoundError,
        ABSENT,
        Reason.IMAGE_UNKNOWN,
    ),
    (
        lambda: rules.answer_for_itself(
            RECEIVER, found(True, member(), properties=WHOLE), member(), "accepted", None, 1
        ),
        InvalidError,
        "vault_id: image image holds a server's backup and is accepted with a vault only.",
        Reason.VAULT_MISSING,
    ),
    (
        lambda: rules.show_member(PUBLISHER, found(visibility="private"), RECIPIENT),
        NotFoundError,
        "Only shared images have members.",
        Reason.MEMBER_UNKNOWN,
    ),
    (
        lambda: rules.withdraw(PUBLISHER, found(), "nobody"),
        NotFoundError,
        "nobody not found in the member list of the image image.",
        Reason.MEMBER_UNKNOWN,
    ),
    (
        lambda: rules.answer(PUBLISHER, found(), "nobody", "accepted"),
        NotFoundError,
        "nobody not found in the member list of the image image.",
        Reason.MEMBER_UNKNOWN,
    ),
    (share(None), NotFoundError, "No image found with ID image", Reason.IMAGE_UNKNOWN),
    (
        lambda: rules.withdraw_from(PUBLISHER, None, "image"),
        NotFoundError,
        "No image found with ID image",
        Reason.IMAGE_UNKNOWN,
    ),
    (share(seen(), PASSER_BY), NotFoundError, "No image found with ID image", Reason.IMAGE_UNKNOWN),
    (
        share(seen(visibility="public")),
        ForbiddenError,
        "Image image is public: who may see it needs no membership.",
        Reason.PUBLIC_NOT_SHARED,
    ),
    (
        share(seen(properties={"__system__cmkid": "key"})),
        ForbiddenError,
        "Image image is encrypted: its recipients could not use it without its key.",
        Reason.ENCRYPTED_NOT_SHARED,
    ),
    (
        share(seen(properties={"__whole_image": "true"})),
        ForbiddenError,
        "Image image holds a whole server and was not made from a backup: it cannot be shared.",
        Reason.WHOLE_NOT_SHARED,
    ),
    (
        lambda: rules.share_once_more(found(asked=member()), RECIPIENT),
        ConflictError,
        "Image image is shared with recipient-project already.",
        Reason.MEMBER_EXISTS,
    ),
    (
        lambda: rules.answer_offer(RECEIVER, seen(), "image", accepts=True, vault_id=None),
        NotFoundError,
        "Image image is not offered to this project.",
        Reason.MEMBER_UNKNOWN,
    ),
    (
        lambda: rules.answer_offer(RECEIVER_ANSWERING_ALL, seen(), "image", accepts=True, vault_id=None),
        NotFoundError,
        "Image image is not offered to this project.",
        Reason.MEMBER_UNKNOWN,
    ),
    (
        lambda: rules.answer_offer(
            RECEIVER, seen(True, properties=WHOLE), "image", accepts=True, vault_id=None
        ),
        InvalidError,
        "vault_id: image image holds a server's backup and is accepted with a vault only.",
        Reason.VAULT_MISSING,
    ),
    (lambda: rules.see_shares(RECEIVER, found(True)), NotFoundError, ABSENT, Reason.IMAGE_UNKNOWN),
    (lambda: rules.replace_shares(ADMIN, None, "image"), NotFoundError, ABSENT, Reason.IMAGE_UNKNOWN),
    (
        lambda: rules.replace_shares(RECEIVER, seen(True), "image"),
        NotFoundError,
        ABSENT,
        Reason.IMAGE_UNKNOWN,
    ),
    (
        lambda: rules.replace_shares(PUBLISHER, seen(visibility="public"), "image"),
        ForbiddenError,
        "Image image is public: who may see it needs no membership.",
        Reason.PUBLIC_NOT_SHARED,
    ),
    (
        lambda: rules.new_terms(member(status="accepted"), NewTerms(answer_by=5)),
        ConflictError,
        "The offer was answered already: its `answer_by` can no longer be changed.",
        None,
    ),
    (
        lambda: _raise(rules.recipient_unknown("p")),
        NotFoundError,
        "No project found with ID p",
        Reason.RECIPIENT_UNKNOWN,
    ),
    (
        lambda: _raise(rules.recipient_unknown("organization/o")),
        NotFoundError,
        "No organization found with ID o",
        Reason.ORGANIZATION_UNKNOWN,
    ),
    (
        lambda: _raise(rules.shared_with_oneself("member_id")),
        InvalidError,
        "member_id: a project does not share images with itself.",
        Reason.ONESELF,
    ),
    (
        lambda: family_rules.see_family(ADMIN, None, "family"),
        NotFoundError,
        "No family found with ID family.",
        None,
    ),
    (
        lambda: family_rules.see_family(PASSER_BY, stands("rejected"), "family"),
        NotFoundError,
        "No family found with ID family.",
        None,
    ),
    (
        lambda: family_rules.see_versions(RECEIVER, stands("pending", sees_current=True)),
        NotFoundError,
        "The versions of a family are seen by those who have accepted it.",
        None,
    ),
    (
        lambda: family_rules.see_version(PUBLISHER, stands(None), None, 7),
        NotFoundError,
        "The family has no version 7.",
        None,
    ),
    (
        lambda: family_rules.see_members(PASSER_BY_READING_ALL, stands(None)),
        ForbiddenError,
        "The members of a family are shown to its owner.",
        Reason.NOT_OWNER,
    ),
    (
        lambda: family_rules.take_image(PUBLISHER, None, "image"),
        NotFoundError,
        "No image found with ID image",
        Reason.IMAGE_UNKNOWN,
    ),
    (
        lambda: family_rules.take_image(PUBLISHER, an_image("image", owner=STRANGER), "image"),
        NotFoundError,
        "No image found with ID image",
        Reason.IMAGE_UNKNOWN,
    ),
]


def _raise(error: TransomError) -> None:
    raise error


@pytest.mark.parametrize(("act", "error", "text", "reason"), REFUSALS, ids=[one[2] for one in REFUSALS])
def test_a_refusal_says_why(
    act: Callable[[], object], error: type[TransomError], text: str, reason: Reason | None
) -> None:
    assert refusal_of(act) == (error, text, reason)


# ---- who sees what is left when nothing refuses


def test_who_sees_all_shares_gets_the_image() -> None:
    asked = found()

    assert rules.see_shares(PUBLISHER, asked) is asked.image
    assert rules.see_shares(ADMIN, asked) is asked.image


@pytest.mark.parametrize("who", [PUBLISHER, ADMIN])
def test_all_recipients_are_replaced_by_the_owner_or_an_admin(who: Caller) -> None:
    image = seen()

    assert rules.replace_shares(who, image, "image") is image


@pytest.mark.parametrize(
    ("status", "sees_current", "family_seen", "versions_seen", "current_seen"),
    [
        ("accepted", False, True, True, True),
        ("accepted", True, True, True, True),
        ("pending", False, True, False, False),
        ("pending", True, True, False, False),
        ("rejected", False, False, False, False),
        ("rejected", True, True, False, False),
        (None, False, False, False, False),
        (None, True, True, False, True),
    ],
)
def test_how_much_of_a_family_a_recipient_sees(
    status: str | None, sees_current: bool, family_seen: bool, versions_seen: bool, current_seen: bool
) -> None:
    look = stands(status, sees_current)

    assert family_rules.sees(RECEIVER, look) is family_seen
    assert _passes(lambda: family_rules.see_family(RECEIVER, look, "family")) is family_seen
    assert _passes(lambda: family_rules.see_versions(RECEIVER, look)) is versions_seen
    assert family_rules.sees_current(RECEIVER, look) is current_seen


@pytest.mark.parametrize("who", [PUBLISHER, ADMIN])
def test_the_owner_of_a_family_and_an_admin_see_all_of_it(who: Caller) -> None:
    look = stands(None)
    candidate = added(family(1, current=1), an_image("candidate")).versions[0]

    assert family_rules.is_owner(who, FAMILY)
    assert family_rules.see_family(who, look, "family") is look
    assert family_rules.sees_current(who, look)
    family_rules.see_versions(who, look)
    family_rules.see_members(who, look)
    assert family_rules.see_version(who, look, candidate, 2) is candidate


def test_who_accepted_a_family_sees_the_versions_that_were_promoted() -> None:
    candidate, promoted = added(family(1, current=1), an_image("candidate")).versions

    assert family_rules.see_version(RECEIVER, stands("accepted"), promoted, 1) is promoted
    assert not _passes(lambda: family_rules.see_version(RECEIVER, stands("accepted"), candidate, 2))


def test_an_image_that_one_sees_becomes_a_version() -> None:
    image = an_image("image")

    assert family_rules.take_image(PUBLISHER, image, "image") is image


def _passes(act: Callable[[], object]) -> bool:
    try:
        act()
    except NotFoundError:
        return False
    return True


# ---- terms


@pytest.mark.parametrize(
    ("status", "before", "new", "after"),
    [
        # pending: (ends at, expires at)
        ("pending", (NEVER, NEVER), NewTerms(answer_by=5), (5, NEVER)),
        ("pending", (5, NEVER), NewTerms(expires_at=9), (5, 9)),
        ("pending", (5, 9), NewTerms(expires_at=3), (3, 3)),
        ("pending", (9, 9), NewTerms(expires_at=20), (20, 20)),
        ("pending", (5, 9), NewTerms(expires_at=20), (5, 20)),
        ("pending", (5, 9), NewTerms(answer_by=None), (9, 9)),
        ("pending", (5, 9), NewTerms(answer_by=None, expires_at=None), (NEVER, NEVER)),
        ("pending", (9, 9), NewTerms(answer_by=12), None),
        ("pending", (5, 9), NewTerms(answer_by=5, expires_at=9), None),
        ("pending", (5, 9), NewTerms(), None),
        # answered: a time to answer by is over
        ("accepted", (9, 9), NewTerms(expires_at=20), (20, 20)),
        ("accepted", (9, 9), NewTerms(expires_at=None), (NEVER, NEVER)),
        ("accepted", (5, 9), NewTerms(expires_at=9), (9, 9)),
        ("rejected", (9, 9), NewTerms(expires_at=9), None),
    ],
)
def test_new_times_of_an_offer(
    status: str, before: tuple[int, int], new: NewTerms, after: tuple[int, int] | None
) -> None:
    ends_at, expires_at = before
    old = msgspec.structs.replace(
        member(status=status), ends_at=ends_at, expires_at=expires_at, message="old", updated_at=4
    )

    change = rules.change_of_terms(old, new, 7, NEVER)

    if after is None:
        assert change is None
        return
    assert change == ChangeTerms(
        image_id="image",
        member_id=RECIPIENT,
        terms=Terms(message="old", ends_at=after[0], expires_at=after[1]),
        now=7,
        seen_version=4,
    )


@pytest.mark.parametrize("end", [10, None])
def test_an_inherited_share_ends_with_the_membership_that_brought_it(end: int | None) -> None:
    old = msgspec.structs.replace(member(status="accepted"), family_id="family", ends_at=5, expires_at=5)

    with pytest.raises(ConflictError, match=r"family family .* at 1970-01-01T00:00:00\.000009Z"):
        rules.change_of_terms(old, NewTerms(expires_at=end), 7, 9)

    change = rules.change_of_terms(old, NewTerms(expires_at=9), 7, 9)
    assert change is not None
    assert change.terms == Terms(ends_at=9, expires_at=9)


def test_a_share_that_outlives_the_membership_that_brought_it_can_be_changed() -> None:
    old = msgspec.structs.replace(
        member(status="accepted"), family_id="family", ends_at=12, expires_at=12, message="old"
    )

    change = rules.change_of_terms(old, NewTerms(message="new"), 7, 9)

    assert change is not None
    assert change.terms == Terms(message="new", ends_at=9, expires_at=9)


@pytest.mark.parametrize(("message", "after"), [("new", "new"), (None, None), (UNSET, "old"), ("old", "old")])
def test_a_new_message_of_an_offer(message: str | msgspec.UnsetType | None, after: str | None) -> None:
    old = msgspec.structs.replace(member(), message="old")

    change = rules.change_of_terms(old, NewTerms(message=message), 7, NEVER)

    assert (change.terms if change else Terms(message="old")) == Terms(message=after)


@pytest.mark.parametrize(
    ("answer_by", "expires_at", "ends_at"),
    [(None, None, NEVER), (5, None, 5), (5, 9, 5), (12, 9, 9), (None, 9, 9)],
)
def test_an_offer_ends_with_the_time_to_answer_or_with_the_share(
    answer_by: int | None, expires_at: int | None, ends_at: int
) -> None:
    terms = rules.terms_of("hello", answer_by, expires_at)

    expected = Terms(message="hello", ends_at=ends_at, expires_at=NEVER if expires_at is None else expires_at)
    assert terms == expected
