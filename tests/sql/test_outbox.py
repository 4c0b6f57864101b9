"""No change of a membership without an event, and no event without a change: in the very transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, STRANGER, caller, image, member

from transom.clock import now_us
from transom.domain.errors import ForbiddenError, UnavailableError
from transom.domain.events import CLOCK, EventData, EventType, NewEvent
from transom.domain.memberships import Offer, RemoveEnded, Terms
from transom.domain.model import Image, Member, Status, Visibility
from transom.sharing import service
from transom.sharing.batches import answer, share, share_one, withdraw
from transom.sharing.recipients import Recipients
from transom.sharing.sweep import Sweep
from transom.sql import images, members, outbox
from transom.sql.db import Database, Script
from transom.sql.deletion import delete_image

from .databases import NOBODY, delete_member, insert_member, set_member_status, write_world

pytestmark = pytest.mark.anyio

DOMAIN = "domain/theirs"
RECEIVER = caller(project=RECIPIENT)
#: (type, recipient, status, status of before)
Told = tuple[str, str | None, str | None, str | None]
Change = Callable[[Database], Awaitable[Any]]

_decode = msgspec.json.Decoder(EventData).decode


async def told(db: Database) -> list[Told]:
    """What stands in the outbox, in its order, and empty it."""
    rows = await db.read("select type, member_id, data from outbox order by id")
    await db.write("delete from outbox")
    return [(row[0], row[1], _decode(row[2]).status, _decode(row[2]).was) for row in rows]


def _run(make: Callable[[], Script[Any]]) -> Change:
    async def change(db: Database) -> Any:
        return await db.run(make)

    return change


def _ended(member_id: str = RECIPIENT, status: str = "pending", expires_at: int = 1) -> Member:
    return msgspec.structs.replace(member(member_id, status), ends_at=1, expires_at=expires_at)


CHANGES: dict[str, tuple[list[Member], Change, list[Told]]] = {
    "offer": (
        [],
        lambda db: insert_member(db, "image", RECIPIENT, -1, 7),
        [("share.offered", RECIPIENT, "pending", None)],
    ),
    "offer of what is offered": ([member()], lambda db: insert_member(db, "image", RECIPIENT, -1, 7), []),
    "accept": (
        [member()],
        lambda db: set_member_status(db, "image", RECIPIENT, "accepted", 7),
        [("share.accepted", RECIPIENT, "accepted", "pending")],
    ),
    "reject": (
        [member(status="accepted")],
        lambda db: set_member_status(db, "image", RECIPIENT, "rejected", 7),
        [("share.rejected", RECIPIENT, "rejected", "accepted")],
    ),
    "take an answer back": (
        [member(status="accepted")],
        lambda db: set_member_status(db, "image", RECIPIENT, "pending", 7),
        [("share.reset", RECIPIENT, "pending", "accepted")],
    ),
    "answer to nothing": ([], lambda db: set_member_status(db, "image", RECIPIENT, "accepted", 7), []),
    "withdraw": (
        [member(status="accepted"), member(STRANGER)],
        lambda db: delete_member(db, "image", RECIPIENT),
        [("share.withdrawn", RECIPIENT, None, "accepted")],
    ),
    "withdraw nothing": ([member(STRANGER)], lambda db: delete_member(db, "image", RECIPIENT), []),
    "answer by the rules of IMS": (
        [member()],
        lambda db: service.answer_for_itself(
            db, RECEIVER, ACTOR, "image", RECIPIENT, lambda: ("accepted", None)
        ),
        [("share.accepted", RECIPIENT, "accepted", "pending")],
    ),
    "recipient's own answer": (
        [member(status="rejected")],
        lambda db: service.answer(db, RECEIVER, ACTOR, "image", RECIPIENT, "accepted"),
        [("share.accepted", RECIPIENT, "accepted", "rejected")],
    ),
    "batch offers": (
        [member("has it", "accepted"), member("refused", "rejected")],
        _run(lambda: share(caller(), ACTOR, ["image"], ["has it", "refused", "new", DOMAIN], -1, 7, None)),
        [
            ("share.renewed", "refused", "pending", "rejected"),
            ("share.offered", DOMAIN, "accepted", None),
            ("share.offered", "new", "pending", None),
        ],
    ),
    "batch offers what has ended": (
        [_ended(expires_at=2)],
        _run(lambda: share(caller(), ACTOR, ["image"], [RECIPIENT], -1, 7, None)),
        [("share.lapsed", RECIPIENT, None, "pending"), ("share.offered", RECIPIENT, "pending", None)],
    ),
    "offer of what has ended": (
        [_ended(status="rejected")],
        lambda db: service.offer(db, Recipients(None), caller(), ACTOR, "image", RECIPIENT, -1),
        [("share.expired", RECIPIENT, None, "rejected"), ("share.offered", RECIPIENT, "pending", None)],
    ),
    "one of IMS offered again": (
        [member(status="rejected")],
        _run(lambda: share_one(caller(), ACTOR, "image", RECIPIENT, -1, 7)),
        [("share.renewed", RECIPIENT, "pending", "rejected")],
    ),
    "batch answers": (
        [member()],
        _run(lambda: answer(RECEIVER, ACTOR, ["image"], "rejected", None, 7, None)),
        [("share.rejected", RECIPIENT, "rejected", "pending")],
    ),
    "batch answers the same": (
        [member(status="rejected")],
        _run(lambda: answer(RECEIVER, ACTOR, ["image"], "rejected", None, 7, None)),
        [],
    ),
    "batch withdraws": (
        [member(), member(STRANGER, "accepted")],
        _run(lambda: withdraw(caller(), ACTOR, ["image"], [RECIPIENT, "nobody"], 7, None)),
        [("share.withdrawn", RECIPIENT, None, "pending")],
    ),
    "deletion": (
        [member(), member(STRANGER, "accepted"), _ended("gone")],
        lambda db: delete_image(db, image(), 7, ACTOR),
        [
            ("image.deleted", RECIPIENT, None, "pending"),
            ("image.deleted", STRANGER, None, "accepted"),
            ("share.expired", "gone", None, "pending"),
        ],
    ),
    "deletion of what somebody changed": (
        [member()],
        lambda db: delete_image(db, image(updated_at=99), 7, ACTOR),
        [],
    ),
    "end": (
        [_ended(), _ended("late", expires_at=2), _ended("had it", "accepted"), member(STRANGER)],
        lambda db: members.change_each(db, RemoveEnded(now=7, limit=10), CLOCK),
        [
            ("share.expired", RECIPIENT, None, "pending"),
            ("share.expired", "had it", None, "accepted"),
            ("share.lapsed", "late", None, "pending"),
        ],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_tells_what_it_did_and_no_more(db: Database, name: str) -> None:
    before, change, expected = CHANGES[name]
    await write_world(db, [image()], before)
    await told(db)

    await change(db)

    # In a set of rows that one statement changes there is no order.
    assert sorted(await told(db), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize("name", CHANGES)
async def test_rows_and_events_change_together(db: Database, name: str) -> None:
    """Told from the events alone, the memberships are what the table has."""
    before, change, _expected = CHANGES[name]
    await write_world(db, [image()], before)
    await told(db)

    await change(db)

    kept = {one.member_id: one.status for one in before}
    for _kind, member_id, status, was in await told(db):
        assert member_id is not None
        assert kept.pop(member_id, None) == was
        if status is not None:
            kept[member_id] = status
    assert kept == dict(map(tuple, await db.read("select member_id, status from member")))


async def test_an_event_says_who_did_what_to_whom(db: Database) -> None:
    await write_world(db, [image(name="web-1")], [])
    await told(db)
    terms = Terms(message="Take it.", ends_at=20, expires_at=30)

    await members.change_member(
        db, Offer(image_id="image", owner=OWNER, member_id=RECIPIENT, quota=-1, now=7, terms=terms), ACTOR
    )

    (row,) = await db.read(
        "select at, type, owner, member_id, image_id, family_id, actor_project, actor_user, request_id, via,"
        " data from outbox"
    )
    about = (7, "share.offered", OWNER, RECIPIENT, "image", None)
    assert tuple(row[:10]) == (*about, OWNER, "user", "req-1", "images-v2")
    assert _decode(row[10]) == EventData(
        image="web-1", status="pending", message="Take it.", ends_at=20, expires_at=30
    )


async def test_what_ended_is_told_for_the_time_when_it_did(db: Database) -> None:
    await write_world(db, [image()], [_ended()])
    await told(db)

    await members.change_each(db, RemoveEnded(now=7_000, limit=10), CLOCK)

    assert [tuple(row) for row in await db.read("select at, actor_user, via from outbox")] == [
        (1, None, "time")
    ]


async def test_the_sweep_removes_what_has_ended_and_knows_what_ends_next(db: Database) -> None:
    soon = msgspec.structs.replace(member(STRANGER), ends_at=now_us() + 3_600_000_000)
    await write_world(db, [image()], [_ended(), soon])
    await told(db)

    left_s = await Sweep(db).run()

    assert await told(db) == [("share.expired", RECIPIENT, None, "pending")]
    assert 3_500 < left_s <= 3_600
    assert [row[0] for row in await db.read("select member_id from member")] == [STRANGER]


async def test_two_sweeps_at_once_tell_each_end_once(db: Database, neighbour: Database) -> None:
    await write_world(db, [image()], [_ended(f"m{n}") for n in range(50)])
    await told(db)

    await asyncio.gather(*(Sweep(one).run() for one in (db, neighbour, db)))

    assert sorted(one[1] or "" for one in await told(db)) == sorted(f"m{n}" for n in range(50))


async def test_a_batch_that_is_refused_tells_nothing(db: Database) -> None:
    await write_world(db, [image(), image(id="public", visibility=Visibility.PUBLIC)], [])
    await told(db)

    with pytest.raises(ForbiddenError):
        await db.run(lambda: share_one(caller(), ACTOR, "public", RECIPIENT, -1, 7))

    assert await told(db) == []


def _changes(**changes: Any) -> Change:
    async def change(db: Database) -> None:
        seen = (await images.find_image(db, "image", NOBODY)).image
        assert seen is not None
        assert await images.update_image(
            db, seen, msgspec.structs.replace(seen, updated_at=seen.updated_at + 1, **changes), ACTOR
        )

    return change


IMAGE_CHANGES: dict[str, tuple[Image, Sequence[Member], Change, list[Told]]] = {
    "renamed": (image(), [member()], _changes(name="new"), []),
    "closed": (
        image(),
        [member(), member(STRANGER, "rejected"), _ended("gone")],
        _changes(visibility=Visibility.PRIVATE),
        [("image.closed", RECIPIENT, None, "pending"), ("image.closed", STRANGER, None, "rejected")],
    ),
    "public": (
        image(),
        [member()],
        _changes(visibility=Visibility.PUBLIC),
        [("image.closed", RECIPIENT, None, "pending")],
    ),
    "opened": (
        image(visibility=Visibility.PRIVATE),
        [member(), member(STRANGER, "accepted"), _ended("gone"), member(OWNER)],
        _changes(visibility=Visibility.SHARED),
        [("image.opened", RECIPIENT, "pending", None), ("image.opened", STRANGER, "accepted", None)],
    ),
    "deactivated": (
        image(status=Status.ACTIVE),
        [member()],
        _changes(status=Status.DEACTIVATED),
        [("image.deactivated", RECIPIENT, None, None)],
    ),
    "deactivated for nobody": (
        image(status=Status.ACTIVE),
        [_ended()],
        _changes(status=Status.DEACTIVATED),
        [("image.deactivated", None, None, None)],
    ),
    "deactivated with sleeping memberships": (
        image(status=Status.ACTIVE, visibility=Visibility.PRIVATE),
        [member()],
        _changes(status=Status.DEACTIVATED),
        [("image.deactivated", None, None, None)],
    ),
    "reactivated": (
        image(status=Status.DEACTIVATED),
        [member()],
        _changes(status=Status.ACTIVE),
        [("image.reactivated", RECIPIENT, None, None)],
    ),
    "given away and closed": (
        image(),
        [member()],
        _changes(owner="new-owner", visibility=Visibility.PRIVATE),
        [("image.closed", RECIPIENT, None, "pending"), ("image.transferred", "new-owner", None, None)],
    ),
}


@pytest.mark.parametrize("name", IMAGE_CHANGES)
async def test_a_change_of_an_image_tells_whom_it_concerns(db: Database, name: str) -> None:
    before, recipients, change, expected = IMAGE_CHANGES[name]
    await write_world(db, [before], list(recipients))
    await told(db)

    await change(db)

    assert sorted(await told(db), key=str) == sorted(expected, key=str)


async def test_who_waits_for_events_is_woken_by_what_appends_them(db: Database) -> None:
    await write_world(db, [image()], [])
    woken: list[str] = []
    db.on_events(lambda: woken.append("woken"))

    await db.write("update image set name = 'new'")
    quiet = len(woken)
    await insert_member(db, "image", RECIPIENT, -1, 7)
    by_change = len(woken)
    await db.run(lambda: withdraw(caller(), ACTOR, ["image"], [RECIPIENT], 7, None))
    by_script = len(woken)
    await db.transact(outbox.append(NewEvent(at=7, type=EventType.HOOK_TEST), ACTOR))

    assert (quiet, by_change, by_script, len(woken)) == (0, 1, 2, 3)


async def test_an_event_that_cannot_be_written_takes_the_change_back(db: Database) -> None:
    await write_world(db, [image()], [])
    nobody = msgspec.structs.replace(ACTOR, via=None)
    change = Offer(image_id="image", owner=OWNER, member_id=RECIPIENT, quota=-1, now=7)

    with pytest.raises(UnavailableError):
        await members.change_member(db, change, nobody)

    assert await db.read("select 1 from member") == []
