"""Requests to a service and what can be seen of its files, as the fault tests need them.

It knows the service only from outside: HTTP, the files of the filesystem store, the processes. Start reading
at `together`.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import httpx
from harness import plain_http
from harness.service import Service
from harness.stores import MARK, stored_files

Image = dict[str, Any]
Seen = TypeVar("Seen")

JSON_PATCH = "application/openstack-images-v2.1-json-patch"
OCTET_STREAM = "application/octet-stream"
PATIENCE_S = 120.0
#: Between two looks: an eighth of what was waited so far, within these bounds.
POLL_INTERVALS_S = (0.005, 0.1)
STATUSES = ("pending", "accepted", "rejected")


@dataclasses.dataclass(frozen=True)
class Answer:
    """One call's answer and when it was under way: [start, end] on the client's clock, seconds."""

    call: str
    status: int
    text: str
    start: float
    end: float

    def __str__(self) -> str:
        return f"{self.call} → {self.status} {self.text[:200]}"


def together(*calls: Callable[[], httpx.Response]) -> list[Answer]:
    """Make all calls at the same moment, each in a thread of its own; their answers in the same order."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], httpx.Response]) -> Answer:
        barrier.wait(PATIENCE_S)
        return timed(call)

    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result() for future in [threads.submit(run, call) for call in calls]]


def timed(call: Callable[[], httpx.Response]) -> Answer:
    start = time.monotonic()
    response = call()
    end = time.monotonic()
    request = f"{response.request.method} {response.request.url.path}"
    text = response.text if response.headers.get("content-type") != OCTET_STREAM else ""
    return Answer(request, response.status_code, text, start, end)


def statuses(answers: Sequence[Answer]) -> Counter[int]:
    """How often each status was answered."""
    return Counter(answer.status for answer in answers)


def others_than(answers: Sequence[Answer], *allowed: int) -> list[str]:
    """The answers with another status, for a reader of a failed test."""
    return [str(answer) for answer in answers if answer.status not in allowed]


def create_image(client: httpx.Client, **fields: object) -> Image:
    """The body of a new raw image."""
    response = client.post("/v2/images", json={"disk_format": "raw", "container_format": "bare"} | fields)
    assert response.status_code == 201, response.text
    return dict(response.json())


def create_active_image(client: httpx.Client, data: bytes, **fields: object) -> str:
    """The id of a new raw image that holds the data."""
    image_id = str(create_image(client, **fields)["id"])
    response = upload_data(client, image_id, data)
    assert response.status_code == 204, response.text
    return image_id


def upload_data(client: httpx.Client, image_id: str, data: bytes | Iterator[bytes]) -> httpx.Response:
    return client.put(f"/v2/images/{image_id}/file", content=data, headers={"Content-Type": OCTET_STREAM})


def show_image(client: httpx.Client, image_id: str) -> Image:
    response = client.get(f"/v2/images/{image_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def update_image(client: httpx.Client, image_id: str, *operations: object) -> httpx.Response:
    return client.patch(f"/v2/images/{image_id}", json=operations, headers={"Content-Type": JSON_PATCH})


def add_property(client: httpx.Client, image_id: str, name: str, value: str) -> httpx.Response:
    """Set the property, whether the image has it or not."""
    return update_image(client, image_id, {"op": "add", "path": f"/{name}", "value": value})


def add_member(client: httpx.Client, image_id: str, member_id: str) -> httpx.Response:
    return client.post(f"/v2/images/{image_id}/members", json={"member": member_id})


def remove_member(client: httpx.Client, image_id: str, member_id: str) -> httpx.Response:
    return client.delete(f"/v2/images/{image_id}/members/{member_id}")


def set_member_status(client: httpx.Client, image_id: str, member_id: str, status: str) -> httpx.Response:
    return client.put(f"/v2/images/{image_id}/members/{member_id}", json={"status": status})


def member_statuses(client: httpx.Client, image_id: str) -> dict[str, str]:
    """Member id → status, of all members the caller may see."""
    response = client.get(f"/v2/images/{image_id}/members")
    assert response.status_code == 200, response.text
    return {member["member_id"]: member["status"] for member in response.json()["members"]}


def list_all_images(service: Service) -> list[Image]:
    """Every image there is, of all projects."""
    client = service.client("admin")
    found: list[Image] = []
    path: str | None = "/v2/images?limit=1000&sort=id:asc"
    while path is not None:
        response = client.get(path)
        assert response.status_code == 200, response.text
        found += response.json()["images"]
        path = response.json().get("next")
    return found


def saving_images(service: Service) -> list[str]:
    """The ids of all images whose data is on its way, or whose upload was cut short a moment ago."""
    return [str(image["id"]) for image in list_all_images(service) if image["status"] == "saving"]


def stored_sizes(service: Service) -> list[int]:
    """Sizes of the files with data below the store's folder, finished or not, in order of size."""
    sizes = []
    for path in stored_files(service.data_dir / "images"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # Removed since it was listed.
            continue
    return sorted(sizes)


def marked(folder: Path) -> bytes:
    """The mark of a store, once the service that has just started has put it there."""

    def read() -> bytes:
        try:
            return (folder / MARK).read_bytes()
        except FileNotFoundError:
            return b""

    return eventually(read, bool)


def owned_sizes(service: Service) -> list[int]:
    """Sizes of the data of all images, in order of size: what the store should hold."""
    return sorted(image["size"] for image in list_all_images(service) if image["size"] is not None)


def eventually(observe: Callable[[], Seen], is_right: Callable[[Seen], bool]) -> Seen:
    """What was seen last: something right, unless that did not come about while our patience held."""
    started, (shortest, longest) = time.monotonic(), POLL_INTERVALS_S
    seen = observe()
    while not is_right(seen) and (waited := time.monotonic() - started) < PATIENCE_S:
        # Another process gets there when it does: looking again is the only way to learn it.
        time.sleep(min(max(waited / 8, shortest), longest))
        seen = observe()
    return seen


def expect_eventually(observe: Callable[[], object], expected: object) -> None:
    """Fail unless the expected comes about while our patience holds."""
    seen = eventually(observe, lambda value: value == expected)
    assert seen == expected


def worker_pids(service: Service) -> list[int]:
    """The ids of the processes that serve requests."""
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def workers_with_open(service: Service, image_id: str) -> list[int]:
    """The workers that have a file of the image's data open."""
    found = []
    for pid in worker_pids(service):
        for link in _open_files(pid):
            if f"/{image_id}-" in link:
                found.append(pid)
                break
    return found


def _open_files(pid: int) -> list[str]:
    links = []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                links.append(str(entry.readlink()))
            except FileNotFoundError:  # Closed since it was listed.
                continue
    except (FileNotFoundError, ProcessLookupError):  # The process is gone.
        pass
    return links


@contextmanager
def new_client(service: Service, name: str) -> Iterator[httpx.Client]:
    """A client whose connections are its own: with several workers, maybe one that another client has not."""
    with plain_http.open_client(
        base_url=service.url,
        headers={"X-Auth-Token": service.token(name)},
        timeout=PATIENCE_S,
    ) as client:
        yield client
