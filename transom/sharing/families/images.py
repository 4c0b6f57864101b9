"""What the older APIs do to images that are versions: each change with what follows for the family.

Every change and deletion of an image is checked here first. An image that is no version is changed by one
guarded statement; for a version the family is locked first, as for all changes of families.
"""

from collections.abc import Callable, Sequence

import msgspec

from transom.clock import now_us
from transom.domain.events import Actor, EventType
from transom.domain.families import FAMILY, Known, Version
from transom.domain.memberships import Detach
from transom.domain.model import Image, Location, Status, Visibility
from transom.sharing.families import changes
from transom.sharing.families.events import Act, record_family
from transom.sharing.families.scripts import grant, look, move_pointer, restore_version, write
from transom.sql import deletion, families, images, imports
from transom.sql.db import Database, Script, Statement
from transom.sql.inherited import to_statement

_replace = msgspec.structs.replace

#: The statements that replace the first image, as it was seen, by the second.
Statements = Callable[[Image, Image], list[Statement]]


async def update_image(db: Database, seen: Image, new: Image, actor: Actor) -> bool:
    """As `images.update_image`, with what follows for the family: an image that is active again is restored,
    one that is shared again reaches the members, one that has another owner leaves."""
    return await _update(db, seen, new, actor, lambda old, new: images.update_statements(old, new, actor))


async def change_places(
    db: Database, seen: Image, new: Image, given_up: Sequence[Location], actor: Actor
) -> bool:
    """As `update_image`, with the places of the data; bytes that are `given_up` wait for removal."""

    def statements(old: Image, new: Image) -> list[Statement]:
        return imports.place_statements(old, new, given_up, actor)

    return await _update(db, seen, new, actor, statements)


async def _update(db: Database, seen: Image, new: Image, actor: Actor, statements: Statements) -> bool:
    if not _is_version(seen) or not _concerns_family(seen, new):
        return await db.transact(*statements(seen, new)) is not None
    act = Act(now=now_us(), actor=actor)
    try:
        await db.run(lambda: change_image(seen, new, act, statements))
    except ChangedError:
        return False
    return True


async def remove_image(db: Database, seen: Image, now: int, actor: Actor) -> bool:
    """As `deletion.delete_image`; the newest version that can be takes the place of the current one."""
    if not _is_version(seen):
        return await deletion.delete_image(db, seen, now, actor)
    act = Act(now=now, actor=actor)
    try:
        await db.run(lambda: delete_image(seen, act))
    except ChangedError:
        return False
    return True


def _is_version(image: Image) -> bool:
    """Whether the image may be a version: its own row says so, from the transaction on that makes it one. So
    other images cost nothing here."""
    return FAMILY in image.properties


def _concerns_family(seen: Image, new: Image) -> bool:
    return (seen.status, seen.visibility, seen.owner) != (new.status, new.visibility, new.owner)


def delete_image(seen: Image, act: Act) -> Script[None]:
    """Raises ChangedError when somebody changed the image since it was `seen`."""
    known = yield from _lock_family_of(seen.id)
    yield from _run(deletion.delete_statements(seen, act.now, act.actor))
    if known is not None:
        version = next(one for one in known.versions if one.image.id == seen.id)
        yield from _drop(known, version, act)


def change_image(seen: Image, new: Image, act: Act, statements: Statements) -> Script[None]:
    """Raises ChangedError when somebody changed the image since it was `seen`."""
    known = yield from _lock_family_of(seen.id)
    if known is None:
        yield from _run(statements(seen, new))
        return
    version = next(one for one in known.versions if one.image.id == seen.id)
    if new.owner != known.family.owner:
        is_hidden = new.os_hidden if new.os_hidden != seen.os_hidden else version.was_hidden
        new = _replace(new, properties=changes.without_family(new.properties), os_hidden=is_hidden)
    yield from _run(statements(seen, new))
    if new.owner != known.family.owner:
        yield to_statement(Detach(family_id=known.family.id, image_id=seen.id), act.actor)
        yield from _drop(known, version, act)
        return
    changed = yield from look(known.family.id)
    if new.status == Status.ACTIVE and version.revoked_at is not None:
        yield from restore_version(changed, version.number, act)
    elif new.visibility == Visibility.SHARED != seen.visibility and _is_current(changed, version):
        yield from grant(changed, None, act)


def _run(statements: Sequence[Statement]) -> Script[None]:
    for statement in statements:
        rows = yield statement
        if statement.required and not rows:
            raise ChangedError


def _is_current(known: Known, version: Version) -> bool:
    return version.number == known.family.current_number


def _drop(known: Known, version: Version, act: Act) -> Script[None]:
    """The image of the version is none of the family's any more, and was written already."""
    yield record_family(act, EventType.FAMILY_CHANGED, known.family, version)
    after = changes.drop_version(known, version, act.now)
    if after.family.current_number == known.family.current_number:
        yield from write(known, after, act)
    else:
        yield from move_pointer(known, after, act)


def _lock_family_of(image_id: str) -> Script[Known | None]:
    """The family that the image is a version of, locked."""
    family_id = yield from families.find_family_of(image_id)
    if family_id is None:
        return None
    known = yield from families.lock_and_see(family_id)
    if known is None or all(version.image.id != image_id for version in known.versions):
        raise ChangedError
    return known


class ChangedError(Exception):
    """Somebody changed what was seen: look again. It takes the transaction back."""
