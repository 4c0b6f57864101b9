"""What every measurement starts from: a folder, how long to measure, a service, and images in it."""

import dataclasses
import itertools
import os
import platform
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from harness.ports import find_free_port
from harness.service import Service

from bench.figures import WRONG
from bench.load import Load
from bench.processes import BenchError, run_server

ROOT = Path(__file__).resolve().parent.parent
_numbers = itertools.count()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """folder: an empty one that is removed afterwards. seconds: length of one sample (whole seconds, for
    wrk). transfer_bytes: size of the image that is moved up and down. events: length of a long feed.
    images: in a database of many."""

    folder: Path
    rounds: int
    seconds: int
    transfer_bytes: int
    events: int = 1_000_000
    images: int = 100_000

    def make_folder(self) -> Path:
        made = self.folder / str(next(_numbers))
        made.mkdir()
        return made


def describe_machine(folder: Path) -> str:
    """What the figures of a table depend on, for the line above it. `folder`: where the data is."""
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    return (
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"{_file_system_of(folder)} below the data; load average {load} before.\n"
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, Granian {version('granian')}."
    )


def _file_system_of(folder: Path) -> str:
    """The type of the file system a folder is on: on tmpfs an fsync costs nothing and proves nothing."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(where, kind) for where, kind in mounts if folder.is_relative_to(where)]
    return max(above, key=lambda mount: len(mount[0]))[1]


def port_of(service: Service) -> int:
    return int(service.url.rpartition(":")[2])


def headers_of(service: Service, account: str) -> dict[str, str]:
    return {"X-Auth-Token": service.token(account)}


def ask(client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
    """The answer, which must be a good one: BenchError otherwise."""
    answer = client.request(method, path, **options)
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        raise BenchError(f"{method} {path}: {answer.status_code} {answer.text}")
    return answer


def make_image(service: Service, account: str, **fields: Any) -> str:
    """The id of a new image, with the properties that a published image usually has."""
    document = {
        "name": "bench",
        "disk_format": "raw",
        "container_format": "bare",
        "tags": ["bench"],
        "os_distro": "debian",
        "os_version": "12",
        "hw_disk_bus": "virtio",
        **fields,
    }
    image_id: str = ask(service.client(account), "POST", "/v2/images", json=document).json()["id"]
    return image_id


def share_image(service: Service, image_id: str, status: str) -> str:
    """Offer the publisher's image to the recipient, who answers with `status`; the path of the membership."""
    member_id = service.clouds["recipient"].project_id
    members = f"/v2/images/{image_id}/members"
    ask(service.client("publisher"), "POST", members, json={"member": member_id})
    ask(service.client("recipient"), "PUT", f"{members}/{member_id}", json={"status": status})
    return f"{members}/{member_id}"


@contextmanager
def run_bare_server(folder: Path, body_bytes: int) -> Iterator[tuple[int, int]]:
    """(process id, port) of the server in `bare.py`."""
    port = find_free_port()
    command = [sys.executable, "-m", "bench.bare", str(port), str(body_bytes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with run_server(command, port, folder / "bare.log", environment) as pid:
        yield pid, port


def note_errors(loads: list[Load]) -> list[str]:
    """A note when not every answer was a good one: the figures are then worth nothing."""
    errors = sum(load.errors for load in loads)
    return (
        [f"{WRONG}{errors} of {sum(load.answered for load in loads)} answers were errors"] if errors else []
    )
