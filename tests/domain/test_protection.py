"""Property protections: what a caller may do with which property, and what it cannot see."""

import re
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain import patch, protection
from transom.domain.access import image_target
from transom.domain.errors import ConflictError, ForbiddenError
from transom.domain.listing import Condition, ListQuery, Op
from transom.domain.model import Caller, Image, Policy, Protection, Rule
from transom.domain.policy import DEFAULT_POLICY
from transom.images import patching

from .samples import caller, image


def _role(name: str) -> Rule:
    return lambda who, _target: name in who.roles


def _protect(pattern: str, create: str, read: str, update: str, delete: str) -> Protection:
    rights = {"create": _role(create), "read": _role(read), "update": _role(update), "delete": _role(delete)}
    return Protection(re.compile(pattern), rights)


#: The first that fits counts: `secret_free` is as secret as the others.
PROTECTIONS = (
    _protect("^secret", create="admin", read="admin", update="admin", delete="admin"),
    _protect("^inbox", create="reader", read="admin", update="admin", delete="admin"),
    _protect("^shown", create="admin", read="reader", update="manager", delete="admin"),
    _protect("free", create="reader", read="reader", update="reader", delete="reader"),
)
POLICY = Policy(DEFAULT_POLICY.rules, PROTECTIONS)
IMAGE = image(properties={"secret": "1", "inbox": "2", "shown": "3", "free": "4", "other": "5"})
SEEN = image_target(IMAGE, is_member=False)


def _who(role: str) -> Caller:
    return msgspec.structs.replace(caller(role), policy=POLICY)


# ---- what there is


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("none", set()),
        ("member", {"shown", "free"}),
        ("manager", {"shown", "free"}),
        ("admin", {"secret", "inbox", "shown", "free"}),
    ],
)
def test_a_caller_sees_the_properties_that_it_may_read(role: str, names: set[str]) -> None:
    assert set(protection.readable(_who(role), IMAGE.properties)) == names
    assert set(protection.seen_image(_who(role), IMAGE).properties) == names


def test_a_property_without_a_protection_is_nobodys() -> None:
    assert not any(protection.may(_who("admin"), action, "other") for action in protection.ACTIONS)


def test_the_first_protection_that_fits_counts() -> None:
    assert not protection.may(_who("member"), "read", "secret_free")
    assert protection.may(_who("member"), "read", "as_free_as_can_be")


def test_properties_of_the_service_itself_are_free() -> None:
    for name in ("os_glance_import", "os_share_family"):
        assert all(protection.may(_who("none"), action, name) for action in protection.ACTIONS)


def test_without_protections_everything_is_as_it_was() -> None:
    query = ListQuery(conditions=(Condition("secret", Op.PROPERTY, ("1",)),))

    assert protection.readable(caller("none"), IMAGE.properties) is IMAGE.properties
    assert protection.seen_image(caller("none"), IMAGE) is IMAGE
    assert protection.visible_query(caller("none"), query) is query


# ---- patches


@pytest.mark.parametrize(
    ("role", "op", "name"),
    [
        ("member", "add", "free"),
        ("member", "add", "free_too"),
        ("member", "replace", "free"),
        ("member", "remove", "free"),
        ("member", "add", "inbox_too"),
        ("manager", "add", "shown"),
        ("manager", "replace", "shown"),
        ("admin", "add", "shown_too"),
        ("admin", "remove", "secret"),
        ("admin", "replace", "inbox"),
    ],
)
def test_a_change_that_the_protections_allow_is_made(role: str, op: str, name: str) -> None:
    changed = patching.apply([patch.Operation(op, name, "new")], SEEN, _who(role))

    assert changed.properties.get(name) == (None if op == "remove" else "new")


@pytest.mark.parametrize(
    ("role", "op", "name"),
    [
        ("member", "add", "secret_too"),
        ("member", "add", "other_too"),
        ("admin", "add", "other_too"),
        ("member", "add", "shown_too"),
        ("manager", "add", "shown_too"),
        ("member", "add", "shown"),
        ("member", "replace", "shown"),
        ("member", "remove", "shown"),
        ("manager", "remove", "shown"),
        # There, but not to be seen: it is neither made anew nor overwritten.
        ("member", "add", "secret"),
        ("member", "add", "inbox"),
        ("admin", "add", "other"),
    ],
)
def test_a_change_that_the_protections_do_not_allow_is_refused(role: str, op: str, name: str) -> None:
    with pytest.raises(ForbiddenError) as raised:
        patching.apply([patch.Operation(op, name, "new")], SEEN, _who(role))

    assert str(raised.value) == f"Attribute '{name}' is reserved."


@pytest.mark.parametrize("op", ["replace", "remove"])
@pytest.mark.parametrize(("role", "name"), [("member", "secret"), ("member", "inbox"), ("admin", "other")])
def test_a_property_that_is_not_seen_is_absent_for_a_patch(op: str, role: str, name: str) -> None:
    with pytest.raises(ConflictError) as raised:
        patching.apply([patch.Operation(op, name, "new")], SEEN, _who(role))

    assert str(raised.value) == f"Property {name} does not exist."


_names = st.sampled_from(["secret", "inbox", "shown", "free", "other", "free_too", "secret_too", "inbox_too"])
_operations = st.builds(
    patch.Operation, op=st.sampled_from(["add", "replace", "remove"]), root=_names, value=st.just("new")
)


def _apply(operations: list[patch.Operation], who: Caller) -> Image | None:
    try:
        return patching.apply(operations, SEEN, who)
    except (ConflictError, ForbiddenError):
        return None


@given(operations=st.lists(_operations, max_size=4), role=st.sampled_from(["member", "manager", "admin"]))
def test_what_may_be_neither_read_nor_updated_outlives_every_patch(
    operations: list[patch.Operation], role: str
) -> None:
    who = _who(role)
    kept = {
        name: value
        for name, value in IMAGE.properties.items()
        if not any(protection.may(who, action, name) for action in ("read", "update"))
    }

    after = _apply(operations, who)

    assert after is None or kept.items() <= after.properties.items()


def test_core_attributes_are_never_protected() -> None:
    changed = patching.apply([patch.Operation("replace", "name", "new")], SEEN, _who("member"))

    assert changed.name == "new"


# ---- create


@pytest.mark.parametrize(("role", "names"), [("member", ["free", "inbox"]), ("admin", ["secret", "shown"])])
def test_properties_are_made_by_whom_their_protections_name(role: str, names: list[str]) -> None:
    protection.require_create(_who(role), names)


@pytest.mark.parametrize(("role", "name"), [("member", "secret"), ("manager", "shown"), ("admin", "other")])
def test_properties_are_made_by_nobody_else(role: str, name: str) -> None:
    with pytest.raises(ForbiddenError, match=rf"^Attribute '{name}' is reserved\.$"):
        protection.require_create(_who(role), ["free", name])


# ---- filters


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({"free": Op.PROPERTY}, ["free"]),
        ({"free": Op.PROPERTY, "secret": Op.PROPERTY}, None),
        ({"free": Op.PROPERTY, "secret": Op.WITHOUT_PROPERTY}, ["free"]),
        ({"secret": Op.PROPERTY_OR_ABSENT}, []),
        ({"name": Op.EQ, "secret": Op.PROPERTY_OR_ABSENT}, ["name"]),
        ({"other": Op.PROPERTY}, None),
    ],
)
def test_a_filter_meets_what_is_not_seen_on_no_image(
    conditions: Mapping[str, Op], left: list[str] | None
) -> None:
    query = ListQuery(conditions=tuple(Condition(name, op, ("1",)) for name, op in conditions.items()))

    seen = protection.visible_query(_who("member"), query)

    assert (None if seen is None else [condition.field for condition in seen.conditions]) == left


def _either(field: str, op: Op, of: str) -> Condition:
    return Condition(field, Op.PROPERTY, ("1",), Condition(of, op, ("2",)))


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (_either("free", Op.PROPERTY, "shown"), _either("free", Op.PROPERTY, "shown")),
        (_either("secret", Op.PROPERTY, "free"), Condition("free", Op.PROPERTY, ("2",))),
        (_either("free", Op.PROPERTY, "secret"), Condition("free", Op.PROPERTY, ("1",))),
        (_either("free", Op.WITHOUT_PROPERTY, "secret"), Condition("free", Op.PROPERTY_OR_ABSENT, ("1",))),
    ],
)
def test_what_holds_in_the_place_of_an_absent_property_meets_what_is_seen(
    asked: Condition, left: Condition
) -> None:
    seen = protection.visible_query(_who("member"), ListQuery(conditions=(asked,)))

    assert seen is not None
    assert seen.conditions == (left,)


def test_what_is_not_seen_of_either_property_is_met_by_no_image_or_all() -> None:
    none = ListQuery(conditions=(_either("secret", Op.PROPERTY, "inbox"),))
    every = ListQuery(conditions=(_either("secret", Op.WITHOUT_PROPERTY, "inbox"),))

    assert protection.visible_query(_who("member"), none) is None
    assert protection.visible_query(_who("member"), every) == ListQuery()
