"""Families of images: an owner's versions of one image, of which one is current, and who gets that one.

Records only: `sql/families.py` reads and writes them, `transom/sharing/families` decides. Images that are
versions say so by their properties `os_share_…`, by which clients of the Image API find the current one.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from transom.domain.fields import FAMILY_PREFIX
from transom.domain.shares import Publisher

#: The properties of an image that is a version. An image is one if, and only if, it has the first.
FAMILY = f"{FAMILY_PREFIX}family"
VERSION = f"{FAMILY_PREFIX}version"
STATE = f"{FAMILY_PREFIX}state"
REPLACED_BY = f"{FAMILY_PREFIX}replaced_by"
REVOKE_AT = f"{FAMILY_PREFIX}revoke_at"
REVOKE_REASON = f"{FAMILY_PREFIX}revoke_reason"


class State(StrEnum):
    """What a version is. Worked out, not kept: see `Known.state_of`."""

    CANDIDATE = "candidate"
    CURRENT = "current"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """`current_number`: of the current version, None when there is none. `last_number`: the highest that a
    version ever had. `provided_until`: informs only; NEVER for no end."""

    id: str
    owner: str
    name: str
    title: str | None
    description: str | None
    support_url: str | None
    current_number: int | None
    last_number: int
    provided_until: int
    created_at: int
    updated_at: int


class VersionImage(msgspec.Struct, frozen=True, kw_only=True):
    """What a family looks at of an image that is a version, or is to become one."""

    id: str
    owner: str | None
    name: str | None
    status: str
    visibility: str
    os_hidden: bool
    properties: Mapping[str, str]
    updated_at: int


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """`promoted_at`: when it became current last, None before. `end_of_life` informs only. `revoke_at`: when
    it is to be revoked. `was_hidden`: `os_hidden` of the image before it became a version. `has_deactivated`:
    whether its revocation deactivated the image."""

    family_id: str
    number: int
    name: str | None
    notes: str | None
    published_at: int
    promoted_at: int | None
    end_of_life: int
    revoke_at: int
    revoked_at: int | None
    revoke_reason: str | None
    was_hidden: bool
    has_deactivated: bool
    image: VersionImage


class FamilyMember(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a family was offered to. `new_versions`: the status that memberships of new versions get.
    `offered_by`: a user's id. `ends_at`: from then on it counts as absent; `expires_at` is what `ends_at`
    becomes when the offer is answered."""

    family_id: str
    member_id: str
    status: str
    new_versions: str
    offered_at: int
    offered_by: str | None
    answered_at: int | None
    message: str | None
    ends_at: int
    expires_at: int
    created_at: int
    updated_at: int


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A family with all its versions, newest first."""

    family: Family
    versions: Sequence[Version]

    def find(self, number: int) -> Version | None:
        return next((version for version in self.versions if version.number == number), None)

    @property
    def current(self) -> Version | None:
        number = self.family.current_number
        return self.find(number) if number is not None else None

    def state_of(self, version: Version) -> State:
        return state_of(version, self.family.current_number)


def state_of(version: Version, current_number: int | None) -> State:
    if version.revoked_at is not None:
        return State.REVOKED
    if version.number == current_number:
        return State.CURRENT
    return State.CANDIDATE if version.promoted_at is None else State.SUPERSEDED


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A family and how the caller stands to it. `status`: of its project's membership or its domain's, None
    without one. `sees_current`: whether it sees the image of the current version."""

    family: Family
    status: str | None
    sees_current: bool


class GivenFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A member as the family's owner sees it. `last_used_at`: when it last used the image of any version.
    `family`: where it is not the one that was asked about."""

    member: FamilyMember
    last_used_at: int | None
    family: Family | None = None


class MemberCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Members of a family by their answer. `asked_each_time`: those of the accepted who are."""

    accepted: int
    asked_each_time: int
    pending: int
    rejected: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of a family beside the family. `promoted_at`: of the version that is current."""

    members: MemberCounts
    promoted_at: int | None


class ReceivedFamily(msgspec.Struct, frozen=True, kw_only=True):
    """A family as it stands in an inbox. `publisher`: None where nobody verified one."""

    family: Family
    member: FamilyMember
    publisher: Publisher | None

    @property
    def offered_at(self) -> int:
        return self.member.offered_at
