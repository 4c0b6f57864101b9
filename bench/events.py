"""Events and ends of the share API: what an event adds to an answer, a page of a long feed, the relay's rate,
and shares that end at once.

Events are written beside the service, as its transactions append them; what is measured is the service's.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from harness.service import Service

from bench.batches import open_filled
from bench.databases import Database, Databases
from bench.figures import Figure, Line, at_least, at_most, compare, note_strangers
from bench.lists import compare_pages
from bench.load import Load, make_request, run_load
from bench.processes import BenchError
from bench.requests import plan_of_answers, set_all_pending
from bench.scene import Scene, headers_of, make_image, note_errors, port_of, share_image
from bench.stream import p99_ms, run_stream
from bench.turns import measure_turns

_FEW = 10_000
_FEED = "/share/v1/events?order=desc&limit=25"
_MEMBERS = 128
_WAITING = 20_000
_ENDS = 50_000
#: From the setting of the ends until they come, microseconds. The service looks for the next end every 60 s.
_AHEAD_US = 70_000_000
#: Lists are asked for from so long before the end on, for so long.
_BEFORE_S, _LISTS_S = 3, 12
_TIMEOUT_S = 180.0

_COUNT_WAITING = "select count(*) from outbox"
#: 1 to `$1`.
_NUMBERS = """
    with recursive one (n) as (
        select cast(1 as bigint) union all select n + 1 from one where n < cast($1 as bigint))"""
#: Every hundredth is of the project that reads them.
_ADD_EVENTS = f"""
    insert into event (seq, at, type, owner, member_id, image_id, via, data)
    {_NUMBERS}
    select n, cast($2 as bigint) + n, 'share.offered',
           case when n % 100 = 0 then $3 else 'project-' || (n % 100) end,
           'recipient-' || (n % 1000), 'image-' || n, 'share', '{{"status": "pending"}}'
    from one"""
#: `$1` events from `$2` on, of the owner `$3`, about what was offered to `$4`.
ADD_WAITING = f"""
    insert into outbox (at, type, owner, member_id, image_id, via, data)
    {_NUMBERS}
    select cast($2 as bigint) + n, 'share.offered', $3, $4, 'image-' || n, 'share', '{{"status": "pending"}}'
    from one"""

#: What leaves the rows of the outbox out, where the statement that inserts them stays.
_WITHOUT_EVENTS = {
    "SQLite": ("create trigger no_events before insert on outbox begin select raise(ignore); end",),
    "PostgreSQL": (
        "create function no_events() returns trigger language plpgsql as 'begin return null; end'",
        "create trigger no_events before insert on outbox for each row execute function no_events()",
    ),
}


def measure_events(scene: Scene, databases: Databases) -> Iterator[Line]:
    yield from _measure_outbox(scene, databases)
    yield from _measure_feed(scene, databases)
    yield _measure_relay(scene, databases)
    yield from _measure_ends(scene, databases)


@contextmanager
def _open_feed(scene: Scene, databases: Databases, count: int) -> Iterator[tuple[Service, Database]]:
    """A running service with so many events."""
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        owner = service.clouds["publisher"].project_id
        database.time_write(_ADD_EVENTS, count, time.time_ns() // 1000 - count, owner)
        database.time_write("update singleton set last_seq = $1 where name = 'relay'", count)
        database.tidy()
        yield service, database


def _measure_feed(scene: Scene, databases: Databases) -> list[Line]:
    with ExitStack() as stack:
        (few, database), (many, _) = (
            stack.enter_context(_open_feed(scene, databases, count)) for count in (_FEW, scene.events)
        )
        small, large = measure_turns(scene, few, many, "publisher", _FEED, database)
        what, against = f"page of the feed, {scene.events:,} events", f"with {_FEW:,} events"
        return [
            dataclasses.replace(line, name=f"{database.name}: {line.name}")
            for line in compare_pages(what, small, large, against)
        ]


@contextmanager
def _open_offers(
    scene: Scene, databases: Databases, *, has_events: bool
) -> Iterator[tuple[Service, list[str], Database]]:
    """A running service with offers to the recipient, and the paths of these."""
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        paths = [share_image(service, make_image(service, "publisher"), "pending") for _ in range(_MEMBERS)]
        for statement in () if has_events else _WITHOUT_EVENTS[database.name]:
            database.ask(statement)
        yield service, paths, database


def _measure_outbox(scene: Scene, databases: Databases) -> list[Line]:
    """What the row of its event adds to an answer: writing, numbering and logging it."""
    loads: dict[bool, list[Load]] = {False: [], True: []}
    with ExitStack() as stack:
        opened = {
            has_events: stack.enter_context(_open_offers(scene, databases, has_events=has_events))
            for has_events in loads
        }
        turns = list(opened.items())
        # What the machine does besides moves slowly: each goes first as often as the other.
        for _ in range(2 * scene.rounds):
            turns.reverse()
            for has_events, (service, paths, database) in turns:
                set_all_pending(service, paths)
                plan = plan_of_answers(paths, headers_of(service, "recipient"))
                load = run_load(service.pid, port_of(service), plan, scene.seconds, database.server)
                loads[has_events].append(load)
        name = database.name
    without, measured = loads[False], loads[True]
    both = [*without, *measured]
    return [
        compare(
            f"{name}: CPU of PUT member, with its event",
            "µs",
            Figure(tuple(load.cpu_us for load in measured)),
            ("without its row", Figure(tuple(load.cpu_us for load in without))),
            at_most(1.3),
            [*note_errors(both), *note_strangers([load.other_cores for load in both])],
        ),
        compare(
            f"{name}: durable PUT member, with its event",
            "/s",
            Figure(tuple(load.rate for load in measured)),
            ("without its row", Figure(tuple(load.rate for load in without))),
            at_least(0.8),
        ),
    ]


def _measure_relay(scene: Scene, databases: Databases) -> Line:
    """Events that it numbers in a second, against those that answers to offers make."""
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        paths = [share_image(service, make_image(service, "publisher"), "pending") for _ in range(_MEMBERS)]
        plan = plan_of_answers(paths, headers_of(service, "recipient"))
        numbered, answered = [], []
        for _ in range(scene.rounds):
            answered.append(run_load(service.pid, port_of(service), plan, scene.seconds).rate)
            _wait_for(database, _COUNT_WAITING, 0)
            database.time_write(ADD_WAITING, _WAITING, time.time_ns() // 1000, "owner", "recipient")
            # Its look at what others appended comes within a second, and is no part of its rate.
            _wait_for(database, _COUNT_WAITING, _WAITING - 1)
            began, left = time.perf_counter(), _count(database, _COUNT_WAITING)
            _wait_for(database, _COUNT_WAITING, 0)
            numbered.append(left / (time.perf_counter() - began))
        return compare(
            f"{database.name}: events numbered, {_WAITING:,} wait",
            "/s",
            Figure(tuple(numbered)),
            ("durable PUT member", Figure(tuple(answered))),
            at_least(3),
        )


def _measure_ends(scene: Scene, databases: Databases) -> list[Line]:
    """How long after their end the last of many shares is removed that end in one second; and what others'
    lists take meanwhile."""
    with open_filled(scene, databases, _ENDS) as (service, database):
        page = itertools.repeat(make_request("GET", "/v2/images?limit=25", headers_of(service, "publisher")))
        ends_at = time.time_ns() // 1000 + _AHEAD_US
        database.time_write("update member set ends_at = $1, expires_at = $1", ends_at)
        time.sleep(max(ends_at / 1e6 - time.time() - _BEFORE_S, 0))
        began = time.perf_counter()
        with ThreadPoolExecutor(1) as beside:
            stream = beside.submit(run_stream, port_of(service), page, _LISTS_S)
            _wait_for(database, "select count(*) from member", 0)
            swept_s = max(time.time_ns() // 1000 - ends_at, 0) / 1e6
            lists = stream.result().small
    name = f"{database.name}: {_ENDS:,} shares that end at once"
    before = p99_ms([one for one in lists if one.began < began + _BEFORE_S - 1])
    latency_ms = p99_ms(lists)
    return [
        Line(name=f"{name}, swept", unit="s", measured=Figure((swept_s,)), bound=at_most(10), value=swept_s),
        Line(
            name=f"{name}, p99 of lists meanwhile",
            unit="ms",
            measured=Figure((latency_ms,)),
            bound=at_most(100),
            value=latency_ms,
            notes=(
                f"{len(lists)} lists, {sum(one.is_error for one in lists)} of them errors; "
                f"p99 of those before the end {before:.0f} ms",
            ),
        ),
    ]


def _count(database: Database, sql: str) -> int:
    return int(database.ask(sql)[0][0])


def _wait_for(database: Database, sql: str, limit: int) -> None:
    """Until it counts at most so many."""
    deadline = time.monotonic() + _TIMEOUT_S
    while _count(database, sql) > limit:
        if time.monotonic() > deadline:
            raise BenchError(f"{sql}: more than {limit} after {_TIMEOUT_S:.0f} s")
        time.sleep(0.02)
