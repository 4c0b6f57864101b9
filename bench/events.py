"""Events and ends of the share API: a page of a long feed, the relay's rate, and shares that end at once.

Events are written beside the service, as its transactions append them; what is measured is the service's.
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from harness.service import Service

from bench.batches import open_filled
from bench.databases import Database, Databases
from bench.figures import Figure, Line, at_least, at_most, compare
from bench.lists import compare_pages
from bench.load import run_load
from bench.processes import BenchError
from bench.requests import plan_of_answers
from bench.scene import Scene, headers_of, make_image, port_of, share_image
from bench.turns import measure_turns

_FEW, _MANY = 10_000, 1_000_000
_FEED = "/share/v1/events?order=desc&limit=25"
_MEMBERS = 128
_WAITING = 20_000
_ENDS = 50_000
#: From the setting of the ends until they come, microseconds. The service looks for the next end every 60 s.
_AHEAD_US = 70_000_000
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
_ADD_WAITING = f"""
    insert into outbox (at, type, owner, member_id, image_id, via, data)
    {_NUMBERS}
    select cast($2 as bigint) + n, 'share.offered', 'owner', 'recipient', 'image-' || n, 'share',
           '{{"status": "pending"}}'
    from one"""


def measure_events(scene: Scene, databases: Databases) -> Iterator[Line]:
    yield from _measure_feed(scene, databases)
    yield _measure_relay(scene, databases)
    yield _measure_ends(scene, databases)


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
            stack.enter_context(_open_feed(scene, databases, count)) for count in (_FEW, _MANY)
        )
        small, large = measure_turns(scene, few, many, "publisher", _FEED, database)
        what, against = f"page of the feed, {_MANY:,} events", f"with {_FEW:,} events"
        return [
            dataclasses.replace(line, name=f"{database.name}: {line.name}")
            for line in compare_pages(what, small, large, against)
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
            database.time_write(_ADD_WAITING, _WAITING, time.time_ns() // 1000)
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


def _measure_ends(scene: Scene, databases: Databases) -> Line:
    """How long after their end the last of many shares is removed that end in one second."""
    with open_filled(scene, databases, _ENDS) as (_, database):
        ends_at = time.time_ns() // 1000 + _AHEAD_US
        database.time_write("update member set ends_at = $1, expires_at = $1", ends_at)
        _wait_for(database, "select count(*) from member", 0)
        swept_s = max(time.time_ns() // 1000 - ends_at, 0) / 1e6
        return Line(
            name=f"{database.name}: {_ENDS:,} shares that end at once, swept",
            unit="s",
            measured=Figure((swept_s,)),
            bound=at_most(10),
            value=swept_s,
        )


def _count(database: Database, sql: str) -> int:
    return int(database.ask(sql)[0][0])


def _wait_for(database: Database, sql: str, limit: int) -> None:
    """Until it counts at most so many."""
    deadline = time.monotonic() + _TIMEOUT_S
    while _count(database, sql) > limit:
        if time.monotonic() > deadline:
            raise BenchError(f"{sql}: more than {limit} after {_TIMEOUT_S:.0f} s")
        time.sleep(0.02)
