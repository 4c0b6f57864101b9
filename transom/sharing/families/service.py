"""What the API asks of families: make, change, publish, promote, revoke, and who is a member. Start reading
here; `views.py` has the reads.

A write looks first, so that what the caller may not know of looks absent, and then runs a script
(`scripts.py`), which locks, looks again and judges what may have changed. Whose a family is never changes.
"""

import uuid
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from transom.clock import now_us
from transom.domain.errors import NotFoundError
from transom.domain.events import Actor
from transom.domain.families import Family, FamilyMember, GivenFamily, Known, Seen
from transom.domain.memberships import Found, NewTerms
from transom.domain.model import NEVER, Caller
from transom.sharing.families import changes, members, rules, scripts, views
from transom.sharing.families.events import Act
from transom.sharing.families.scripts import NewVersion, Require
from transom.sharing.model import NewSet
from transom.sharing.recipients import Recipients
from transom.sharing.rules import new_terms, offer_to
from transom.sql import families, family_views, images
from transom.sql.db import PAUSE, Database, Script

_replace = msgspec.structs.replace
Member = TypeVar("Member", FamilyMember, GivenFamily)
#: Raises what refuses the caller what a family does to this image.
ImageAct = Callable[[Caller, Found], None]

# ---- make and change


class FamilyDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of a family, and until when its versions are provided."""

    title: str | None
    description: str | None
    support_url: str | None
    provided_until: int


async def create_family(
    db: Database, caller: Caller, actor: Actor, name: str, details: FamilyDetails, limit: int
) -> Family:
    """`limit`: families that a project may have, negative for no limit."""
    owner = rules.create_family(caller)
    act = Act(now=now_us(), actor=actor)
    family = Family(
        id=str(uuid.uuid4()),
        owner=owner,
        name=name,
        title=details.title,
        description=details.description,
        support_url=details.support_url,
        current_number=None,
        last_number=0,
        provided_until=details.provided_until,
        created_at=act.now,
        updated_at=act.now,
    )
    return await db.run(lambda: scripts.create(family, limit, act))


async def _require_manager(db: Database, caller: Caller, family_id: str) -> None:
    """NotFoundError, or ForbiddenError, unless the caller may change the family."""
    rules.manage_family(caller, await views.see_family(db, caller, family_id))


async def _require_image_right(db: Database, caller: Caller, act: ImageAct, image_id: str) -> None:
    """NotFoundError, or ForbiddenError, unless the rules of the Image API let the caller: to revoke a version
    takes the right to deactivate its image there, for instance."""
    act(caller, await images.find_image(db, image_id, caller.member_ids))


async def _require_version_right(
    db: Database, caller: Caller, act: ImageAct, family_id: str, number: int
) -> None:
    found = await family_views.find_version(db, family_id, caller.member_ids, now_us(), number)
    version = found[1] if found is not None else None
    if version is not None:
        await _require_image_right(db, caller, act, version.version.image.id)


async def change_family(
    db: Database,
    caller: Caller,
    actor: Actor,
    family_id: str,
    change_it: Callable[[Family], Family],
    require: Require,
) -> Known:
    await _require_manager(db, caller, family_id)
    act = Act(now=now_us(), actor=actor)
    return await db.run(lambda: scripts.change(family_id, change_it, act, require))


async def delete_family(db: Database, caller: Caller, actor: Actor, family_id: str, require: Require) -> None:
    await _require_manager(db, caller, family_id)
    act = Act(now=now_us(), actor=actor)
    await db.run(lambda: scripts.delete(family_id, act, require))


async def publish(
    db: Database, caller: Caller, actor: Actor, family_id: str, new: NewVersion, limit: int, *, promotes: bool
) -> tuple[Known, int]:
    """(the family then, the number of the new version). `limit`: versions that a family may have."""
    await _require_manager(db, caller, family_id)
    act_on_image = rules.promote_image if promotes else rules.change_image
    await _require_image_right(db, caller, act_on_image, new.image_id)
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
    await _require_manager(db, caller, family_id)
    await _require_version_right(db, caller, rules.promote_image, family_id, number)
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
    await _require_manager(db, caller, family_id)
    if change.revoke_at not in (msgspec.UNSET, NEVER):
        await _require_version_right(db, caller, rules.revoke_image, family_id, number)
    act = Act(now=now_us(), actor=actor)

    def change_it(known: Known) -> Known:
        return changes.change_version(known, number, change.notes, change.end_of_life, change.revoke_at)

    return await db.run(lambda: scripts.change_version(family_id, number, change_it, act, require))


async def remove_version(
    db: Database, caller: Caller, actor: Actor, family_id: str, number: int, require: Require
) -> None:
    await _require_manager(db, caller, family_id)
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
    await _require_manager(db, caller, family_id)
    await _require_version_right(db, caller, rules.revoke_image, family_id, number)
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
    await _require_manager(db, caller, family_id)
    await _require_version_right(db, caller, rules.restore_image, family_id, number)
    act = Act(now=now_us(), actor=actor)
    return await db.run(lambda: scripts.restore(family_id, number, act, require))


# ---- members


async def _see_members(db: Database, caller: Caller, family_id: str) -> Seen:
    seen = await views.see_family(db, caller, family_id)
    rules.see_members(caller, seen)
    return seen


class MemberPage(NamedTuple):
    """`terms`: (member, `expires_at`) of all members, by their ids; None for a page that is not the first."""

    items: list[GivenFamily]
    terms: list[tuple[str, int]] | None


async def list_members(
    db: Database, caller: Caller, family_id: str, status: str | None, after: str | None, limit: int
) -> MemberPage:
    """The members past `after`, by their ids. `status`: only those with this one."""
    await _see_members(db, caller, family_id)
    now = now_us()
    # Before the page: a change between the two makes the set's tag too old, never the page.
    terms = await family_views.list_terms(db, family_id, now) if after is None else None
    found = await family_views.list_members(db, family_id, status, after or "", now, limit)
    if not found:
        await _see_members(db, caller, family_id)  # It has none, or was deleted since.
    return MemberPage(found, terms)


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
    offer_to(caller, [member_id])
    act = Act(now=now_us(), actor=actor)

    def script() -> Script[GivenFamily]:
        known = yield from _lock(family_id)
        member = _require_member((yield from families.find_member(family_id, member_id, act.now)))
        require(member)
        yield from members.change_terms(known, member, new_terms(member, new), act)
        return _require_member((yield from family_views.see_member(family_id, member_id, act.now)))

    return await db.run(script)


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
    new: NewSet,
    require: Callable[[list[tuple[str, int]]], None],
) -> SetOutcome:
    """Make these the family's only members: offer it to those that lack it, withdraw it from all that are not
    named. The others stay as they are."""
    seen = await _see_members(db, caller, family_id)
    rules.offer_family(caller, seen)
    rules.withdraw_family(caller, seen)
    unknown = await recipients.find_unknown(caller, new.member_ids)
    act = Act(now=now_us(), actor=actor)

    def script() -> Script[SetOutcome]:
        known = yield from _lock(family_id)
        there = yield from families.list_terms(family_id, act.now)
        yield PAUSE
        require(there)
        yield PAUSE
        named = frozenset(new.member_ids)
        gone = [member_id for member_id, _end in there if member_id not in named]
        withdrawn, _absent = yield from members.withdraw(known, gone, None, act)
        present = {member_id for member_id, _end in there}
        missing = [member_id for member_id in new.member_ids if member_id not in present]
        offered = yield from members.offer(known, missing, new.terms, new.limit, act, unknown)
        kept = len(new.member_ids) - len(missing)
        return SetOutcome(
            offered=_replace(offered, unchanged=offered.unchanged + kept),
            withdrawn=withdrawn,
            terms=(yield from families.list_terms(family_id, act.now)),
        )

    return await db.run(script)
