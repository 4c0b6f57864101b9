"""The share API, on each database.

What an inbox costs must not grow with the number of offers in it: two services side by side, with 100 and
with 100,000 pending offers to one project. A promotion is held against bare SQL that writes as many rows.
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import ExitStack

from harness.postgresql import PostgreSQL
from harness.service import Service

from bench.batches import open_filled
from bench.databases import Databases
from bench.ends import measure_ends_term
from bench.events import measure_events
from bench.figures import Figure, Line, at_most, compare, note_strangers
from bench.hooks import measure_hooks
from bench.lists import compare_pages
from bench.processes import BenchError, Watch
from bench.scene import Scene, ask, make_image
from bench.transfers import measure_counted_download
from bench.turns import measure_turns

_FEW, _MANY = 100, 100_000
_CALLS = {"inbox page": "/share/v1/inbox", "inbox summary": "/share/v1/inbox/summary"}

_MEMBERS = 10_000
#: Times that the list of all members is asked for in each round.
_LOOKS = 5
_OCTETS = {"Content-Type": "application/octet-stream"}
_GRANT = """
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at, offered_at)
    select image.id, one.member_id, 'accepted', image.created_at, cast($3 as bigint), cast($3 as bigint),
           cast($3 as bigint)
    from image cross join family_member as one where image.id = $1 and one.family_id = $2"""
_TELL = """
    insert into outbox (at, type, owner, member_id, image_id, via, data)
    select updated_at, 'share.granted', image_id, member_id, image_id, 'family', '{"status": "accepted"}'
    from member where image_id = $1"""


def measure_share(scene: Scene) -> Iterator[Line]:
    with PostgreSQL() as server:
        for databases in (Databases(), Databases(server)):
            yield from _measure_inbox(scene, databases)
            yield _measure_promotion(scene, databases)
            yield _measure_members(scene, databases)
            yield from measure_events(scene, databases)
            yield from measure_hooks(scene, databases)
            yield from measure_ends_term(scene, databases)
    yield measure_counted_download(scene)


def _measure_inbox(scene: Scene, databases: Databases) -> Iterator[Line]:
    with ExitStack() as stack:
        (few, database), (many, _) = (
            stack.enter_context(open_filled(scene, databases, count)) for count in (_FEW, _MANY)
        )
        for name, path in _CALLS.items():
            small, large = measure_turns(scene, few, many, "recipient", path, database)
            for line in compare_pages(f"{name}, {_MANY:,} offers", small, large, f"with {_FEW:,} offers"):
                yield dataclasses.replace(line, name=f"{database.name}: {line.name}")


def _measure_promotion(scene: Scene, databases: Databases) -> Line:
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        client = service.client("publisher")
        family = ask(client, "POST", "/share/v1/families", json={"name": "web"}).json()["id"]
        # Domains need not be asked: they are members at once.
        members = {"families": [family], "domains": [f"domain-{number}" for number in range(_MEMBERS)]}
        ask(client, "POST", "/share/v1/offers", json=members)
        ours, theirs = [], []
        with Watch(service.pid, database.server) as watch:
            for _ in range(scene.rounds):
                bare, published = (make_image(service, "publisher") for _ in range(2))
                ask(client, "PUT", f"/v2/images/{published}/file", content=b"data", headers=_OCTETS)
                database.tidy()
                granted_s = database.time_write(_GRANT, bare, family, time.time_ns() // 1000)
                theirs.append(1e3 * (granted_s + database.time_write(_TELL, bare)))
                database.tidy()
                began = time.perf_counter()
                ask(client, "POST", f"/share/v1/families/{family}/versions", json={"image_id": published})
                ours.append(1e3 * (time.perf_counter() - began))
        return compare(
            f"{database.name}: promotion to {_MEMBERS:,} members",
            "ms",
            Figure(tuple(ours)),
            ("bare insert", Figure(tuple(theirs))),
            at_most(3),
            note_strangers([watch.other_cores]),
        )


def _measure_members(scene: Scene, databases: Databases) -> Line:
    """The Image API has no pages of members: all of them come in one answer."""
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        client, image = service.client("publisher"), make_image(service, "publisher")
        projects = [f"project-{number}" for number in range(_MEMBERS)]
        ask(client, "POST", "/share/v1/offers", json={"images": [image], "projects": projects})
        database.tidy()
        took_ms = []
        with Watch(service.pid, database.server) as watch:
            for _ in range(_LOOKS * scene.rounds):
                began = time.perf_counter()
                found = ask(client, "GET", f"/v2/images/{image}/members")
                took_ms.append(1e3 * (time.perf_counter() - began))
        count = len(found.json()["members"])
        if count != _MEMBERS:
            raise BenchError(f"{count} members of {_MEMBERS}")
    measured = Figure(tuple(took_ms))
    return Line(
        name=f"{database.name}: {_MEMBERS:,} members of an image, listed",
        unit="ms",
        measured=measured,
        bound=at_most(50),
        value=measured.median,
        notes=tuple(note_strangers([watch.other_cores])),
    )
