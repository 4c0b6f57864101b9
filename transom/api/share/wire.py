"""What the share API shows: records → the types of its answers."""

from collections.abc import Mapping
from typing import Any

import msgspec

from transom.api.share.problems import name_of_failure, name_of_reason, type_of
from transom.api.share.recipients import show_recipient
from transom.domain.families import Family, FamilyMember, GivenFamily, ReceivedFamily
from transom.domain.model import NEVER, Failure, Member, MemberStatus
from transom.domain.recipients import is_group
from transom.domain.shares import (
    FamilyLink,
    Given,
    Publisher,
    Received,
    answer_by,
    offered_at,
)
from transom.domain.times import show_time
from transom.identity import Names
from transom.sharing.families.verbs import FamilyFailure
from transom.sharing.sets import Outcome


class OfferedImage(msgspec.Struct, frozen=True, kw_only=True):
    """As much of an image as its recipient needs to decide."""

    id: str
    name: str | None
    status: str
    disk_format: str | None
    container_format: str | None
    size: int | None
    min_disk: int
    min_ram: int
    os_hash_algo: str | None
    os_hash_value: str | None
    created_at: str


class SharedImage(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str | None
    status: str


class VerifiedName(msgspec.Struct, frozen=True, kw_only=True):
    """What an administrator has verified of a publisher."""

    name: str
    url: str | None
    verified_at: str


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who offers. Names are null where identity does not tell them."""

    project: str | None
    name: str | None
    domain: str | None
    domain_name: str | None
    publisher: VerifiedName | None


class FamilyOf(msgspec.Struct, frozen=True, kw_only=True):
    """The family that brought a share. `number`: of the version."""

    id: str
    name: str
    number: int | None


class OwnUse(msgspec.Struct, frozen=True, kw_only=True):
    last_used_at: str | None


class UseByRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """`as_of`: a crash may have lost the seconds before."""

    downloads: int
    last_used_at: str | None
    as_of: str


class InboxItem(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    """An offer as its recipient sees it. `through`: the recipient that it was made to, if it is not the
    project itself."""

    status: str
    image: OfferedImage
    sender: Sender = msgspec.field(name="from")
    message: str | None
    offered_at: str
    answer_by: str | None
    expires_at: str | None
    through: dict[str, str] | None
    family: FamilyOf | None
    usage: OwnUse


class OfferedFamily(msgspec.Struct, frozen=True, kw_only=True):
    """`current_number`: of the current version, None when there is none."""

    id: str
    name: str
    title: str | None
    current_number: int | None


class InboxFamily(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="family"):
    """A family that was offered, as its recipient sees it."""

    status: str
    family: OfferedFamily
    sender: Sender = msgspec.field(name="from")
    message: str | None
    offered_at: str
    answer_by: str | None
    expires_at: str | None
    new_versions: str
    through: dict[str, str] | None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share as its publisher sees it."""

    recipient: dict[str, str]
    name: str | None
    status: str
    offered_at: str
    answered_at: str | None
    answer_by: str | None
    expires_at: str | None
    message: str | None
    family: FamilyOf | None
    usage: UseByRecipient


class ShareTo(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    """One of the images that a project shares with one recipient."""

    image: SharedImage
    status: str
    offered_at: str
    answered_at: str | None
    answer_by: str | None
    expires_at: str | None
    message: str | None
    family: FamilyOf | None
    usage: UseByRecipient


class FamilyTo(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="family"):
    """One of the families that a project shares with one recipient. `usage`: of any version."""

    family: OfferedFamily
    status: str
    new_versions: str
    offered_at: str
    answered_at: str | None
    answer_by: str | None
    expires_at: str | None
    message: str | None
    usage: OwnUse


class FailureShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What could not be done, and why: a problem type. `recipient`: of one pair; without, of the whole."""

    image: str | None = None
    family: str | None = None
    recipient: dict[str, str] | None = None
    type: str
    detail: str


class InboxPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[InboxItem | InboxFamily]
    next: str | None


class SharePage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Share]
    next: str | None


class ShareToPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[ShareTo | FamilyTo]
    next: str | None


class OffersMade(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of a thing and a recipient. `renewed`: rejected before; `unchanged`: there was an offer."""

    offered: int
    renewed: int
    unchanged: int
    failures: list[FailureShown]


class AnswersGiven(msgspec.Struct, frozen=True, kw_only=True):
    """`remaining`: of `all`, those that one request did not take."""

    changed: int
    unchanged: int
    remaining: int
    failures: list[FailureShown]


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """`absent`: pairs that there were none of; `remaining`: those that one request did not take."""

    withdrawn: int
    absent: int
    remaining: int
    failures: list[FailureShown]


class SetReplaced(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the recipients of an image."""

    offered: int
    renewed: int
    unchanged: int
    withdrawn: int
    failures: list[FailureShown]


def show_failure(failure: Failure) -> FailureShown:
    member_id = failure.member_id
    return FailureShown(
        image=failure.image_id,
        recipient=show_recipient(member_id) if member_id is not None else None,
        type=type_of(name_of_reason(failure.reason)),
        detail=failure.message,
    )


def show_failures(done: Outcome) -> list[FailureShown]:
    """What could not be done of images and of families."""
    return [*map(show_failure, done.images.failures), *map(show_family_failure, done.families.failures)]


def show_family_failure(failure: FamilyFailure) -> FailureShown:
    member_id = failure.member_id
    return FailureShown(
        family=failure.family_id,
        recipient=show_recipient(member_id) if member_id is not None else None,
        type=type_of(name_of_failure(failure.error)),
        detail=str(failure.error),
    )


def show_received(item: Received, names: Mapping[str, Names]) -> InboxItem:
    image, member = item.image, item.member
    return InboxItem(
        status=member.status,
        image=OfferedImage(
            id=image.id,
            name=image.name,
            status=image.status,
            disk_format=image.disk_format,
            container_format=image.container_format,
            size=image.size,
            min_disk=image.min_disk,
            min_ram=image.min_ram,
            os_hash_algo=image.os_hash_algo,
            os_hash_value=image.os_hash_value,
            created_at=show_time(image.created_at),
        ),
        sender=_sender(image.owner, item.publisher, names),
        message=member.message,
        offered_at=show_time(item.offered_at),
        answer_by=_time(answer_by(member)),
        expires_at=show_end(member.expires_at),
        through=show_recipient(member.member_id) if is_group(member.member_id) else None,
        family=_family(item.family),
        usage=OwnUse(last_used_at=_time(item.last_used_at)),
    )


def show_item(item: Received | ReceivedFamily, names: Mapping[str, Names]) -> InboxItem | InboxFamily:
    return show_received(item, names) if isinstance(item, Received) else show_received_family(item, names)


def show_received_family(item: ReceivedFamily, names: Mapping[str, Names]) -> InboxFamily:
    family, member = item.family, item.member
    return InboxFamily(
        status=member.status,
        family=_offered_family(family),
        sender=_sender(family.owner, item.publisher, names),
        message=member.message,
        offered_at=show_time(member.offered_at),
        answer_by=_family_answer_by(member),
        expires_at=show_end(member.expires_at),
        new_versions=member.new_versions,
        through=show_recipient(member.member_id) if is_group(member.member_id) else None,
    )


def owner_of(item: Received | ReceivedFamily) -> str | None:
    """Who offers it."""
    return item.image.owner if isinstance(item, Received) else item.family.owner


def _sender(project: str | None, publisher: Publisher | None, names: Mapping[str, Names]) -> Sender:
    found, verified = names.get(project or ""), None
    if publisher is not None:
        verified_at = show_time(publisher.verified_at)
        verified = VerifiedName(name=publisher.name, url=publisher.url, verified_at=verified_at)
    return Sender(
        project=project,
        name=found.name if found else None,
        domain=found.domain_id if found else None,
        domain_name=found.domain_name if found else None,
        publisher=verified,
    )


def show_given(share: Given, names: Mapping[str, Names], now: int) -> Share:
    """`now`: for how fresh the usage is."""
    found = names.get(share.member.member_id)
    return Share(
        recipient=show_recipient(share.member.member_id),
        name=found.name if found else None,
        **_terms(share, now),
    )


def show_given_to(share: Given | GivenFamily, now: int) -> ShareTo | FamilyTo:
    """Of a list of what one recipient has."""
    if isinstance(share, GivenFamily):
        return _show_family_to(share)
    image = share.image
    assert image is not None, "the list has each with its image"  # noqa: S101
    shown = SharedImage(id=image.id, name=image.name, status=image.status)
    return ShareTo(image=shown, **_terms(share, now))


def _show_family_to(share: GivenFamily) -> FamilyTo:
    family, member = share.family, share.member
    assert family is not None, "the list has each with its family"  # noqa: S101
    return FamilyTo(
        family=_offered_family(family),
        status=member.status,
        new_versions=member.new_versions,
        offered_at=show_time(member.offered_at),
        answered_at=_time(member.answered_at),
        answer_by=_family_answer_by(member),
        expires_at=show_end(member.expires_at),
        message=member.message,
        usage=OwnUse(last_used_at=_time(share.last_used_at)),
    )


def _offered_family(family: Family) -> OfferedFamily:
    return OfferedFamily(
        id=family.id, name=family.name, title=family.title, current_number=family.current_number
    )


def _family_answer_by(member: FamilyMember) -> str | None:
    is_limited = member.status == MemberStatus.PENDING and member.ends_at < member.expires_at
    return show_time(member.ends_at) if is_limited else None


def _terms(share: Given, now: int) -> dict[str, Any]:
    member, use = share.member, share.use
    return {
        "status": member.status,
        "offered_at": show_time(offered_at(member)),
        "answered_at": _time(member.answered_at),
        "answer_by": _time(answer_by(member)),
        "expires_at": show_end(member.expires_at),
        "message": member.message,
        "family": _family(share.family),
        "usage": UseByRecipient(
            downloads=use.downloads if use else 0,
            last_used_at=_time(use.last_used_at) if use else None,
            as_of=show_time(now),
        ),
    }


def decided_of(member: Member) -> tuple[Any, ...]:
    """What somebody decided of a membership: all that its entity tag covers."""
    return (
        member.image_id,
        member.member_id,
        member.status,
        member.offered_at,
        member.message,
        member.ends_at,
        member.expires_at,
    )


def _family(link: FamilyLink | None) -> FamilyOf | None:
    return FamilyOf(id=link.id, name=link.name, number=link.number) if link is not None else None


def _time(microseconds: int | None) -> str | None:
    return show_time(microseconds) if microseconds is not None else None


def show_end(microseconds: int) -> str | None:
    """None for what has no end."""
    return show_time(microseconds) if microseconds < NEVER else None
