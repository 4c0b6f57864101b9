"""Families on a real database: what tests make them of, and what they look at."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.samples import OWNER, image

from transom.domain.events import Actor, Via
from transom.domain.families import Family, Known, VersionImage
from transom.domain.memberships import Terms
from transom.domain.model import NEVER, Image, Status, Visibility
from transom.sharing.families import members, scripts
from transom.sharing.families.events import Act
from transom.sql import families
from transom.sql.db import Database, Script
from transom.sql.images import find_image

from .databases import NOBODY, write_image

NO_LIMIT = -1
PUBLISHER = Actor(via=Via.SHARE, project=OWNER, user="user", request_id="req-1")
NOW = 1_000_000


def act(now: int = NOW) -> Act:
    return Act(now=now, actor=PUBLISHER)


def a_family(**changes: Any) -> Family:
    given = {
        "id": "family",
        "owner": OWNER,
        "name": "web",
        "title": None,
        "description": None,
        "support_url": None,
        "current_number": None,
        "last_number": 0,
        "provided_until": NEVER,
        "created_at": 1,
        "updated_at": 1,
    }
    return Family(**(given | changes))


async def make_family(db: Database, **changes: Any) -> Family:
    return await db.run(lambda: scripts.create(a_family(**changes), NO_LIMIT, act()))


async def make_images(db: Database, *ids: str, **changes: Any) -> list[Image]:
    """Active images of OWNER, private unless said otherwise."""
    usual = {"status": Status.ACTIVE, "visibility": Visibility.PRIVATE}
    made = [image(**{"id": one, "properties": {"mine": "1"}, **usual, **changes}) for one in ids]
    await db.transact(*(write_image(one) for one in made))
    return made


def see_any(found: VersionImage | None) -> VersionImage:
    assert found is not None
    return found


async def publish(
    db: Database, image_id: str, *, promotes: bool = True, family_id: str = "family", now: int = NOW
) -> int:
    """The number of the new version."""
    new = scripts.NewVersion(image_id=image_id, name=None, notes=None, end_of_life=NEVER)
    made = await db.run(
        lambda: scripts.publish(family_id, new, NO_LIMIT, see_any, act(now), promotes=promotes)
    )
    return made[1]


async def promote(db: Database, number: int, now: int = NOW) -> Known:
    return await db.run(lambda: scripts.promote("family", number, act(now)))


async def revoke(db: Database, number: int, reason: str | None = None, now: int = NOW) -> Known:
    return await db.run(lambda: scripts.revoke("family", number, reason, act(now)))


def locked(family_id: str = "family") -> Script[Known]:
    known = yield from families.lock_and_see(family_id)
    assert known is not None
    return known


async def offer(
    db: Database,
    *member_ids: str,
    limit: int = NO_LIMIT,
    now: int = NOW,
    ends_at: int = NEVER,
    expires_at: int = NEVER,
) -> members.Offered:
    terms = Terms(message="take it", ends_at=ends_at, expires_at=expires_at)

    def script() -> Script[members.Offered]:
        return (yield from members.offer((yield from locked()), member_ids, terms, limit, act(now)))

    return await db.run(script)


async def answer(
    db: Database, member_id: str, status: str = "accepted", new_versions: str | None = None, now: int = NOW
) -> bool:
    def script() -> Script[bool]:
        known = yield from locked()
        return (yield from members.answer(known, member_id, status, new_versions, act(now)))

    return await db.run(script)


async def leave(db: Database, member_id: str, now: int = NOW) -> None:
    def script() -> Script[None]:
        yield from members.leave((yield from locked()), member_id, act(now))

    await db.run(script)


async def withdraw(db: Database, member_ids: Sequence[str], now: int = NOW) -> tuple[int, int]:
    def script() -> Script[tuple[int, int]]:
        known = yield from locked()
        return (yield from members.withdraw(known, member_ids, "ended", act(now)))

    return await db.run(script)


# ---- what there is


async def look(db: Database, family_id: str = "family") -> Known:
    def script() -> Script[Known]:
        known = yield from families.see(family_id)
        assert known is not None
        return known

    return await db.run(script)


async def memberships(db: Database) -> dict[str, dict[str, str]]:
    """Image → member → status."""
    found: dict[str, dict[str, str]] = {}
    for image_id, member_id, status in await db.read(
        "select image_id, member_id, status from member order by image_id, member_id"
    ):
        found.setdefault(image_id, {})[member_id] = status
    return found


async def family_members(db: Database) -> dict[str, str]:
    rows = await db.read("select member_id, status from family_member order by member_id")
    return {str(row[0]): str(row[1]) for row in rows}


async def shown_properties(db: Database, image_id: str) -> Mapping[str, str]:
    found = (await find_image(db, image_id, NOBODY)).image
    assert found is not None
    return found.properties


async def hidden(db: Database) -> dict[str, bool]:
    """Image → whether it is hidden."""
    rows = await db.read("select id, os_hidden from image order by id")
    return {image_id: bool(is_hidden) for image_id, is_hidden in rows}


async def told(db: Database) -> list[tuple[str, str | None, str | None, str]]:
    """(type, member, image, via) of each event so far, in order."""
    rows = await db.read("select type, member_id, image_id, via from outbox order by id")
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def forget_events(db: Database) -> None:
    await db.write("delete from outbox")
