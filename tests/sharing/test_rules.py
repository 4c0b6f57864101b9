"""Who may offer, answer, withdraw and see what (`transom/sharing/rules.py`; reference, parts 4 and 8)."""

from collections.abc import Callable, Sequence

import msgspec
import pytest
from domain.samples import RECIPIENT, STRANGER, caller, image, member

from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
)
from transom.domain.memberships import AnswerWithVault, Found, Seen
from transom.domain.model import Caller, Image, Member, MemberStatus, Policy, Visibility
from transom.domain.policy import DEFAULT_POLICY
from transom.sharing import rules

OTHER = "another-recipient"
NOT_SHARED = [Visibility.PRIVATE, Visibility.COMMUNITY, Visibility.PUBLIC]
WHOLE = {"__whole_image": "true", "__backup_id": "backup"}


#: Of a recipient, whom the operator lets see no members.
UNTOLD = Caller(
    user_id="user",
    project_id=RECIPIENT,
    roles=frozenset({"reader", "member"}),
    policy=Policy({**DEFAULT_POLICY.rules, "get_member": lambda _caller, _target: False}),
)


def look(
    found: Image | None,
    is_member: bool = False,
    asked: Member | None = None,
    everybody: Sequence[Member] = (),
) -> Found:
    return Found(image_id="image", image=found, is_member=is_member, member=asked, members=everybody)


ACTIONS: dict[str, Callable[[Caller, Found], object]] = {
    "offer": lambda who, found: rules.offer(who, found, RECIPIENT),
    "answer": lambda who, found: rules.answer(who, found, RECIPIENT, "accepted"),
    "withdraw": lambda who, found: rules.withdraw(who, found, RECIPIENT),
    "show": lambda who, found: rules.show_member(who, found, RECIPIENT),
    "list": rules.list_members,
    "list recipients": rules.list_recipients,
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "found", [None, image(visibility="private"), image()], ids=["absent", "private", "shared"]
)
def test_a_hidden_image_looks_absent_to_every_action(found: Image | None, action: str) -> None:
    with pytest.raises(NotFoundError) as raised:
        ACTIONS[action](caller("manager", STRANGER), look(found, False, member()))

    assert (str(raised.value), raised.value.reason) == ("Image image not found.", Reason.IMAGE_UNKNOWN)


def test_an_owner_may_not_offer_twice() -> None:
    with pytest.raises(ConflictError, match="is duplicated"):
        rules.offer(caller("member"), look(image(), False, member()), RECIPIENT)


@pytest.mark.parametrize("who", [caller("reader"), caller("manager", RECIPIENT)])
def test_only_a_member_of_the_owning_project_may_offer(who: Caller) -> None:
    is_recipient = who.project_id == RECIPIENT

    with pytest.raises(ForbiddenError, match="add_member action"):
        rules.offer(who, look(image(), is_recipient), OTHER)


@pytest.mark.parametrize("role", ["reader", "member", "manager", "admin"])
def test_who_may_offer_own_images_is_refused_none_of_them(role: str) -> None:
    who = caller(role)

    if rules.may_offer_own_images(who):
        assert rules.offer(who, look(image()), RECIPIENT) == image()
    else:
        with pytest.raises(ForbiddenError):
            rules.offer(who, look(image()), RECIPIENT)


def test_no_image_goes_unseen_where_a_rule_may_look_at_it() -> None:
    by_size = Policy({**DEFAULT_POLICY.rules, "add_member": lambda _caller, _target: True})
    who = msgspec.structs.replace(caller("member"), policy=by_size)

    assert not rules.may_offer_own_images(who)
    assert rules.status_unseen(who, who.project_id or "", "accepted") is None


@pytest.mark.parametrize("role", ["reader", "member", "manager", "admin"])
@pytest.mark.parametrize("project", [RECIPIENT, STRANGER])
@pytest.mark.parametrize("status", ["accepted", "no such", 5, None, []])
def test_an_answer_unseen_is_given_where_a_look_would_allow_it(
    role: str, project: str, status: object
) -> None:
    who, offered = caller(role, project), look(image(), True, member())

    unseen = rules.status_unseen(who, RECIPIENT, status)

    if unseen is not None:
        assert rules.answer(who, offered, RECIPIENT, status) == (member(), unseen)
    elif project == RECIPIENT:
        with pytest.raises((ForbiddenError, InvalidError)):
            rules.answer(who, offered, RECIPIENT, status)


@pytest.mark.parametrize(
    ("members", "quota", "fits"), [(0, 0, False), (2, 3, True), (3, 3, False), (9, -1, True)]
)
def test_an_image_has_room_for_as_many_members_as_its_quota_says(
    members: int, quota: int, fits: bool
) -> None:
    if fits:
        rules.require_room("image", members, quota)
        return
    with pytest.raises(LimitExceededError, match=f"Attempted: {members + 1}, Maximum: {quota}"):
        rules.require_room("image", members, quota)


# ---- one membership


@pytest.mark.parametrize("who", [caller("reader"), caller("manager"), caller("admin", STRANGER)])
@pytest.mark.parametrize("visibility", NOT_SHARED)
def test_an_image_that_is_not_shared_takes_no_member_whoever_asks(who: Caller, visibility: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        rules.offer(who, look(image(visibility=visibility), False), RECIPIENT)

    assert str(raised.value) == "Not allowed to create members for image image."


@pytest.mark.parametrize("who", [caller("reader"), caller("manager"), caller("admin", STRANGER)])
@pytest.mark.parametrize("visibility", NOT_SHARED)
def test_an_image_that_is_not_shared_lists_no_members_whoever_asks(who: Caller, visibility: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        rules.list_members(who, look(image(visibility=visibility), False))

    assert (
        str(raised.value) == "Not allowed to list members for image image: Only shared images have members."
    )


@pytest.mark.parametrize("who", [caller("reader"), caller("manager"), caller("admin", STRANGER)])
@pytest.mark.parametrize("visibility", NOT_SHARED)
def test_an_image_that_is_not_shared_shows_no_member_whoever_asks(who: Caller, visibility: str) -> None:
    with pytest.raises(NotFoundError) as raised:
        rules.show_member(who, look(image(visibility=visibility), True, member()), RECIPIENT)

    assert str(raised.value) == "Only shared images have members."


@pytest.mark.parametrize("who", [caller("reader"), caller("manager"), caller("admin", STRANGER)])
@pytest.mark.parametrize("visibility", NOT_SHARED)
def test_an_image_that_is_not_shared_takes_no_answer_whoever_asks(who: Caller, visibility: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        rules.answer(who, look(image(visibility=visibility), True, None), RECIPIENT, "accepted")

    assert str(raised.value) == "Not allowed to update members for image image."


@pytest.mark.parametrize("who", [caller("reader"), caller("manager"), caller("admin", STRANGER)])
@pytest.mark.parametrize("visibility", NOT_SHARED)
def test_an_image_that_is_not_shared_loses_no_member_whoever_asks(who: Caller, visibility: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        rules.withdraw(who, look(image(visibility=visibility), True, None), RECIPIENT)

    assert str(raised.value) == "Not allowed to delete members for image image."


@pytest.mark.parametrize(
    ("who", "is_member", "seen"),
    [
        (caller("reader"), False, [RECIPIENT, OTHER]),
        (caller("manager"), False, [RECIPIENT, OTHER]),
        (caller("admin", STRANGER), False, [RECIPIENT, OTHER]),
        (caller("reader", RECIPIENT), True, [RECIPIENT]),
        (caller("manager", OTHER), True, [OTHER]),
    ],
)
def test_the_owner_and_admin_see_all_members_and_a_recipient_itself(
    who: Caller, is_member: bool, seen: list[str]
) -> None:
    found = look(image(), is_member, None, [member(RECIPIENT), member(OTHER)])

    assert [one.member_id for one in rules.list_members(who, found)] == seen
    assert rules.list_recipients(who, found) == rules.list_members(who, found)


@pytest.mark.parametrize(
    ("who", "is_member"),
    [
        (caller("reader"), False),
        (caller("reader", RECIPIENT), True),
        (caller("admin", STRANGER), False),
    ],
)
def test_a_membership_is_shown_to_either_side(who: Caller, is_member: bool) -> None:
    asked = member()

    found = rules.show_member(who, look(image(), is_member, asked), RECIPIENT)

    assert found is asked


@pytest.mark.parametrize(
    ("who", "is_member", "member_id", "asked"),
    [
        (caller("reader"), False, "nobody", None),
        (caller("admin"), False, "nobody", None),
        (caller("member", RECIPIENT), True, "nobody", None),
        (caller("member", RECIPIENT), True, STRANGER, member(STRANGER)),
        (UNTOLD, True, RECIPIENT, member()),
    ],
)
def test_a_membership_that_is_absent_anothers_or_forbidden_looks_absent(
    who: Caller, is_member: bool, member_id: str, asked: Member | None
) -> None:
    with pytest.raises(NotFoundError) as raised:
        rules.show_member(who, look(image(), is_member, asked), member_id)

    assert str(raised.value) == f"{member_id} not found in the member list of the image image."


@pytest.mark.parametrize("after", list(MemberStatus))
@pytest.mark.parametrize("before", list(MemberStatus))
def test_a_recipient_may_go_from_any_answer_to_any_other(before: str, after: str) -> None:
    asked = member(status=before)

    decided = rules.answer(caller("member", RECIPIENT), look(image(), True, asked), RECIPIENT, after)

    assert decided == (asked, after)


@pytest.mark.parametrize("who", [caller("reader"), caller("member"), caller("manager")])
def test_an_owner_may_not_answer_for_a_member(who: Caller) -> None:
    with pytest.raises(ForbiddenError, match="modify_member action"):
        rules.answer(who, look(image(), False, member()), RECIPIENT, "accepted")


def test_a_reader_of_the_recipient_may_not_answer() -> None:
    with pytest.raises(ForbiddenError, match="modify_member action"):
        rules.answer(caller("reader", RECIPIENT), look(image(), True, member()), RECIPIENT, "accepted")


@pytest.mark.parametrize("status", ["", "Accepted", "foo", None, 1, True, ["accepted"], {"a": "b"}])
def test_an_answer_that_is_none_of_the_three_is_invalid(status: object) -> None:
    with pytest.raises(InvalidError, match="Status must be"):
        rules.answer(caller("member", RECIPIENT), look(image(), True, member()), RECIPIENT, status)


@pytest.mark.parametrize(
    ("who", "is_member", "member_id", "asked", "error"),
    [
        (caller("member"), False, RECIPIENT, member(), ForbiddenError),
        (caller("member"), False, "nobody", None, NotFoundError),
        (caller("reader", RECIPIENT), True, RECIPIENT, member(), ForbiddenError),
        (caller("member", RECIPIENT), True, STRANGER, member(STRANGER), NotFoundError),
        (caller("admin"), False, "nobody", None, NotFoundError),
        (caller("admin"), False, RECIPIENT, member(), InvalidError),
    ],
)
def test_the_answer_itself_is_judged_last(
    who: Caller, is_member: bool, member_id: str, asked: Member | None, error: type[Exception]
) -> None:
    """Reference, 4.6: the value test comes after the look-ups and the policy."""
    with pytest.raises(error):
        rules.answer(who, look(image(), is_member, asked), member_id, "foo")


@pytest.mark.parametrize("who", [caller("member"), caller("manager"), caller("admin", STRANGER)])
def test_a_member_is_removed_by_the_owner_or_admin(who: Caller) -> None:
    rules.withdraw(who, look(image(), False, member()), RECIPIENT)


def test_a_member_may_not_remove_itself() -> None:
    with pytest.raises(ForbiddenError, match="delete_member action"):
        rules.withdraw(caller("manager", RECIPIENT), look(image(), True, member()), RECIPIENT)


def test_removing_another_projects_membership_finds_none() -> None:
    with pytest.raises(NotFoundError, match="not found in the member list"):
        rules.withdraw(caller("manager", RECIPIENT), look(image(), True, member(STRANGER)), STRANGER)


# ---- answers by the rules of the IMS API


def answer_for_itself(
    status: str, vault_id: str | None, asked: Member, properties: dict[str, str], who: Caller | None = None
) -> AnswerWithVault | None:
    found = look(image(properties=properties, updated_at=5), True, asked)
    return rules.answer_for_itself(who or caller("member", RECIPIENT), found, asked, status, vault_id, 9)


def named(vault_id: str | None, status: str = "pending") -> Member:
    return msgspec.structs.replace(member(status=status), vault_id=vault_id)


def test_not_even_an_admin_answers_for_another_project_by_the_ims_api() -> None:
    with pytest.raises(ForbiddenError) as raised:
        answer_for_itself("accepted", None, member(), {}, caller("admin"))

    assert raised.value.reason == Reason.NOT_OWNER


@pytest.mark.parametrize(
    ("status", "vault_id", "asked", "properties", "takes"),
    [
        ("accepted", None, named(None), WHOLE, False),
        ("accepted", "vault", named(None), WHOLE, True),
        ("accepted", None, named("vault"), WHOLE, True),
        ("rejected", None, named(None), WHOLE, True),
        ("accepted", None, named(None), {"__whole_image": "true"}, True),
        ("accepted", None, named(None), {"__backup_id": "backup"}, True),
    ],
)
def test_a_whole_server_is_accepted_with_a_vault_only(
    status: str, vault_id: str | None, asked: Member, properties: dict[str, str], takes: bool
) -> None:
    if takes:
        assert answer_for_itself(status, vault_id, asked, properties) is not None
        return
    with pytest.raises(InvalidError) as raised:
        answer_for_itself(status, vault_id, asked, properties)
    assert raised.value.reason == Reason.VAULT_MISSING


@pytest.mark.parametrize(
    ("status", "vault_id", "asked", "properties"),
    [
        ("accepted", None, named(None, "accepted"), {}),
        ("accepted", "vault", named(None, "accepted"), {}),
        ("accepted", "vault", named("vault", "accepted"), WHOLE),
        ("rejected", None, named("vault", "rejected"), WHOLE),
    ],
)
def test_the_same_answer_changes_nothing(
    status: str, vault_id: str | None, asked: Member, properties: dict[str, str]
) -> None:
    assert answer_for_itself(status, vault_id, asked, properties) is None


def test_an_answer_with_a_vault_repeats_what_was_seen() -> None:
    change = answer_for_itself("accepted", "new", named("old", "accepted"), WHOLE)

    assert change == AnswerWithVault(
        image_id="image",
        member_id=RECIPIENT,
        status="accepted",
        was="accepted",
        vault_id="new",
        now=9,
        seen_version=5,
        seen_vault_id="old",
    )


def test_a_vault_for_an_image_that_is_no_backup_is_not_kept() -> None:
    change = answer_for_itself("accepted", "vault", named(None), {})

    assert change is not None
    assert change.vault_id is None


# ---- offers by the rules of the IMS API


def seen(**changes: object) -> Seen:
    of_owner: dict[str, object] = {
        "ids": ["image"],
        "owner": caller().project_id,
        "visibility": "private",
        "properties": {},
    }
    return Seen(**{**of_owner, "is_member": False, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("visibility", ["private", "shared"])
def test_an_image_that_is_not_for_everybody_can_be_shared(visibility: str) -> None:
    rules.share_from(caller("member"), seen(visibility=visibility), "image")


@pytest.mark.parametrize(
    ("who", "what", "reason"),
    [
        (caller("member"), None, Reason.IMAGE_UNKNOWN),
        (caller("manager", STRANGER), seen(), Reason.IMAGE_UNKNOWN),
        (caller("manager", STRANGER), seen(visibility="shared"), Reason.IMAGE_UNKNOWN),
        (caller("manager", RECIPIENT), seen(visibility="shared", is_member=True), Reason.NOT_OWNER),
        (caller("reader"), seen(), Reason.ROLE_LACKS),
        (caller("member"), seen(visibility="public"), Reason.PUBLIC_NOT_SHARED),
        (caller("member"), seen(visibility="community"), Reason.PUBLIC_NOT_SHARED),
        (caller("member"), seen(properties={"__system__cmkid": "key"}), Reason.ENCRYPTED_NOT_SHARED),
        (caller("member"), seen(properties={"__whole_image": "True"}), Reason.WHOLE_NOT_SHARED),
    ],
)
def test_what_stands_in_the_way_of_a_share(who: Caller, what: Seen | None, reason: Reason) -> None:
    with pytest.raises((NotFoundError, ForbiddenError)) as raised:
        rules.share_from(who, what, "image")

    assert raised.value.reason == reason


@pytest.mark.parametrize("status", ["pending", "accepted"])
def test_an_offer_that_stands_is_not_made_again(status: str) -> None:
    with pytest.raises(ConflictError) as raised:
        rules.share_once_more(look(image(), False, member(status=status)), RECIPIENT)

    assert raised.value.reason == Reason.MEMBER_EXISTS


@pytest.mark.parametrize(
    "before",
    [
        look(None),
        look(image()),
        look(image(), False, member(status="rejected")),
        look(image(visibility="private"), False, member(status="accepted")),
    ],
    ids=["absent", "no offer", "rejected", "not shared then"],
)
def test_an_offer_that_was_rejected_or_had_no_effect_is_made_again(before: Found) -> None:
    rules.share_once_more(before, RECIPIENT)


@pytest.mark.parametrize(
    ("who", "what", "reason"),
    [
        (caller("member"), None, Reason.IMAGE_UNKNOWN),
        (caller("manager", STRANGER), seen(), Reason.IMAGE_UNKNOWN),
        (caller("manager", RECIPIENT), seen(visibility="shared", is_member=True), Reason.NOT_OWNER),
        (caller("reader"), seen(), Reason.ROLE_LACKS),
    ],
)
def test_what_stands_in_the_way_of_a_withdrawal(who: Caller, what: Seen | None, reason: Reason) -> None:
    with pytest.raises((NotFoundError, ForbiddenError)) as raised:
        rules.withdraw_from(who, what, "image")

    assert raised.value.reason == reason


@pytest.mark.parametrize("visibility", ["private", "shared", "public", "community"])
def test_the_owner_withdraws_whatever_the_image_is_now(visibility: str) -> None:
    rules.withdraw_from(caller("member"), seen(visibility=visibility), "image")


@pytest.mark.parametrize(
    ("who", "what"),
    [
        (caller("manager", RECIPIENT), None),
        (caller("manager", RECIPIENT), seen(visibility="shared", is_member=False)),
        (caller("manager", RECIPIENT), seen(visibility="private", is_member=True)),
        (caller("reader", RECIPIENT), seen(visibility="shared", is_member=True)),
        (caller("manager"), seen(visibility="shared", is_member=True)),
    ],
    ids=["absent", "not offered", "hidden again", "reader", "owner"],
)
def test_what_is_not_offered_to_the_caller_is_not_answered(who: Caller, what: Seen | None) -> None:
    with pytest.raises(NotFoundError) as raised:
        rules.answer_offer(who, what, "image", accepts=True, vault_id=None)

    assert raised.value.reason == Reason.MEMBER_UNKNOWN


@pytest.mark.parametrize(
    ("accepts", "vault_id", "kept", "takes"),
    [(True, None, None, False), (True, "v", None, True), (True, None, "v", True), (False, None, None, True)],
)
def test_a_batch_accepts_a_whole_server_with_a_vault_only(
    accepts: bool, vault_id: str | None, kept: str | None, takes: bool
) -> None:
    who = caller("member", RECIPIENT)
    offered = seen(visibility="shared", is_member=True, properties=WHOLE, vault_id=kept)

    if takes:
        rules.answer_offer(who, offered, "image", accepts=accepts, vault_id=vault_id)
        return
    with pytest.raises(InvalidError) as raised:
        rules.answer_offer(who, offered, "image", accepts=accepts, vault_id=vault_id)
    assert raised.value.reason == Reason.VAULT_MISSING


@pytest.mark.parametrize("who", [caller("member"), caller("manager"), caller("admin", STRANGER)])
def test_whose_role_suffices_may_act_on_shares(who: Caller) -> None:
    rules.act_on_shares(who)


@pytest.mark.parametrize("who", [caller("reader"), caller("service", STRANGER)])
def test_whose_role_lacks_the_right_may_not_act_on_shares(who: Caller) -> None:
    with pytest.raises(ForbiddenError) as raised:
        rules.act_on_shares(who)

    assert raised.value.reason == Reason.ROLE_LACKS


@pytest.mark.parametrize(
    ("member_id", "text"), [("p", "No project found with ID p"), ("domain/d", "No domain found with ID d")]
)
def test_a_recipient_that_does_not_exist_is_named(member_id: str, text: str) -> None:
    assert str(rules.recipient_unknown(member_id)) == text
