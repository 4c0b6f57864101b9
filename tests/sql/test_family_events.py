"""What is told of families: one event for all members of what concerns all, one for each membership."""

import msgspec
import pytest
from domain.samples import OWNER

from transom.domain.events import EventData
from transom.domain.memberships import OfferEach, Terms
from transom.domain.recipients import domain_key
from transom.sharing.families import images, members, scripts
from transom.sql.db import Database, Script
from transom.sql.images import find_image
from transom.sql.members import to_statement

from .databases import NOBODY
from .family_world import (
    NOW,
    PUBLISHER,
    act,
    answer,
    forget_events,
    leave,
    locked,
    make_family,
    make_images,
    offer,
    promote,
    publish,
    revoke,
    told,
    withdraw,
)

pytestmark = pytest.mark.anyio

FIRST, SECOND = "first-project", "second-project"
DOMAIN = domain_key("theirs")


async def _with_members(db: Database) -> None:
    """A family with a current version, one accepted and one pending member."""
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await offer(db, FIRST, SECOND)
    await answer(db, FIRST)
    await forget_events(db)


async def test_a_promote_is_told_once_to_all_and_to_each_who_gets_something(db: Database) -> None:
    await _with_members(db)

    await publish(db, "image-2")

    assert await told(db) == [
        ("family.version_published", OWNER, "image-2", "share"),
        ("family.promoted", None, "image-2", "share"),
        ("share.granted", FIRST, "image-2", "family"),
    ]


async def test_promoting_what_is_current_tells_nothing(db: Database) -> None:
    await _with_members(db)

    await promote(db, 1)

    assert await told(db) == []


async def test_a_revocation_tells_why_and_what_takes_its_place(db: Database) -> None:
    await _with_members(db)
    await publish(db, "image-2")
    await forget_events(db)

    await revoke(db, 2, "CVE-1")

    assert [(kind, image) for kind, _member, image, _via in await told(db)] == [
        ("family.revoked", "image-2"),
        ("family.promoted", "image-1"),
    ]
    rows = await db.read("select data, owner, family_id, actor_user, request_id, at from outbox order by id")
    data = msgspec.json.decode(rows[0][0], type=EventData)
    assert (data.family, data.number, data.image, data.reason) == ("web", 2, "name", "CVE-1")
    assert tuple(rows[0][1:]) == (OWNER, "family", "user", "req-1", NOW)


async def test_what_was_never_current_is_told_to_the_owner_alone(db: Database) -> None:
    await _with_members(db)
    await publish(db, "image-2", promotes=False)

    await revoke(db, 2)
    await db.run(lambda: scripts.restore("family", 2, act()))

    assert {member for _kind, member, _image, _via in await told(db)} == {OWNER}


async def test_answers_are_told_with_what_they_bring(db: Database) -> None:
    await _with_members(db)

    await answer(db, SECOND, new_versions="pending")
    await answer(db, FIRST, "rejected")
    await leave(db, FIRST)

    assert await told(db) == [
        ("family.accepted", SECOND, None, "share"),
        ("share.granted", SECOND, "image-1", "family"),
        ("family.rejected", FIRST, None, "share"),
        ("share.rejected", FIRST, "image-1", "family"),
        ("family.left", FIRST, None, "share"),
        ("share.left", FIRST, "image-1", "family"),
    ]


async def test_what_is_told_of_memberships_that_a_family_brings_names_it_and_the_version(
    db: Database,
) -> None:
    await _with_members(db)

    await answer(db, SECOND)
    await withdraw(db, [FIRST, SECOND])

    rows = await db.read("select type, data from outbox where type like 'share.%' order by id")
    told_of = [(kind, msgspec.json.decode(data, type=EventData)) for kind, data in rows]
    assert [kind for kind, _data in told_of] == ["share.granted", "share.withdrawn", "share.withdrawn"]
    assert [(data.family, data.number) for _kind, data in told_of] == [("web", 1)] * 3


async def test_an_answer_that_is_taken_back_is_told_as_such(db: Database) -> None:
    await _with_members(db)
    await answer(db, SECOND, "rejected")
    await forget_events(db)

    await answer(db, SECOND, "pending")

    assert await told(db) == [("family.reset", SECOND, None, "share")]


async def test_offers_and_withdrawals_are_told_to_each(db: Database) -> None:
    await _with_members(db)

    await offer(db, DOMAIN)
    await withdraw(db, [FIRST, SECOND])

    events = await told(db)
    assert events[:2] == [
        ("family.offered", DOMAIN, None, "share"),
        ("share.granted", DOMAIN, "image-1", "family"),
    ]
    assert sorted(events[2:], key=str) == [
        ("family.withdrawn", FIRST, None, "share"),
        ("family.withdrawn", SECOND, None, "share"),
        ("share.withdrawn", FIRST, "image-1", "family"),
    ]


async def test_a_family_that_is_deleted_withdraws_what_nobody_answered(db: Database) -> None:
    await _with_members(db)

    await db.run(lambda: scripts.delete("family", act()))

    assert await told(db) == [
        ("family.withdrawn", SECOND, None, "share"),
        ("family.deleted", None, None, "share"),
    ]


async def test_members_that_had_ended_when_their_family_is_deleted_are_told_so(db: Database) -> None:
    await make_family(db)
    await offer(db, FIRST, ends_at=NOW + 5)
    await offer(db, SECOND, ends_at=NOW + 6, expires_at=NOW + 6)
    await forget_events(db)

    await db.run(lambda: scripts.delete("family", act(NOW + 10)))

    assert sorted(await told(db), key=str) == [
        ("family.deleted", None, None, "share"),
        ("family.expired", SECOND, None, "time"),
        ("family.lapsed", FIRST, None, "time"),
    ]


async def test_who_has_a_version_directly_is_told_when_it_is_revoked_and_restored(db: Database) -> None:
    await _with_members(db)
    direct = OfferEach(image_ids=["image-1"], member_ids=["direct"], terms=Terms(), now=NOW)
    await db.transact(to_statement(direct, act().actor))
    await forget_events(db)

    await revoke(db, 1)
    await db.run(lambda: scripts.restore("family", 1, act()))

    assert sorted((kind, member) for kind, member, _image, _via in await told(db) if member) == [
        ("image.deactivated", "direct"),
        ("image.reactivated", "direct"),
    ]


@pytest.mark.parametrize("change", ["deleted", "given away"])
async def test_a_version_that_leaves_is_told_to_the_family(db: Database, change: str) -> None:
    await _with_members(db)
    await publish(db, "image-2")
    await forget_events(db)
    seen = (await find_image(db, "image-1", NOBODY)).image
    assert seen is not None

    if change == "deleted":
        await images.remove_image(db, seen, NOW, PUBLISHER)
    else:
        new = msgspec.structs.replace(
            seen, owner="heir", properties={**seen.properties, "new": "2"}, updated_at=seen.updated_at + 1
        )
        await images.update_image(db, seen, new, PUBLISHER)
        given = (await find_image(db, "image-1", NOBODY)).image
        assert given is not None
        assert (given.properties, given.os_hidden) == ({"mine": "1", "new": "2"}, False)

    assert ("family.changed", None, "image-1", "share") in await told(db)


async def test_what_ended_is_told_at_its_time_before_it_is_offered_again(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await offer(db, FIRST, ends_at=NOW + 5)
    await offer(db, SECOND, expires_at=NOW + 6)
    await answer(db, SECOND)
    await forget_events(db)

    def script() -> Script[int]:
        known = yield from locked()
        return (yield from members.end_due(known, [SECOND], act(NOW + 10)))

    await offer(db, FIRST, now=NOW + 10)
    await db.run(script)

    assert await told(db) == [
        ("family.lapsed", FIRST, None, "time"),
        ("family.offered", FIRST, None, "share"),
        ("family.expired", SECOND, None, "time"),
        ("share.expired", SECOND, "image-1", "time"),
    ]
    times = await db.read("select at from outbox order by id")
    assert [row[0] for row in times] == [NOW + 5, NOW + 10, NOW + 6, NOW + 6]
