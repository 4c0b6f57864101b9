"""Connections that stall are closed, whatever a stranger waits with; slow but honest clients go on."""

from __future__ import annotations

import itertools
import socket
import threading
from pathlib import Path

import httpx
import pytest
from harness.forks import forked_service
from harness.ports import find_free_port
from harness.service import Service

from .strangers import LOGIN, PATIENCE_S, connect, head, read_status, read_to_end

JSON = "Content-Type: application/json"
OCTETS = "Content-Type: application/octet-stream"
#: More than the sockets between the service and a client that does not read can hold.
LARGE_BYTES = 32 << 20


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /healthz HT", id="half a request line"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: images\r\nX-A: b\r\n", id="half a head"),
        pytest.param(head("POST", LOGIN, JSON, "Content-Length: 100"), id="no body"),
        pytest.param(head("POST", LOGIN, JSON, "Content-Length: 100") + b'{"auth"', id="half a body"),
        pytest.param(head("POST", LOGIN, JSON, "Transfer-Encoding: chunked"), id="no chunk"),
        pytest.param(head("POST", LOGIN, JSON, "Transfer-Encoding: chunked") + b"5\r\n{", id="half a chunk"),
        pytest.param(head("PUT", "/v2/images/x/file", OCTETS, "Content-Length: 9999999"), id="refused"),
        pytest.param(head("GET", "/healthz"), id="no second request"),
        pytest.param(head("GET", "/healthz") + b"GET /hea", id="half a second request"),
    ],
)
def test_a_connection_that_stalls_is_closed(hurried: Service, sent: bytes) -> None:
    with connect(hurried) as connection:
        connection.sendall(sent)

        read_to_end(connection)


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: images\r\nX-A: ", id="head"),
        pytest.param(head("POST", LOGIN, JSON, "Content-Length: 99999"), id="body"),
        pytest.param(head("PUT", "/v2/images/x/file", OCTETS, "Content-Length: 9999999"), id="refused body"),
    ],
)
def test_a_connection_that_drips_is_closed(hurried: Service, begun: bytes) -> None:
    with connect(hurried) as connection:
        connection.sendall(begun)
        connection.settimeout(0.2)
        is_closed = False
        for _ in range(int(PATIENCE_S / 0.2)):
            try:
                connection.sendall(b"x")
                is_closed = not connection.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                is_closed = True
            if is_closed:
                break

    assert is_closed


def test_a_client_that_does_not_read_its_answer_is_closed(hurried: Service) -> None:
    image_id = _upload(hurried, LARGE_BYTES)
    token = hurried.token("publisher")
    with _connect_with_small_buffer(hurried) as connection:
        connection.sendall(head("GET", f"/v2/images/{image_id}/file", f"X-Auth-Token: {token}"))
        peer = connection.getsockname()

        _wait_until_gone(hurried, peer)


def test_a_slow_upload_goes_on(hurried: Service) -> None:
    """Somewhat faster than the pace that is asked for, and for longer than a stall may last."""
    image_id = _create(hurried)
    token = hurried.token("publisher")
    size, pieces = 2048, 12
    with connect(hurried) as connection:
        lines = (f"X-Auth-Token: {token}", OCTETS, f"Content-Length: {size * pieces}")
        connection.sendall(head("PUT", f"/v2/images/{image_id}/file", *lines))
        pause = threading.Event()
        for _ in range(pieces):
            connection.sendall(b"x" * size)
            pause.wait(1.0)
        status = read_status(connection)

    assert status == 204


def test_a_download_that_pauses_and_goes_on_is_whole(hurried: Service) -> None:
    image_id = _upload(hurried, LARGE_BYTES)
    token = hurried.token("publisher")
    with _connect_with_small_buffer(hurried) as connection:
        connection.sendall(head("GET", f"/v2/images/{image_id}/file", f"X-Auth-Token: {token}"))
        pause = threading.Event()
        received = 0
        for turn in itertools.count():
            if turn < 5:
                pause.wait(1.0)
            piece = connection.recv(65536 if turn < 5 else 1 << 20)
            received += len(piece)
            if received >= LARGE_BYTES:
                break

    assert received >= LARGE_BYTES


def test_a_refused_request_whose_body_is_outstanding_says_that_the_connection_ends(hurried: Service) -> None:
    with connect(hurried) as connection:
        connection.sendall(head("PUT", "/v2/images/x/file", OCTETS, "Content-Length: 9999999") + b"x" * 1000)

        answer = read_to_end(connection)

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


def test_a_refused_request_that_came_whole_leaves_the_connection_open(hurried: Service) -> None:
    with connect(hurried) as connection:
        for _ in range(2):
            connection.sendall(head("POST", "/v2/images", JSON, "Content-Length: 2") + b"{}")
            assert read_status(connection) == 401


def _create(service: Service) -> str:
    draft = {"disk_format": "raw", "container_format": "bare"}
    image_id: str = service.client("publisher").post("/v2/images", json=draft).json()["id"]
    return image_id


def _upload(service: Service, size: int) -> str:
    image_id = _create(service)
    answer = service.client("publisher").put(
        f"/v2/images/{image_id}/file",
        content=bytes(size),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 204
    return image_id


def _connect_with_small_buffer(service: Service) -> socket.socket:
    url = httpx.URL(service.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.settimeout(PATIENCE_S)
    connection.connect((url.host, url.port or 80))
    return connection


def _wait_until_gone(service: Service, peer: tuple[str, int]) -> None:
    """Until the service has no connection to this address any more: the client itself does not see it."""
    for _ in range(int(PATIENCE_S * 5)):
        if peer[1] not in _connected_ports(service):
            return
        threading.Event().wait(0.2)
    raise TimeoutError


def _connected_ports(service: Service) -> set[int]:
    """The clients' ports of the service's connections (proc(5), /proc/net/tcp)."""
    port = httpx.URL(service.url).port or 80
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()][1:]
    established = [row for row in rows if row[3] == "01"]
    return {int(row[2][-4:], 16) for row in established if int(row[1][-4:], 16) == port}


@pytest.mark.parametrize(("served", "reached"), [("[::1]", "::1"), ("[::]", "127.0.0.1"), ("[::]", "::1")])
def test_an_upload_that_pauses_is_known_by_its_address_of_either_family(
    tmp_path: Path, served: str, reached: str
) -> None:
    """Its pause is longer than a connection may be silent, and shorter than an upload may pause."""
    port = find_free_port()
    host = f"[{reached}]" if ":" in reached else reached
    settings = {"TRANSOM_HEAD_TIMEOUT_S": "2", "TRANSOM_PUBLIC_ENDPOINT": f"http://{host}:{port}"}
    with forked_service(tmp_path, settings=settings, address=f"{served}:{port}") as service:
        image_id = _create(service)
        lines = (f"X-Auth-Token: {service.token('publisher')}", OCTETS, "Content-Length: 10")
        with socket.create_connection((reached, port), timeout=PATIENCE_S) as connection:
            connection.sendall(head("PUT", f"/v2/images/{image_id}/file", *lines) + b"12345")
            threading.Event().wait(5.0)
            connection.sendall(b"67890")

            assert read_status(connection) == 204
