"""What the dearest requests of one user cost all others: how long each holds the event loop without a break.

Every route of the service is asked in each form that can cost most: as usual, with the longest page, with
bodies as large and as manifold as a body may be, of things as large as they may be; some calls in forms of
their own (`dearest.py`). The loop serves nobody else during a piece of work (`pieces.py`): the longest of a
request bounds what a neighbour waits for it. The dearest are then repeated without a pause beside a quiet
GET, PUT member and list, whose p99 is measured; that depends on what else the machine does.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import NamedTuple

import httpx
from access.routes import ALL, FURTHER_USERS, World
from harness.postgresql import PostgreSQL
from harness.service import Service

from bench.databases import Database, Databases, copy_images
from bench.dearest import Form, forms_of
from bench.figures import Figure, Line, at_most
from bench.pieces import Meter, count_pieces
from bench.processes import BenchError
from bench.scene import Scene, ask, make_image, share_image

#: The most that a request may hold up another user's, and the longest piece of its work that we aim at, ms.
MOST_MS = 50.0
_PIECE_MS = 10.0
#: Forms that take less are counted, and have no line of their own, ms.
_SHOWN_MS = 5.0
#: So many of the dearest forms are repeated beside the quiet calls.
_REPEATED = 8
#: Images with as much in them as an image may have; see `dearest.py`.
_LARGE_IMAGES = 300
#: Offers with as long a message as one may have, to one project, and recipients of one image, or one family.
_OFFERS = 1_000
_RECIPIENTS = 10_000
_MESSAGE = "m" * 1_000


class Measured(NamedTuple):
    key: str
    form: Form
    #: The longest piece, one sample a round.
    piece_ms: Figure
    status: int

    @property
    def name(self) -> str:
        return f"{self.key}, {self.form.name} ({self.status})"


def measure_neighbour(scene: Scene) -> Iterator[Line]:
    """The dearest forms of all calls, and what the quiet calls of others take beside them."""
    with PostgreSQL() as server:
        for databases in (Databases(), Databases(server)):
            yield from _measure_on(scene, databases)


def _measure_on(scene: Scene, databases: Databases) -> Iterator[Line]:
    # What a form makes again and again is not to be refused for that.
    settings = {"TRANSOM_HOOK_QUOTA": "-1", "TRANSOM_FAMILY_QUOTA": "-1", "TRANSOM_OPEN_JOBS_QUOTA": "-1"}
    settings |= count_pieces(scene.make_folder())
    service = Service(scene.make_folder(), databases.create(), settings)
    with service, databases.open(service.database) as database:
        for name, project, role in FURTHER_USERS:
            service.add_user(name, project, role)
        world = World(service)
        _fill(service, database)
        _enlarge(world)
        database.tidy()
        measured = [_measure(world, key, form, scene.rounds) for key in ALL for form in forms_of(key)]
        measured.sort(key=lambda one: one.piece_ms.median, reverse=True)
        for line in _lines(world, measured, scene.seconds):
            yield dataclasses.replace(line, name=f"{database.name}: {line.name}")


def _lines(world: World, measured: list[Measured], seconds: float) -> Iterator[Line]:
    over = [one for one in measured if one.piece_ms.median > _PIECE_MS]
    yield Line(
        name=f"forms of {len(ALL)} calls with a piece of more than {_PIECE_MS:g} ms",
        unit=f"of {len(measured)}",
        measured=Figure((float(len(over)),)),
        bound=at_most(0),
        value=float(len(over)),
    )
    for one in measured:
        if one.piece_ms.median >= _SHOWN_MS:
            yield _line(one.name, one.piece_ms, _PIECE_MS)
    yield from _measure_beside(world, measured[:_REPEATED], seconds)


def _line(name: str, figure: Figure, most_ms: float) -> Line:
    return Line(name=name, unit="ms", measured=figure, bound=at_most(most_ms), value=figure.median)


def _fill(service: Service, database: Database) -> None:
    """Give the publisher images as large as images may be, of which the recipient has accepted some, and
    offers with long messages."""
    large = {f"property_{number}": "x" * 460 for number in range(120)}
    template = make_image(service, "publisher", **large)
    share_image(service, template, "accepted")
    copy_images(database, template, _LARGE_IMAGES)
    offered = make_image(service, "publisher")
    _offer(service, images=[offered], projects=[service.clouds["recipient"].project_id])
    copy_images(database, offered, _OFFERS)


def _enlarge(world: World) -> None:
    """What the world's calls read has as many recipients as it may have."""
    world.kept_image = make_image(world.service, "publisher")
    recipients = [f"{number:032x}" for number in range(_RECIPIENTS - 1)] + [world.project["recipient"]]
    _offer(world.service, images=[world.kept_image], projects=recipients)
    others = [one for one in recipients if one != world.project["recipient"]]
    _offer(world.service, families=[world.kept_family], projects=others)


def _offer(service: Service, **offers: list[str]) -> None:
    ask(service.client("publisher"), "POST", "/share/v1/offers", json={**offers, "message": _MESSAGE})


def _measure(world: World, key: str, form: Form, rounds: int) -> Measured:
    samples = []
    status = 0
    for _ in range(rounds):
        with Meter(world.service, world.service.client("publisher")) as meter:
            status = _ask(world, key, form).status_code
        samples.append(meter.ms)
    return Measured(key, form, Figure(tuple(samples)), status)


def _ask(world: World, key: str, form: Form) -> httpx.Response:
    content = form.content(world) if form.content is not None else None
    return world.ask(key, "owner-member", query=form.query, content=content, further=form.headers)


def _measure_beside(world: World, dearest: list[Measured], seconds: float) -> Iterator[Line]:
    image_id = make_image(world.service, "publisher")
    member = share_image(world.service, image_id, "pending")
    quiet: dict[str, Callable[[httpx.Client], httpx.Response]] = {
        "GET image": lambda client: client.get(f"/v2/images/{image_id}"),
        "PUT member": lambda client: client.put(member, json={"status": "accepted"}),
        "list": lambda client: client.get("/v2/images?limit=5"),
    }
    for one in dearest:
        stop = Event()
        with ThreadPoolExecutor(1) as beside:
            repeating = beside.submit(_repeat, world, one, stop)
            waits: dict[str, list[float]] = {name: [] for name in quiet}
            end = time.monotonic() + seconds
            client = world.service.client("recipient")
            while time.monotonic() < end:
                for name, call in quiet.items():
                    began = time.perf_counter()
                    if call(client).status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                        raise BenchError(f"{name} beside {one.name} failed")
                    waits[name].append((time.perf_counter() - began) * 1000)
            stop.set()
            repeating.result()
        for name, found in waits.items():
            p99 = statistics.quantiles(found, n=100)[98] if len(found) > 1 else found[0]
            yield _line(f"p99 of {name} beside {one.name}", Figure((p99,)), MOST_MS)


def _repeat(world: World, one: Measured, stop: Event) -> None:
    while not stop.is_set():
        _ask(world, one.key, one.form)
