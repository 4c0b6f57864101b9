"""A stop waits for image data and for requests that have come whole, and for nothing that may never come."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from harness import plain_http
from harness.service import MakeService, Service

from .strangers import (
    LOGIN,
    MIB,
    PATIENCE_S,
    connect,
    count_open,
    head,
    read_status,
    read_to_end,
    wait_for,
    wait_until_stopping,
)

pytestmark = pytest.mark.real_start

JSON = "Content-Type: application/json"
HALF_SENT = [
    b"",
    b"GET /healthz HT",
    head("POST", LOGIN, JSON, "Content-Length: 100"),
    head("POST", LOGIN, JSON, "Content-Length: 100") + b'{"auth"',
    head("POST", LOGIN, JSON, "Transfer-Encoding: chunked") + b"5\r\n{",
    head("PUT", "/v2/images/x/file", "Content-Length: 99999"),
    head("GET", "/healthz"),
    head("GET", "/healthz") + b"GET /hea",
]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_half_sent_requests_of_strangers_do_not_hold_up_a_stop(
    make_service: MakeService, workers: str
) -> None:
    """The time-outs are longer than the test has patience, so that nothing else ends these connections."""
    service = make_service(
        "sqlite",
        TRANSOM_WORKERS=workers,
        TRANSOM_HEAD_TIMEOUT_S="3600",
        TRANSOM_STALL_TIMEOUT_S="3600",
        TRANSOM_KEEP_ALIVE_S="3600",
    )
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(service)) for _ in HALF_SENT]
        for connection, sent in zip(connections, HALF_SENT, strict=True):
            connection.sendall(sent)
        # Until the service has them all: it answers in turn.
        plain_http.get(f"{service.url}/healthz")

        status = service.stop()

        assert status == 0
        assert count_open(connections) <= sum(sent.startswith(b"GET /healthz HTTP") for sent in HALF_SENT)


def test_a_drip_does_not_hold_up_a_stop(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_HEAD_TIMEOUT_S="3600", TRANSOM_STALL_TIMEOUT_S="3600")
    done = threading.Event()
    with connect(service) as connection:
        connection.sendall(head("POST", LOGIN, JSON, "Content-Length: 9999"))

        def drip() -> None:
            try:
                while not done.wait(0.1):
                    connection.sendall(b" ")
            except OSError:
                pass

        dripping = threading.Thread(target=drip)
        dripping.start()
        status = service.stop()
        done.set()
        dripping.join(PATIENCE_S)

    assert status == 0


def test_an_answer_that_is_taken_slowly_does_not_hold_up_a_stop(make_service: MakeService) -> None:
    """Faster than the least pace: it would go on for minutes."""
    service = _with_a_long_list(make_service)
    done = threading.Event()
    taken = []
    with _asking_for_the_list(service) as connection:

        def sip() -> None:
            try:
                while not done.wait(0.1) and (piece := connection.recv(500)):
                    taken.append(len(piece))
            except OSError:
                pass

        sipping = threading.Thread(target=sip)
        sipping.start()
        try:
            status = service.stop()
        finally:
            done.set()
            sipping.join(PATIENCE_S)

    assert status == 0
    assert sum(taken) < MIB


def test_a_client_that_hangs_up_in_the_midst_of_an_answer_does_not_hold_up_a_stop(
    make_service: MakeService,
) -> None:
    service = _with_a_long_list(make_service)
    with _asking_for_the_list(service):
        os.kill(service.pid, signal.SIGTERM)
        wait_until_stopping(service)

    assert service.stop() == 0


def test_an_upload_is_waited_for_beside_them(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_HEAD_TIMEOUT_S="3600", TRANSOM_STALL_TIMEOUT_S="3600")
    draft = {"disk_format": "raw", "container_format": "bare"}
    image_id = service.client("publisher").post("/v2/images", json=draft).json()["id"]
    lines = (
        f"X-Auth-Token: {service.token('publisher')}",
        "Content-Type: application/octet-stream",
        "Content-Length: 2000",
    )
    with connect(service) as upload, connect(service) as half:
        half.sendall(head("POST", LOGIN, JSON, "Content-Length: 100"))
        upload.sendall(head("PUT", f"/v2/images/{image_id}/file", *lines) + b"x" * 1000)
        _wait_for_status(service.client("publisher"), image_id, "saving")
        os.kill(service.pid, signal.SIGTERM)
        read_to_end(half)
        upload.sendall(b"x" * 1000)
        answered = read_status(upload)
        status = service.stop()

    assert answered == 204
    assert status == 0


def test_a_stop_answers_whoever_waits_for_events(make_service: MakeService) -> None:
    """The time that they were to wait is longer than the service is given to stop."""
    service = make_service("sqlite", TRANSOM_WORKERS="2", TRANSOM_STOP_TIMEOUT_S="10")
    token = f"X-Auth-Token: {service.token('publisher')}"
    with ExitStack() as stack:
        readers = [stack.enter_context(connect(service)) for _ in range(4)]
        for reader in readers:
            reader.sendall(head("GET", "/share/v1/events?wait=30", token))
        # Until they wait, too: this one begins after them, and waits for its second.
        service.client("publisher").get("/share/v1/events?wait=1")

        status = service.stop()
        answers = [read_to_end(reader)[:12] for reader in readers]

    assert answers == [b"HTTP/1.1 200"] * 4
    assert status == 0


def test_before_a_stop_the_service_is_unready_for_as_long_as_is_set(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_STOP_DELAY_S="3600", TRANSOM_WORKERS="2")

    os.kill(service.pid, signal.SIGTERM)
    wait_for(lambda: _get(service.url, "/readyz") == 503)
    kept = [_get(service.url, path) for path in ("/healthz", "/metrics", "/v2/images")]
    # The second signal ends the delay.
    status = service.stop()

    assert kept == [200, 200, 401]
    assert status == 0


def _get(url: str, path: str) -> int:
    return plain_http.get(url + path, timeout=PATIENCE_S).status_code


def _wait_for_status(client: httpx.Client, image_id: str, wanted: str) -> None:
    wait_for(lambda: client.get(f"/v2/images/{image_id}").json()["status"] == wanted)


def _with_a_long_list(make_service: MakeService) -> Service:
    """Longer than what the kernel takes of an answer that nobody reads."""
    limits = {"TRANSOM_IMAGE_METADATA_LIMIT": str(MIB), "TRANSOM_STALL_TIMEOUT_S": "3600"}
    service = make_service("sqlite", **limits)
    for _ in range(15):
        service.client("publisher").post("/v2/images", json={"note": "x" * 500_000})
    return service


@contextmanager
def _asking_for_the_list(service: Service) -> Iterator[socket.socket]:
    """A connection on which it has begun to come."""
    with connect(service, buffer_bytes=2048) as connection:
        connection.sendall(head("GET", "/v2/images", f"X-Auth-Token: {service.token('publisher')}"))
        assert connection.recv(12) == b"HTTP/1.1 200"
        yield connection
