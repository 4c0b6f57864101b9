"""The tasks of all projects, and the task that makes an image (images-v2, 7.1)."""

import hashlib
import re
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from conftest import IMPORTING
from harness.file_server import FileServer
from harness.service import MakeService, Service
from images import (
    PATIENCE_S,
    TEN_BYTES,
    UNKNOWN_ID,
    create_active_image,
    create_raw_image,
    explanation,
    show_image,
)
from importing import finish_import, import_data, stage, start_import

LISTED = {"id", "type", "status", "owner", "created_at", "updated_at", "expires_at", "self", "schema"}
FULL = LISTED | {"image_id", "request_id", "user_id", "input", "result", "message"}


def create_task(client: httpx.Client, url: object, **properties: object) -> httpx.Response:
    return create_checked_task(client, url, {}, properties)


def create_checked_task(
    client: httpx.Client, url: object, expected: dict[str, Any], properties: dict[str, object]
) -> httpx.Response:
    """`expected`: what is said of the data's hash."""
    given = {"import_from": url, "import_from_format": "raw", "image_properties": properties}
    return client.post("/v2/tasks", json={"type": "import", "input": given | expected})


def finish_task(client: httpx.Client, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while (task := client.get(f"/v2/tasks/{task_id}").json())["status"] not in ("success", "failure"):
        assert time.monotonic() < deadline, task
        time.sleep(0.02)
    return dict(task)


@pytest.mark.parametrize("caller", ["publisher", "publisher-manager", "publisher-reader"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/tasks"), ("POST", "/v2/tasks"), ("GET", f"/v2/tasks/{UNKNOWN_ID}")]
)
def test_tasks_are_for_admins_whatever_else_is_wrong(
    service: Service, caller: str, method: str, path: str
) -> None:
    response = service.client(caller).request(method, path, content=b"{" if method == "POST" else None)

    assert response.status_code == 403
    assert explanation(response) == "You are not authorized to complete tasks_api_access action."


def test_an_import_is_a_task_among_all(service: Service) -> None:
    image_id, seen = import_data(service.client("publisher"), TEN_BYTES)

    task = service.client("admin").get(f"/v2/tasks/{seen['id']}").json()
    listed = service.client("admin").get("/v2/tasks?limit=1000").json()

    assert set(task) == FULL
    assert (task["type"], task["status"], task["image_id"]) == ("api_image_import", "success", image_id)
    assert (task["self"], task["schema"]) == (f"/v2/tasks/{seen['id']}", "/v2/schemas/task")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", task["expires_at"])
    (found,) = [one for one in listed["tasks"] if one["id"] == seen["id"]]
    assert found == {name: task[name] for name in LISTED}
    assert (listed["first"], listed["schema"]) == ("/v2/tasks?limit=1000", "/v2/schemas/tasks")


@pytest.mark.parametrize(
    "sort_key", ["created_at", "updated_at", "expires_at", "id", "type", "status", "owner"]
)
@pytest.mark.parametrize("sort_dir", ["asc", "desc"])
def test_pages_hold_each_task_once(service: Service, sort_key: str, sort_dir: str) -> None:
    client = service.client("admin")
    while len(client.get("/v2/tasks").json()["tasks"]) < 3:
        import_data(client, TEN_BYTES)
    query = f"sort_key={sort_key}&sort_dir={sort_dir}"
    whole = [one["id"] for one in client.get(f"/v2/tasks?{query}&limit=1000").json()["tasks"]]

    paged = []
    path: str | None = f"/v2/tasks?{query}&limit=2"
    while path is not None:
        page = client.get(path).json()
        paged += [one["id"] for one in page["tasks"]]
        path = page.get("next")

    assert paged == whole


def test_tasks_are_filtered_by_owner(service: Service) -> None:
    _, task = import_data(service.client("publisher"), TEN_BYTES)
    projects = {name: service.clouds[name].project_id for name in ("publisher", "recipient")}

    listed = {
        name: service.client("admin").get(f"/v2/tasks?limit=1000&owner={project}").json()["tasks"]
        for name, project in projects.items()
    }

    assert task["id"] in {one["id"] for one in listed["publisher"]}
    assert {one["owner"] for one in listed["publisher"]} == {projects["publisher"]}
    assert task["id"] not in {one["id"] for one in listed["recipient"]}


def test_tasks_are_filtered_by_status_and_type(service: Service) -> None:
    client = service.client("admin")
    _, failed = import_data(service.client("publisher"), TEN_BYTES, disk_format="qcow2")

    ids = {
        query: {one["id"] for one in client.get(f"/v2/tasks?limit=1000&{query}").json()["tasks"]}
        for query in ("status=failure", "status=success", "type=import")
    }

    assert failed["id"] in ids["status=failure"]
    assert failed["id"] not in ids["status=success"] | ids["type=import"]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=x", "limit=-1", "marker=x", f"marker={UNKNOWN_ID}", "sort_key=input", "sort_dir=up"),
        *("status=done", "type=api_image_import", "owner=%00"),
    ],
)
def test_a_bad_query_is_refused(service: Service, query: str) -> None:
    assert service.client("admin").get(f"/v2/tasks?{query}").status_code == 400


def test_an_unknown_task_is_not_found(service: Service) -> None:
    task_id = str(uuid4())

    response = service.client("admin").get(f"/v2/tasks/{task_id}")

    assert (response.status_code, explanation(response)) == (404, f"Could not find task {task_id}")


def test_a_task_cannot_be_deleted(service: Service) -> None:
    response = service.client("admin").delete(f"/v2/tasks/{UNKNOWN_ID}")

    assert (response.status_code, response.headers["allow"]) == (405, "GET")


def test_a_task_makes_an_image_from_a_url(importing: Service, files: FileServer) -> None:
    client = importing.client("admin")

    created = create_task(client, files.offer(TEN_BYTES), name="made", os_distro="debian")
    task = finish_task(client, created.json()["id"])

    assert created.status_code == 201
    assert created.headers["location"].endswith(f"/v2/tasks/{task['id']}")
    assert (task["type"], task["status"]) == ("import", "success"), task
    shown = show_image(client, task["result"]["image_id"])
    assert (shown["name"], shown["os_distro"], shown["status"], shown["size"]) == (
        "made",
        "debian",
        "active",
        10,
    )
    assert (shown["disk_format"], shown["container_format"]) == ("raw", "bare")
    assert set(task["input"]) == {"import_from", "import_from_format", "image_properties"}


def test_a_task_that_fails_leaves_no_image(importing: Service, files: FileServer) -> None:
    client = importing.client("admin")

    created = create_task(client, files.offer(b"", 404))
    task = finish_task(client, created.json()["id"])

    assert (task["status"], task["result"]) == ("failure", None)
    assert "answered 404" in task["message"]
    assert client.get(f"/v2/images/{task['image_id']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "Task 'type' is required"),
        ({"input": {}}, "Task 'type' is required"),
        ({"type": "import"}, "Task 'input' is required"),
        ({"type": "export", "input": {}}, "type: 'export' is not one of import."),
        ({"type": "import", "input": 7}, "input: must be an object."),
        ({"type": "import", "input": {}}, "Input does not contain 'import_from' field"),
    ],
)
def test_a_task_of_the_wrong_shape_is_refused(service: Service, body: object, text: str) -> None:
    response = service.client("admin").post("/v2/tasks", json=body)

    assert (response.status_code, explanation(response)) == (400, text)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "swift+http://x/y", "http://example.invalid/x", None])
def test_a_task_fetches_what_an_import_may(service: Service, url: object) -> None:
    response = create_task(service.client("admin"), url)

    assert response.status_code == 400
    assert "does not pass filtering" in explanation(response)


@pytest.mark.parametrize("properties", [{"id": UNKNOWN_ID}, {"status": "active"}, {"min_disk": "x"}])
def test_properties_are_those_of_a_new_image(
    importing: Service, files: FileServer, properties: dict[str, object]
) -> None:
    response = create_task(importing.client("admin"), files.offer(TEN_BYTES), **properties)

    assert response.status_code in (400, 403)
    assert next(iter(properties)) in explanation(response)


@pytest.mark.parametrize(
    "expected",
    [
        {"os_hash_value": hashlib.sha512(TEN_BYTES).hexdigest()},
        {"os_hash_algo": "sha256", "os_hash_value": hashlib.sha256(TEN_BYTES).hexdigest().upper()},
    ],
)
def test_data_with_the_expected_hash_becomes_an_image(
    importing: Service, files: FileServer, expected: dict[str, Any]
) -> None:
    client = importing.client("admin")

    task = finish_task(client, create_checked_task(client, files.offer(TEN_BYTES), expected, {}).json()["id"])

    assert task["status"] == "success", task
    assert task["input"].items() >= expected.items()


def test_data_with_another_hash_becomes_none(importing: Service, files: FileServer) -> None:
    client = importing.client("admin")
    value, found = "0" * 64, hashlib.sha256(TEN_BYTES).hexdigest()
    expected = {"os_hash_algo": "sha256", "os_hash_value": value}

    created = create_checked_task(client, files.offer(TEN_BYTES), expected, {}).json()
    task = finish_task(client, created["id"])

    assert (task["status"], task["result"]) == ("failure", None)
    assert task["message"] == f"os_hash_value: the data has the sha256 digest {found}, not {value}."
    assert client.get(f"/v2/images/{created['image_id']}").status_code == 404


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        ({"os_hash_algo": "sha512"}, "os_hash_value"),
        ({"os_hash_value": 7}, "os_hash_value"),
        ({"os_hash_value": "00"}, "os_hash_value"),
        ({"os_hash_algo": "crc32", "os_hash_value": "00"}, "os_hash_algo"),
    ],
)
def test_an_expected_hash_that_can_be_none_makes_no_task(
    importing: Service, files: FileServer, expected: dict[str, Any], name: str
) -> None:
    response = create_checked_task(importing.client("admin"), files.offer(TEN_BYTES), expected, {})

    assert (response.status_code, explanation(response).partition(":")[0]) == (400, name)


def test_a_task_keeps_of_its_request_what_it_knows(importing: Service, files: FileServer) -> None:
    client = importing.client("publisher")
    image_id = create_raw_image(client)["id"]
    url = files.offer(TEN_BYTES)
    ballast = "x" * 200_000
    body = {
        "method": {"name": "web-download", "uri": url, "glance_region": ballast, "more": [ballast]},
        "all_stores_must_succeed": True,
        "stores": ["fast"] * 1000,
        "ballast": {"a": 1},
    }

    started = client.post(f"/v2/images/{image_id}/import", json=body)
    assert started.status_code == 202, started.text
    task = finish_import(client, image_id)

    assert task["input"]["import_req"] == {
        "method": {"name": "web-download", "uri": url},
        "all_stores_must_succeed": True,
        "stores": ["fast"],
    }


@pytest.mark.parametrize("caller", ["publisher", "admin"])
def test_the_tasks_of_an_image_can_be_paged_through(service: Service, caller: str) -> None:
    image_id, _task = import_data(service.client("publisher"), TEN_BYTES, disk_format="qcow2")
    for _ in range(2):
        assert stage(service.client("publisher"), image_id, TEN_BYTES).status_code == 204
        assert start_import(service.client("publisher"), image_id).status_code == 202
        finish_import(service.client("publisher"), image_id)
    client = service.client(caller)
    whole = [task["id"] for task in client.get(f"/v2/images/{image_id}/tasks").json()["tasks"]]

    paged = []
    path: str | None = f"/v2/images/{image_id}/tasks?limit=2"
    while path is not None:
        page = client.get(path).json()
        paged.append([task["id"] for task in page["tasks"]])
        path = page.get("next")

    assert len(whole) == 3
    assert paged == [whole[:2], whole[2:]]


def test_a_marker_of_another_image_is_refused(service: Service) -> None:
    client = service.client("publisher")
    image_id, _task = import_data(client, TEN_BYTES)
    _other, task = import_data(client, TEN_BYTES)

    response = client.get(f"/v2/images/{image_id}/tasks?marker={task['id']}")

    assert response.status_code == 400
    assert explanation(response) == f"marker: there is no task {task['id']}."


def test_a_project_has_only_so_many_jobs_open(make_service: MakeService, files: FileServer) -> None:
    """Of every kind, while nobody runs them; another project's are not counted."""
    service = make_service(
        "sqlite", **IMPORTING, TRANSOM_OPEN_JOBS_QUOTA="1", TRANSOM_SERVE_RUNS_JOBS="false"
    )
    url = files.offer(TEN_BYTES)
    publisher, admin, recipient = map(service.client, ("publisher", "admin", "recipient"))
    source_id = create_active_image(publisher)["id"]
    first, second = (create_raw_image(publisher)["id"] for _ in range(2))

    accepted = start_import(publisher, first, "web-download", uri=url)
    refused = [
        start_import(publisher, second, "web-download", uri=url),
        publisher.post(f"/v1/cloudimages/{source_id}/copy", json={"name": "copy"}),
    ]
    others = [
        start_import(recipient, create_raw_image(recipient)["id"], "web-download", uri=url),
        create_task(admin, url),
        create_task(admin, url),
    ]

    assert accepted.status_code == 202
    assert [one.status_code for one in refused] == [413, 400]
    assert explanation(refused[0]) == "The project has 1 jobs that wait or run, and may have no more."
    assert show_image(publisher, second)["status"] == "queued"
    assert [one.status_code for one in others] == [202, 201, 413]
