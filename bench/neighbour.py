"""What the dearest requests of one user cost all others: the event loop's time that each takes by itself.

Every route of the service is asked in each form that can cost most: as usual, with the longest page, with
bodies as large and as manifold as a body may be; some calls in forms of their own (`dearest.py`). The loop
serves nobody else while it works for one, so what a request takes of its thread's processor time bounds what
a neighbour waits for it, however busy the machine is. The dearest are then repeated without a pause beside a
quiet GET, PUT member and list, whose p99 is measured.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import NamedTuple

import httpx
from access.routes import ALL, FURTHER_USERS, World
from harness.service import Service

from bench.databases import copy_images, open_sqlite
from bench.dearest import Form, forms_of
from bench.figures import Figure, Line, at_most
from bench.processes import BenchError, worker_of
from bench.scene import Scene, make_image, share_image

#: The most that a request may hold up another user's, ms.
MOST_MS = 50.0
#: Forms that take less are counted, and have no line of their own, ms.
_SHOWN_MS = 5.0
#: So many of the dearest forms are repeated beside the quiet calls.
_REPEATED = 8
#: Images with as much in them as an image may have; see `dearest.py`.
_LARGE_IMAGES = 300


class Measured(NamedTuple):
    key: str
    form: Form
    #: One sample a round.
    loop_ms: Figure
    status: int

    @property
    def name(self) -> str:
        return f"{self.key}, {self.form.name} ({self.status})"


def measure_neighbour(scene: Scene) -> Iterator[Line]:
    """The dearest forms of all calls, and what the quiet calls of others take beside them."""
    folder = scene.make_folder()
    # What a form makes again and again is not to be refused for that.
    settings = {"TRANSOM_HOOK_QUOTA": "-1", "TRANSOM_FAMILY_QUOTA": "-1", "TRANSOM_OPEN_JOBS_QUOTA": "-1"}
    with Service(folder, None, settings) as service:
        for name, project, role in FURTHER_USERS:
            service.add_user(name, project, role)
        world = World(service)
        _fill(service)
        loop = _Loop(service)
        measured = [_measure(world, loop, key, form, scene.rounds) for key in ALL for form in forms_of(key)]
        measured.sort(key=lambda one: one.loop_ms.median, reverse=True)
        over = [one for one in measured if one.loop_ms.median > MOST_MS]
        yield Line(
            name=f"forms of {len(ALL)} calls that hold the loop for longer than {MOST_MS:g} ms",
            unit=f"of {len(measured)}",
            measured=Figure((float(len(over)),)),
            bound=at_most(0),
            value=float(len(over)),
        )
        for one in measured:
            if one.loop_ms.median >= _SHOWN_MS:
                yield _line(one.name, one.loop_ms)
        yield from _measure_beside(world, measured[:_REPEATED], scene.seconds)


def _line(name: str, figure: Figure) -> Line:
    return Line(name=name, unit="ms", measured=figure, bound=at_most(MOST_MS), value=figure.median)


def _fill(service: Service) -> None:
    """Give the publisher images as large as images may be, of which the recipient has accepted some."""
    large = {f"property_{number}": "x" * 460 for number in range(120)}
    template = make_image(service, "publisher", **large)
    share_image(service, template, "accepted")
    with open_sqlite(service.database) as database:
        copy_images(database, template, _LARGE_IMAGES)


class _Loop:
    """The thread of the service that serves everybody: the first one of its only worker."""

    def __init__(self, service: Service) -> None:
        worker = worker_of(service.pid)
        self._stat = Path(f"/proc/{worker}/task/{worker}/schedstat")

    def used_ms(self) -> float:
        """Processor time since it began, ms: the kernel counts it by the nanosecond."""
        return int(self._stat.read_text().split()[0]) / 1e6


class _Meter:
    """While entered, notes what the loop used during the last request of a client."""

    def __init__(self, client: httpx.Client, loop: _Loop) -> None:
        self._client = client
        self._loop = loop
        self._before = 0.0
        self.ms = 0.0

    def __enter__(self) -> "_Meter":
        hooks = self._client.event_hooks
        self._kept = {name: list(kept) for name, kept in hooks.items()}
        self._client.event_hooks = {
            "request": [*hooks["request"], self._begin],
            "response": [self._end, *hooks["response"]],
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._client.event_hooks = self._kept

    def _begin(self, _request: httpx.Request) -> None:
        self._before = self._loop.used_ms()

    def _end(self, response: httpx.Response) -> None:
        response.read()
        self.ms = self._loop.used_ms() - self._before


def _measure(world: World, loop: _Loop, key: str, form: Form, rounds: int) -> Measured:
    samples = []
    status = 0
    client = world.service.client("publisher")
    for _ in range(rounds):
        with _Meter(client, loop) as meter:
            status = _ask(world, key, form).status_code
        samples.append(meter.ms)
    return Measured(key, form, Figure(tuple(samples)), status)


def _ask(world: World, key: str, form: Form) -> httpx.Response:
    content = form.content(world) if form.content is not None else None
    return world.ask(key, "owner-member", query=form.query, content=content)


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
            yield _line(f"p99 of {name} beside {one.name}", Figure((p99,)))


def _repeat(world: World, one: Measured, stop: Event) -> None:
    while not stop.is_set():
        _ask(world, one.key, one.form)
