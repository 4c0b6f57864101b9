"""Who may do what: every rule of the reference (part 8) over roles, sides and visibilities, as tables.

A table says, for the visibility of an image and the side the caller stands on, the least role that may.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain import access
from transom.domain.access import is_allowed
from transom.domain.errors import NotFoundError
from transom.domain.memberships import Found
from transom.domain.model import Caller, Image, Policy, Target, Visibility
from transom.domain.policy import DEFAULT_POLICY, DEFAULTS

from .samples import OWNER, RECIPIENT, ROLES, STRANGER, caller, image

PROJECTS = {"owner": OWNER, "recipient": RECIPIENT, "stranger": STRANGER}
#: The least role that may → all that may.
FROM = {
    "none": set(ROLES),
    "reader": {"reader", "member", "manager", "admin"},
    "member": {"member", "manager", "admin"},
    "admin": {"admin"},
    "service": {"service", "admin"},
    "member or service": {"service", "member", "manager", "admin"},
}

Table = dict[str, tuple[str, str, str]]

#                 the owner's project, a project with a membership, any other project
ADMIN_ONLY: Table = {
    "private": ("admin", "admin", "admin"),
    "shared": ("admin", "admin", "admin"),
    "community": ("admin", "admin", "admin"),
    "public": ("admin", "admin", "admin"),
}
ANYBODY: Table = {
    "private": ("none", "none", "none"),
    "shared": ("none", "none", "none"),
    "community": ("none", "none", "none"),
    "public": ("none", "none", "none"),
}
SERVICE: Table = {
    "private": ("service", "service", "service"),
    "shared": ("service", "service", "service"),
    "community": ("service", "service", "service"),
    "public": ("service", "service", "service"),
}
OWNING_READER: Table = {
    "private": ("reader", "admin", "admin"),
    "shared": ("reader", "admin", "admin"),
    "community": ("reader", "admin", "admin"),
    "public": ("reader", "admin", "admin"),
}
SERVICE_OR_OWNING_MEMBER: Table = {
    "private": ("member or service", "service", "service"),
    "shared": ("member or service", "service", "service"),
    "community": ("member or service", "service", "service"),
    "public": ("member or service", "service", "service"),
}
READER_OF_NAMESPACE: Table = {
    "private": ("reader", "admin", "admin"),
    "shared": ("reader", "admin", "admin"),
    "community": ("reader", "admin", "admin"),
    "public": ("reader", "reader", "reader"),
}
OWNING_MEMBER: Table = {
    "private": ("member", "admin", "admin"),
    "shared": ("member", "admin", "admin"),
    "community": ("member", "admin", "admin"),
    "public": ("member", "admin", "admin"),
}
SEEING_READER: Table = {
    "private": ("reader", "admin", "admin"),
    "shared": ("reader", "reader", "admin"),
    "community": ("reader", "reader", "reader"),
    "public": ("reader", "reader", "reader"),
}
SEEING_MEMBER: Table = {
    "private": ("member", "admin", "admin"),
    "shared": ("member", "member", "admin"),
    "community": ("member", "member", "member"),
    "public": ("member", "member", "member"),
}
READER_ON_EITHER_SIDE: Table = {
    "private": ("reader", "admin", "admin"),
    "shared": ("reader", "reader", "admin"),
    "community": ("reader", "admin", "admin"),
    "public": ("reader", "admin", "admin"),
}
RECEIVING_MEMBER: Table = {
    "private": ("admin", "admin", "admin"),
    "shared": ("admin", "member", "admin"),
    "community": ("admin", "admin", "admin"),
    "public": ("admin", "admin", "admin"),
}
TABLES: dict[str, Table] = {
    "default": ANYBODY,
    "context_is_admin": ADMIN_ONLY,
    "service_api": SERVICE,
    "add_image": OWNING_MEMBER,
    "get_image": SEEING_READER,
    "get_images": OWNING_READER,
    "modify_image": OWNING_MEMBER,
    "delete_image": OWNING_MEMBER,
    "publicize_image": ADMIN_ONLY,
    "communitize_image": OWNING_MEMBER,
    "upload_image": OWNING_MEMBER,
    "download_image": SEEING_MEMBER,
    "download_from_store": SEEING_MEMBER,
    "get_image_location": OWNING_READER,
    "set_image_location": OWNING_MEMBER,
    "delete_image_location": ADMIN_ONLY,
    "add_image_location": SERVICE_OR_OWNING_MEMBER,
    "fetch_image_location": SERVICE,
    "copy_image": ADMIN_ONLY,
    "deactivate": OWNING_MEMBER,
    "reactivate": OWNING_MEMBER,
    "add_member": OWNING_MEMBER,
    "delete_member": OWNING_MEMBER,
    "get_member": READER_ON_EITHER_SIDE,
    "get_members": READER_ON_EITHER_SIDE,
    "modify_member": RECEIVING_MEMBER,
    "manage_image_cache": ADMIN_ONLY,
    "cache_image": ADMIN_ONLY,
    "cache_list": ADMIN_ONLY,
    "cache_delete": ADMIN_ONLY,
    "cache_clean": ADMIN_ONLY,
    "cache_prune": ADMIN_ONLY,
    "list_cached_nodes": ADMIN_ONLY,
    "stores_info_detail": SERVICE,
    "tasks_api_access": ADMIN_ONLY,
    "get_task": ANYBODY,
    "get_tasks": ANYBODY,
    "add_task": ANYBODY,
    "modify_task": ANYBODY,
    "add_group_member": OWNING_MEMBER,
    "manage_family": OWNING_MEMBER,
    "manage_hook": OWNING_MEMBER,
    "manage_share_rule": OWNING_MEMBER,
    "manage_publisher": ADMIN_ONLY,
    "get_events": OWNING_READER,
    "get_all_events": ADMIN_ONLY,
    "get_operation": ADMIN_ONLY,
    "metadef_default": ANYBODY,
    "metadef_admin": ADMIN_ONLY,
    "get_metadef_namespace": READER_OF_NAMESPACE,
    "get_metadef_namespaces": OWNING_READER,
    "modify_metadef_namespace": ADMIN_ONLY,
    "add_metadef_namespace": ADMIN_ONLY,
    "delete_metadef_namespace": ADMIN_ONLY,
    "get_metadef_object": READER_OF_NAMESPACE,
    "get_metadef_objects": READER_OF_NAMESPACE,
    "modify_metadef_object": ADMIN_ONLY,
    "add_metadef_object": ADMIN_ONLY,
    "delete_metadef_object": ADMIN_ONLY,
    "list_metadef_resource_types": READER_OF_NAMESPACE,
    "get_metadef_resource_type": READER_OF_NAMESPACE,
    "add_metadef_resource_type_association": ADMIN_ONLY,
    "remove_metadef_resource_type_association": ADMIN_ONLY,
    "get_metadef_property": READER_OF_NAMESPACE,
    "get_metadef_properties": READER_OF_NAMESPACE,
    "modify_metadef_property": ADMIN_ONLY,
    "add_metadef_property": ADMIN_ONLY,
    "remove_metadef_property": ADMIN_ONLY,
    "get_metadef_tag": READER_OF_NAMESPACE,
    "get_metadef_tags": READER_OF_NAMESPACE,
    "modify_metadef_tag": ADMIN_ONLY,
    "add_metadef_tag": ADMIN_ONLY,
    "add_metadef_tags": ADMIN_ONLY,
    "delete_metadef_tag": ADMIN_ONLY,
    "delete_metadef_tags": ADMIN_ONLY,
}
CASES = [
    pytest.param(rule, visibility, side, least, id=f"{rule}-{visibility}-{side}")
    for rule, table in TABLES.items()
    for visibility, row in table.items()
    for side, least in zip(PROJECTS, row, strict=True)
]
VISIBILITIES = list(Visibility)
NOT_SHARED = [Visibility.PRIVATE, Visibility.COMMUNITY, Visibility.PUBLIC]
ABSENT = "No image found with ID image"


# ---- the rules


def test_every_rule_has_a_table() -> None:
    assert set(DEFAULTS) == set(TABLES)


@pytest.mark.parametrize(("rule", "visibility", "side", "least"), CASES)
def test_a_rule_lets_in_exactly_the_roles_of_its_table(
    rule: str, visibility: str, side: str, least: str
) -> None:
    target = Target(OWNER, visibility, is_member=side == "recipient")

    allowed = {role for role in ROLES if is_allowed(rule, caller(role, PROJECTS[side]), target)}

    assert allowed == FROM[least]


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("rule", DEFAULTS)
def test_a_token_without_a_project_may_do_nothing_not_even_as_admin(rule: str, visibility: str) -> None:
    """Reference, part 8: all rules have scope type project."""
    target = Target(OWNER, visibility)

    allowed = {role for role in ROLES if is_allowed(rule, caller(role, None), target)}

    assert allowed == set()


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.SHARED])
@pytest.mark.parametrize(
    "rule",
    sorted(
        rule for rule, table in TABLES.items() if table not in (ANYBODY, SERVICE, SERVICE_OR_OWNING_MEMBER)
    ),
)
def test_an_image_without_an_owner_is_the_admins_alone(rule: str, visibility: str) -> None:
    target = Target(None, visibility)

    allowed = {role for role in ROLES if is_allowed(rule, caller(role, STRANGER), target)}

    assert allowed == {"admin"}


@pytest.mark.parametrize("rule", sorted(set(DEFAULTS) - {"modify_member"}))
def test_an_owner_with_a_membership_of_its_own_image_stays_the_owner(rule: str) -> None:
    plain = Target(OWNER, Visibility.SHARED, is_member=False)
    on_both_sides = Target(OWNER, Visibility.SHARED, is_member=True)

    before = {role: is_allowed(rule, caller(role), plain) for role in ROLES}
    after = {role: is_allowed(rule, caller(role), on_both_sides) for role in ROLES}

    assert before == after


def test_an_owner_may_not_answer_for_its_own_membership() -> None:
    target = Target(OWNER, Visibility.SHARED, is_member=True)

    allowed = {role for role in ROLES if is_allowed("modify_member", caller(role), target)}

    assert allowed == {"admin"}


@pytest.mark.parametrize("rule", DEFAULTS)
def test_a_token_for_the_system_may_do_nothing_not_even_as_admin(rule: str) -> None:
    """Reference, parts 8 and 9.2."""
    admin = msgspec.structs.replace(caller("admin"), system_scope="all")

    assert not is_allowed(rule, admin, Target(OWNER, Visibility.PUBLIC))
    assert not admin.is_admin


def test_who_is_an_admin_is_for_the_rule_to_say() -> None:
    operators = Policy({**DEFAULT_POLICY.rules, "context_is_admin": lambda who, _: "manager" in who.roles})

    manager = msgspec.structs.replace(caller("manager", STRANGER), policy=operators)
    member_of_it = msgspec.structs.replace(caller("member", STRANGER), policy=operators)

    assert manager.is_admin
    assert is_allowed("publicize_image", manager, Target(OWNER, Visibility.PRIVATE))
    assert not member_of_it.is_admin


def test_a_caller_is_no_admin_by_saying_so() -> None:
    says_so = Caller(
        user_id="u", project_id=OWNER, roles=frozenset({"member"}), policy=DEFAULT_POLICY, is_admin=True
    )

    assert not says_so.is_admin


@pytest.mark.parametrize("rule", ["get_image", "download_image"])
def test_no_rule_shows_an_image_to_a_project_it_was_not_shared_with(rule: str) -> None:
    open_to_all = Policy({**DEFAULT_POLICY.rules, rule: lambda _who, _target: True})
    stranger = msgspec.structs.replace(caller("member", STRANGER), policy=open_to_all)

    with pytest.raises(NotFoundError):
        access.see_image(stranger, Found(image_id="image", image=image(visibility=Visibility.SHARED)), ABSENT)


_role_names = st.sampled_from(["reader", "member", "manager", "admin", "service", "Member"])


@given(
    rule=st.sampled_from(sorted(DEFAULTS)),
    visibility=st.sampled_from(VISIBILITIES),
    is_member=st.booleans(),
    project=st.sampled_from([OWNER, RECIPIENT, None]),
    fewer=st.frozensets(_role_names),
    more=st.frozensets(_role_names),
)
def test_a_further_role_never_takes_a_right_away(
    rule: str,
    visibility: str,
    is_member: bool,
    project: str | None,
    fewer: frozenset[str],
    more: frozenset[str],
) -> None:
    target = Target(OWNER, visibility, is_member)

    with_fewer = is_allowed(rule, _caller(project, fewer), target)
    with_more = is_allowed(rule, _caller(project, fewer | more), target)

    assert with_more >= with_fewer


def _caller(project: str | None, roles: frozenset[str]) -> Caller:
    return Caller(user_id="u", project_id=project, roles=roles, policy=DEFAULT_POLICY)


# ---- seeing an image


def test_an_image_that_is_seen_is_handed_on() -> None:
    seen = image(visibility=Visibility.SHARED)

    found = access.see_image(
        caller("reader", RECIPIENT), Found(image_id="image", image=seen, is_member=True), ABSENT
    )

    assert (found.image, found.is_member) == (seen, True)


@pytest.mark.parametrize(
    ("who", "hidden", "is_member"),
    [
        (caller("member"), None, False),
        (caller("admin"), None, False),
        (caller("manager", STRANGER), image(visibility=Visibility.PRIVATE), False),
        (caller("manager", STRANGER), image(visibility=Visibility.SHARED), False),
        (caller("manager", RECIPIENT), image(visibility=Visibility.PRIVATE), True),
        (caller("none"), image(visibility=Visibility.PUBLIC), False),
        (caller("member", STRANGER), image(owner=None, visibility=Visibility.PRIVATE), False),
    ],
)
def test_a_hidden_image_looks_just_like_an_absent_one(
    who: Caller, hidden: Image | None, is_member: bool
) -> None:
    with pytest.raises(NotFoundError) as raised:
        access.see_image(who, Found(image_id="image", image=hidden, is_member=is_member), ABSENT)

    assert str(raised.value) == ABSENT
