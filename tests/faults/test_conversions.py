"""A conversion whose worker is killed, or whose disk others fill."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from conftest import IMPORTING
from harness.service import MakeService, Service

from .calls import create_image, eventually, expect_eventually, show_image, worker_pids
from .small_disk import leave_room, small_disk

#: Works for as long as a test may take.
_SLOW = """#!/bin/sh
[ "$1" != convert ] || exec sleep 600
exec {program} "$@"
"""


_needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")


def _converters(folder: Path) -> list[int]:
    """The processes that convert for the service that runs in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text() == "sleep\n" and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:  # It has ended meanwhile.
            continue
    return found


@pytest.fixture
def slow_service(make_service: MakeService, tmp_path: Path) -> Service:
    """A service whose conversions do not end by themselves."""
    programs = tmp_path / "bin"
    programs.mkdir()
    slow = programs / "qemu-img"
    slow.write_text(_SLOW.format(program=shutil.which("qemu-img")))
    slow.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    plugins = {"TRANSOM_IMAGE_IMPORT_PLUGINS": "image_conversion", "TRANSOM_CONVERSION_FORMAT": "qcow2"}
    return make_service("sqlite", PATH=path, **IMPORTING, **plugins)


def _begin_import(service: Service) -> str:
    """The id of the image."""
    client = service.client("publisher")
    image_id = str(create_image(client)["id"])
    headers = {"Content-Type": "application/octet-stream"}
    assert client.put(f"/v2/images/{image_id}/stage", content=b"data", headers=headers).status_code == 204
    body = {"method": {"name": "glance-direct"}}
    assert client.post(f"/v2/images/{image_id}/import", json=body).status_code == 202
    return image_id


@_needs_qemu
def test_a_conversion_ends_with_its_worker(slow_service: Service) -> None:
    service = slow_service
    _begin_import(service)

    ended: set[int] = set()
    for _ in range(2):
        (converter,) = eventually(
            lambda: [pid for pid in _converters(service.work_dir) if pid not in ended],
            lambda found: len(found) == 1,
        )
        ended.add(converter)
        os.kill(worker_pids(service)[0], signal.SIGKILL)
        expect_eventually(lambda: ended & set(_converters(service.work_dir)), set())

    service.kill()
    expect_eventually(lambda: _converters(service.work_dir), [])


@_needs_qemu
def test_a_conversion_ends_when_its_disk_is_filled_meanwhile(slow_service: Service) -> None:
    """There was room for it as it began. What is left is the reserve's: deletions need it."""
    service = slow_service
    work = service.data_dir / "work"
    work.mkdir(exist_ok=True)
    with small_disk(work, 64 << 20):
        image_id = _begin_import(service)
        eventually(lambda: _converters(service.work_dir), lambda found: len(found) == 1)
        leave_room(work, 1 << 20)

        expect_eventually(lambda: _converters(service.work_dir), [])
        client = service.client("publisher")
        (task,) = eventually(
            lambda: client.get(f"/v2/images/{image_id}/tasks").json()["tasks"],
            lambda tasks: tasks[0]["status"] not in ("pending", "processing"),
        )

    assert (task["status"], "no room" in task["message"]) == ("failure", True), task
    assert show_image(client, image_id)["status"] in ("queued", "uploading")
