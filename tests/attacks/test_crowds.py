"""More connections than there is room for: health checks and honest clients still get in."""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness import plain_http
from harness.service import MakeService, Service

from .strangers import LOGIN, PATIENCE_S, connect, count_open, cpu_s, crowd, head, read_status

#: As the shell sets it: neither limit can be raised any more.
FEW_DESCRIPTORS = 200


@pytest.fixture
def poor(tmp_path: Path) -> Iterator[Service]:
    """A service that may have few file descriptors."""
    limited = ("sh", "-c", f'ulimit -n {FEW_DESCRIPTORS} && exec "$0" "$@"', sys.executable, "-m", "transom")
    with Service(tmp_path, program=limited) as service:
        yield service


def test_with_few_descriptors_silent_connections_do_not_keep_others_out(poor: Service) -> None:
    with crowd(poor, FEW_DESCRIPTORS + 60):
        spent = cpu_s(poor)
        pause = threading.Event()
        statuses = []
        for _ in range(5):
            statuses.append(_check(poor))
            pause.wait(1.0)
        spent = cpu_s(poor) - spent

    assert statuses == [200] * 5
    # Of five seconds at least. To accept again and again what there is no descriptor for takes a whole core.
    assert spent < 2.5


def test_with_few_descriptors_images_are_taken_and_given(poor: Service) -> None:
    client = poor.client("publisher")
    draft = {"disk_format": "raw", "container_format": "bare"}
    with crowd(poor, FEW_DESCRIPTORS + 60):
        image_id = client.post("/v2/images", json=draft).json()["id"]
        octets = {"Content-Type": "application/octet-stream"}
        put = client.put(f"/v2/images/{image_id}/file", content=b"x" * 100_000, headers=octets)
        got = client.get(f"/v2/images/{image_id}/file")

    assert put.status_code == 204
    assert got.content == b"x" * 100_000


def test_the_soft_limit_of_descriptors_is_raised(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -S -n 256 && exec "$0" "$@"', sys.executable, "-m", "transom")
    with Service(tmp_path, program=limited) as service, crowd(service, 300) as connections:
        for connection in connections:
            connection.sendall(head("GET", "/healthz"))
        statuses = [read_status(connection) for connection in connections]

    assert statuses.count(200) >= 256


def test_connections_of_http2_leave_descriptors_for_the_files_they_send(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -n 1024 && exec "$0" "$@"', sys.executable, "-m", "transom")
    with Service(tmp_path, program=limited, settings={"TRANSOM_HTTP2": "true"}) as service:
        log = service.read_log()

    found = re.search(r"1024 file descriptors are enough for ([0-9]+) connections", log)
    assert found
    assert int(found[1]) * (1 + 16) < 1024


def test_one_address_does_not_take_the_places_of_others(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_MAX_CONNECTIONS="100", TRANSOM_MAX_CONNECTIONS_PER_ADDRESS="20")
    with crowd(service, 10, "127.0.0.3") as honest, crowd(service, 60, "127.0.0.2") as many:
        for connection in honest:
            connection.sendall(head("GET", "/healthz"))
        statuses = [read_status(connection) for connection in honest]
        left = _wait_for_at_most(20, many)

    assert statuses == [200] * 10
    assert 0 < left <= 20


def test_the_connections_of_a_trusted_proxy_are_not_those_of_one_client(make_service: MakeService) -> None:
    service = make_service(
        "sqlite", TRANSOM_MAX_CONNECTIONS_PER_ADDRESS="5", TRANSOM_TRUSTED_PROXIES="127.0.0.2"
    )
    with crowd(service, 30, "127.0.0.2") as of_proxy, crowd(service, 30, "127.0.0.3") as others:
        left = _wait_for_at_most(5, others)

        assert count_open(of_proxy) == 30
    assert 0 < left <= 5


def test_half_sent_logins_do_not_keep_others_out(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_MAX_CONNECTIONS="50")
    begun = head("POST", LOGIN, "Content-Type: application/json", "Content-Length: 100") + b"{"
    with crowd(service, 150) as connections:
        for connection in connections:
            connection.sendall(begun)

        assert _check(service) == 200


def test_requests_under_way_are_not_closed_for_the_crowd(make_service: MakeService) -> None:
    """An upload lives through a crowd that is twice what there is room for."""
    service = make_service("sqlite", TRANSOM_MAX_CONNECTIONS="40")
    client = service.client("publisher")
    draft = {"disk_format": "raw", "container_format": "bare"}
    image_id = client.post("/v2/images", json=draft).json()["id"]
    lines = (
        f"X-Auth-Token: {service.token('publisher')}",
        "Content-Type: application/octet-stream",
        "Content-Length: 6000",
    )
    with connect(service, "127.0.0.2") as upload, crowd(service, 80, "127.0.0.2") as connections:
        upload.sendall(head("PUT", f"/v2/images/{image_id}/file", *lines))
        pause = threading.Event()
        for _ in range(6):
            upload.sendall(b"x" * 1000)
            pause.wait(0.5)
        status = read_status(upload)
        left = _wait_for_at_most(40, connections)

    assert status == 204
    assert left <= 40


@pytest.mark.parametrize("kind", ["answers", "events", "downloads"])
def test_slow_clients_of_many_addresses_do_not_take_all_places(make_service: MakeService, kind: str) -> None:
    """Each has asked for something whole, and takes it as slowly as it may."""
    service = make_service("sqlite", TRANSOM_MAX_CONNECTIONS="40", TRANSOM_MAX_CONNECTIONS_PER_ADDRESS="10")
    token = f"X-Auth-Token: {service.token('publisher')}"
    request = {
        "answers": head("GET", "/openapi.json"),
        "events": head("GET", "/share/v1/events?order=asc&wait=30", token),
        "downloads": head("GET", f"/v2/images/{_large_image(service)}/file", token),
    }[kind]
    with ExitStack() as stack:
        for number in range(80):
            connection = stack.enter_context(connect(service, f"127.0.0.{11 + number // 10}", 2048))
            connection.sendall(request)

        assert _check(service) == 200


def test_what_was_closed_is_counted_and_logged(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_MAX_CONNECTIONS_PER_ADDRESS="3")
    with crowd(service, 10, "127.0.0.9") as connections:
        _wait_for_at_most(3, connections)
    metrics = plain_http.get(f"{service.url}/metrics").text

    assert 'transom_connections_closed_total{reason="too many"}' in metrics
    assert "127.0.0.9" in service.read_log()


def _large_image(service: Service) -> str:
    """More than the kernel and the server take ahead of its readers."""
    client = service.client("publisher")
    draft = {"disk_format": "raw", "container_format": "bare"}
    image_id: str = client.post("/v2/images", json=draft).json()["id"]
    octets = {"Content-Type": "application/octet-stream"}
    client.put(f"/v2/images/{image_id}/file", content=bytes(16 << 20), headers=octets)
    return image_id


def _check(service: Service) -> int:
    return plain_http.get(f"{service.url}/healthz", timeout=PATIENCE_S).status_code


def _wait_for_at_most(wanted: int, connections: list[socket.socket]) -> int:
    """How many are open once there are no more than that."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S * 5)):
        if count_open(connections) <= wanted:
            break
        pause.wait(0.2)
    return count_open(connections)
