"""Small requests: showing an image, and answering an offer, which is a durable write."""

import os
import time
from pathlib import Path

from harness.service import Service

from bench.figures import Figure, Line, at_least, at_most, compare, note_strangers
from bench.load import Load, Plan, make_request, run_load
from bench.scene import (
    Scene,
    ask,
    headers_of,
    make_image,
    note_errors,
    port_of,
    run_bare_server,
    share_image,
)

#: Images that requests go round; many more than there are connections, so that no two meet at one image.
_IMAGES = 128
_WARM_UP_S = 1
#: A page of SQLite's write-ahead log with its header.
_FRAME_BYTES = 4096 + 24


def measure_get(scene: Scene) -> list[Line]:
    """GET /v2/images/{id}, by the project it is shared with, against a bare server's equally long answer."""
    folder = scene.make_folder()
    with Service(folder) as service:
        images = [make_image(service, "publisher") for _ in range(_IMAGES)]
        for image_id in images:
            _fill_image(service, image_id)
            share_image(service, image_id, "accepted")
        headers = headers_of(service, "recipient")
        plan = [make_request("GET", f"/v2/images/{image_id}", headers) for image_id in images]
        size = len(ask(service.client("recipient"), "GET", f"/v2/images/{images[0]}").content)
        with run_bare_server(folder, size) as (bare, bare_port):
            run_load(bare, bare_port, plan, _WARM_UP_S)
            run_load(service.pid, port_of(service), plan, _WARM_UP_S)
            ours, theirs = [], []
            for _ in range(scene.rounds):
                theirs.append(run_load(bare, bare_port, plan, scene.seconds))
                ours.append(run_load(service.pid, port_of(service), plan, scene.seconds))
    return [_compare_cpu(f"CPU of GET image ({size} B)", ours, theirs, [_note_rate(ours)])]


def measure_put(scene: Scene) -> list[Line]:
    """PUT member status, each one a change, against a bare server; and their rate against the disk's."""
    folder = scene.make_folder()
    with Service(folder) as service:
        paths = [share_image(service, make_image(service, "publisher"), "pending") for _ in range(_IMAGES)]
        plan = plan_of_answers(paths, headers_of(service, "recipient"))
        size = len(ask(service.client("recipient"), "GET", paths[0]).content)
        with run_bare_server(folder, size) as (bare, bare_port):
            run_load(bare, bare_port, plan, _WARM_UP_S)
            run_load(service.pid, port_of(service), plan, _WARM_UP_S)
            ours, theirs, syncs = [], [], []
            for _ in range(scene.rounds):
                theirs.append(run_load(bare, bare_port, plan, scene.seconds))
                set_all_pending(service, paths)
                ours.append(run_load(service.pid, port_of(service), plan, scene.seconds))
                syncs.append(_count_syncs(folder / "frames", scene.seconds))
    return [
        _compare_cpu(f"CPU of PUT member ({size} B)", ours, theirs),
        compare(
            "durable PUT member",
            "/s",
            Figure(tuple(load.rate for load in ours)),
            ("one fsync each", Figure(tuple(syncs))),
            at_least(5),
            [*note_errors(ours), *note_strangers([load.other_cores for load in ours])],
        ),
    ]


def _fill_image(service: Service, image_id: str) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    path = f"/v2/images/{image_id}/file"
    ask(service.client("publisher"), "PUT", path, content=os.urandom(1024), headers=octets)


def plan_of_answers(paths: list[str], headers: dict[str, str]) -> Plan:
    """All offers accepted, then all rejected, and again: each request finds another status than it sets."""
    json = {**headers, "Content-Type": "application/json"}
    return [
        make_request("PUT", path, json, b'{"status": "%s"}' % status)
        for status in (b"accepted", b"rejected")
        for path in paths
    ]


def set_all_pending(service: Service, paths: list[str]) -> None:
    """Whatever the last run ended with, the next one's first round changes every status."""
    for path in paths:
        ask(service.client("recipient"), "PUT", path, json={"status": "pending"})


def _count_syncs(path: Path, seconds: float) -> float:
    """Appends of one page, each followed by an fsync, that one thread gets done a second."""
    page = os.urandom(_FRAME_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        count, began = 0, time.perf_counter()
        while (elapsed_s := time.perf_counter() - began) < seconds:
            os.write(descriptor, page)
            os.fsync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        path.unlink()
    return count / elapsed_s


def _compare_cpu(name: str, ours: list[Load], theirs: list[Load], notes: list[str] | None = None) -> Line:
    return compare(
        name,
        "µs",
        Figure(tuple(load.cpu_us for load in ours)),
        ("bare ASGI", Figure(tuple(load.cpu_us for load in theirs))),
        at_most(5, dream=3),
        [
            *(notes or []),
            *note_errors([*ours, *theirs]),
            *note_strangers([load.other_cores for load in [*ours, *theirs]]),
        ],
    )


def _note_rate(loads: list[Load]) -> str:
    return f"{Figure(tuple(load.rate for load in loads))} requests/s"
