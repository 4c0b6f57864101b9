"""What a restart leaves of an S3 store: after each kind of it, bytes go in, come out and are removed.

The library behind S3 stores has threads of its own, and threads do not survive the fork that makes a worker:
a worker that inherited it waits for ever. So the process that forks must never have started it.
"""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from harness import plain_http
from harness.service import MakeService, Service
from harness.swift import Swift

from .calls import (
    create_active_image,
    create_image,
    eventually,
    expect_eventually,
    new_client,
    show_image,
    upload_data,
    worker_pids,
)
from .uploads import HeldUpload

MIB = 1 << 20
#: Less than an S3 request may take before it is given up: an answer within it waited for no such request.
SOON_S = 15.0


def start(make_service: MakeService, swift: Swift, **settings: str) -> Service:
    """A service with an S3 store, the default one, in a prefix that nobody else uses, and a local one."""
    folder = f"local=file://{swift.work_dir}/local-{secrets.token_hex(4)}"
    stores = f"cold={swift.store_url(prefix=secrets.token_hex(4))},{folder}"
    return make_service(
        "sqlite",
        TRANSOM_STORES=stores,
        TRANSOM_UPLOAD_LEASE_S="3",
        TRANSOM_CACHE_SIZE_BYTES="0",
        **swift.settings(),
        **settings,
    )


def leave_nothing_pending(service: Service, _swift: Swift) -> None:
    service.stop()


def leave_an_upload_pending(service: Service, swift: Swift) -> None:
    before = swift.kept()
    image_id = create_image(service.client("publisher"))["id"]
    with HeldUpload(service, "publisher", image_id) as upload:
        for _ in range(14):
            upload.send(b"x" * MIB)
        expect_eventually(lambda: len(swift.kept() - before) >= 2, True)
        service.kill()


def leave_a_removal_pending(service: Service, swift: Swift) -> None:
    image_id = create_active_image(service.client("publisher"), b"to be deleted")
    with (
        swift.frozen(),
        new_client(service, "publisher") as deleting,
        new_client(service, "publisher") as looking,
    ):

        def delete() -> None:
            with suppress(httpx.TransportError):
                deleting.delete(f"/v2/images/{image_id}")

        thread = threading.Thread(target=delete)
        thread.start()
        expect_eventually(lambda: looking.get(f"/v2/images/{image_id}").status_code, 404)
        service.kill()
        thread.join(30)


@pytest.mark.parametrize("leave", [leave_nothing_pending, leave_an_upload_pending, leave_a_removal_pending])
def test_a_restarted_service_reads_and_writes_its_s3_store(
    make_service: MakeService, own_swift: Swift, leave: Callable[[Service, Swift], None]
) -> None:
    service = start(make_service, own_swift)
    kept = create_active_image(service.client("publisher"), b"kept")
    before = own_swift.kept()
    leave(service, own_swift)

    service.start()

    with new_client(service, "publisher") as client:
        client.timeout = SOON_S
        assert client.get(f"/v2/images/{kept}/file").content == b"kept"
        _expect_a_round_trip(client)
    expect_eventually(lambda: own_swift.kept() - before, set())
    _expect_no_s3_library_before_the_fork(service)


def test_the_successor_of_a_killed_worker_reads_and_writes_the_s3_store(
    make_service: MakeService, own_swift: Swift
) -> None:
    service = start(make_service, own_swift)
    kept = create_active_image(service.client("publisher"), b"kept")
    (victim,) = worker_pids(service)

    os.kill(victim, signal.SIGKILL)
    eventually(lambda: worker_pids(service), lambda pids: bool(pids) and victim not in pids)

    def is_ready() -> bool:
        try:
            return plain_http.get(f"{service.url}/readyz", timeout=SOON_S).status_code == 200
        except httpx.TransportError:
            return False

    expect_eventually(is_ready, True)
    with new_client(service, "publisher") as client:
        client.timeout = SOON_S
        assert client.get(f"/v2/images/{kept}/file").content == b"kept"
        _expect_a_round_trip(client)


def _expect_no_s3_library_before_the_fork(service: Service) -> None:
    """Seen from outside, in the process that waits for its workers and may replace them at any time."""
    workers = worker_pids(service)
    threads = [entry.name for entry in Path(f"/proc/{service.pid}/task").iterdir()]

    # Its own, and those in which the server waits for the end of each worker.
    assert len(threads) <= 1 + len(workers)
    assert "obstore" not in Path(f"/proc/{service.pid}/maps").read_text()
    # Guards the line above against looking for a name that is never there.
    assert all("obstore" in Path(f"/proc/{worker}/maps").read_text() for worker in workers)


def _expect_a_round_trip(client: httpx.Client) -> None:
    image_id = create_image(client)["id"]
    assert upload_data(client, image_id, b"in and out").status_code == 204
    assert client.get(f"/v2/images/{image_id}/file").content == b"in and out"
    assert show_image(client, image_id)["stores"] == "cold"
    assert client.delete(f"/v2/images/{image_id}").status_code == 204
