"""The relay counts which project has caused how many events on which day."""

import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT

from transom.clock import now_us
from transom.domain.errors import SpentError
from transom.domain.events import CLOCK, Actor, EventType, NewEvent, Via
from transom.domain.times import DAY_US
from transom.quotas.events import EventQuota
from transom.sql import event_counts, outbox
from transom.sql.db import Database

from .test_events import make_relay

pytestmark = pytest.mark.anyio

TODAY = now_us() // DAY_US


async def cause(db: Database, actor: Actor, number: int = 1, day: int = TODAY) -> None:
    event = NewEvent(at=day * DAY_US, type=EventType.OFFERED, owner=OWNER, member_id=RECIPIENT)
    await db.transact(*(outbox.append(event, actor) for _ in range(number)))


def by(project: str | None, via: Via = Via.SHARE) -> Actor:
    return Actor(via=via, project=project)


async def counted(db: Database) -> dict[tuple[str, int], int]:
    rows = await db.scan("select project_id, day, events from event_count")
    return {(row[0], row[1]): row[2] for row in rows}


async def test_events_are_counted_for_who_has_caused_them(db: Database) -> None:
    await cause(db, by("one"), 3)
    await cause(db, by("two", Via.FAMILY))
    await make_relay(db).run()
    await cause(db, by("one"), 2)
    await cause(db, by("one"), day=TODAY + 1)
    await make_relay(db).run()

    assert await counted(db) == {("one", TODAY): 5, ("one", TODAY + 1): 1, ("two", TODAY): 1}


async def test_what_a_rule_answers_is_counted_for_who_has_offered_and_what_ends_for_nobody(
    db: Database,
) -> None:
    await cause(db, by(RECIPIENT, Via.RULE))
    await cause(db, CLOCK)
    await cause(db, by(None))
    await make_relay(db).run()

    assert await counted(db) == {(OWNER, TODAY): 1}


async def test_a_project_at_the_limit_has_no_room_until_the_day_is_over(db: Database) -> None:
    quota = EventQuota(db, 3)
    await cause(db, by("one"), 3)
    await cause(db, by("two"), 2)
    await cause(db, by("three"), 3, day=TODAY - 1)
    await make_relay(db).run()
    await quota.look()

    with pytest.raises(SpentError) as raised:
        quota.require_room("one")
    assert 0 < raised.value.retry_after_s <= 86_401
    for project in ("two", "three", None):
        quota.require_room(project)


async def test_what_was_seen_yesterday_refuses_nobody_today(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = EventQuota(db, 1)
    await cause(db, by("one"))
    await make_relay(db).run()
    await quota.look()
    monkeypatch.setattr("transom.quotas.events.now_us", lambda: (TODAY + 1) * DAY_US)

    quota.require_room("one")


async def test_counts_of_days_before_are_removed(db: Database) -> None:
    for day in (TODAY - 2, TODAY - 1, TODAY):
        await cause(db, ACTOR, day=day)
    await make_relay(db).run()
    await event_counts.delete_old_counts(db, TODAY)

    assert await counted(db) == {(ACTOR.project, TODAY): 1}
