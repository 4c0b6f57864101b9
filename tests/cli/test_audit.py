"""`transom audit`: who shared what with whom, from the database of a running service."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from typing import Any

import pytest
from conftest import SharedServices
from harness import child, forks
from harness.child import Start, start_program
from harness.service import Service

from .calls import make_image, new_name
from .conftest import environment, program


def _audit(service: Service, *words: str, start: Start = forks.start) -> subprocess.CompletedProcess[str]:
    command = program("--data-dir", str(service.data_dir), "--database", service.database, "audit", *words)
    return child.run(start, command, service.work_dir, environment(service, ""))


def _rows(service: Service, *words: str) -> list[dict[str, Any]]:
    done = _audit(service, *words, "-f", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def each(request: pytest.FixtureRequest, shared_services: SharedServices) -> Service:
    return shared_services.get(request.param)


@pytest.fixture
def shared(each: Service) -> str:
    """The id of an image that was offered to `other` and `recipient`, of whom one accepted it. Its events
    have their numbers."""
    image_id = make_image(each, new_name())
    path = f"/v2/images/{image_id}/members"
    for name in ("other", "recipient"):
        body = {"member": each.clouds[name].project_id}
        assert each.client("publisher").post(path, json=body).status_code == 200
    accepted = each.client("other").put(
        f"{path}/{each.clouds['other'].project_id}", json={"status": "accepted"}
    )
    assert accepted.status_code == 200
    feed = f"/share/v1/events?image={image_id}&type=share.accepted&wait=20"
    assert each.client("publisher").get(feed).json()["events"]
    return image_id


def test_an_images_story_is_told_oldest_first(each: Service, shared: str) -> None:
    publisher, other, recipient = (
        each.clouds[name].project_id for name in ("publisher", "other", "recipient")
    )

    rows = _rows(each, "--image", shared)

    assert [
        (row["type"], row["recipient"], row["was"], row["status"], row["by_project"]) for row in rows
    ] == [
        ("share.offered", other, None, "pending", publisher),
        ("share.offered", recipient, None, "pending", publisher),
        ("share.accepted", other, "pending", "accepted", other),
    ]
    assert {(row["image"], row["owner"], row["via"]) for row in rows} == {(shared, publisher, "images-v2")}
    assert all(row["by_user"] and row["request_id"] for row in rows)


def test_it_is_narrowed_by_project_user_and_time(each: Service, shared: str) -> None:
    recipient = each.clouds["recipient"].project_id
    whole = _rows(each, "--image", shared)
    by = whole[-1]["by_user"]

    assert _rows(each, "--image", shared, "--project", recipient) == [whole[1]]
    assert _rows(each, "--image", shared, "--user", by) == [whole[2]]
    assert _rows(each, "--image", shared, "--since", whole[1]["time"]) == whole[1:]
    assert _rows(each, "--image", shared, "--until", whole[1]["time"]) == whole[:1]
    assert _rows(each, "--image", shared, "--limit", "1") == whole[-1:]
    assert _rows(each, "--image", "none") == []


def test_a_familys_events_name_it(service: Service) -> None:
    name = new_name("f")
    made = service.client("publisher").post("/share/v1/families", json={"name": name})

    rows = [row for row in _rows(service) if row["family"] == name]

    assert [(row["type"], row["family_id"]) for row in rows] == [("family.created", made.json()["id"])]


def test_csv_and_table_have_the_same_rows(each: Service, shared: str) -> None:
    rows = _rows(each, "--image", shared)

    as_csv = _audit(each, "--image", shared, "-f", "csv", start=start_program)
    as_table = _audit(each, "--image", shared)

    found = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert found == [{name: value or "" for name, value in row.items()} for row in rows]
    head, *lines = as_table.stdout.splitlines()
    assert head.split()[:2] == ["time", "type"]
    assert [line.split()[:2] for line in lines] == [[row["time"], row["type"]] for row in rows]


def test_a_time_that_is_none_is_refused(service: Service) -> None:
    done = _audit(service, "--since", "yesterday")

    assert done.returncode == 2
    assert "'yesterday' is no time like" in done.stderr


@pytest.mark.parametrize("form", ["table", "csv"])
def test_names_of_users_cannot_steer_the_operators_terminal(service: Service, form: str) -> None:
    image_id = make_image(service, "\x1b]0;own\x07\x1b[31mred")
    body = {"member": service.clouds["recipient"].project_id}
    assert service.client("publisher").post(f"/v2/images/{image_id}/members", json=body).status_code == 200

    told = _audit(service, "--image", image_id, "-f", form).stdout

    assert "\\x1b]0;own\\x07\\x1b[31mred" in told
    assert "\x1b" not in told


def test_names_of_users_are_no_formulas_in_the_operators_spreadsheet(service: Service) -> None:
    name = '=HYPERLINK("http://elsewhere/","web-1")'
    image_id = make_image(service, name)
    body = {"member": service.clouds["recipient"].project_id}
    assert service.client("publisher").post(f"/v2/images/{image_id}/members", json=body).status_code == 200

    as_csv = _audit(service, "--image", image_id, "-f", "csv").stdout

    (row,) = csv.DictReader(io.StringIO(as_csv))
    assert row["name"] == f"'{name}"
    assert [row["name"] for row in _rows(service, "--image", image_id)] == [name]
