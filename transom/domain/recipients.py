"""Recipients of images: which kinds there are, and how one is written.

A recipient is kept as its `member_id`: a project's is its own id, that of each other kind has the kind and a
slash before it. What differs from kind to kind is in `KINDS`; CONTRIBUTING.md says which other modules name
one.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from transom.domain.errors import Reason


class MemberType(StrEnum):
    """What an image can be shared with: one project, all projects of a domain (IMS: an account), or all that
    are in an organisation or a unit of one."""

    PROJECT = "project"
    DOMAIN = "domain"
    ORGANIZATION = "organization"


class Kind(NamedTuple):
    """`plural`: the name of lists of them in bodies, and of a segment of paths. `is_group`: many projects are
    in one, so that nobody is asked, and an offer is accepted at once. `is_in_identity`: the identity service
    knows which there are, else the operator's file does. `owns_images`: it, or a project in it, may be a
    publisher. `unknown`: the reason of an error for one that does not exist."""

    plural: str
    is_group: bool
    is_in_identity: bool
    owns_images: bool
    unknown: Reason


KINDS: Mapping[MemberType, Kind] = {
    MemberType.PROJECT: Kind(
        plural="projects",
        is_group=False,
        is_in_identity=True,
        owns_images=True,
        unknown=Reason.RECIPIENT_UNKNOWN,
    ),
    MemberType.DOMAIN: Kind(
        plural="domains",
        is_group=True,
        is_in_identity=True,
        owns_images=True,
        unknown=Reason.RECIPIENT_UNKNOWN,
    ),
    MemberType.ORGANIZATION: Kind(
        plural="organizations",
        is_group=True,
        is_in_identity=False,
        owns_images=False,
        unknown=Reason.ORGANIZATION_UNKNOWN,
    ),
}
KINDS_BY_PLURAL: Mapping[str, MemberType] = {facts.plural: kind for kind, facts in KINDS.items()}
GROUPS = tuple(kind for kind, facts in KINDS.items() if facts.is_group)


def member_key(kind: MemberType, own_id: str) -> str:
    """The `member_id` under which a membership is kept. No project's id holds a slash."""
    return own_id if kind is MemberType.PROJECT else f"{kind}/{own_id}"


def domain_key(domain_id: str) -> str:
    return member_key(MemberType.DOMAIN, domain_id)


def organization_key(unit_id: str) -> str:
    """`unit_id`: of an organisation, its root or one of its units."""
    return member_key(MemberType.ORGANIZATION, unit_id)


def split_member_id(member_id: str) -> tuple[MemberType, str]:
    """(what the member is, its own id) of a `member_id` as it is kept."""
    kind, slash, own_id = member_id.partition("/")
    return (MemberType(kind), own_id) if slash else (MemberType.PROJECT, member_id)


def without_projects(member_ids: Iterable[str]) -> Iterator[str]:
    """Those of other kinds. Most are projects, which are told by less than what kind each of them is."""
    return (one for one in member_ids if "/" in one)


def kind_of(member_id: str) -> Kind:
    return KINDS[split_member_id(member_id)[0]]


def is_group(member_id: str) -> bool:
    """Whether many projects are in it: it is not asked."""
    return kind_of(member_id).is_group
