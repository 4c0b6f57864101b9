"""Recipients of images: which kinds there are, and how one is written.

A recipient is kept as its `member_id`: a project's is its own id, that of each other kind has the kind and a
slash before it. Where a kind is known beside this module: `sharing/recipients.py` (does it exist?),
`sharing/names.py` (its name), `Caller.member_ids` (who is one), `sql/member_ids.py` (statements), bodies of
the IMS API.
"""

from collections.abc import Mapping
from enum import StrEnum


class MemberType(StrEnum):
    """What an image can be shared with: one project, all projects of a domain (IMS: an account), or all that
    are in an organisation or a unit of one."""

    PROJECT = "project"
    DOMAIN = "domain"
    ORGANIZATION = "organization"


#: Names of lists of recipients in bodies, and of segments of paths → the kind.
KINDS_BY_PLURAL: Mapping[str, MemberType] = {f"{kind}s": kind for kind in MemberType}
#: The kinds that many projects are in: none of these is asked, an offer is accepted at once.
GROUPS = tuple(kind for kind in MemberType if kind is not MemberType.PROJECT)


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


def is_project(member_id: str) -> bool:
    """Whether it is one project, which is asked, and not a group."""
    return split_member_id(member_id)[0] is MemberType.PROJECT


def is_organization(member_id: str) -> bool:
    """Whether the operator's file has it (or has not), and not the identity service."""
    return split_member_id(member_id)[0] is MemberType.ORGANIZATION
