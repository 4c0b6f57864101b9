"""How much was offered or given, by the recipient's answer, as the share API shows it."""

from collections.abc import Mapping

import msgspec

from transom.api.share.recipients import show_recipient
from transom.domain.shares import RecipientShares
from transom.domain.times import show_time
from transom.identity import Names


class ByStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are, by the recipient's answer."""

    pending: int
    accepted: int
    rejected: int


class InboxSummary(msgspec.Struct, frozen=True, kw_only=True):
    """At most 1000 each; `more`: whether one of the counts is more than is shown."""

    images: ByStatus
    families: ByStatus
    through_domain: int
    through_organization: int
    more: bool
    newest_offered_at: str | None


class ShareSummary(msgspec.Struct, frozen=True, kw_only=True):
    """At most 1000 each; `more`: whether one of them is more than that."""

    pending: int
    accepted: int
    rejected: int
    more: bool


class RecipientShown(msgspec.Struct, frozen=True, kw_only=True):
    """One of those that a project shares with, and how much. `offered_at`: of the newest offer."""

    recipient: dict[str, str]
    name: str | None
    images: ByStatus
    families: ByStatus
    offered_at: str


class RecipientPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[RecipientShown]
    next: str | None


def show_recipient_shares(found: RecipientShares, names: Mapping[str, Names]) -> RecipientShown:
    known = names.get(found.member_id)
    return RecipientShown(
        recipient=show_recipient(found.member_id),
        name=known.name if known else None,
        images=ByStatus(**found.images),
        families=ByStatus(**found.families),
        offered_at=show_time(found.offered_at),
    )
