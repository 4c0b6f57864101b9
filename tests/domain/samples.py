"""Callers and images to try the rules on, and hypothesis strategies that make any of them."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st

from transom.domain.errors import ForbiddenError, NotFoundError, TransomError
from transom.domain.events import Actor, Via
from transom.domain.fields import CONTAINER_FORMATS, DISK_FORMATS, FIELDS, RESERVED, RESERVED_PREFIXES
from transom.domain.model import (
    Caller,
    Image,
    Member,
    MemberStatus,
    Policy,
    Rule,
    Status,
    Target,
    Visibility,
)
from transom.domain.policy import DEFAULT_POLICY, DEFAULTS

OWNER, RECIPIENT, STRANGER = "owner-project", "recipient-project", "stranger-project"

#: A role and what it implies, as identity hands it over; "none" is a role the service does not know.
ROLES = {
    "none": frozenset({"swiftoperator"}),
    "service": frozenset({"service"}),
    "reader": frozenset({"reader"}),
    "member": frozenset({"member", "reader"}),
    "manager": frozenset({"manager", "member", "reader"}),
    "admin": frozenset({"admin", "manager", "member", "reader"}),
}

#: Text that both databases keep: no NUL, no unpaired surrogate, nothing beyond U+FFFF.
texts = st.text(st.characters(max_codepoint=0xFFFF, exclude_characters="\0", exclude_categories=["Cs"]))
short_texts = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)
property_names = short_texts.filter(
    lambda name: (
        name and name not in FIELDS and name not in RESERVED and not name.startswith(RESERVED_PREFIXES)
    )
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def caller(role: str = "member", project: str | None = OWNER) -> Caller:
    return Caller(user_id="user", project_id=project, roles=ROLES[role], policy=DEFAULT_POLICY)


def recording_caller(
    project: str | None = OWNER, denies: str = ""
) -> tuple[Caller, list[tuple[str, Target]]]:
    """A caller without roles, under an operator who has set every rule: each lets it, but for `denies`. And
    what is asked of them: (rule, target), in this order."""
    asked: list[tuple[str, Target]] = []

    def rule_named(name: str) -> Rule:
        def judge(_caller: Caller, target: Target) -> bool:
            asked.append((name, target))
            return name != denies

        return judge

    rules = {
        **{name: rule_named(name) for name in DEFAULTS},
        "context_is_admin": lambda _caller, _target: False,
    }
    return Caller(user_id="user", project_id=project, roles=ROLES["none"], policy=Policy(rules)), asked


def is_refused(act: Callable[[], object]) -> bool:
    """Whether it says so, by an error or by False."""
    try:
        return act() is False
    except (ForbiddenError, NotFoundError):
        return True


def refusal_of(act: Callable[[], object]) -> tuple[type[TransomError], str, str | None]:
    """How it is refused: the error, its text, its reason."""
    with pytest.raises(TransomError) as raised:
        act()
    return type(raised.value), str(raised.value), raised.value.reason


#: Who acts, where it does not matter.
ACTOR = Actor(via=Via.IMAGES_V2, project=OWNER, user="user", request_id="req-1")


def member(member_id: str = RECIPIENT, status: str = MemberStatus.PENDING) -> Member:
    return Member(image_id="image", member_id=member_id, status=status, created_at=1, updated_at=1)


def image(**changes: Any) -> Image:
    """A queued, shared image of OWNER with some of its fields as said."""
    return msgspec.structs.replace(_IMAGE, **changes)


_IMAGE = Image(
    id="image",
    owner=OWNER,
    name="name",
    status=Status.QUEUED,
    visibility=Visibility.SHARED,
    container_format="bare",
    disk_format="raw",
    min_disk=0,
    min_ram=0,
    protected=False,
    os_hidden=False,
    size=None,
    virtual_size=None,
    checksum=None,
    os_hash_algo=None,
    os_hash_value=None,
    tags=(),
    properties={},
    locations=(),
    created_at=1,
    updated_at=1,
)

_times = st.integers(0, 1 << 50)
_numbers = st.integers(0, 2147483647)
_names = st.none() | short_texts
#: Images as a client can make them, without data.
images = st.builds(
    Image,
    id=st.uuids().map(str),
    owner=_names,
    name=st.none() | texts,
    status=st.just(Status.QUEUED.value),
    visibility=st.sampled_from([one.value for one in Visibility]),
    container_format=st.none() | st.sampled_from(CONTAINER_FORMATS),
    disk_format=st.none() | st.sampled_from(DISK_FORMATS),
    min_disk=_numbers,
    min_ram=_numbers,
    protected=st.booleans(),
    os_hidden=st.booleans(),
    size=st.none(),
    virtual_size=st.none(),
    checksum=st.none(),
    os_hash_algo=st.none(),
    os_hash_value=st.none(),
    tags=st.lists(short_texts, unique=True, max_size=5).map(tuple),
    properties=st.dictionaries(property_names, texts, max_size=5),
    locations=st.just(()),
    created_at=_times,
    updated_at=_times,
)
callers = st.builds(
    Caller,
    user_id=st.just("user"),
    project_id=st.sampled_from([OWNER, RECIPIENT, STRANGER]),
    domain_id=st.sampled_from([None, "theirs"]),
    organizations=st.sampled_from([(), ("organization/unit",), ("organization/unit", "organization/whole")]),
    roles=st.sampled_from(list(ROLES.values())),
    policy=st.just(DEFAULT_POLICY),
)
