"""Events that have their numbers: the relay gives them, readers follow them, and time removes them.

One relay at a time takes events from the outbox: the row of `singleton` is its lock. What it does not see yet
is committed later and gets a later number, so a reader that has come to a number never has to look back. The
last number stands in that row and not in `event`, which may be emptied: no number is given twice. It is
durable before anybody reads it (no `synchronous_commit = off`): after a crash of the server the events would
be numbered anew, and one that was committed meanwhile could take a number that a reader has passed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from transom.domain.events import Actor, Event, EventData, EventQuery, EventType, Via
from transom.domain.model import NEVER
from transom.sql.conditions import Values
from transom.sql.db import Database, Row, Script, Statement
from transom.sql.event_counts import count_caused
from transom.sql.images import to_json

_OUTBOX_COLUMNS = """
    at, type, owner, member_id, image_id, family_id, actor_project, actor_user, request_id, via, data"""
COLUMNS = """
    event.seq, event.at, event.type, event.owner, event.member_id, event.image_id, event.family_id,
    event.actor_project, event.actor_user, event.request_id, event.via, event.data"""

#: For the thousands of events of a page: `Via(text)` takes ten times as long (0.39 µs).
_VIA_OF = {str(via): via for via in Via}
_decode_data = msgspec.json.Decoder(EventData).decode


def event_of_row(row: Row) -> Event:
    """An event from a row of COLUMNS."""
    return Event(
        seq=row[0],
        at=row[1],
        type=row[2],
        owner=row[3],
        member_id=row[4],
        image_id=row[5],
        family_id=row[6],
        actor=Actor(project=row[7], user=row[8], request_id=row[9], via=_VIA_OF[row[10]]),
        data=_decode_data(row[11]),
    )


# ---- the relay

FIND_OLDEST = "select at from outbox order by id limit 1"


async def find_oldest(db: Database) -> int | None:
    """When the event was appended that waits for its number longest; None when none waits."""
    rows = await db.read(FIND_OLDEST)
    return int(rows[0][0]) if rows else None


# No row: another relay is at work.
LOCK_RELAY = "select last_seq from singleton where name = 'relay' for update skip locked"

LIST_WAITING = f"select id, {_OUTBOX_COLUMNS} from outbox order by id limit $1"

_IDS = "(select cast(value as bigint) from jsonb_array_elements_text(cast($1 as jsonb)))"

_WAITING_COLUMNS = ", ".join(f"outbox.{name.strip()}" for name in _OUTBOX_COLUMNS.split(","))

# The ids come in their order.
NUMBER_EVENTS = f"""
    insert into event (seq, {_OUTBOX_COLUMNS})
    select cast($2 as bigint) + waiting.number, {_WAITING_COLUMNS}
    from jsonb_array_elements_text(cast($1 as jsonb)) with ordinality as waiting (value, number)
    join outbox on outbox.id = cast(waiting.value as bigint)"""

DELETE_NUMBERED = f"delete from outbox where id in {_IDS}"

SET_LAST_SEQ = "update singleton set last_seq = $1 where name = 'relay'"

# The members of the events `$1`, one each, see the family's events from now on, if they do not already.
OPEN_AUDIENCE = f"""
    insert into family_audience (family_id, member_id, from_seq)
    select event.family_id, event.member_id, min(event.seq)
    from event
    where event.seq in {_IDS}
      and not exists (select 1 from family_audience as open
                      where open.family_id = event.family_id and open.member_id = event.member_id
                        and open.to_seq is null)
    group by event.family_id, event.member_id"""

# They see the event itself, and no more after it.
CLOSE_AUDIENCE = f"""
    update family_audience
    set to_seq = (select min(event.seq) from event
                  where event.seq in {_IDS} and event.family_id = family_audience.family_id
                    and event.member_id = family_audience.member_id)
    where to_seq is null
      and (family_id, member_id) in (select event.family_id, event.member_id from event
                                     where event.seq in {_IDS})"""

CLOSE_FAMILY = "update family_audience set to_seq = $2 where family_id = $1 and to_seq is null"

#: What makes a project see a family's events, and what ends that.
_OPENING = frozenset({EventType.FAMILY_OFFERED, EventType.FAMILY_ACCEPTED, EventType.FAMILY_RESET})
_CLOSING = frozenset(
    {
        EventType.FAMILY_REJECTED,
        EventType.FAMILY_LEFT,
        EventType.FAMILY_WITHDRAWN,
        EventType.FAMILY_LAPSED,
        EventType.FAMILY_EXPIRED,
    }
)


def relay(limit: int) -> Script[Sequence[Row] | None]:
    """Give numbers to the `limit` events that waited longest, in the order of their ids; rows of COLUMNS,
    None when another relay is at work."""
    locked = yield Statement(LOCK_RELAY, ())
    if not locked:
        return None
    last_seq = int(locked[0][0])
    waiting = yield Statement(LIST_WAITING, (limit,))
    if not waiting:
        return []
    ids = to_json([row[0] for row in waiting])
    yield Statement(NUMBER_EVENTS, (ids, last_seq))
    yield Statement(DELETE_NUMBERED, (ids,))
    yield count_caused(last_seq)
    yield Statement(SET_LAST_SEQ, (last_seq + len(waiting),))
    numbered = [(seq, *row[1:]) for seq, row in enumerate(waiting, last_seq + 1)]
    yield from _keep_audience(numbered)
    return numbered


def _keep_audience(numbered: Sequence[Row]) -> Script[None]:
    """Open and close audiences in event order; consecutive events of the same kind share one statement."""
    run: list[int] = []
    opens = True
    for seq, _at, kind, _owner, member_id, _image_id, family_id, *_more in numbered:
        if kind in _OPENING or kind in _CLOSING:
            if member_id is None or family_id is None:
                continue
            if run and opens != (kind in _OPENING):
                yield _audience_statement(run, opens=opens)
                run = []
            opens = kind in _OPENING
            run.append(seq)
        elif kind == EventType.FAMILY_DELETED:
            if run:
                yield _audience_statement(run, opens=opens)
                run = []
            yield Statement(CLOSE_FAMILY, (family_id, seq))
    if run:
        yield _audience_statement(run, opens=opens)


def _audience_statement(seqs: list[int], *, opens: bool) -> Statement:
    return Statement(OPEN_AUDIENCE if opens else CLOSE_AUDIENCE, (to_json(seqs),))


# ---- what is kept

FIND_KEPT = """
    select (select last_seq from singleton where name = 'relay'), (select min(seq) from event)"""


async def find_kept(db: Database) -> tuple[int, int]:
    """(the number of the oldest event that is kept, of the last one that has a number). The former is one
    more than the latter when none is kept."""
    ((last, oldest),) = await db.read(FIND_KEPT)
    return (int(oldest) if oldest is not None else int(last) + 1), int(last)


_FIRST = "(select seq, at from event order by seq limit $2)"

# Deletes only from the start of the feed, without gaps: event numbers are not strictly in order of time.
DELETE_OLD_EVENTS = f"""
    delete from event
    where seq in (select seq from {_FIRST} as first)
      and seq < coalesce((select min(seq) from {_FIRST} as first where at >= $1),
                         (select max(seq) + 1 from {_FIRST} as first))
    returning seq"""

DELETE_OLD_AUDIENCE = """
    delete from family_audience
    where to_seq < (select coalesce(min(event.seq), 0) from event)"""


async def delete_old_events(db: Database, before: int, limit: int) -> int:
    """Delete at most so many events from before the time `before`, oldest first; how many it were."""

    def delete() -> Script[int]:
        deleted = yield Statement(DELETE_OLD_EVENTS, (before, limit))
        if deleted:
            yield Statement(DELETE_OLD_AUDIENCE, ())
        return len(deleted)

    return await db.run(delete)


# ---- readers


class Concern(NamedTuple):
    """Whom an event concerns."""

    seq: int
    owner: str | None
    member_id: str | None
    family_id: str | None


LIST_CONCERNS = "select seq, owner, member_id, family_id from event where seq > $1 order by seq limit $2"


async def list_concerns(db: Database, after: int, limit: int) -> list[Concern]:
    """Of the first events behind this number, at most so many."""
    return [Concern(*row) for row in await db.read(LIST_CONCERNS, after, limit)]


#: At most so many events are read at once in no time: a page of a webhook has a hundred.
_FEW = 101

HAS_AUDIENCE = """
    select 1 from family_audience
    where member_id in (select value from jsonb_array_elements_text(cast($1 as jsonb))) limit 1"""


async def list_events(db: Database, query: EventQuery) -> list[Event]:
    """The events asked for, at most `limit`, by their numbers.

    One side's are a union of the ranges of its indexes, and of the families that it is a member of, each cut
    at the page; those of an image are the range of the image, of which others may have the most.
    """
    values = Values()
    sql = _events_sql(query, values)
    if await _is_short(db, query):
        rows = await db.read(sql, *values.collected)
    else:
        rows = await db.scan(sql, *values.collected)
    return [event_of_row(row) for row in rows]


async def _is_short(db: Database, query: EventQuery) -> bool:
    """Whether it is a page of a few, to which indexes lead alone. What families tell their members is merged
    from all of them, and how much that is others say: who offers a family asks nobody."""
    if query.limit > _FEW:
        return False
    narrowed = (query.types, query.other, query.user, query.family_id, query.since, query.until)
    if any(one is not None for one in narrowed):
        return False
    if query.project is None:
        return True
    return query.image_id is None and not await db.read(HAS_AUDIENCE, to_json(list(query.member_ids)))


def _events_sql(query: EventQuery, values: Values) -> str:
    way = "desc" if query.descending else "asc"
    limit = str(int(query.limit))
    terms = [*_conditions(query, values), "true"]
    found = [
        f"select * from (select event.seq from {tables} where {' and '.join([*of_range, *terms])}"
        f" order by event.seq {way} limit {limit}) as r{number}"
        for number, (tables, of_range) in enumerate(_ranges(query, values))
    ]
    return (
        f"select {COLUMNS} from ({' union '.join(found)}) as found join event on event.seq = found.seq"
        f" order by event.seq {way} limit {limit}"
    )


def _ranges(query: EventQuery, values: Values) -> list[tuple[str, list[str]]]:
    """(tables, terms) of each."""
    image = _behind(query, values)
    if query.image_id is not None:
        image.append(f"event.image_id = {values.add(query.image_id)}")
    if query.project is None:
        return [("event", image)]
    mine = [values.add(one) for one in query.member_ids]
    sides = [
        ("event", [f"event.owner = {values.add(query.project)}", *image]),
        *(("event", [f"event.member_id = {one}", *image]) for one in mine),
    ]
    # What families tell names its image to the owner alone, so that nobody else may find it by that.
    return sides if query.image_id is not None else [*sides, _heard(query, mine, values)]


def _heard(query: EventQuery, mine: Sequence[str], values: Values) -> tuple[str, list[str]]:
    """What families tell all of their members."""
    terms = [
        f"audience.member_id in ({', '.join(mine)})",
        "event.family_id = audience.family_id",
        "event.member_id is null",
        *_within_audience(query, values),
    ]
    # SQLite keeps to the order of a cross join. It would begin with the events of all families otherwise.
    return "family_audience as audience cross join event", terms


def _behind(query: EventQuery, values: Values) -> list[str]:
    """The place in the feed that the reader has come to, where there is one."""
    if query.after is None:
        return []
    return [f"event.seq {'<' if query.descending else '>'} {values.add(query.after)}"]


def _within_audience(query: EventQuery, values: Values) -> list[str]:
    """The place, and the numbers between which the reader was in the audience, as one bound at each end:
    SQLite looks an index up by one, and would read whatever the others leave out."""
    place = values.add(query.after) if query.after is not None else None
    if query.descending:
        return [f"event.seq >= {first_heard('0')}", f"event.seq <= {last_heard(place)}"]
    after = place or "0"
    return [still_heard(after), f"event.seq >= {first_heard(after)}", f"event.seq <= {last_heard(None)}"]


def first_heard(after: str) -> str:
    """The first number behind this place that the `audience` is told of. An expression, as is the place."""
    return f"case when audience.from_seq > {after} then audience.from_seq else {after} + 1 end"


def still_heard(after: str) -> str:
    """The term that is true of an `audience` that is told of something behind this place: of the index
    `family_audience_by_end`, where SQLite looks up no column (`+column` is none)."""
    return f"{last_heard(None)} > {after}"


def last_heard(before: str | None) -> str:
    """The last number before this place that the `audience` is told of."""
    if before is None:
        return f"coalesce(audience.to_seq, {NEVER})"
    return f"case when audience.to_seq < {before} then audience.to_seq else {before} - 1 end"


def _conditions(query: EventQuery, values: Values) -> list[str]:
    terms: list[str] = []
    if query.types is not None:
        terms.append(f"event.type in ({', '.join(map(values.add, query.types)) or 'null'})")
    if query.family_id is not None:
        terms.append(f"event.family_id = {values.add(query.family_id)}")
    if query.other is not None:
        other = values.add(query.other)
        if query.project is None:
            terms.append(f"(event.owner = {other} or event.member_id = {other})")
        else:
            mine = ", ".join(values.add(one) for one in query.member_ids)
            own = values.add(query.project)
            terms.append(
                f"(event.owner = {own} and event.member_id = {other}"
                f" or event.owner = {other} and event.member_id in ({mine}))"
            )
    if query.user is not None:
        terms.append(f"event.actor_user = {values.add(query.user)}")
    if query.since is not None:
        terms.append(f"event.at >= {values.add(query.since)}")
    if query.until is not None:
        terms.append(f"event.at < {values.add(query.until)}")
    return terms


# As `event` has them, with no number.
_WAITING = f"(select cast(0 as bigint) as seq, id, {_OUTBOX_COLUMNS} from outbox) as event"


async def audit_events(db: Database, query: EventQuery) -> list[Event]:
    """The newest `limit` events of everybody (`query.project` is None), oldest first. Events without a number
    yet have `seq` 0."""
    values = Values()
    terms = [*_ranges(query, values)[0][1], *_conditions(query, values), "true"]
    # Read first: what gets its number meanwhile is then found twice rather than never.
    waiting = await db.scan(
        f"select {COLUMNS} from {_WAITING} where {' and '.join(terms)} order by event.id", *values.collected
    )
    numbered = (await list_events(db, query))[::-1]
    return [*numbered, *map(event_of_row, waiting)][-query.limit :]
