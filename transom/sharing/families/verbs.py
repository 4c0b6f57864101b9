"""Families in the three verbs of the share API: offer, answer, withdraw, over sets of them.

Parts of scripts: they come before those for images, for families are locked before images (`lock`).
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from transom.domain.errors import ConflictError, NotFoundError, TransomError
from transom.domain.families import Known, Seen
from transom.domain.memberships import Terms
from transom.domain.model import Caller
from transom.sharing.families import members, rules
from transom.sharing.families.events import Act
from transom.sharing.model import LEFT, Done
from transom.sql import families, family_views
from transom.sql.db import Script, Statement
from transom.sql.member_ids import with_own_ids


class FamilyFailure(NamedTuple):
    """A failure of a family, or of one recipient of it. `member_id` None: of the family as a whole."""

    family_id: str
    member_id: str | None
    error: TransomError


def lock(family_ids: Sequence[str], image_ids: Sequence[str]) -> Script[None]:
    """Lock the families, and the images of their versions together with these."""
    if family_ids:
        yield from families.lock_all(sorted(family_ids), image_ids)


def offer(
    caller: Caller,
    family_ids: Sequence[str],
    member_ids: Sequence[str],
    terms: Terms,
    limit: int,
    act: Act,
    unknown: Collection[str] = (),
) -> Script[Done[FamilyFailure]]:
    """Offer each family to each recipient. `limit`: members that one may have, negative for no limit.
    `unknown`: recipients that do not exist."""
    done = renewed = unchanged = 0
    failures: list[FamilyFailure] = []
    for family_id in family_ids:
        known = yield from _see(caller, family_id, rules.offer_family, act, failures)
        if known is None:
            continue
        offered = yield from members.offer(known, member_ids, terms, limit, act, unknown)
        done += offered.offered
        renewed += offered.renewed
        unchanged += offered.unchanged
        failures += [FamilyFailure(family_id, member_id, error) for member_id, error in offered.failures]
    return Done(done, renewed, unchanged, failures)


def withdraw(
    caller: Caller,
    family_ids: Sequence[str],
    member_ids: Sequence[str] | None,
    reason: str | None,
    limit: int,
    act: Act,
) -> Script[Done[FamilyFailure]]:
    """Take each family back from each recipient, None: from all of its members, at most so many pairs."""
    done = unchanged = remaining = 0
    named = frozenset(member_ids) if member_ids is not None else None
    failures: list[FamilyFailure] = []
    for family_id in family_ids:
        known = yield from _see(caller, family_id, rules.withdraw_family, act, failures)
        if known is None:
            continue
        from_whom = member_ids
        if from_whom is None or len(from_whom) > limit - done:
            there = yield from families.list_terms(family_id, act.now)
            all_of_them = [member_id for member_id, _end in there if named is None or member_id in named]
            unchanged += len(named) - len(all_of_them) if named is not None else 0
            from_whom = all_of_them[: max(limit - done, 0)]
            remaining += len(all_of_them) - len(from_whom)
        withdrawn, absent = yield from members.withdraw(known, from_whom, reason, act)
        done += withdrawn
        unchanged += absent
    return Done(done, 0, unchanged, failures, remaining)


def answer(
    caller: Caller,
    family_ids: Sequence[str],
    status: str,
    new_versions: str | None,
    act: Act,
    was: str | None = None,
) -> Script[Done[FamilyFailure]]:
    """Give the offers of the families to the caller's project this status, or leave them (LEFT). `was`: pass
    by those that are gone or have another status than this one, which nobody asked for by name."""
    done = unchanged = 0
    failures: list[FamilyFailure] = []
    for family_id in family_ids:
        if was is not None and not (yield from _has_status(caller, family_id, was, act.now)):
            continue
        try:
            is_changed = yield from _answer_one(caller, family_id, status, new_versions, act)
        except (NotFoundError, ConflictError) as error:
            failures.append(FamilyFailure(family_id, None, error))
            continue
        done += is_changed
        unchanged += not is_changed
    return Done(done, 0, unchanged, failures)


def _has_status(caller: Caller, family_id: str, status: str, now: int) -> Script[bool]:
    member = yield from families.find_member(family_id, caller.project_id or "", now)
    return member is not None and member.status == status


def _answer_one(
    caller: Caller, family_id: str, status: str, new_versions: str | None, act: Act
) -> Script[bool]:
    known = yield from families.see(family_id)
    project_id = caller.project_id
    if known is None or project_id is None:
        raise members.member_absent(family_id)
    if caller.groups and (yield from families.find_member(family_id, project_id, act.now)) is None:
        yield from members.refuse_group_answer(known, caller.groups, act.now)
    if status == LEFT:
        yield from members.leave(known, project_id, act)
        return True
    return (yield from members.answer(known, project_id, status, new_versions, act))


def _see(
    caller: Caller,
    family_id: str,
    judge: Callable[[Caller, Seen], None],
    act: Act,
    failures: list[FamilyFailure],
) -> Script[Known | None]:
    """The family, which is locked, if the caller may do this to it; else None, and why among the failures."""
    sql, *values = with_own_ids(family_views.SEE_FAMILY, family_id, caller.member_ids, act.now)
    rows = yield Statement(sql, tuple(values))
    seen = family_views.seen_of_row(rows[0]) if rows else None
    try:
        judge(caller, rules.see_family(caller, seen, family_id))
    except TransomError as error:
        failures.append(FamilyFailure(family_id, None, error))
        return None
    return (yield from families.see(family_id))
