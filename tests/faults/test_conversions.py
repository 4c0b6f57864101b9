"""A conversion whose worker is killed."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from conftest import IMPORTING
from harness.service import MakeService

from .calls import create_image, eventually, expect_eventually, worker_pids

#: Works for as long as a test may take.
_SLOW = """#!/bin/sh
[ "$1" != convert ] || exec sleep 600
exec {program} "$@"
"""


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


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_a_conversion_ends_with_its_worker(make_service: MakeService, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    slow = programs / "qemu-img"
    slow.write_text(_SLOW.format(program=shutil.which("qemu-img")))
    slow.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    plugins = {"TRANSOM_IMAGE_IMPORT_PLUGINS": "image_conversion", "TRANSOM_CONVERSION_FORMAT": "qcow2"}
    service = make_service("sqlite", PATH=path, **IMPORTING, **plugins)
    client = service.client("publisher")
    image_id = create_image(client)["id"]
    headers = {"Content-Type": "application/octet-stream"}
    assert client.put(f"/v2/images/{image_id}/stage", content=b"data", headers=headers).status_code == 204
    body = {"method": {"name": "glance-direct"}}
    assert client.post(f"/v2/images/{image_id}/import", json=body).status_code == 202

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
