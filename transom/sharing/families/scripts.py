"""Each act on a family as one transaction: lock, look, decide (`changes.py`), write the difference, tell.

The order of locks: the family, the images of its versions by their ids, their memberships, the family's
members. Inherited memberships are ordinary ones, and nothing but memberships lets a recipient see an image.
"""

from collections.abc import Callable, Sequence

import msgspec

from transom.domain.errors import ConflictError, LimitExceededError
from transom.domain.events import EventType
from transom.domain.families import FAMILY, Family, Known, Version, VersionImage
from transom.domain.memberships import Detach, EndBefore, GrantInherited, WithdrawEach
from transom.domain.model import Visibility
from transom.sharing.families import changes
from transom.sharing.families.events import Act, record_family
from transom.sharing.families.rules import family_absent
from transom.sql import families, members
from transom.sql.db import Script, Statement
from transom.sql.inherited import to_statement
from transom.sql.membership_events import OF_FAMILIES

_replace = msgspec.structs.replace

#: Raises when what the client demands of the family as it is does not hold.
Require = Callable[[Known], None]


def _no_demand(_known: Known) -> None:
    """The client demands nothing."""


# ---- the family itself


def create(family: Family, limit: int, act: Act) -> Script[Family]:
    """ConflictError when the owner has one of this name, LimitExceededError when it has `limit` families
    (negative: no limit)."""
    count = yield from families.insert_family(family)
    if count is None:
        raise ConflictError(f"The project has a family named {family.name!r}.")
    if 0 <= limit < count:
        raise LimitExceededError(f"The project has {limit} families, the most it may have (family_quota).")
    yield record_family(act, EventType.FAMILY_CREATED, family)
    return family


def change(
    family_id: str, change_it: Callable[[Family], Family], act: Act, require: Require = _no_demand
) -> Script[Known]:
    """Change what is said of the family."""
    known = yield from lock(family_id)
    require(known)
    after = _replace(known, family=change_it(known.family))
    if after.family != known.family:
        yield from write(known, after, act)
        yield record_family(act, EventType.FAMILY_CHANGED, after.family)
    return (yield from look(family_id))


def delete(family_id: str, act: Act, require: Require = _no_demand) -> Script[None]:
    """Remove the family. Memberships inherited from it stay, as direct ones; its versions' images stay."""
    known = yield from lock(family_id)
    require(known)
    yield from _release(known, known.versions, act)
    yield to_statement(Detach(family_id=family_id, image_id=None), act.actor)
    # Memberships that have ended, but are not removed yet, get the event of their end, not of a withdrawal.
    yield families.remove_ended_statement(family_id, act.now, OF_FAMILIES.ended())
    told = OF_FAMILIES.removed(EventType.FAMILY_WITHDRAWN, act.now, act.actor)
    yield families.remove_pending_statement(family_id, act.now, told)
    yield record_family(act, EventType.FAMILY_DELETED, known.family)
    yield Statement(families.DELETE_FAMILY, (family_id,))


def _release(known: Known, versions: Sequence[Version], act: Act) -> Script[None]:
    for version in sorted(versions, key=lambda one: one.image.id):
        yield from families.write_image(version.image, changes.released(version), act.now, act.actor)


# ---- versions


class NewVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`end_of_life` informs only."""

    image_id: str
    name: str | None
    notes: str | None
    end_of_life: int


def publish(
    family_id: str,
    new: NewVersion,
    limit: int,
    see: Callable[[VersionImage | None], VersionImage],
    act: Act,
    *,
    promotes: bool,
) -> Script[tuple[Known, int]]:
    """Make an image a version; (the family then, the version's number). `limit`: versions that a family may
    have, negative for no limit. `see`: raises when the caller does not see the image."""
    known = yield from lock(family_id, new.image_id)
    image = see((yield from _see_image(new.image_id)))
    after = changes.add_version(
        known, image, name=new.name, notes=new.notes, end_of_life=new.end_of_life, now=act.now
    )
    number = after.family.last_number
    if 0 <= limit < len(after.versions):
        text = f"The family has {limit} versions, the most it may have (family_version_quota)."
        raise LimitExceededError(text)
    added = changes.describe(after)
    yield from families.write_image(image, added.versions[0].image, act.now, act.actor)
    yield from write(known, added, act)
    yield record_family(act, EventType.VERSION_PUBLISHED, added.family, added.versions[0])
    if promotes:
        yield from _promote(added, number, act)
    return (yield from look(family_id)), number


def _see_image(image_id: str) -> Script[VersionImage | None]:
    """The image; its lock is held. Older releases let clients set the family properties: if it has them but
    is not a version of any family, they are dropped."""
    image = yield from families.see_image(image_id)
    if image is None or FAMILY not in image.properties:
        return image
    if (yield from families.find_family_of(image_id)) is not None:
        return image
    return _replace(image, properties=changes.without_family(image.properties))


def promote(family_id: str, number: int, act: Act, require: Require = _no_demand) -> Script[Known]:
    """Make the version the current one; the family then."""
    known = yield from lock(family_id)
    require(known)
    yield from _promote(known, number, act)
    return (yield from look(family_id))


def _promote(known: Known, number: int, act: Act) -> Script[None]:
    yield from move_pointer(known, changes.promote(known, number, act.now), act)


def move_pointer(known: Known, after: Known, act: Act) -> Script[None]:
    """Write what is to be, and grant the members the current version."""
    described = yield from write(known, after, act)
    current = described.current
    if current is None:
        return
    if current.number != known.family.current_number:
        yield record_family(act, EventType.PROMOTED, described.family, current)
    yield from grant(described, None, act)


def grant(known: Known, member_ids: Sequence[str] | None, act: Act) -> Script[None]:
    """Give the family's accepted members, or those of them that are named, the current version, unless
    everybody sees it or they have it."""
    current = known.current
    if current is None or current.image.visibility != Visibility.SHARED:
        return
    yield to_statement(EndBefore(image_id=current.image.id, now=act.now), act.by_family)
    change = GrantInherited(
        family_id=known.family.id, image_id=current.image.id, member_ids=member_ids, now=act.now
    )
    yield to_statement(change, act.by_family)


def change_version(
    family_id: str,
    number: int,
    change_it: Callable[[Known], Known],
    act: Act,
    require: Require = _no_demand,
) -> Script[Known]:
    """Change what is said of a version, or when it is to be revoked."""
    known = yield from lock(family_id)
    require(known)
    changes.require_version(known, number)
    after = change_it(known)
    if after != known:
        yield from _write_version(known, after, number, act)
    return (yield from look(family_id))


def _write_version(known: Known, after: Known, number: int, act: Act) -> Script[None]:
    """Write and tell what is said of the version."""
    described = yield from write(known, after, act)
    version = changes.require_version(described, number)
    yield record_family(act, EventType.FAMILY_CHANGED, described.family, version)


def remove_version(family_id: str, number: int, act: Act, require: Require = _no_demand) -> Script[None]:
    """Take an image out of the family. Memberships of it inherited from the family stay, as direct ones."""
    known = yield from lock(family_id)
    require(known)
    version = changes.require_version(known, number)
    after, _image = changes.remove_version(known, number)
    yield from _release(known, [version], act)
    yield to_statement(Detach(family_id=family_id, image_id=version.image.id), act.actor)
    yield from write(known, after, act)
    yield record_family(act, EventType.FAMILY_CHANGED, after.family, version)


def revoke(
    family_id: str,
    number: int,
    reason: str | None,
    act: Act,
    *,
    fall_back: bool = True,
    require: Require = _no_demand,
) -> Script[Known]:
    """Nobody gets the data of the version any more; the family then."""
    known = yield from lock(family_id)
    require(known)
    yield from _revoke(known, number, reason, act, fall_back=fall_back)
    return (yield from look(family_id))


def _revoke(
    known: Known, number: int, reason: str | None, act: Act, *, fall_back: bool = True
) -> Script[None]:
    after = changes.revoke(known, number, reason, act.now, fall_back=fall_back)
    if after == known:
        return
    revoked = changes.require_version(after, number)
    if changes.require_version(known, number).revoked_at is not None:
        yield from _write_version(known, after, number, act)
        return
    # Also on a full disk: nobody is to get the data of what is revoked.
    yield record_family(act, EventType.REVOKED, after.family, revoked)._replace(frees_room=True)
    if after.family.current_number == known.family.current_number:
        yield from write(known, after, act)
    else:
        yield from move_pointer(known, after, act)


def revoke_due(family_id: str, number: int, act: Act) -> Script[None]:
    """Revoke the version if its time has come, for the reason that was given then."""
    known = yield from lock(family_id)
    version = changes.require_version(known, number)
    if version.revoked_at is None and version.revoke_at <= act.now:
        yield from _revoke(known, number, version.revoke_reason, act)


def restore(family_id: str, number: int, act: Act, require: Require = _no_demand) -> Script[Known]:
    """The version can be used again; the family then."""
    known = yield from lock(family_id)
    require(known)
    yield from restore_version(known, number, act)
    return (yield from look(family_id))


def restore_version(known: Known, number: int, act: Act) -> Script[None]:
    after = changes.restore(known, number)
    if after != known:
        yield from write(known, after, act)
        yield record_family(act, EventType.RESTORED, after.family, changes.require_version(after, number))


# ---- what they have in common


def lock(family_id: str, image_id: str | None = None) -> Script[Known]:
    """The family, locked with the images of its versions and this one. NotFoundError when there is none."""
    known = yield from families.lock_and_see(family_id, image_id)
    if known is None:
        raise family_absent(family_id)
    return known


def look(family_id: str) -> Script[Known]:
    known = yield from families.see(family_id)
    if known is None:
        raise family_absent(family_id)
    return known


def write(known: Known, after: Known, act: Act) -> Script[Known]:
    """Make the family what it is to be `after`; that, with what its images say."""
    described = changes.describe(after)
    was = {version.number: version.image.visibility for version in known.versions}
    opened = [
        version.image.id
        for version in described.versions
        if was.get(version.number) == Visibility.PRIVATE and version.image.visibility == Visibility.SHARED
    ]
    if opened:
        # They may have memberships from a time when they were shared, which are not to come back.
        yield members.to_statement(WithdrawEach(image_ids=opened, member_ids=None, now=act.now), act.actor)
    yield from families.write_difference(known, described, act.now, act.actor)
    return described
