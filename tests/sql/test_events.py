"""The relay numbers events without gaps, in the order of the commits, and a reader never has to look back."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, STRANGER, caller

from transom.domain.events import Event, EventData, EventQuery, EventType, NewEvent
from transom.domain.model import Caller
from transom.sharing.history import list_events
from transom.sharing.relay import Relay
from transom.sql import events, outbox
from transom.sql.db import Database

from .databases import Tap, count

pytestmark = pytest.mark.anyio

FAMILY, MEMBER = "family", RECIPIENT


def make_relay(db: Database, lines: list[tuple[str, dict[str, object]]] | None = None) -> Relay:
    """`lines`: takes those of the log."""
    written = lines if lines is not None else []
    return Relay(db, 400, lambda _seconds: None, written.extend)


@pytest.fixture
async def relay(db: Database) -> Relay:
    return make_relay(db)


async def append(
    db: Database, kind: str = "share.offered", at: int = 1, member_id: str | None = RECIPIENT, **more: str
) -> None:
    about = {"owner": OWNER, "image_id": "image", **more}
    event = NewEvent(at=at, type=EventType(kind), member_id=member_id, **about)  # type: ignore[arg-type]
    await db.transact(outbox.append(event, ACTOR))


async def append_of_family(db: Database, *kinds: str, member_id: str | None = MEMBER) -> None:
    for kind in kinds:
        await append(db, f"family.{kind}", member_id=member_id, family_id=FAMILY)


async def read(db: Database, query: EventQuery | None = None) -> list[Event]:
    return await events.list_events(db, query or EventQuery(limit=1000))


def of(project: str, **more: object) -> EventQuery:
    return EventQuery(limit=1000, project=project, member_ids=[project], **more)  # type: ignore[arg-type]


def seqs(found: Sequence[Event]) -> list[int]:
    return [event.seq for event in found]


async def test_events_are_numbered_in_their_order_from_one_on(db: Database, relay: Relay) -> None:
    for at in range(3):
        await append(db, at=at)
    await relay.run()
    await append(db, at=3)
    await relay.run()

    found = await read(db)

    assert [(event.seq, event.at) for event in found] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert await count(db, "outbox") == 0
    assert found[0].actor == ACTOR


async def test_a_number_is_never_given_twice(db: Database, relay: Relay) -> None:
    await append(db)
    await relay.run()
    await events.delete_old_events(db, 100, 10)
    await append(db)
    await relay.run()

    assert seqs(await read(db)) == [2]
    assert await events.find_kept(db) == (2, 2)


async def test_more_than_a_transaction_takes_is_numbered_as_well(db: Database, relay: Relay) -> None:
    many = [outbox.append(NewEvent(at=n, type=EventType.OFFERED), ACTOR) for n in range(1500)]
    await db.transact(*many)

    numbered = await relay.run()

    assert numbered == 1500
    assert await count(db, "outbox") == 0
    rows = await db.read("select seq, at from event order by seq")
    assert [tuple(row) for row in rows] == [(n + 1, n) for n in range(1500)]


async def test_each_change_of_a_membership_has_a_line_in_the_log(
    db: Database,
) -> None:
    lines: list[tuple[str, dict[str, object]]] = []
    answered = NewEvent(
        at=1,
        type=EventType.ACCEPTED,
        owner=OWNER,
        member_id=RECIPIENT,
        image_id="image",
        data=EventData(was="pending", status="accepted"),
    )
    await db.transact(outbox.append(answered, ACTOR))
    await append_of_family(db, "offered")
    await append(db, "image.deactivated", member_id=None)
    await append(db, "image.closed")
    await make_relay(db, lines).run()

    assert [message for message, _fields in lines] == ["share.accepted", "image.closed"]
    assert lines[0][1] == {
        "event": 1,
        "image_id": "image",
        "owner": OWNER,
        "recipient": RECIPIENT,
        "was": "pending",
        "status": "accepted",
        "via": ACTOR.via,
        "request_id": ACTOR.request_id,
        "user_id": ACTOR.user,
        "project_id": ACTOR.project,
    }


async def test_two_relays_at_once_number_each_event_once(db: Database, neighbour: Database) -> None:
    relays = [make_relay(one) for one in (db, neighbour)]
    for n in range(20):
        await append(db, at=n)
        await asyncio.gather(*(one.run() for one in relays))
    for one in relays:
        await one.run()

    assert [(event.seq, event.at) for event in await read(db)] == [(n + 1, n) for n in range(20)]


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_a_transaction_that_commits_late_is_seen_late_and_not_skipped(
    db: Database, url: str, kind: str
) -> None:
    """Both ids are drawn in one order and committed in the other: by ids a reader would skip the first."""
    assert kind == "postgresql"
    relay = make_relay(db)
    slow = await asyncpg.connect(url)
    transaction = slow.transaction()
    await transaction.start()
    statement = outbox.append(NewEvent(at=1, type=EventType.OFFERED, owner=OWNER), ACTOR)
    await slow.execute(statement.sql, *statement.values)
    await append(db, at=2)
    await relay.run()
    first = await read(db)
    await transaction.commit()
    await slow.close()
    await relay.run()

    assert [event.at for event in first] == [2]
    assert [event.at for event in await read(db, EventQuery(limit=9, after=first[-1].seq))] == [1]


async def test_the_oldest_that_waits_is_known(db: Database, relay: Relay) -> None:
    assert await events.find_oldest(db) is None
    await append(db, at=5)
    await append(db, at=4)

    assert await events.find_oldest(db) == 5


# ---- what a project sees


@pytest.fixture
async def world(db: Database, relay: Relay) -> None:
    """1, 2: of both; 3: of another image and recipient; 4: of strangers; 5: of the owner alone."""
    await append(db, "share.offered")
    await append(db, "share.accepted")
    await append(db, "share.offered", member_id="domain/theirs", image_id="other")
    await append(db, "share.offered", owner=STRANGER, member_id="somebody")
    await append(db, "image.deactivated", member_id=None)
    await relay.run()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (EventQuery(limit=9), [1, 2, 3, 4, 5]),
        (of(OWNER), [1, 2, 3, 5]),
        (of(RECIPIENT), [1, 2]),
        (of(STRANGER), [4]),
        (of("nobody"), []),
        (EventQuery(limit=9, project="in it", member_ids=["in it", "domain/theirs"]), [3]),
        (of(OWNER, image_id="image"), [1, 2, 5]),
        (of(RECIPIENT, image_id="other"), []),
        (of(OWNER, types=["share.accepted"]), [2]),
        (of(OWNER, types=[]), []),
        (of(OWNER, other=RECIPIENT), [1, 2]),
        (of(RECIPIENT, other=OWNER), [1, 2]),
        (of(RECIPIENT, other=STRANGER), []),
        (of(OWNER, after=2), [3, 5]),
        (of(OWNER, after=3, descending=True), [2, 1]),
        (of(OWNER, descending=True), [5, 3, 2, 1]),
        (EventQuery(limit=2, project=OWNER, member_ids=[OWNER]), [1, 2]),
        (EventQuery(limit=9, other=STRANGER), [4]),
        (EventQuery(limit=9, image_id="other"), [3]),
    ],
)
@pytest.mark.usefixtures("world")
async def test_a_project_sees_what_concerns_it(db: Database, query: EventQuery, expected: list[int]) -> None:
    assert seqs(await read(db, query)) == expected


@pytest.mark.usefixtures("world")
async def test_an_audit_has_what_has_no_number_yet(db: Database) -> None:
    await append(db, "share.left", at=9)

    everything = await events.audit_events(db, EventQuery(limit=9, descending=True))
    newest = await events.audit_events(db, EventQuery(limit=2, descending=True))
    by_other = await events.audit_events(
        db, EventQuery(limit=9, descending=True, other=STRANGER, user="user")
    )
    by_nobody = await events.audit_events(db, EventQuery(limit=9, descending=True, user="nobody"))

    assert seqs(everything) == [1, 2, 3, 4, 5, 0]
    assert [event.type for event in newest] == ["image.deactivated", "share.left"]
    assert seqs(by_other) == [4]
    assert by_nobody == []


class _Waiting:
    """A reader that waits for events of a kind, by this relay's process. `tap`: what it asks."""

    def __init__(self, db: Database, relay: Relay, project: str = OWNER, kind: str = "share.left") -> None:
        self.tap = Tap(db)
        self.caller = caller("reader", project)
        self.is_leaving = False
        query = EventQuery(limit=10, types=[kind])
        self.page = asyncio.create_task(
            list_events(
                self.tap,
                relay,
                self.caller,
                query,
                sees_all=False,
                wait_s=60,
                is_leaving=lambda: self.is_leaving,
                find_caller=self._find_caller,
            )
        )

    async def _find_caller(self) -> Caller:
        return self.caller

    async def looks(self, least: int) -> list[str]:
        """The statements of its looks at the feed, once there are so many."""
        while len(found := [one.sql for one in self.tap.asked if "seq" in one.sql]) < 2 * least:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return [one for one in found if one != events.FIND_KEPT]


async def test_a_reader_that_waits_looks_only_for_what_came_meanwhile(db: Database, relay: Relay) -> None:
    await append(db)
    await relay.run()
    waiting = _Waiting(db, relay)
    await waiting.looks(1)

    await append(db)
    await relay.run()
    first, second = await waiting.looks(2)
    waiting.is_leaving = True
    page = await waiting.page

    assert (page.events, page.cursor) == ([], 2)
    assert "event.seq > $" not in first
    assert "event.seq > $" in second


async def test_what_concerns_others_wakes_no_reader(db: Database, relay: Relay) -> None:
    waiting, concerned = _Waiting(db, relay, STRANGER), _Waiting(db, relay)
    for one in (waiting, concerned):
        await one.looks(1)

    for number in range(2, 5):
        await append(db)
        await relay.run()
        await concerned.looks(number)
    found = await waiting.looks(1)
    for one in (waiting, concerned):
        one.is_leaving = True
        await one.page

    assert len(found) == 1


async def test_a_reader_is_told_of_what_another_process_numbers(db: Database, relay: Relay) -> None:
    waiting = _Waiting(db, relay)
    await waiting.looks(1)

    await append(db, "share.left")
    await make_relay(db).run()

    assert seqs((await waiting.page).events) == [1]


# ---- families


async def _sees(db: Database, member_id: str = MEMBER) -> list[int]:
    return seqs(await read(db, of(member_id)))


async def test_a_member_sees_a_familys_events_from_its_offer_to_its_end(db: Database, relay: Relay) -> None:
    await append_of_family(db, "promoted", member_id=None)  # 1
    await append_of_family(db, "offered", "accepted")  # 2, 3
    await append_of_family(db, "promoted", member_id=None)  # 4
    await append_of_family(db, "left")  # 5
    await append_of_family(db, "promoted", member_id=None)  # 6
    await append_of_family(db, "offered")  # 7
    await append_of_family(db, "revoked", member_id=None)  # 8
    await relay.run()

    assert await _sees(db) == [2, 3, 4, 5, 7, 8]
    assert await _sees(db, OWNER) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert await _sees(db, STRANGER) == []


@pytest.mark.parametrize("end", ["rejected", "left", "withdrawn", "lapsed", "expired"])
async def test_an_audience_ends_with_its_membership(db: Database, relay: Relay, end: str) -> None:
    await append_of_family(db, "offered")
    await relay.run()
    await append_of_family(db, end)
    await append_of_family(db, "promoted", member_id=None)
    await relay.run()

    assert await _sees(db) == [1, 2]


async def test_who_rejected_a_family_and_accepts_it_sees_it_again(db: Database, relay: Relay) -> None:
    await append_of_family(db, "offered", "rejected")
    await append_of_family(db, "promoted", member_id=None)
    await append_of_family(db, "accepted")
    await append_of_family(db, "promoted", member_id=None)
    await relay.run()

    assert await _sees(db) == [1, 2, 4, 5]


async def test_who_rejected_a_family_and_thinks_again_sees_it_again(db: Database, relay: Relay) -> None:
    await append_of_family(db, "offered", "rejected")
    await append_of_family(db, "promoted", member_id=None)
    await append_of_family(db, "reset")
    await append_of_family(db, "promoted", member_id=None)
    await relay.run()

    assert await _sees(db) == [1, 2, 4, 5]


async def test_the_end_of_a_family_is_the_last_that_its_members_see(db: Database, relay: Relay) -> None:
    await append_of_family(db, "offered")
    await append_of_family(db, "deleted", member_id=None)
    await append_of_family(db, "created", member_id=None)
    await relay.run()

    assert await _sees(db) == [1, 2]


async def test_what_all_members_are_told_is_not_found_by_its_image_but_by_the_owner(
    db: Database, relay: Relay
) -> None:
    await append_of_family(db, "offered", member_id=MEMBER)
    await append(db, "family.promoted", member_id=None, family_id=FAMILY, image_id="candidate")
    await relay.run()

    assert seqs(await read(db, of(MEMBER))) == [1, 2]
    assert seqs(await read(db, of(MEMBER, image_id="candidate"))) == []
    assert seqs(await read(db, of(OWNER, image_id="candidate"))) == [2]


# ---- retention


async def test_events_are_removed_from_the_oldest_on_without_a_hole(db: Database, relay: Relay) -> None:
    for at in (1, 2, 30, 4, 50):
        await append(db, at=at)
    await relay.run()

    removed = await events.delete_old_events(db, 10, 100)

    assert removed == 2
    assert seqs(await read(db)) == [3, 4, 5]
    assert await events.find_kept(db) == (3, 5)


async def test_all_old_events_are_removed_only_so_many_at_a_time(db: Database, relay: Relay) -> None:
    for at in range(5):
        await append(db, at=at)
    await relay.run()

    removed = [await events.delete_old_events(db, 10, 2) for _ in range(4)]

    assert removed == [2, 2, 1, 0]
