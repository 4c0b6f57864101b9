"""Sources that are slow, or fall silent: whoever fetches from them holds up nobody else, and not for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import IMPORTING
from harness.file_server import FileServer
from harness.service import MakeService, Service

from .calls import create_image, expect_eventually
from .web_source import WebSource

SIZE = 1 << 20
PLACES = {"TRANSOM_JOBS_AT_ONCE": "2"}
UNFINISHED = ("pending", "processing")


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[WebSource]:
    """Sends half of the data and then keeps the connection."""
    with WebSource(tmp_path, bytes(SIZE)) as source:
        source.start(hold_after=SIZE // 2)
        yield source


def start(service: Service, caller: str, url: str) -> str:
    """The id of the image that is to be filled from there."""
    image_id = str(create_image(service.client(caller))["id"])
    body = {"method": {"name": "web-download", "uri": url}}
    response = service.client(caller).post(f"/v2/images/{image_id}/import", json=body)
    assert response.status_code == 202, response.text
    return image_id


def task_of(service: Service, image_id: str) -> dict[str, Any]:
    listed = service.client("admin").get("/v2/tasks?limit=1000").json()["tasks"]
    tasks = [service.client("admin").get(task["self"]).json() for task in listed]
    (found,) = [task for task in tasks if task["image_id"] == image_id]
    return dict(found)


def status_of(service: Service, image_id: str) -> str:
    return str(task_of(service, image_id)["status"])


def test_the_silent_sources_of_one_project_leave_places_for_the_others(
    make_service: MakeService, silent: WebSource, files: FileServer
) -> None:
    service = make_service("sqlite", **IMPORTING, **PLACES)
    held_up = [start(service, "publisher", silent.url) for _ in range(3)]
    expect_eventually(lambda: "processing" in [status_of(service, one) for one in held_up], True)

    other = start(service, "recipient", files.offer(bytes(SIZE)))

    expect_eventually(lambda: status_of(service, other), "success")
    assert sorted(status_of(service, one) for one in held_up) == ["pending", "pending", "processing"]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_deleted_image_gives_its_place_back_though_its_source_is_silent(
    make_service: MakeService, silent: WebSource, files: FileServer, database: str
) -> None:
    service = make_service(database, **IMPORTING, **PLACES)
    held_up = start(service, "publisher", silent.url)
    waiting = start(service, "publisher", files.offer(bytes(SIZE)))
    expect_eventually(lambda: status_of(service, held_up), "processing")

    assert service.client("publisher").delete(f"/v2/images/{held_up}").status_code == 204

    expect_eventually(lambda: status_of(service, held_up), "failure")
    expect_eventually(lambda: status_of(service, waiting), "success")


def test_a_fetch_of_who_was_removed_ends_though_its_source_is_silent(
    make_service: MakeService, silent: WebSource
) -> None:
    service = make_service("sqlite", **IMPORTING, **PLACES)
    service.add_user("leaver", "publisher", "member")
    held_up = start(service, "leaver", silent.url)
    expect_eventually(lambda: status_of(service, held_up), "processing")

    command = [sys.executable, "-m", "transom", "--data-dir", str(service.data_dir)]
    subprocess.run([*command, "accounts", "remove", "leaver"], cwd=service.work_dir, timeout=60, check=True)

    expect_eventually(lambda: status_of(service, held_up), "failure")
    assert "no role in the project any more" in task_of(service, held_up)["message"]


def test_a_source_that_drips_fails_the_task_at_the_first_try(
    make_service: MakeService, tmp_path: Path
) -> None:
    service = make_service("sqlite", **IMPORTING, TRANSOM_FETCH_WINDOW_S="1")
    with WebSource(tmp_path, bytes(SIZE)) as source:
        source.start(hold_after=1000, drips=True)
        image_id = start(service, "publisher", source.url)
        expect_eventually(lambda: status_of(service, image_id), "failure")

    assert "less than 65536 bytes a second" in task_of(service, image_id)["message"]
