"""How soon a service is ready, and how much memory its worker holds before anybody has asked for anything."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from harness.ports import find_free_port

from bench.figures import Figure, Line, at_most, note_strangers
from bench.processes import MIB, BenchError, Watch, rss_bytes, stop, worker_of
from bench.scene import Scene

_TIMEOUT_S = 20.0
_POLL_S = 0.005
#: What a worker does right after its start is over by then.
_SETTLE_S = 0.5


def measure_start(
    scene: Scene, settings: Mapping[str, str] | None = None, idle_limit_mib: float = 80.0
) -> list[Line]:
    """From the command to the first 200 of /readyz: on an empty folder, and again on the one it left.
    `settings`: environment variables of the service, nothing for its defaults."""
    first: list[float] = []
    again: list[float] = []
    idle: list[float] = []
    strangers: list[float] = []
    for _ in range(max(scene.rounds, 3)):
        folder = scene.make_folder()
        for times in (first, again):
            ready_s, rss_mib, other_cores = _start_once(folder, settings or {})
            times.append(ready_s)
            idle.append(rss_mib)
            strangers.append(other_cores)
    notes = tuple(note_strangers(strangers))
    return [
        _line("start, empty folder", "s", first, 1.0, notes),
        _line("start again", "s", again, 1.0, notes),
        _line("memory of the idle worker", "MiB", idle, idle_limit_mib),
    ]


def _line(name: str, unit: str, samples: list[float], limit: float, notes: tuple[str, ...] = ()) -> Line:
    measured = Figure(tuple(samples))
    return Line(
        name=name, unit=unit, measured=measured, bound=at_most(limit), value=measured.median, notes=notes
    )


def _start_once(folder: Path, settings: Mapping[str, str]) -> tuple[float, float, float]:
    """(seconds until ready, MiB of the idle worker, cores that strangers took while it started)."""
    port = find_free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")},
        "TRANSOM_LISTEN": f"127.0.0.1:{port}",
        "TRANSOM_DATA_DIR": str(folder / "data"),
        **settings,
    }
    with (folder / "service.log").open("ab") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "transom", "serve"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        with Watch(process.pid) as watch:
            while not _is_ready(port):
                if process.poll() is not None or time.perf_counter() - began > _TIMEOUT_S:
                    raise BenchError(f"no start:\n{(folder / 'service.log').read_text(errors='replace')}")
                time.sleep(_POLL_S)
        ready_s = time.perf_counter() - began
        time.sleep(_SETTLE_S)
        return ready_s, rss_bytes(worker_of(process.pid)) / MIB, watch.other_cores
    finally:
        stop(process)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
