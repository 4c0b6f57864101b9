"""Imports as their tests ask for them and watch them, over HTTP. Start reading at `start_import`."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from images import OCTET_STREAM, PATIENCE_S, create_raw_image, show_image

TASK = "os_glance_import_task"
WAITING = "os_glance_importing_to_stores"
FAILED = "os_glance_failed_import"


def stage(
    client: httpx.Client,
    image_id: str,
    data: bytes | Iterable[bytes],
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """The answer to PUT stage; bytes go with Content-Length, any other iterable goes chunked."""
    return client.put(
        f"/v2/images/{image_id}/stage",
        content=data,
        headers={"Content-Type": OCTET_STREAM} | dict(headers or {}),
    )


def start_import(
    client: httpx.Client, image_id: str, method: str = "glance-direct", **arguments: Any
) -> httpx.Response:
    """The answer to POST import; arguments of the method, but for those of the request itself."""
    of_request: dict[str, Any] = {
        name: arguments.pop(name)
        for name in ("stores", "all_stores", "all_stores_must_succeed")
        if name in arguments
    }
    body: dict[str, Any] = {"method": {"name": method, **arguments}, **of_request}
    return client.post(f"/v2/images/{image_id}/import", json=body)


def create_staged_image(client: httpx.Client, data: bytes, **fields: object) -> str:
    """The id of an image whose data waits to be imported."""
    image_id = str(create_raw_image(client, **fields)["id"])
    response = stage(client, image_id, data)
    assert response.status_code == 204, response.text
    return image_id


def list_tasks(client: httpx.Client, image_id: str) -> list[dict[str, Any]]:
    response = client.get(f"/v2/images/{image_id}/tasks")
    assert response.status_code == 200, response.text
    return list(response.json()["tasks"])


def finish_import(client: httpx.Client, image_id: str) -> dict[str, Any]:
    """The image's youngest task, once it is over."""
    deadline = time.monotonic() + PATIENCE_S
    while (task := list_tasks(client, image_id)[0])["status"] not in ("success", "failure"):
        assert time.monotonic() < deadline, task
        # A worker gets there when it does: asking again is the only way to learn it.
        time.sleep(0.02)
    return task


def import_data(client: httpx.Client, data: bytes, **fields: object) -> tuple[str, dict[str, Any]]:
    """(the image's id, its task) after data was staged and imported."""
    image_id = create_staged_image(client, data, **fields)
    started = start_import(client, image_id)
    assert started.status_code == 202, started.text
    return image_id, finish_import(client, image_id)


def told(client: httpx.Client, image_id: str) -> tuple[str | None, str | None, str | None]:
    """(the task that holds the image, the stores that wait, those that failed); None where it has not."""
    image = show_image(client, image_id)
    return image.get(TASK), image.get(WAITING), image.get(FAILED)
