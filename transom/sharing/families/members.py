"""Whom a family is offered to, what they answer, and what they get by it: each act on one locked family.

A pending family grants nothing. An accepted one grants the current version and each that is promoted. What is
inherited goes when the membership ends, however that ends; what was given directly stays.
"""

from collections.abc import Collection, Sequence

import msgspec

from transom.domain.errors import (
    ConflictError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
    TransomError,
)
from transom.domain.events import CLOCK, EventType
from transom.domain.families import FamilyMember, Known
from transom.domain.memberships import AnswerInherited, EndInherited, LimitInherited, RemoveInherited, Terms
from transom.domain.model import NEVER, MemberStatus
from transom.domain.recipients import is_group, split_member_id
from transom.sharing.families.events import Act
from transom.sharing.families.scripts import grant
from transom.sharing.rules import recipient_unknown
from transom.sql import families
from transom.sql.db import PAUSE, Script
from transom.sql.inherited import to_statement
from transom.sql.membership_events import OF_FAMILIES

_MEMBER_ID = OF_FAMILIES.columns.index("member_id")
_STATUS = OF_FAMILIES.columns.index("status")


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """How many recipients were offered the family, were offered it again, have it; what could not be done, by
    recipient."""

    offered: int
    renewed: int
    unchanged: int
    failures: Sequence[tuple[str, TransomError]]


def offer(
    known: Known,
    member_ids: Sequence[str],
    terms: Terms,
    limit: int,
    act: Act,
    unknown: Collection[str] = (),
) -> Script[Offered]:
    """Offer the family to each of these. `limit`: members that it may have, negative for no limit. Domains
    and organisations are not asked: they have accepted at once. `unknown`: recipients that do not exist."""
    family = known.family
    found = yield from families.find_members(family.id, member_ids)
    ended = [one for one in found.values() if one.ends_at <= act.now]
    yield from _end(known, ended, act)
    live = {member_id: one for member_id, one in found.items() if one.ends_at > act.now}
    failures: list[tuple[str, TransomError]] = []
    new: list[str] = []
    renewed: list[str] = []
    unchanged = 0
    free = NEVER if limit < 0 else limit - (yield from families.count_members(family.id, act.now))
    for member_id in member_ids:
        member = live.get(member_id)
        if member_id == family.owner:
            text = f"Family {family.id} is of project {member_id} itself."
            failures.append((member_id, InvalidError(text, Reason.ONESELF)))
        elif member_id in unknown:
            failures.append((member_id, recipient_unknown(member_id)))
        elif member is None and len(new) >= free:
            text = f"Family {family.id} has {limit} members, the most it may have (family_member_quota)."
            failures.append((member_id, LimitExceededError(text, Reason.MEMBERS_FULL)))
        elif member is None:
            new.append(member_id)
        elif member.status == MemberStatus.REJECTED:
            renewed.append(member_id)
        else:
            unchanged += 1
    yield from _write_offers(known, new, terms, act, None)
    yield from _write_offers(known, renewed, terms, act, MemberStatus.REJECTED)
    return Offered(offered=len(new), renewed=len(renewed), unchanged=unchanged, failures=failures)


def _write_offers(
    known: Known, member_ids: Sequence[str], terms: Terms, act: Act, was: str | None
) -> Script[None]:
    """Offer it to each, and grant it to those who have it at once: domains, organisations, and those whose
    rule accepts it."""
    if not member_ids:
        return
    rows = yield families.offer_statement(known.family.id, member_ids, terms, act.actor, act.now, was)
    statuses = {str(row[_MEMBER_ID]): row[_STATUS] for row in rows}
    accepted = [member_id for member_id in member_ids if statuses.get(member_id) == MemberStatus.ACCEPTED]
    if was is not None:
        waiting = [member_id for member_id in member_ids if statuses.get(member_id) == MemberStatus.PENDING]
        answered = [member_id for member_id in member_ids if statuses.get(member_id) != MemberStatus.PENDING]
        yield from _limit_inherited(known, waiting, terms.ends_at, act)
        yield from _limit_inherited(known, answered, terms.expires_at, act)
    if accepted:
        for member_id in accepted if was is not None else ():
            yield from _answer_inherited(known, member_id, MemberStatus.ACCEPTED, MemberStatus.ACCEPTED, act)
        yield from grant(known, accepted, act)


# ---- answers


def answer(known: Known, member_id: str, status: str, new_versions: str | None, act: Act) -> Script[bool]:
    """Give the recipient's membership this status, and what it inherited from the family; whether that
    changed anything. `new_versions`: None for as before. NotFoundError without an offer, ConflictError for
    the membership of a domain or an organisation."""
    member = yield from require_member(known, member_id, act.now)
    wanted = member.new_versions if new_versions is None else new_versions
    if (member.status, member.new_versions) == (status, wanted):
        return False
    kind = _ANSWERS[MemberStatus(status)] if member.status != status else EventType.FAMILY_CHANGED
    told = OF_FAMILIES.changed(kind, act.now, act.actor, member.status)
    yield families.answer_statement(member, status, wanted, act.now, told)
    if member.status != status:
        yield from _answer_inherited(known, member_id, status, wanted, act)
        if member.ends_at != member.expires_at:
            yield from _limit_inherited(known, [member_id], member.expires_at, act)
    if status == MemberStatus.ACCEPTED:
        yield from grant(known, [member_id], act)
    return True


_ANSWERS = {
    MemberStatus.ACCEPTED: EventType.FAMILY_ACCEPTED,
    MemberStatus.REJECTED: EventType.FAMILY_REJECTED,
    MemberStatus.PENDING: EventType.FAMILY_RESET,
}


def _answer_inherited(known: Known, member_id: str, status: str, new_versions: str, act: Act) -> Script[None]:
    """Set the status of all memberships that this recipient inherited: to `new_versions` if it accepted
    the family, else to `status`."""
    to = new_versions if status == MemberStatus.ACCEPTED else status
    for was in MemberStatus:
        if was != to:
            yield to_statement(
                AnswerInherited(
                    family_id=known.family.id, member_id=member_id, status=to, was=was, now=act.now
                ),
                act.by_family,
            )


def _limit_inherited(known: Known, member_ids: Sequence[str], ends_at: int, act: Act) -> Script[None]:
    """What these inherited ends with their memberships, also where nobody has removed those yet."""
    if member_ids:
        limited = LimitInherited(
            family_id=known.family.id, member_ids=member_ids, ends_at=ends_at, now=act.now
        )
        yield to_statement(limited, act.by_family)


def leave(known: Known, member_id: str, act: Act) -> Script[None]:
    """The recipient gives up its membership, and what it inherited. NotFoundError without one."""
    yield from require_member(known, member_id, act.now)
    yield from _remove(known, [member_id], act, "left", None)


def require_member(known: Known, member_id: str, now: int) -> Script[FamilyMember]:
    member = yield from families.find_member(known.family.id, member_id, now)
    if member is None:
        raise member_absent(known.family.id)
    if is_group(member_id):
        kind = split_member_id(member_id)[0]
        raise ConflictError(f"Family {known.family.id} is shared with the whole {kind}.")
    return member


def refuse_group_answer(known: Known, groups: Sequence[str], now: int) -> Script[None]:
    """Of a project without a membership of its own. ConflictError where one of the `groups` that it is in has
    one, else NotFoundError."""
    for member_id in groups:
        if (yield from families.find_member(known.family.id, member_id, now)) is not None:
            yield from require_member(known, member_id, now)
    raise member_absent(known.family.id)


def member_absent(family_id: str) -> NotFoundError:
    return NotFoundError(f"Family {family_id} is not offered to this project.", Reason.MEMBER_UNKNOWN)


# ---- withdrawals


def withdraw(
    known: Known, member_ids: Collection[str], reason: str | None, act: Act
) -> Script[tuple[int, int]]:
    """Take the family back from each of these, with what they inherited; (how many had it, how many had
    not)."""
    found = yield from families.find_members(known.family.id, list(member_ids))
    live = [member_id for member_id, one in found.items() if one.ends_at > act.now]
    yield from _end(known, [one for one in found.values() if one.ends_at <= act.now], act)
    if live:
        yield PAUSE
        yield from _remove(known, live, act, "withdrawn", reason)
    return len(live), len(member_ids) - len(live)


def _remove(known: Known, member_ids: Sequence[str], act: Act, how: str, reason: str | None) -> Script[None]:
    told = OF_FAMILIES.removed(EventType(f"family.{how}"), act.now, act.actor, reason)
    yield families.remove_members_statement(known.family.id, member_ids, told)
    yield from _remove_inherited(known, member_ids, act, how, reason)


def _remove_inherited(
    known: Known, member_ids: Sequence[str], act: Act, how: str, reason: str | None
) -> Script[None]:
    family_id, actor = known.family.id, act.by_family
    yield to_statement(EndInherited(family_id=family_id, member_ids=member_ids, now=act.now), actor)
    gone = RemoveInherited(family_id=family_id, member_ids=member_ids, how=how, reason=reason, now=act.now)
    yield to_statement(gone, actor)


def _end(known: Known, ended: Sequence[FamilyMember], act: Act) -> Script[None]:
    """Remove memberships whose end has come."""
    if not ended:
        return
    member_ids = [one.member_id for one in ended]
    yield families.remove_members_statement(known.family.id, member_ids, OF_FAMILIES.ended())
    by_time = Act(now=act.now, actor=CLOCK)
    yield from _remove_inherited(known, member_ids, by_time, "expired", None)


def end_due(known: Known, member_ids: Sequence[str], act: Act) -> Script[int]:
    """Remove those of these memberships whose end has come; how many there were."""
    found = yield from families.find_members(known.family.id, member_ids)
    ended = [one for one in found.values() if one.ends_at <= act.now]
    yield from _end(known, ended, act)
    return len(ended)


# ---- terms


def change_terms(known: Known, member: FamilyMember, terms: Terms, act: Act) -> Script[None]:
    """Give the member, as it is found under the lock, these terms, and what it inherited its end."""
    changed = msgspec.structs.replace(
        member, message=terms.message, ends_at=terms.ends_at, expires_at=terms.expires_at
    )
    if changed == member:
        return
    told = OF_FAMILIES.changed(EventType.FAMILY_CHANGED, act.now, act.actor, member.status)
    yield families.change_terms_statement(changed, act.now, told)
    if changed.ends_at != member.ends_at:
        yield from _limit_inherited(known, [member.member_id], changed.ends_at, act)
