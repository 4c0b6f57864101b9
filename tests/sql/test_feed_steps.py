"""What a look at the feed costs in steps of SQLite: as much as it finds, whatever a family told before, and
however many families the reader has left."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from domain.samples import RECIPIENT

from transom.domain.events import EventQuery
from transom.domain.organizations import Organizations, Unit
from transom.domain.recipients import organization_key
from transom.sql import events, hooks
from transom.sql.connect import open_database
from transom.sql.db import Statement
from transom.sql.migrate import migrate
from transom.sql.sqlite.spelling import translated

from .databases import Asked, Tap

pytestmark = pytest.mark.anyio

TOLD = 5_000
#: Far more than a look at the end takes, and a fraction of one step for each event.
MOST_STEPS = 2_000
UNIT = Unit(name="unit", urn="organizations::a:organization:unit", above=(organization_key("unit"),))
ORGANIZATIONS = Organizations(units={"unit": UNIT}, of_projects={RECIPIENT: UNIT})
TELL = """
    with recursive number (seq) as (select 1 union all select seq + 1 from number where seq < $1)
    insert into event (seq, at, type, owner, family_id, via, data)
    select seq, 1, 'family.changed', 'publisher', 'family', 'share', '{}' from number"""
#: Once for each time that the member was offered the family and left it.
LEAVE = """
    with recursive number (seq) as (select 1 union all select seq + 1 from number where seq < $1)
    insert into family_audience (family_id, member_id, from_seq, to_seq)
    select 'family', $2, seq, seq from number"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("steps") / "transom.db"


@pytest.fixture(scope="module")
async def tap(path: Path) -> AsyncIterator[Tap]:
    """A family that has told much; RECIPIENT heard all of it, others until they left."""
    db = await open_database(f"sqlite:///{path}", 1)
    await migrate(db)
    family = """
        insert into family (id, owner, name, created_at, updated_at)
        values ('family', 'publisher', 'f', 1, 1)"""
    audience = (
        "insert into family_audience (family_id, member_id, from_seq, to_seq) values ('family', $1, 1, $2)"
    )
    await db.transact(
        Statement(family, ()),
        Statement(TELL, (TOLD,)),
        Statement(audience, (RECIPIENT, None)),
        Statement(audience, ("gone", 5)),
        Statement(LEAVE, (TOLD, "fickle")),
        Statement(audience, (UNIT.above[0], None)),
        Statement("update singleton set last_seq = $1 where name = 'relay'", (TOLD,)),
        *(_new_hook(project, TOLD) for project in (RECIPIENT, "gone", "fickle")),
    )
    yield Tap(db)
    await db.close()


def _new_hook(project: str, cursor: int) -> Statement:
    sql = """
        insert into hook (id, project_id, url, types, is_batch, is_enabled, is_global, secret, cursor,
                          attempts, next_at, held_until, created_by, created_at, updated_at)
        values ($1, $2, 'https://x', '["*"]', false, true, false, 's', $3, 0, 0, 0, 'u', 1, 1)"""
    return Statement(sql, (f"hook of {project}", project, cursor))


def count_steps(path: Path, asked: Sequence[Asked]) -> int:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 10

    with sqlite3.connect(path) as connection:
        connection.set_progress_handler(count, 10)
        for one in asked:
            connection.execute(translated(one.sql), one.values).fetchall()
    return steps


def feed(project: str, **more: Any) -> EventQuery:
    return EventQuery(limit=25, project=project, member_ids=[project, "domain/theirs"], **more)


@pytest.mark.parametrize(
    "query",
    [
        feed(RECIPIENT, after=TOLD),
        feed(RECIPIENT, after=TOLD - 1, types=["family.changed"]),
        feed(RECIPIENT, after=2, descending=True),
        feed("gone", after=TOLD),
        feed("gone", descending=True),
        feed("fickle", after=TOLD),
    ],
    ids=[
        "at its end",
        "almost there",
        "at its beginning",
        "who has left",
        "history of who has left",
        "who has left often",
    ],
)
async def test_a_look_at_the_feed_passes_by_what_lies_beyond_the_place(
    tap: Tap, path: Path, query: EventQuery
) -> None:
    tap.asked.clear()

    found = await events.list_events(tap, query)

    assert len(found) <= 5
    assert count_steps(path, tap.asked) < MOST_STEPS


async def test_a_look_for_hooks_passes_by_what_they_were_told(tap: Tap, path: Path) -> None:
    tap.asked.clear()

    due = await hooks.list_due(tap, 5, 10, ORGANIZATIONS)

    assert due == []
    assert len(tap.asked) == 2
    assert count_steps(path, tap.asked) < MOST_STEPS


async def test_a_feed_with_what_families_tell_is_read_beside_the_event_loop(tap: Tap) -> None:
    tap.asked.clear()

    for project in (RECIPIENT, "nobody"):
        await events.list_events(tap, feed(project))

    assert [one.as_short for one in tap.asked] == [True, False, True, True]
