"""Policy files: what a rule of one answers is what oslo.policy answers, and a bad file is refused whole."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from domain.samples import OWNER, RECIPIENT, ROLES, STRANGER, caller, image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_policy import policy as oslo

from transom.domain.access import is_allowed
from transom.domain.model import Caller, Policy, Target, Visibility
from transom.domain.policy import DEFAULT_POLICY, DEFAULTS, is_seen_by
from transom.policy import PolicyFileError, read_policy
from transom.policy.rules import Text, compile_texts

OF_CODE: dict[str, Text] = {name: default.says.text for name, default in DEFAULTS.items()}


# ---- the same answers as oslo.policy


def oslo_enforcer(texts: Mapping[str, Any]) -> oslo.Enforcer:
    config = cfg.ConfigOpts()
    config([])
    enforcer = oslo.Enforcer(config, use_conf=False, default_rule="default")
    enforcer.set_rules(dict(oslo.Rules.from_dict(dict(texts))), use_conf=False)
    return enforcer


def oslo_creds(who: Caller) -> dict[str, Any]:
    return {
        "user_id": who.user_id,
        "user_domain_id": who.user_domain_id,
        "project_id": who.project_id,
        "project_domain_id": who.domain_id,
        "domain_id": None,
        "system_scope": who.system_scope,
        "roles": sorted(who.roles),
        "service_roles": sorted(who.service_roles),
        "is_admin": who.is_admin,
    }


def oslo_target(who: Caller, target: Target) -> dict[str, Any]:
    """What Glance's ImageTarget gives, the side of a recipient read from the membership."""
    is_recipient = target.is_member and target.visibility == "shared" and who.project_id != target.owner
    member = who.project_id if is_recipient else None
    values = {"project_id": target.owner, "owner": target.owner, "visibility": target.visibility}
    values |= {"member": member, "member_id": member}
    if target.image is None:
        return values
    names = ["id", "name", "status", "disk_format", "min_disk", "protected", "size"]
    fields = {name: getattr(target.image, name) for name in names}
    return {**target.image.properties, **fields, "image_id": target.image.id, **values}


who = st.builds(
    Caller,
    user_id=st.sampled_from(["alice", "bob"]),
    project_id=st.sampled_from([OWNER, RECIPIENT, STRANGER]),
    roles=st.sampled_from(list(ROLES.values())),
    policy=st.just(DEFAULT_POLICY),
    domain_id=st.sampled_from([None, "default", "other"]),
    user_domain_id=st.sampled_from([None, "default", "other"]),
    service_roles=st.sampled_from([frozenset(), frozenset({"service"}), frozenset({"service", "audit"})]),
)
some_images = st.builds(
    image,
    owner=st.sampled_from([OWNER, RECIPIENT, None]),
    visibility=st.sampled_from([one.value for one in Visibility]),
    status=st.sampled_from(["queued", "active"]),
    protected=st.booleans(),
    size=st.sampled_from([None, 5]),
    properties=st.sampled_from([{}, {"grade": "gold"}, {"grade": OWNER, "project_id": STRANGER}]),
)
targets = some_images.flatmap(
    lambda one: st.builds(
        Target,
        owner=st.just(one.owner),
        visibility=st.just(one.visibility),
        is_member=st.booleans(),
        image=st.sampled_from([one, None]),
    )
)
kinds = [
    *("user_id", "project_id", "project_domain_id", "user_domain_id", "domain_id", "system_scope", "roles"),
    *(
        "service_roles",
        "is_admin",
        "token.user",
        "no_such_value",
        "'public'",
        "'shared'",
        "None",
        "True",
        "5",
    ),
]
matches = [
    *("%(project_id)s", "%(owner)s", "%(member_id)s", "%(visibility)s", "%(status)s", "%(id)s", "%(size)s"),
    *("%(protected)s", "%(grade)s", "%(absent)s", "owner-%(grade)s", "True", "alice", "service", "default"),
    *("all", "public", OWNER),
]
checks = st.one_of(
    st.sampled_from(["@", "!", "rule:default", "rule:context_is_admin", "rule:one", "rule:two"]),
    st.sampled_from(["reader", "Member", "admin", "service", "%(grade)s", "%(absent)s"]).map(
        "role:{}".format
    ),
    st.builds("{}:{}".format, st.sampled_from(kinds), st.sampled_from(matches)),
)
texts = st.recursive(
    checks,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("{} or {} and {}".format, checks, checks, checks),
        st.builds("{} and {} or not {}".format, checks, checks, checks),
        st.builds("not {}".format, inner),
    ),
    max_leaves=8,
)
flat_texts = st.sampled_from(["", "role:member", "project_id:%(owner)s or 'public':%(visibility)s", "!"])
old_texts = st.lists(st.lists(st.sampled_from(["role:member", "project_id:%(owner)s", "@"]), max_size=3))


# What oslo.policy needs to load its rules, on a busy machine, is no fault of ours.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(text=texts | old_texts, one=flat_texts, two=flat_texts, asks=who, target=targets)
def test_a_rule_answers_as_oslo_policy_does(
    text: Text, one: str, two: str, asks: Caller, target: Target
) -> None:
    rules = {**OF_CODE, "one": one, "two": two, "asked": text}
    expected = oslo_enforcer(rules).enforce("asked", oslo_target(asks, target), oslo_creds(asks))

    assert compile_texts(rules)["asked"](asks, target) == expected


COMPILED = Policy(compile_texts(OF_CODE))


@given(rule=st.sampled_from(sorted(DEFAULTS)), asks=who, target=targets)
def test_each_rule_of_the_code_says_what_its_text_says(rule: str, asks: Caller, target: Target) -> None:
    """Of what the caller's project sees. The rest is hidden before any rule is asked, as in Glance."""
    as_text = msgspec.structs.replace(asks, policy=COMPILED)
    if asks.is_admin or is_seen_by(asks, target):
        assert is_allowed(rule, asks, target) == is_allowed(rule, as_text, target)
    assert asks.is_admin == as_text.is_admin


# ---- what a file changes


def _policy(folder: Path, text: str) -> Policy:
    file = folder / "policy.yaml"
    file.write_text(text)
    return read_policy(str(file))


def test_without_a_file_the_rules_are_those_of_the_code() -> None:
    assert read_policy("") is DEFAULT_POLICY


@pytest.mark.parametrize("text", ["", "{}", "# nothing but words\n"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    rules = _policy(tmp_path, text).rules

    assert set(rules) == set(DEFAULTS)
    assert rules["publicize_image"](caller("admin"), Target(OWNER, "private"))
    assert not rules["publicize_image"](caller("member"), Target(OWNER, "private"))


def test_rules_that_rest_on_nothing_the_file_sets_stay_those_of_the_code(tmp_path: Path) -> None:
    """They are the faster ones."""
    rules = _policy(tmp_path, '"metadef_admin": "role:manager"').rules

    changed = {name for name, rule in rules.items() if rule is not DEFAULT_POLICY.rules[name]}

    assert changed == {name for name, default in DEFAULTS.items() if "metadef_admin" in default.says.text} | {
        "metadef_admin"
    }


def test_a_rule_of_the_file_counts_for_the_rules_that_refer_to_it(tmp_path: Path) -> None:
    policy = _policy(tmp_path, '"metadef_admin": "role:manager"\n"context_is_admin": "role:operator"\n')

    manager = msgspec.structs.replace(caller("manager"), policy=policy)
    admin = msgspec.structs.replace(caller("admin", STRANGER), policy=policy)
    operator = msgspec.structs.replace(admin, roles=frozenset({"operator"}))

    assert is_allowed("add_metadef_namespace", manager, Target(OWNER, "private"))
    assert not admin.is_admin
    assert not is_allowed("delete_image", admin, Target(OWNER, "private"))
    assert operator.is_admin
    assert is_allowed("delete_image", operator, Target(OWNER, "private"))


def test_who_is_an_admin_can_not_rest_on_being_one(tmp_path: Path) -> None:
    policy = _policy(tmp_path, '"context_is_admin": "is_admin:True or role:operator"')

    assert not msgspec.structs.replace(caller("admin"), policy=policy).is_admin


def test_an_undefined_rule_is_the_default_that_the_file_sets(tmp_path: Path) -> None:
    """As of oslo.policy: older files name a default for all that they do not define."""
    policy = _policy(tmp_path, '"default": "role:admin"\n"add_image": "rule:nowhere"\n')

    assert policy.rules["add_image"](caller("admin"), Target(OWNER, "private"))
    assert not policy.rules["add_image"](caller("member"), Target(OWNER, "private"))


def test_a_rule_that_nothing_asks_for_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _policy(tmp_path, '"ad_image": "rule:alias"\n"alias": "role:member"\n')

    assert [record.getMessage() for record in caplog.records] == [
        "policy file: nothing asks for the rule 'ad_image'"
    ]


# ---- bad files


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('"add_image": "role:admin and"', "rule add_image: 'role:admin and' cannot be understood"),
        ('"add_image": "(role:admin"', "rule add_image: '(role:admin' cannot be understood"),
        ('"add_image": "admin"', "rule add_image: 'admin' cannot be understood"),
        ('"add_image": [5]', "rule add_image: [5] cannot be understood"),
        ('"add_image": [["role:admin", 5]]', "rule add_image: [['role:admin', 5]] cannot be understood"),
        (
            '"add_image": "http://example.org/%(name)s"',
            "rule add_image: the check http://example.org/%(name)s is of a kind that is not supported",
        ),
        (
            '"add_image": "not (role:a or https://x)"',
            "rule add_image: the check https://x is of a kind that is not supported",
        ),
        (
            '"add_image": "rule:nowhere"',
            "rule add_image: it refers to the rule nowhere, which is not defined",
        ),
        ('"a": "rule:a"', "rule a: it refers to itself: a → a"),
        (
            '"a": "role:x or rule:b"\n"b": "not rule:c"\n"c": "rule:a"',
            "rule a: it refers to itself: a → b → c → a",
        ),
        (
            '"add_image": "project_id:%(owner"',
            "rule add_image: '%(owner' is malformed: a value of the target is written %(name)s",
        ),
        (
            '"add_image": "role:%(owner)d"',
            "rule add_image: '%(owner)d' is malformed: a value of the target is written %(name)s",
        ),
        ('"add_image": ":x"', "rule add_image: '' is neither a literal nor the name of a value"),
        ('"add_image":', 'each line must be a name and a text, as in: "add_image": "role:member"'),
        ('"add_image": true', 'each line must be a name and a text, as in: "add_image": "role:member"'),
        ("- add_image", 'each line must be a name and a text, as in: "add_image": "role:member"'),
        ("5: role:admin", 'each line must be a name and a text, as in: "add_image": "role:member"'),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(PolicyFileError) as raised:
        _policy(tmp_path, text)

    assert str(raised.value) == f"{tmp_path / 'policy.yaml'}: {complaint}"


@pytest.mark.parametrize("content", [b'"add_image: x', b"\xff\xfe", b"a: [", b"\0"])
def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(content)

    with pytest.raises(PolicyFileError, match=r"policy\.yaml: "):
        read_policy(str(file))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="No such file"):
        read_policy(str(tmp_path / "policy.yaml"))
