"""The Containerfile's steps make a service that runs without root, on a root file system that is read-only.

No container engine is needed, and none is tested: its base image is not fetched, and this machine's own root
stands in for it. It takes root and overlayfs.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.ports import find_free_port
from harness.service import Service

from installed import containerfile

PATIENCE_S = 30
DATA = bytes(range(256)) * 4096


def _can_mount() -> bool:
    script = 'd=$(mktemp -d); mount -t tmpfs t "$d" && cd "$d" && mkdir u w r && ' + (
        "mount -t overlay o -o lowerdir=/,upperdir=u,workdir=w r"
    )
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=60).returncode == 0
    )


pytestmark = pytest.mark.skipif(not _can_mount(), reason="it takes root, unshare and overlayfs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("container")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    built = containerfile.build(folder)
    work = folder / "service"
    work.mkdir()
    # The user of the container reaches its volume by a mount; the folders above it stay closed.
    address = f"127.0.0.1:{find_free_port()}"
    settings = {"TRANSOM_DATABASE": "", "TRANSOM_DATA_DIR": "/var/lib/transom", "TRANSOM_LISTEN": address}
    command = containerfile.program(folder, built, work / "data", address)
    started = Service(work, settings=settings, program=command, address=address)
    with started:
        yield started


def test_an_image_is_kept_and_sent(service: Service) -> None:
    client = service.client("publisher")
    form = {"disk_format": "raw", "container_format": "bare"}
    image_id = client.post("/v2/images", json=form).json()["id"]
    binary = {"Content-Type": "application/octet-stream"}

    client.put(f"/v2/images/{image_id}/file", content=DATA, headers=binary).raise_for_status()

    assert client.get(f"/v2/images/{image_id}/file").content == DATA


def test_no_process_runs_as_root(service: Service) -> None:
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
    pids = [str(service.pid), *children]
    users = {
        pid: (Path("/proc") / pid).stat().st_uid
        for pid in pids
        if b"transom" in (Path("/proc") / pid / "cmdline").read_bytes()
    }

    assert len(users) >= 2
    assert set(users.values()) == {64192}


def test_the_root_is_read_only(service: Service) -> None:
    mounts = Path(f"/proc/{service.pid}/mountinfo").read_text().splitlines()
    (options,) = (line.split()[5] for line in mounts if line.split()[4] == "/")

    assert "ro" in options.split(",")


def test_the_health_check_says_that_it_is_well(service: Service, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / "healthy").exists():
        assert time.monotonic() < deadline
        # It runs beside the service, again and again as an engine would do it.
        time.sleep(0.1)


def test_it_ends_in_peace_when_the_engine_stops_it(service: Service) -> None:
    assert service.stop() == 0
