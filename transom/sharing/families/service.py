"""What the API asks of families: see, make, change, publish, promote, revoke. Start reading here.

A read is one look at the family as the caller stands to it (`rules.py`). A write looks first, so that what
the caller may not know of looks absent, and then runs a script (`scripts.py`), which locks, looks again and
judges what may have changed. Whose a family is never changes.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from transom.clock import now_us
from transom.domain.errors import NotFoundError
from transom.domain.events import Actor
from transom.domain.families import Family, FamilyMember, GivenFamily, Known, Seen, Version
from transom.domain.memberships import NewTerms, Terms
from transom.domain.model import NEVER, Caller
from transom.domain.shares import NEVER_USED, Usage
from transom.sharing.families import changes, members, rules, scripts, uses
from transom.sharing.families.events import Act
from transom.sharing.families.scripts import NewVersion, Require
from transom.sharing.recipients import Recipients
from transom.sharing.rules import new_terms
from transom.sql import families, family_views, images
from transom.sql.db import Database, Script
from transom.sql.family_views import Counts

_replace = msgspec.structs.replace
Member = TypeVar("Member", FamilyMember, GivenFamily)

#: Where counts of members end.
MOST_COUNTED = 1_000


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A version as the caller sees it. `current_number`: of the family. `sees_image`: whether the caller sees
    the image. `use`: of that, None: not looked up."""

    version: Version
    current_number: int | None
    sees_image: bool
    use: Usage | None = None


# ---- see


async def see_family(db: Database, caller: Caller, family_id: str) -> Seen:
    """The family; NotFoundError when it is absent or hidden."""
    rules.look_at_families(caller)
    seen = await family_views.find_family(db, family_id, caller.member_ids, now_us())
    return rules.see_family(caller, seen, family_id)


async def find_current(db: Database, caller: Caller, seen: Seen) -> Shown | None:
    """The current version; None when there is none, or the caller may not see it."""
    number = seen.family.current_number
    if number is None or not rules.sees_current(caller, seen):
        return None
    return await _find_version(db, caller, seen, number)


async def show_version(db: Database, caller: Caller, family_id: str, number: int) -> tuple[Seen, Shown]:
    seen = await see_family(db, caller, family_id)
    rules.see_versions(caller, seen)
    shown = await _find_version(db, caller, seen, number)
    rules.see_version(caller, seen, shown.version if shown is not None else None, number)
    assert shown is not None, "rules.see_version has seen it"  # noqa: S101
    return seen, shown


async def _find_version(db: Database, caller: Caller, seen: Seen, number: int) -> Shown | None:
    found = await family_views.find_version(db, seen.family.id, caller.member_ids, now_us(), number)
    if found is None:
        return None
    return (await _with_uses(db, caller, seen, [_shown(caller, seen, *found)]))[0]


def _shown(caller: Caller, seen: Seen, version: Version, is_seen: bool) -> Shown:
    return Shown(
        version=version,
        current_number=seen.family.current_number,
        sees_image=is_seen or rules.is_owner(caller, seen.family),
    )


async def list_versions(
    db: Database, caller: Caller, family_id: str, before: int, limit: int
) -> tuple[Seen, list[Shown]]:
    """The versions with numbers below `before`, newest first."""
    seen = await see_family(db, caller, family_id)
    rules.see_versions(caller, seen)
    found = await family_views.list_versions(
        db,
        family_id,
        caller.member_ids,
        now_us(),
        before=before,
        limit=limit,
        with_candidates=rules.is_owner(caller, seen.family),
    )
    shown = [_shown(caller, seen, version, is_seen) for version, is_seen in found]
    return seen, await _with_uses(db, caller, seen, shown)


async def _with_uses(db: Database, caller: Caller, seen: Seen, shown: list[Shown]) -> list[Shown]:
    found = await uses.find_uses(db, caller, seen, [one.version.image.id for one in shown])
    return [_replace(one, use=found.get(one.version.image.id, NEVER_USED)) for one in shown]


async def list_families(
    db: Database,
    caller: Caller,
    *,
    role: str | None,
    owner: str | None,
    name: str | None,
    after: tuple[str, str],
    limit: int,
) -> list[Seen]:
    """The families past `after` (name, id), by these: those that the caller's project owns (`role` owner),
    those that it is a member of (member), or both, and with `owner` that project's that it sees. `name`: of
    this one only."""
    rules.look_at_families(caller)
    who, now = caller.member_ids, now_us()
    own_id = caller.project_id or ""
    found: list[Seen] = []
    if name is not None:
        # Lists are ordered by name: families of this name begin after the place (name, "").
        after = max(after, (name, ""))
    if role in (None, "owner") and (owner is None or owner == own_id):
        found += await family_views.list_owned(db, own_id, who, now, after, limit)
    elif role is None and owner is not None:
        sees_all = caller.is_admin
        found += await family_views.list_seen(db, owner, who, now, after, limit, sees_all=sees_all)
    if role in (None, "member"):
        found += await family_views.list_joined(db, owner, who, now, after, limit)
    by_place = {(seen.family.name, seen.family.id): seen for seen in found}
    ordered = [by_place[place] for place in sorted(by_place)][:limit]
    return [seen for seen in ordered if name is None or seen.family.name == name]


async def count_members(db: Database, seen: Seen) -> Counts:
    """The family's members by their answer, each count at most MOST_COUNTED + 1."""
    return await family_views.count_by_answer(db, seen.family.id, now_us(), MOST_COUNTED + 1)


def is_owner(caller: Caller, seen: Seen) -> bool:
    """Whether the caller sees all of the family."""
    return rules.is_owner(caller, seen.family)


# ---- make and change


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of a family, and until when its versions are provided."""

    title: str | None
    description: str | None
    support_url: str | None
    provided_until: int


async def create_family(
    db: Database, caller: Caller, actor: Actor, name: str, said: Said, limit: int
) -> Family:
    """`limit`: families that a project may have, negative for no limit."""
    owner = rules.create_family(caller)
    act = Act(now=now_us(), actor=actor)
    family = Family(
        id=str(uuid.uuid4()),
        owner=owner,
        name=name,
        title=said.title,
        description=said.description,
        support_url=said.support_url,
        current_number=None,
        last_number=0,
        provided_until=said.provided_until,
        created_at=act.now,
        updated_at=act.now,
    )
    return await db.run(lambda: scripts.create(family, limit, act))


async def _manage(db: Database, caller: Caller, family_id: str) -> Seen:
    """The family if the caller may change it."""
    seen = await see_family(db, caller, family_id)
    rules.manage_family(caller, seen)
    return seen


async def _may_change_image(db: Database, caller: Caller, rule: str, image_id: str) -> None:
    """ForbiddenError unless this rule of the Image API lets the caller: whoever may not deactivate an image
    there does not revoke it here."""
    rules.change_image(caller, rule, await images.find_image(db, image_id, caller.member_ids))


async def _may_change_version(db: Database, caller: Caller, rule: str, family_id: str, number: int) -> None:
    found = await family_views.find_version(db, family_id, caller.member_ids, now_us(), number)
    if found is not None:
        await _may_change_image(db, caller, rule, found[0].image.id)


async def change_family(
    db: Database,
    caller: Caller,
    actor: Actor,
    family_id: str,
    change_it: Callable[[Family], Family],
    require: Require,
) -> Known:
    await _manage(db, caller, family_id)
    act = Act(now=now_us(), actor=actor)
    return await db.run(lambda: scripts.change(family_id, change_it, act, require))


async def delete_family(db: Database, caller: Caller, actor: Actor, family_id: str, require: Require) -> None:
    await _manage(db, caller, family_id)
    act = Act(now=now_us(), actor=actor)
    await db.run(lambda: scripts.delete(family_id, act, require))


async def publish(
    db: Database, caller: Caller, actor: Actor, family_id: str, new: NewVersion, limit: int, *, promotes: bool
) -> tuple[Known, int]:
    """(the family then, the number of the new version). `limit`: versions that a family may have."""
    await _manage(db, caller, family_id)
    await _may_change_image(db, caller, "modify_image", new.image_id)
    act = Act(now=now_us(), actor=actor)
    return await db.run(
        lambda: scripts.publish(
            family_id,
            new,
            limit,
            lambda image: rules.take_image(caller, image, new.image_id),
            act,
            promotes=promotes,
        )
    )


async def promote(
    db: Database, caller: Caller, actor: Actor, family_id: str, number: int, require: Require
) -> Known:
    await _manage(db, caller, family_id)
    await _may_change_version(db, caller, "modify_image", family_id, number)
    act = Act(now=now_us(), actor=actor)
    return await db.run(lambda: scripts.promote(family_id, number, act, require))


class VersionChange(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a version that a client changes; UNSET: unchanged. `revoke_at`: NEVER cancels it."""

    notes: str | msgspec.UnsetType | None = msgspec.UNSET
    end_of_life: int | msgspec.UnsetType = msgspec.UNSET
    revoke_at: int | msgspec.UnsetType = msgspec.UNSET


async def change_version(
    db: Database,
    caller: Caller,
    actor: Actor,
    family_id: str,
    number: int,
    change: VersionChange,
    require: Require,
) -> Known:
    await _manage(db, caller, family_id)
    if change.revoke_at not in (msgspec.UNSET, NEVER):
        await _may_change_version(db, caller, "deactivate", family_id, number)
    act = Act(now=now_us(), actor=actor)

    def change_it(known: Known) -> Known:
        return changes.change_version(known, number, change.notes, change.end_of_life, change.revoke_at)

    return await db.run(lambda: scripts.change_version(family_id, number, change_it, act, require))


async def remove_version(
    db: Database, caller: Caller, actor: Actor, family_id: str, number: int, require: Require
) -> None:
    await _manage(db, caller, family_id)
    act = Act(now=now_us(), actor=actor)
    await db.run(lambda: scripts.remove_version(family_id, number, act, require))


async def revoke(
    db: Database,
    caller: Caller,
    actor: Actor,
    family_id: str,
    number: int,
    reason: str | None,
    *,
    fall_back: bool,
    at: int | None,
    require: Require,
) -> Known:
    """Now, or (`at`) then: a time that is still to come."""
    await _manage(db, caller, family_id)
    await _may_change_version(db, caller, "deactivate", family_id, number)
    act = Act(now=now_us(), actor=actor)
    if at is None:
        return await db.run(
            lambda: scripts.revoke(family_id, number, reason, act, fall_back=fall_back, require=require)
        )

    def change_it(known: Known) -> Known:
        return changes.schedule_revocation(known, number, at, reason)

    return await db.run(lambda: scripts.change_version(family_id, number, change_it, act, require))


async def restore(
    db: Database, caller: Caller, actor: Actor, family_id: str, number: int, require: Require
) -> Known:
    await _manage(db, caller, family_id)
    await _may_change_version(db, caller, "reactivate", family_id, number)
    act = Act(now=now_us(), actor=actor)
    return await db.run(lambda: scripts.restore(family_id, number, act, require))


# ---- members


async def _see_members(db: Database, caller: Caller, family_id: str) -> Seen:
    seen = await see_family(db, caller, family_id)
    rules.see_members(caller, seen)
    return seen


async def list_members(
    db: Database, caller: Caller, family_id: str, status: str | None, after: str, limit: int
) -> list[GivenFamily]:
    """The members past `after`, by their ids. `status`: only those with this one."""
    await _see_members(db, caller, family_id)
    return await family_views.list_members(db, family_id, status, after, now_us(), limit, caller.project_id)


async def list_terms(db: Database, family_id: str, caller: Caller) -> list[tuple[str, int]]:
    """(member, `expires_at`) of all members, by their ids, for a caller who sees them."""
    return await family_views.list_terms(db, family_id, now_us(), caller.project_id)


async def show_member(db: Database, caller: Caller, family_id: str, member_id: str) -> GivenFamily:
    await _see_members(db, caller, family_id)
    return _require_member(await family_views.find_member(db, family_id, member_id, now_us()))


def _require_member(found: Member | None) -> Member:
    if found is None:
        raise NotFoundError("The family has no such member.")
    return found


async def change_member(
    db: Database,
    caller: Caller,
    actor: Actor,
    family_id: str,
    member_id: str,
    new: NewTerms,
    require: Callable[[FamilyMember], None],
) -> GivenFamily:
    """Give the member other terms; the member then. `require`: raises when what the client demands of it as
    it is does not hold. ConflictError: as of `new_terms`."""
    seen = await _see_members(db, caller, family_id)
    rules.offer_family(caller, seen)
    act = Act(now=now_us(), actor=actor)

    def script() -> Script[None]:
        known = yield from _lock(family_id)
        member = _require_member((yield from families.find_member(family_id, member_id, act.now)))
        require(member)
        yield from members.change_terms(known, member, new_terms(member, new), act)

    await db.run(script)
    return _require_member(await family_views.find_member(db, family_id, member_id, act.now))


def _lock(family_id: str) -> Script[Known]:
    known = yield from families.lock_and_see(family_id)
    if known is None:
        raise rules.family_absent(family_id)
    return known


class SetOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `set_members`. `terms`: of all members from now on."""

    offered: members.Offered
    withdrawn: int
    terms: list[tuple[str, int]]


async def set_members(
    db: Database,
    recipients: Recipients,
    caller: Caller,
    actor: Actor,
    family_id: str,
    member_ids: Sequence[str],
    terms: Terms,
    limit: int,
    require: Callable[[list[tuple[str, int]]], None],
) -> SetOutcome:
    """Offer the family to who is missing, withdraw it from who is not named, leave the rest as it is."""
    seen = await _see_members(db, caller, family_id)
    rules.offer_family(caller, seen)
    rules.withdraw_family(caller, seen)
    unknown = await recipients.find_unknown(member_ids)
    act = Act(now=now_us(), actor=actor)

    def script() -> Script[SetOutcome]:
        known = yield from _lock(family_id)
        there = yield from families.list_terms(family_id, act.now)
        require(there)
        named = frozenset(member_ids)
        gone = [member_id for member_id, _end in there if member_id not in named]
        withdrawn, _absent = yield from members.withdraw(known, gone, None, act)
        present = {member_id for member_id, _end in there}
        missing = [member_id for member_id in member_ids if member_id not in present]
        offered = yield from members.offer(known, missing, terms, limit, act, unknown)
        kept = len(member_ids) - len(missing)
        return SetOutcome(
            offered=_replace(offered, unchanged=offered.unchanged + kept),
            withdrawn=withdrawn,
            terms=(yield from families.list_terms(family_id, act.now)),
        )

    return await db.run(script)
