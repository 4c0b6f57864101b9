"""Which rules that operators can set each action of sharing asks, and about what; any of them can refuse."""

from collections.abc import Callable

import msgspec
import pytest
from domain.samples import OWNER, RECIPIENT, STRANGER, image, is_refused, member, recording_caller

from transom.domain import families
from transom.domain.access import image_target
from transom.domain.errors import ForbiddenError, NotFoundError
from transom.domain.hooks import Hook
from transom.domain.memberships import Found, Seen
from transom.domain.model import NEVER, Caller, Target, Visibility
from transom.sharing import hook_rules, project_rules, rules
from transom.sharing.families import rules as family_rules

from .test_families import FAMILY, an_image

IMAGE = image()
#: Of the image's owner, and of a recipient of it.
OWN = Found(image_id="image", image=IMAGE, member=member())
OFFERED = Found(image_id="image", image=IMAGE, is_member=True, member=member())
UNASKED = Found(image_id="image", image=IMAGE)
SEEN = Seen(ids=["image"], owner=OWNER, visibility=Visibility.SHARED, properties={}, is_member=False)
SEEN_OFFER = msgspec.structs.replace(SEEN, is_member=True)
SEEN_FAMILY = families.Seen(family=FAMILY, status=None, sees_current=False)
PRIVATE, SHARED = Target(OWNER, Visibility.PRIVATE), Target(OWNER, Visibility.SHARED)
NOBODYS = Target(None, Visibility.PRIVATE)
ON_IMAGE = image_target(IMAGE, is_member=False)
ON_OFFER = image_target(IMAGE, is_member=True)
HIDDEN = image(visibility=Visibility.PRIVATE)
HOOK = Hook(
    id="hook",
    project_id=OWNER,
    domain_key=None,
    created_by="user",
    url="https://here",
    types=(),
    is_batch=False,
    is_enabled=True,
    is_global=False,
    secret="s",
    old_secret=None,
    old_secret_until=None,
    cursor=0,
    attempts=0,
    next_at=NEVER,
    last_success_at=None,
    last_failure_at=None,
    last_status=None,
    last_error=None,
    created_at=1,
    updated_at=1,
)
GLOBAL_HOOK = msgspec.structs.replace(HOOK, is_global=True)

Asked = list[tuple[str, Target]]
#: What the owner's project does → what is asked, in this order.
OF_OWNER: dict[str, tuple[Callable[[Caller], object], Asked]] = {
    "offer": (
        lambda who: rules.offer(who, UNASKED, RECIPIENT),
        [("get_image", ON_IMAGE), ("add_member", ON_IMAGE)],
    ),
    "withdraw": (
        lambda who: rules.withdraw(who, OWN, RECIPIENT),
        [("get_image", ON_IMAGE), ("delete_member", ON_IMAGE)],
    ),
    "answer": (
        lambda who: rules.answer(who, OWN, RECIPIENT, "accepted"),
        [("get_image", ON_IMAGE), ("modify_member", ON_IMAGE)],
    ),
    "show member": (
        lambda who: rules.show_member(who, OWN, RECIPIENT),
        [("get_image", ON_IMAGE), ("get_member", ON_IMAGE)],
    ),
    "list members": (
        lambda who: rules.list_members(who, OWN),
        [("get_image", ON_IMAGE), ("get_members", ON_IMAGE)],
    ),
    "list recipients": (
        lambda who: rules.list_recipients(who, OWN),
        [("get_image", ON_IMAGE), ("get_image", ON_IMAGE), ("get_members", ON_IMAGE)],
    ),
    "list recipients of none": (
        lambda who: rules.list_recipients(who, Found(image_id="image", image=HIDDEN)),
        [(name, image_target(HIDDEN, is_member=False)) for name in ("get_image", "get_members")],
    ),
    "act on shares": (rules.act_on_shares, [("add_member", SHARED)]),
    "share": (
        lambda who: rules.share_from(who, SEEN, "image"),
        [("get_image", SEEN.target), ("add_member", SEEN.target)],
    ),
    "withdraw shares": (
        lambda who: rules.withdraw_from(who, SEEN, "image"),
        [("get_image", SEEN.target), ("delete_member", SEEN.target)],
    ),
    "offer to projects": (lambda who: rules.offer_to(who, [RECIPIENT]), []),
    "offer to groups": (
        lambda who: rules.offer_to(who, [RECIPIENT, "organization/o-1", "domain/default"]),
        [("add_group_member", SHARED)],
    ),
    "replace shares": (
        lambda who: rules.replace_shares(who, SEEN, "image"),
        [
            ("get_image", SEEN.target),
            ("add_member", SEEN.target),
            ("get_image", SEEN.target),
            ("delete_member", SEEN.target),
        ],
    ),
    "see shares": (
        lambda who: rules.see_shares(who, UNASKED),
        [("get_image", ON_IMAGE), ("get_members", ON_IMAGE)],
    ),
    "change terms": (
        lambda who: rules.change_terms(who, UNASKED, RECIPIENT),
        [("get_image", ON_IMAGE), ("get_members", ON_IMAGE), ("add_member", ON_IMAGE)],
    ),
    "change terms of a group": (
        lambda who: rules.change_terms(who, UNASKED, "domain/default"),
        [
            ("get_image", ON_IMAGE),
            ("get_members", ON_IMAGE),
            ("add_member", ON_IMAGE),
            ("add_group_member", SHARED),
        ],
    ),
    "look at share rules": (project_rules.look_at_share_rules, [("get_images", PRIVATE)]),
    "manage share rules": (project_rules.manage_share_rules, [("manage_share_rule", PRIVATE)]),
    "see events": (project_rules.see_events, [("get_events", PRIVATE)]),
    "see all events": (project_rules.see_all_events, [("get_all_events", NOBODYS)]),
    "see operation": (project_rules.see_operation, [("get_operation", NOBODYS)]),
    "see publishers": (project_rules.see_publishers, [("get_images", PRIVATE)]),
    "manage publishers": (project_rules.manage_publishers, [("manage_publisher", PRIVATE)]),
    "act on offers": (
        rules.act_on_offers,
        [("modify_member", Target(None, Visibility.SHARED, is_member=True))],
    ),
    "act on withdrawals": (rules.act_on_withdrawals, [("delete_member", SHARED)]),
    "list own shares": (rules.list_own_shares, [("get_members", SHARED)]),
    "list offers": (rules.list_offers, [("get_images", PRIVATE)]),
    "list an offer": (lambda who: rules.is_listed(who, IMAGE), [("get_image", ON_OFFER)]),
    "see hooks": (hook_rules.see_hooks, [("get_events", PRIVATE)]),
    "manage hooks": (
        lambda who: hook_rules.manage_hooks(who, is_global=False),
        [("manage_hook", PRIVATE), ("get_events", PRIVATE)],
    ),
    "manage global hooks": (
        lambda who: hook_rules.manage_hooks(who, is_global=True),
        [("manage_hook", PRIVATE), ("get_all_events", PRIVATE)],
    ),
    "see a hook": (
        lambda who: hook_rules.sees_hook(who, HOOK),
        [("get_events", PRIVATE)],
    ),
    "see a global hook": (
        lambda who: hook_rules.sees_hook(who, GLOBAL_HOOK),
        [("get_all_events", PRIVATE)],
    ),
    "change a hook": (
        lambda who: hook_rules.change_hook(who, HOOK),
        [("manage_hook", PRIVATE)],
    ),
    "look at families": (family_rules.look_at_families, [("get_images", PRIVATE)]),
    "see family members": (
        lambda who: family_rules.see_members(who, SEEN_FAMILY),
        [("get_members", PRIVATE)],
    ),
    "manage family": (
        lambda who: family_rules.manage_family(who, SEEN_FAMILY),
        [("manage_family", PRIVATE)],
    ),
    "create family": (family_rules.create_family, [("manage_family", PRIVATE)]),
    "offer family": (lambda who: family_rules.offer_family(who, SEEN_FAMILY), [("add_member", SHARED)]),
    "withdraw family": (
        lambda who: family_rules.withdraw_family(who, SEEN_FAMILY),
        [("delete_member", SHARED)],
    ),
    "take an image": (
        lambda who: family_rules.take_image(who, an_image("image"), "image"),
        [("get_image", PRIVATE)],
    ),
}


@pytest.mark.parametrize("action", OF_OWNER)
def test_an_action_asks_the_operators_rules_about_what_it_acts_on(action: str) -> None:
    act, expected = OF_OWNER[action]
    who, asked = recording_caller()

    act(who)

    assert asked == expected


@pytest.mark.parametrize(
    ("action", "rule"),
    [(action, rule) for action, (_, asked) in OF_OWNER.items() for rule in dict.fromkeys(dict(asked))],
)
def test_any_rule_that_an_action_asks_refuses_it(action: str, rule: str) -> None:
    act, _ = OF_OWNER[action]
    who, _ = recording_caller(denies=rule)

    assert is_refused(lambda: act(who))


def test_a_recipient_answers_by_the_rule_for_its_own_membership() -> None:
    who, asked = recording_caller(RECIPIENT)

    rules.answer(who, OFFERED, RECIPIENT, "accepted")
    rules.answer_offer(who, SEEN_OFFER, "image", accepts=True, vault_id=None)

    assert asked == [
        ("get_image", ON_OFFER),
        ("modify_member", ON_OFFER),
        ("get_image", SEEN_OFFER.target),
        ("modify_member", SEEN_OFFER.target),
    ]


#: What a family does to an image → the rules that are asked about it.
OF_VERSION: dict[Callable[[Caller, Found], None], tuple[str, ...]] = {
    family_rules.change_image: ("modify_image",),
    family_rules.promote_image: ("modify_image", "add_member"),
    family_rules.revoke_image: ("deactivate",),
    family_rules.restore_image: ("reactivate",),
}


@pytest.mark.parametrize("act", OF_VERSION)
def test_an_image_is_changed_by_its_family_as_its_own_rules_say(act: Callable[[Caller, Found], None]) -> None:
    who, asked = recording_caller(RECIPIENT)
    found = msgspec.structs.replace(UNASKED, is_member=True)

    act(who, found)

    assert asked == [(rule, ON_OFFER) for rule in ("get_image", *OF_VERSION[act])]
    for rule in OF_VERSION[act]:
        denied, _ = recording_caller(RECIPIENT, denies=rule)
        with pytest.raises(ForbiddenError):
            act(denied, found)


@pytest.mark.parametrize("act", OF_VERSION)
def test_a_family_does_nothing_to_an_image_that_the_caller_does_not_see(
    act: Callable[[Caller, Found], None],
) -> None:
    stranger, _ = recording_caller(RECIPIENT)
    hidden_from, _ = recording_caller(RECIPIENT, denies="get_image")
    seen = msgspec.structs.replace(UNASKED, is_member=True)

    for who, found in ((stranger, UNASKED), (hidden_from, seen), (stranger, Found(image_id="image"))):
        with pytest.raises(NotFoundError, match="No image found with ID image"):
            act(who, found)


def test_what_everybody_sees_is_promoted_without_the_right_to_offer_it() -> None:
    who, asked = recording_caller(OWNER, denies="add_member")
    found = Found(image_id="image", image=image(visibility=Visibility.PUBLIC))

    family_rules.promote_image(who, found)

    assert [rule for rule, _ in asked] == ["get_image", "modify_image"]


@pytest.mark.parametrize(
    "act",
    [
        project_rules.look_at_share_rules,
        project_rules.manage_share_rules,
        project_rules.see_events,
        hook_rules.see_hooks,
        lambda who: hook_rules.manage_hooks(who, is_global=True),
        family_rules.create_family,
    ],
)
def test_what_is_kept_for_a_project_is_that_of_the_caller(act: Callable[[Caller], object]) -> None:
    who, _ = recording_caller(STRANGER)

    assert act(who) == STRANGER
