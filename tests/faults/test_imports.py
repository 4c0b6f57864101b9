"""Imports whose worker is killed: another one ends them, and no byte is left that no image owns.

Each method is killed again and again while its data is on the way (images-v2, 5.4; decisions/0009).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest
from conftest import IMPORTING
from harness.databases import change_database
from harness.file_server import FileServer
from harness.service import MakeService, Service
from harness.stores import stored_files

from .calls import (
    OCTET_STREAM,
    PATIENCE_S,
    create_active_image,
    create_image,
    eventually,
    expect_eventually,
    list_all_images,
    show_image,
    worker_pids,
)

SIZE = 32 << 20
ROUNDS = 2
DATABASES = ["sqlite", "postgresql"]
DATA = Random(1).randbytes(SIZE)
WAITS_AT_THE_REMOVAL = """
    select count(*) from pg_locks where relation = 'deleted_image'::regclass and not granted"""
UNFINISHED = ("pending", "processing")


def stage(client: httpx.Client, data: bytes) -> str:
    image_id = str(create_image(client)["id"])
    headers = {"Content-Type": OCTET_STREAM}
    assert client.put(f"/v2/images/{image_id}/stage", content=data, headers=headers).status_code == 204
    return image_id


def start_direct(service: Service, _files: FileServer) -> str:
    image_id = stage(service.client("publisher"), DATA)
    return start(service, "publisher", image_id, "glance-direct", stores=["slow", "fast"])


def start_web(service: Service, files: FileServer) -> str:
    image_id = str(create_image(service.client("publisher"))["id"])
    return start(service, "publisher", image_id, "web-download", uri=files.offer(DATA))


def start_copy(service: Service, _files: FileServer) -> str:
    image_id = create_active_image(service.client("publisher"), DATA)
    return start(service, "admin", image_id, "copy-image", stores=["slow"])


def start_glance(service: Service, _files: FileServer) -> str:
    source_id = create_active_image(service.client("publisher"), DATA)
    image_id = str(create_image(service.client("publisher"))["id"])
    named = {"glance_region": "RegionOne", "glance_image_id": source_id}
    return start(service, "publisher", image_id, "glance-download", **named)


def start(service: Service, caller: str, image_id: str, method: str, **arguments: Any) -> str:
    stores = {"stores": arguments.pop("stores")} if "stores" in arguments else {}
    body = {"method": {"name": method, **arguments}, **stores}
    response = service.client(caller).post(f"/v2/images/{image_id}/import", json=body)
    assert response.status_code == 202, response.text
    return image_id


def task_of(service: Service, image_id: str) -> dict[str, Any]:
    (task,) = service.client("admin").get(f"/v2/images/{image_id}/tasks").json()["tasks"]
    return dict(task)


def is_over(service: Service, image_id: str) -> bool:
    return task_of(service, image_id)["status"] not in UNFINISHED


def make_importing(make_service: MakeService, database: str, folder: Path, **settings: str) -> Service:
    stores = f"fast=file://{folder}/fast?weight=1,slow=file://{folder}/slow"
    return make_service(
        database, TRANSOM_STORES=stores, TRANSOM_DEFAULT_STORE="fast", **IMPORTING, **settings
    )


def stored(folder: Path) -> list[int]:
    """Sizes of the files in both stores, finished or not."""
    sizes = []
    for path in stored_files(folder):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # Removed since it was listed.
            continue
    return sorted(sizes)


#: Method → what starts it, and how many copies of the data there are in the end.
METHODS = {
    "glance-direct": (start_direct, 2),
    "web-download": (start_web, 1),
    "copy-image": (start_copy, 2),
    "glance-download": (start_glance, 2),
}


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("method", METHODS)
def test_an_import_goes_on_after_a_kill_and_leaves_no_bytes_behind(
    make_service: MakeService, tmp_path: Path, files: FileServer, database: str, method: str
) -> None:
    service = make_importing(make_service, database, tmp_path)
    begin: Callable[[Service, FileServer], str]
    begin, copies = METHODS[method]
    image_id = begin(service, files)

    for _ in range(ROUNDS):
        _wait_for_progress(service, image_id, tmp_path)
        service.kill()
        service.start()
    expect_eventually(lambda: is_over(service, image_id), True)

    task = task_of(service, image_id)
    assert task["status"] == "success", task
    shown = show_image(service.client("publisher"), image_id)
    assert (shown["status"], shown["os_hash_value"]) == ("active", hashlib.sha512(DATA).hexdigest())
    assert (shown["os_glance_importing_to_stores"], shown["os_glance_failed_import"]) == ("", "")
    assert "os_glance_import_task" not in shown
    expect_eventually(lambda: stored(tmp_path), [SIZE] * copies)


def test_a_fetch_that_is_cut_short_by_a_kill_is_made_again_by_another_process(
    make_service: MakeService, tmp_path: Path, files: FileServer
) -> None:
    """The one that fetches is killed; the other one takes over, and what was begun is removed."""
    service = make_importing(
        make_service,
        "sqlite",
        tmp_path,
        TRANSOM_SERVE_RUNS_JOBS="false",
        TRANSOM_UPLOAD_LEASE_S="3",
    )
    url = files.offer(DATA[: 4 << 20], pause_after=1 << 20)
    first, second = _start_worker(service), _start_worker(service)
    try:
        image_id = start(
            service, "publisher", create_image(service.client("publisher"))["id"], "web-download", uri=url
        )
        eventually(lambda: files.times_asked(url), lambda times: times == 1)
        (victim,) = eventually(
            lambda: [one for one in (first, second) if _has_open(one, image_id)],
            lambda found: len(found) == 1,
        )
        victim.send_signal(signal.SIGKILL)
        eventually(lambda: files.times_asked(url), lambda times: times == 2)
        files.go_on(url)
        expect_eventually(lambda: is_over(service, image_id), True)
    finally:
        for worker in (first, second):
            worker.terminate()
            worker.wait(20)

    assert task_of(service, image_id)["status"] == "success"
    assert files.times_asked(url) == 2
    expect_eventually(lambda: stored(tmp_path), [4 << 20])


@pytest.mark.parametrize("database", DATABASES)
def test_an_import_that_takes_its_worker_with_it_again_and_again_ends(
    make_service: MakeService, tmp_path: Path, files: FileServer, database: str
) -> None:
    service = make_importing(make_service, database, tmp_path, TRANSOM_SERVE_RUNS_JOBS="false")
    url = files.offer(DATA[: 4 << 20], pause_after=1 << 20)
    image_id = create_image(service.client("publisher"))["id"]
    start(service, "publisher", image_id, "web-download", uri=url)

    def kill_at_work(asked: int) -> None:
        worker = _start_worker(service)
        try:
            eventually(lambda: files.times_asked(url), lambda times: times == asked)
        finally:
            worker.kill()
            worker.wait(20)

    kill_at_work(1)
    # As if that had happened so often by now.
    change_database(service, "update job set attempts = 19")
    kill_at_work(2)
    last = _start_worker(service)
    try:
        expect_eventually(lambda: is_over(service, image_id), True)
    finally:
        last.terminate()
        last.wait(20)

    task = task_of(service, image_id)
    assert (task["status"], "its worker ended each time" in task["message"]) == ("failure", True), task
    assert files.times_asked(url) == 2
    assert show_image(service.client("publisher"), image_id)["status"] == "queued"
    expect_eventually(lambda: stored(tmp_path), [])


@pytest.mark.parametrize("database", DATABASES)
def test_an_image_deleted_while_its_data_is_fetched_leaves_nothing(
    make_service: MakeService, tmp_path: Path, files: FileServer, database: str
) -> None:
    service = make_importing(make_service, database, tmp_path)
    client = service.client("publisher")
    url = files.offer(DATA[: 4 << 20], pause_after=1 << 20)
    image_id = start(service, "publisher", create_image(client)["id"], "web-download", uri=url)
    expect_eventually(lambda: len(stored(tmp_path)), 1)

    assert client.delete(f"/v2/images/{image_id}").status_code == 204
    files.go_on(url)

    expect_eventually(lambda: stored(tmp_path), [])
    assert worker_pids(service)


def test_a_task_that_failed_takes_its_new_image_along_when_it_is_killed_between(
    make_service: MakeService, tmp_path: Path, files: FileServer
) -> None:
    """Held up where the image is removed, and killed there: neither of the two ends without the other."""
    service = make_importing(make_service, "postgresql", tmp_path)
    client = service.client("admin")
    given = {"import_from": files.offer(b"", 404), "import_from_format": "raw", "image_properties": {}}

    async def kill_at_the_removal() -> str:
        other = await asyncpg.connect(service.database)
        try:
            async with other.transaction():
                await other.execute("lock table deleted_image in share mode")
                task = client.post("/v2/tasks", json={"type": "import", "input": given}).json()
                while not await other.fetchval(WAITS_AT_THE_REMOVAL):
                    pass
                service.kill()
        finally:
            await other.close()
        return str(task["id"])

    task_id = asyncio.run(asyncio.wait_for(kill_at_the_removal(), PATIENCE_S))
    service.start()

    expect_eventually(lambda: client.get(f"/v2/tasks/{task_id}").json()["status"], "failure")
    assert list_all_images(service) == []


def _wait_for_progress(service: Service, image_id: str, folder: Path) -> None:
    """Return when a file has come into the stores or gone out of them, or the import is over."""
    before = len(stored(folder))
    expect_eventually(lambda: len(stored(folder)) != before or is_over(service, image_id), True)


def _start_worker(service: Service) -> subprocess.Popen[bytes]:
    settings = {"TRANSOM_DATA_DIR": str(service.data_dir), "TRANSOM_DATABASE": service.database}
    with service.log_path.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "transom", "work"],
            cwd=service.work_dir,
            env={**os.environ, **settings, **service.settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _has_open(worker: subprocess.Popen[bytes], image_id: str) -> bool:
    """Whether the worker has a file of the image's data open."""
    for entry in Path(f"/proc/{worker.pid}/fd").iterdir():
        try:
            if f"/{image_id}-" in str(entry.readlink()):
                return True
        except FileNotFoundError:  # Closed since it was listed.
            continue
    return False
