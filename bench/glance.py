"""`python -m bench.glance`: the same requests to Transom and to a real Glance 33, in turns, and the table.

One Keystone and one PostgreSQL (with fsync) serve both; both hold the same images, made through the same API.
Processor time is that of the service's processes, and of those and PostgreSQL's together. A ratio says how
many times less Transom takes. A whole run writes the table into docs/performance.md, with date and machine.
PYTHONPATH must name `tests`, as `make bench-glance` does.
"""

import argparse
import dataclasses
import itertools
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from harness.keystone import Keystone
from harness.postgresql import PostgreSQL
from harness.service import Service

from bench.databases import Database, copy_images, open_postgresql
from bench.figures import (
    Bound,
    Figure,
    Line,
    at_least,
    at_most,
    compare,
    note_strangers,
    render,
    render_markdown,
)
from bench.load import CONNECTIONS, GENERATOR, Load, Plan, make_request, run_load
from bench.peer import run_glance
from bench.processes import MIB, BenchError, Watch
from bench.scene import ROOT, Scene, ask, describe_machine, note_errors
from bench.start import measure_start
from bench.transfers import download, make_source, upload

_DOCUMENT = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- bench-glance -->", "<!-- end of bench-glance -->"
_OWNER, _RECIPIENT, _STRANGER = "demo", "alt", "third"
_IMAGES, _OFFERS, _MEMBERS = 1_000, 60, 10
_AT_ONCE = 8
_WARM_UP_S = 2
_PENDING = "/v2/images?visibility=shared&member_status=pending"
_PATCH = "application/openstack-images-v2.1-json-patch"
#: Of a larger cloud, parts of the images: the owner's, offered to the recipient, and of others.
_MIX = {"own": 0.2, "offered": 0.2, "strange": 0.6}
_DOWNLOADS = 5
_PORTION = 20_000
_numbers = itertools.count()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """A running service with the images of the comparison. headers: of each account."""

    name: str
    pid: int
    port: int
    headers: dict[str, dict[str, str]]
    images: list[str]
    offers: list[str]

    def client(self, account: str) -> httpx.Client:
        url = f"http://127.0.0.1:{self.port}"
        return httpx.Client(base_url=url, headers=self.headers[account], timeout=60, trust_env=False)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of request: its plan on a side, and how many times less processor time it is to take."""

    name: str
    make_plan: Callable[[Side], Plan]
    times: float


# ---- the requests


def _get(path: Callable[[Side], str], account: str = _OWNER) -> Callable[[Side], Plan]:
    return lambda side: [make_request("GET", path(side), side.headers[account])]


def _send(
    side: Side, account: str, method: str, path: str, body: Any, kind: str = "application/json"
) -> bytes:
    headers = {**side.headers[account], "Content-Type": kind}
    return make_request(method, path, headers, json.dumps(body).encode())


def _answers(side: Side) -> Plan:
    """Each finds another status than it sets."""
    return [
        _send(side, _RECIPIENT, "PUT", path, {"status": status})
        for status in ("accepted", "rejected")
        for path in side.offers
    ]


def _offers(side: Side) -> Plan:
    """Every one to a project that was offered nothing yet."""
    turn = next(_numbers)
    return [
        _send(side, _OWNER, "POST", f"/v2/images/{image_id}/members", {"member": f"project-{turn}-{number}"})
        for number in range(20)
        for image_id in side.images
    ]


def _renames(side: Side) -> Plan:
    return [
        _send(
            side,
            _OWNER,
            "PATCH",
            f"/v2/images/{image_id}",
            [{"op": "replace", "path": "/name", "value": name}],
            _PATCH,
        )
        for name in ("renamed", "renamed again")
        for image_id in side.images[:200]
    ]


def _document(number: int) -> dict[str, Any]:
    return {
        "name": f"bench-{number}",
        "disk_format": "raw",
        "container_format": "bare",
        "tags": ["bench"],
        "os_distro": "debian",
        "os_version": "12",
        "hw_disk_bus": "virtio",
    }


KINDS = [
    Kind("show", _get(lambda side: f"/v2/images/{side.images[0]}"), 20),
    Kind("list of 25", _get(lambda side: "/v2/images"), 30),
    Kind("pending offers", _get(lambda side: _PENDING, _RECIPIENT), 40),
    Kind("list members", _get(lambda side: f"/v2/images/{side.images[-1]}/members"), 25),
    Kind("PUT member", _answers, 30),
    Kind("POST member", _offers, 30),
    Kind("PATCH", _renames, 60),
    # Last: it makes the lists longer.
    Kind("POST image", lambda side: [_send(side, _OWNER, "POST", "/v2/images", _document(0))], 50),
]


# ---- the sides


def _fill(name: str, pid: int, port: int, keystone: Keystone) -> Side:
    """Images of the owner: the first are offered to the recipient, the last has many recipients."""
    accounts = (_OWNER, _RECIPIENT, _STRANGER)
    headers = {account: {"X-Auth-Token": keystone.token(account)} for account in accounts}
    side = Side(name=name, pid=pid, port=port, headers=headers, images=[], offers=[])
    recipient = keystone.projects[_RECIPIENT]
    with side.client(_OWNER) as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        made = threads.map(
            lambda n: ask(client, "POST", "/v2/images", json=_document(n)).json()["id"], range(_IMAGES)
        )
        side.images.extend(made)
        for image_id in side.images[:_OFFERS]:
            path = f"/v2/images/{image_id}/members"
            ask(client, "POST", path, json={"member": recipient})
            # The rest stays pending, for the list.
            if len(side.offers) < _OFFERS // 2:
                side.offers.append(f"{path}/{recipient}")
        for number in range(_MEMBERS):
            path = f"/v2/images/{side.images[-1]}/members"
            ask(client, "POST", path, json={"member": f"member-{number}"})
    return side


def _start_transom(stack: ExitStack, scene: Scene, database: str, keystone: Keystone) -> Service:
    return stack.enter_context(Service(scene.make_folder(), database, keystone.settings()))


def _port_of(service: Service) -> int:
    return int(service.url.rpartition(":")[2])


def _enlarge(database: Database, side: Side, images: int) -> None:
    """Copy some of the images that the service made until there are so many."""
    with side.client(_STRANGER) as client:
        strange = ask(client, "POST", "/v2/images", json=_document(0)).json()["id"]
    templates = {"own": side.images[_OFFERS], "offered": side.images[_OFFERS - 1], "strange": strange}
    for kind, part in _MIX.items():
        for count in _in_portions(round(part * (images - _IMAGES))):
            copy_images(database, templates[kind], count)
    database.tidy()


def _in_portions(count: int) -> Iterator[int]:
    """The ids of a portion travel in one value."""
    for start in range(0, count, _PORTION):
        yield min(_PORTION, count - start)


# ---- the comparisons


def compare_requests(scene: Scene, sides: Sequence[Side], database: int) -> dict[str, list[list[Load]]]:
    """For each kind, the loads of each side, taken in turns."""
    loads: dict[str, list[list[Load]]] = {}
    for kind in KINDS:
        print(f"measuring: {kind.name} …", file=sys.stderr, flush=True)
        for side in sides:
            run_load(side.pid, side.port, kind.make_plan(side), _WARM_UP_S, database)
        loads[kind.name] = [[] for _ in sides]
        for _, (side, taken) in itertools.product(
            range(scene.rounds), list(zip(sides, loads[kind.name], strict=True))
        ):
            taken.append(run_load(side.pid, side.port, kind.make_plan(side), scene.seconds, database))
    return loads


def _lines_against_glance(loads: dict[str, list[list[Load]]]) -> Iterator[Line]:
    for kind in KINDS:
        glance, transom = loads[kind.name]
        rates = [f"{Figure(tuple(one.rate for one in side))} requests/s" for side in (glance, transom)]
        notes = [f"Glance {rates[0]}, Transom {rates[1]}", *_doubts([*glance, *transom])]
        yield _compare_cpu(f"{kind.name}: service", glance, transom, at_least(kind.times), _service_ms, notes)
        bound = at_least(kind.times / 2)
        yield _compare_cpu(f"{kind.name}: with PostgreSQL", glance, transom, bound, _all_ms, [])


def _lines_of_growth(loads: dict[str, list[list[Load]]], images: int) -> Iterator[Line]:
    for kind in KINDS:
        small, large = loads[kind.name]
        yield compare(
            f"{kind.name}: {images:,} images",
            "ms",
            Figure(tuple(map(_service_ms, large))),
            (f"with {_IMAGES:,}", Figure(tuple(map(_service_ms, small)))),
            at_most(1.3),
            _doubts([*small, *large]),
        )


def _compare_cpu(
    name: str,
    glance: list[Load],
    transom: list[Load],
    bound: Bound,
    cost: Callable[[Load], float],
    notes: list[str],
) -> Line:
    ours = ("Transom", Figure(tuple(map(cost, transom))))
    return compare(name, "ms", Figure(tuple(map(cost, glance))), ours, bound, notes)


def _service_ms(load: Load) -> float:
    return load.cpu_us / 1e3


def _all_ms(load: Load) -> float:
    return (load.cpu_us + load.beside_cpu_us) / 1e3


def _doubts(loads: list[Load]) -> list[str]:
    return [*note_errors(loads), *note_strangers([load.other_cores for load in loads])]


def _compare_transfers(scene: Scene, glance: Side, transom: Side) -> Iterator[Line]:
    """An image of random bytes up and down, on each side in turn."""
    print("measuring: upload and download …", file=sys.stderr, flush=True)
    source = make_source(scene)
    gib = scene.transfer_bytes / (1 << 30)
    up: dict[str, list[float]] = {side.name: [] for side in (glance, transom)}
    down_cpu: dict[str, list[float]] = {side.name: [] for side in (glance, transom)}
    for _ in range(max(scene.rounds - 1, 2)):
        for side in (glance, transom):
            headers = side.headers[_OWNER]
            with side.client(_OWNER) as client:
                image_id = ask(client, "POST", "/v2/images", json=_document(0)).json()["id"]
                path = f"/v2/images/{image_id}/file"
                up[side.name].append(scene.transfer_bytes / MIB / upload(side.port, path, headers, source))
                with Watch(side.pid) as watch:
                    download(side.port, path, headers, scene.transfer_bytes, _DOWNLOADS)
                down_cpu[side.name].append(watch.cpu_s / (gib * _DOWNLOADS))
                ask(client, "DELETE", f"/v2/images/{image_id}")
    ours, theirs = (Figure(tuple(up[side.name])) for side in (transom, glance))
    yield compare("upload", "MiB/s", ours, ("Glance", theirs), at_least(1.5))
    ours, theirs = (Figure(tuple(down_cpu[side.name])) for side in (transom, glance))
    yield compare("download, CPU per GiB", "s", ours, ("Glance", theirs), at_most(1))


def _against_glance(scene: Scene, stack: ExitStack, postgresql: PostgreSQL, keystone: Keystone) -> list[Line]:
    print("measuring: start …", file=sys.stderr, flush=True)
    settings = {**keystone.settings(), "TRANSOM_DATABASE": postgresql.create_database()}
    lines = measure_start(scene, settings, idle_limit_mib=70)
    with open_postgresql(postgresql.create_database()) as database:
        service = _start_transom(stack, scene, postgresql.create_database(), keystone)
        glance_url = postgresql.create_database()
        pid, port = stack.enter_context(run_glance(scene.make_folder(), glance_url, keystone))
        glance = _fill("Glance", pid, port, keystone)
        transom = _fill("Transom", service.pid, _port_of(service), keystone)
        lines += _lines_against_glance(compare_requests(scene, [glance, transom], _server_of(database)))
    return [*lines, *_compare_transfers(scene, glance, transom)]


def _with_growth(
    scene: Scene, stack: ExitStack, postgresql: PostgreSQL, keystone: Keystone, images: int
) -> list[Line]:
    urls = [postgresql.create_database() for _ in range(2)]
    small, large = (_start_transom(stack, scene, url, keystone) for url in urls)
    sides = [
        _fill(name, service.pid, _port_of(service), keystone)
        for name, service in (("smaller", small), ("larger", large))
    ]
    with open_postgresql(urls[1]) as database:
        _enlarge(database, sides[1], images)
        return list(_lines_of_growth(compare_requests(scene, sides, _server_of(database)), images))


def _server_of(database: Database) -> int:
    if database.server is None:
        raise BenchError("the database has no process of its own")
    print(database.about, file=sys.stderr, flush=True)
    return database.server


def _measure(scene: Scene, arguments: argparse.Namespace) -> Iterator[Line]:
    with ExitStack() as stack:
        postgresql = stack.enter_context(PostgreSQL())
        keystone_url = postgresql.create_database()
        keystone = stack.enter_context(Keystone(scene.make_folder(), keystone_url))
        if arguments.only in (None, "glance"):
            yield from _against_glance(scene, stack, postgresql, keystone)
        if arguments.only in (None, "growth"):
            yield from _with_growth(scene, stack, postgresql, keystone, arguments.images)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.glance", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, a smaller image: a rough look")
    parser.add_argument("--only", choices=["glance", "growth"], help="one of the two comparisons")
    parser.add_argument("--images", type=int, default=100_000, help="images of the larger cloud (100000)")
    arguments = parser.parse_args()
    # What was started is stopped by leaving its block, and that needs an exception.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="transom-bench-") as folder:
        scene = Scene(
            folder=Path(folder),
            rounds=2 if arguments.quick else 3,
            seconds=2 if arguments.quick else 5,
            transfer_bytes=(256 if arguments.quick else 1024) * MIB,
        )
        machine = describe_machine(scene.folder)
        lines = list(_measure(scene, arguments))
    how = (
        f"{machine}\nLoad: {GENERATOR}, {CONNECTIONS} connections; {scene.rounds} rounds of "
        f"{scene.seconds} s in turns; {time.monotonic() - began:.0f} s in all."
    )
    print(f"{how}\n\n{render(lines)}")
    if not arguments.quick and arguments.only is None:
        _write_table(f"Measured {datetime.now(tz=UTC):%Y-%m-%d}. {how}\n\n{render_markdown(lines)}\n")


def _write_table(table: str) -> None:
    """In the place of the one that the document has."""
    before, rest = _DOCUMENT.read_text().split(_BEGIN)
    _old, after = rest.split(_END)
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n{table}{_END}{after}")


if __name__ == "__main__":
    main()
