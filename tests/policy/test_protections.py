"""Property protection files: read as Glance reads them, and refused whole where it would not start either."""

from pathlib import Path

import msgspec
import pytest
from domain.samples import caller

from transom.domain.model import Caller, Policy
from transom.domain.policy import DEFAULT_POLICY
from transom.domain.protection import ACTIONS, may
from transom.policy import PolicyFileError, read_policy

ROLES = """
[DEFAULT]
delete = !

[^secret_.*]
create = admin,Auditor
read = admin, auditor
update = admin
[^[a-z]{2}$]
create = @
read = member,@
update =
[.*]
create = service
read = @
update = !,admin
delete = @
[os_glance_anything]
"""
POLICIES = """
[^secret_.*]
create = context_is_admin
read = auditors
update = @
delete = !
"""


def _policy(folder: Path, text: str, protection_format: str = "roles", policies: str = "") -> Policy:
    protections, rules = folder / "protections.conf", folder / "policy.yaml"
    protections.write_text(text)
    if policies:
        rules.write_text(policies)
    return read_policy(str(rules) if policies else "", str(protections), protection_format)


def _actions(who: Caller, policy: Policy, name: str) -> set[str]:
    judged = msgspec.structs.replace(who, policy=policy)
    return {action for action in ACTIONS if may(judged, action, name)}


@pytest.mark.parametrize(
    ("role", "name", "actions"),
    [
        ("admin", "secret_x", {"create", "read", "update"}),
        ("member", "secret_x", set()),
        ("none", "ab", {"create", "read"}),
        ("admin", "abc", {"read", "delete"}),
        ("service", "abc", {"create", "read", "delete"}),
        ("none", "os_glance_x", set(ACTIONS)),
    ],
)
def test_roles_may_what_the_first_section_that_fits_says(
    tmp_path: Path, role: str, name: str, actions: set[str]
) -> None:
    assert _actions(caller(role), _policy(tmp_path, ROLES), name) == actions


def test_roles_are_the_same_in_capitals_and_those_of_a_service_token_count(tmp_path: Path) -> None:
    policy = _policy(tmp_path, ROLES)
    auditor = msgspec.structs.replace(caller("none"), roles=frozenset({"auditor"}))
    for_service = msgspec.structs.replace(caller("none"), service_roles=frozenset({"service"}))

    assert _actions(auditor, policy, "secret_x") == {"create", "read"}
    assert _actions(for_service, policy, "abc") == {"create", "read", "delete"}


def test_a_section_may_name_rules_of_the_policy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = _policy(tmp_path, POLICIES, "policies", '"auditors": "role:reader and not role:member"')

    assert _actions(caller("admin"), policy, "secret_x") == {"create", "update"}
    assert _actions(caller("reader"), policy, "secret_x") == {"read", "update"}
    assert caplog.messages == []


def test_without_a_file_no_property_is_protected() -> None:
    assert DEFAULT_POLICY.protections is None


def test_an_empty_file_leaves_the_properties_to_nobody(tmp_path: Path) -> None:
    assert _actions(caller("admin"), _policy(tmp_path, ""), "x") == set()


SECTION = "create = @\nread = @\nupdate = @\ndelete = @\n"


@pytest.mark.parametrize(
    ("text", "protection_format", "complaint"),
    [
        ("[x]\ncreate = @\nread = @\nupdate = @\n", "roles", "section [x]: delete is missing"),
        ("[x]\ncreate = @,!\n", "roles", "section [x]: create cannot have both @ and !"),
        (
            "[(]\n" + SECTION,
            "roles",
            "section [(]: no regular expression: missing ), unterminated subpattern",
        ),
        (f"[x]\n{SECTION}[x]\n{SECTION}", "roles", "section 'x' already exists"),
        ("create = @\n", "roles", "File contains no section headers."),
        ("[x]\ncreate = %(nowhere)s\n", "roles", "Bad value substitution"),
        (
            "[x]\ncreate = add_image,get_image\nread = @\nupdate = @\ndelete = @\n",
            "policies",
            "section [x]: create: one policy at most; the policy file can combine several",
        ),
        (
            "[x]\ncreate = @\nread = nowhere\nupdate = @\ndelete = @\n",
            "policies",
            "section [x]: read: there is no policy 'nowhere'",
        ),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(
    tmp_path: Path, text: str, protection_format: str, complaint: str
) -> None:
    with pytest.raises(PolicyFileError) as raised:
        _policy(tmp_path, text, protection_format)

    assert str(raised.value).startswith(f"{tmp_path / 'protections.conf'}: ")
    assert complaint in str(raised.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="No such file"):
        read_policy("", str(tmp_path / "protections.conf"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "protections.conf"
    file.write_bytes(b"\xff\xfe[x]")

    with pytest.raises(PolicyFileError, match=r"protections\.conf: "):
        read_policy("", str(file))
