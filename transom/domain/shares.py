"""What the share API shows of memberships: to those who received an offer, and to those who made it.

Records only: `sql/shares.py` and `sql/inbox.py` read them, `api/share` shows them.
"""

from collections.abc import Mapping

import msgspec

from transom.domain.model import Image, Member

#: Counts stop here; beyond, the answer says "more".
MOST_COUNTED = 1_000


class FamilyLink(msgspec.Struct, frozen=True, kw_only=True):
    """The family that a membership was inherited from. `number`: of the version, None if the image has left
    it."""

    id: str
    name: str
    number: int | None


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """A name that an administrator has verified. `verified_at`: microseconds since the epoch."""

    name: str
    url: str | None
    verified_at: int


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """How a project uses an image that is another's."""

    downloads: int
    last_used_at: int | None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """How an image is used by all projects that do not own it. `projects`: those that used it of late, at
    most one more than MOST_COUNTED. None where a recipient asks: `last_used_at` is then of its own uses."""

    last_used_at: int | None
    projects: int | None = None


NEVER_USED = Usage(last_used_at=None)


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """An image as it stands in an inbox. `publisher`: None where nobody verified one."""

    image: Image
    member: Member
    family: FamilyLink | None
    publisher: Publisher | None
    last_used_at: int | None

    @property
    def offered_at(self) -> int:
        return offered_at(self.member)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A membership as its publisher sees it. `image`: where the image is not the one that was asked about."""

    member: Member
    family: FamilyLink | None
    use: Use | None
    image: Image | None = None


class RecipientShares(msgspec.Struct, frozen=True, kw_only=True):
    """One of those that a project shares with. `images`, `families`: how many it has, by its answer.
    `offered_at`: when the newest of them was offered."""

    member_id: str
    images: Mapping[str, int]
    families: Mapping[str, int]
    offered_at: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Memberships by status, at most MOST_COUNTED each. `more`: whether one of these is more than that."""

    by_status: Mapping[str, int]
    more: bool


def counts_of(counted: Mapping[str, int]) -> Counts:
    """`counted`: up to one more than is shown."""
    shown = {name: min(count, MOST_COUNTED) for name, count in counted.items()}
    return Counts(by_status=shown, more=any(count > MOST_COUNTED for count in counted.values()))


def offered_at(member: Member) -> int:
    """When it was offered, or offered again. Old rows know only when they were made."""
    return member.created_at if member.offered_at is None else member.offered_at


def answer_by(member: Member) -> int | None:
    """Until when the offer can be answered; None when it always can, or has been."""
    from_terms = member.status == "pending" and member.ends_at < member.expires_at
    return member.ends_at if from_terms else None
