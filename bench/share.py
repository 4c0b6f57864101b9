"""The share API, on each database.

What an inbox costs must not grow with the number of offers in it: two services side by side, with 100 and
with 100,000 pending offers to one project. A promotion is held against bare SQL that writes as many rows.
"""

import dataclasses
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from harness import plain_http
from harness.postgresql import PostgreSQL
from harness.service import Service

from bench.batches import open_filled
from bench.databases import Database, Databases
from bench.ends import measure_ends_term
from bench.events import measure_events
from bench.figures import Figure, Line, at_most, compare, note_strangers
from bench.hooks import measure_hooks
from bench.lists import compare_pages
from bench.load import make_request
from bench.processes import BenchError, Watch
from bench.requests import plan_of_answers
from bench.scene import Scene, ask, headers_of, make_image, port_of, share_image
from bench.stream import Stream, p99_ms, run_stream
from bench.transfers import measure_counted_download
from bench.turns import measure_turns

_FEW, _MANY = 100, 100_000
_CALLS = {"inbox page": "/share/v1/inbox", "inbox summary": "/share/v1/inbox/summary"}

_MEMBERS = 10_000
#: Times that the list of all members is asked for in each round.
_LOOKS = 5
_DOMAINS = [f"domain-{number}" for number in range(_MEMBERS)]
#: Offers that are answered meanwhile, and images for what is done meanwhile: more than there is time for.
_ANSWERED, _LARGE = 128, 60
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
            yield _measure_beside(scene, databases)
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


@contextmanager
def _open_family(scene: Scene, databases: Databases) -> Iterator[tuple[Service, str, Database]]:
    """A running service with a family that has many members."""
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        client = service.client("publisher")
        family = ask(client, "POST", "/share/v1/families", json={"name": "web"}).json()["id"]
        # Domains need not be asked: they are members at once.
        ask(client, "POST", "/share/v1/offers", json={"families": [family], "domains": _DOMAINS})
        yield service, family, database


def _make_active_image(service: Service) -> str:
    image = make_image(service, "publisher")
    ask(service.client("publisher"), "PUT", f"/v2/images/{image}/file", content=b"data", headers=_OCTETS)
    return image


def _measure_promotion(scene: Scene, databases: Databases) -> Line:
    with _open_family(scene, databases) as (service, family, database):
        client = service.client("publisher")
        ours, theirs = [], []
        with Watch(service.pid, database.server) as watch:
            for _ in range(scene.rounds):
                bare, published = make_image(service, "publisher"), _make_active_image(service)
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


def _measure_beside(scene: Scene, databases: Databases) -> Line:
    """What others' answers to offers take while versions are promoted to many members, against the same while
    images are offered to as many."""
    streams: dict[str, list[Stream]] = {"promotion": [], "offer": []}
    with _open_family(scene, databases) as (service, family, database):
        headers = headers_of(service, "publisher") | {"Content-Type": "application/json"}

        def large(kind: str, image: str) -> tuple[str, bytes]:
            path, body = {
                "promotion": (f"/share/v1/families/{family}/versions", {"image_id": image}),
                "offer": ("/share/v1/offers", {"images": [image], "domains": _DOMAINS}),
            }[kind]
            return kind, make_request("POST", path, headers, json.dumps(body).encode())

        paths = [share_image(service, make_image(service, "publisher"), "pending") for _ in range(_ANSWERED)]
        answers = itertools.cycle(plan_of_answers(paths, headers_of(service, "recipient")))
        for _ in range(scene.rounds):
            for kind, found in streams.items():
                images = [_make_active_image(service) for _ in range(_LARGE)]
                requests = (large(kind, image) for image in images)
                found.append(run_stream(port_of(service), answers, scene.seconds + 1, requests))
        name = database.name
    calls = [call for found in streams.values() for one in found for call in (*one.small, *one.large)]
    promotions, offers = (
        p99_ms([call for one in found for call in one.during(one.large)]) for found in streams.values()
    )
    return compare(
        f"{name}: p99 of others' PUT during promotions to {_MEMBERS:,} members",
        "ms",
        Figure((promotions,)),
        ("during offers to as many", Figure((offers,))),
        at_most(1.5),
        [f"{sum(call.is_error for call in calls)} of {len(calls)} calls were errors"],
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
        # Not by the service's own client, which holds each of the members against the API's document.
        plain = plain_http.open_client(base_url=service.url, headers=client.headers)
        with plain, Watch(service.pid, database.server) as watch:
            for _ in range(_LOOKS * scene.rounds):
                began = time.perf_counter()
                found = ask(plain, "GET", f"/v2/images/{image}/members")
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
