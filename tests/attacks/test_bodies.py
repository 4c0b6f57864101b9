"""What bodies may cost: their number of pieces, and the memory of all of them together."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress

import pytest
from conftest import SharedServices
from harness.service import MakeService, Service

from .strangers import JSON, LOGIN, MIB, connect, cpu_s, head, memory_bytes, read_status

CHUNKED = "Transfer-Encoding: chunked"
CRUMBS = 100_000


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


@pytest.mark.parametrize("caller", [None, "publisher"])
def test_a_body_in_crumbs_is_refused_before_it_costs_much(server: Service, caller: str | None) -> None:
    """Each chunk of one byte costs a message, which is about a request's work."""
    token = [f"X-Auth-Token: {server.token(caller)}"] if caller else []
    path = "/v2/images" if caller else LOGIN
    one_request = _cost_of_requests(server, 200) / 200
    before = cpu_s(server)
    with connect(server) as connection:
        _send(connection, head("POST", path, JSON, CHUNKED, *token) + b"1\r\n{\r\n" + b"1\r\n \r\n" * CRUMBS)
        status = read_status(connection)
    spent = cpu_s(server) - before

    assert status in (0, 400)
    assert spent < one_request * CRUMBS / 10


def test_image_data_in_crumbs_is_refused_before_it_costs_much(server: Service) -> None:
    image_id = _create(server)
    token = f"X-Auth-Token: {server.token('publisher')}"
    with connect(server) as connection:
        octets = "Content-Type: application/octet-stream"
        _send(
            connection,
            head("PUT", f"/v2/images/{image_id}/file", octets, CHUNKED, token) + b"1\r\nx\r\n" * 5000,
        )
        status = read_status(connection)

    assert status == 400
    assert server.client("publisher").get(f"/v2/images/{image_id}").json()["status"] == "queued"


def test_image_data_in_lines_is_taken(server: Service) -> None:
    image_id = _create(server)
    token = f"X-Auth-Token: {server.token('publisher')}"
    line = b"a line of a file, as programs write it: about eighty characters in each of them.\n"
    with connect(server) as connection:
        octets = "Content-Type: application/octet-stream"
        body = b"%x\r\n%b\r\n" % (len(line), line) * 5000
        connection.sendall(
            head("PUT", f"/v2/images/{image_id}/file", octets, CHUNKED, token) + body + b"0\r\n\r\n"
        )
        status = read_status(connection)

    assert status == 204
    assert server.client("publisher").get(f"/v2/images/{image_id}").json()["size"] == len(line) * 5000


def test_the_bodies_of_many_logins_take_little_memory(server: Service) -> None:
    """A hundred of 1 MB each, all but the last byte."""
    before = memory_bytes(server)
    with ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(connect(server))
            _send(connection, head("POST", LOGIN, JSON, f"Content-Length: {MIB}") + b" " * (MIB - 1))
        grown = memory_bytes(server) - before

    # The server's own buffers, of 408 KiB a connection, and nothing of ours.
    assert grown < 64 * MIB


def test_a_login_larger_than_any_login_is_refused(server: Service) -> None:
    with connect(server) as connection:
        connection.sendall(head("POST", LOGIN, JSON, f"Content-Length: {MIB}"))

        assert read_status(connection) == 413


def test_all_bodies_together_are_bounded_and_other_projects_are_served(make_service: MakeService) -> None:
    """Those of one project fill its part of the memory, and no more."""
    service = make_service(
        "sqlite", TRANSOM_SIGNED_BODY_LIMIT=str(MIB), TRANSOM_BODY_MEMORY_BYTES=str(16 * MIB)
    )
    token = f"X-Auth-Token: {service.token('publisher')}"
    body = json.dumps({"name": "x" * 200_000}).encode()
    other = {"name": "mine", "disk_format": "raw", "container_format": "bare"}
    with ExitStack() as stack:
        connections = []
        for _ in range(40):
            connection = stack.enter_context(connect(service))
            connection.sendall(
                head("POST", "/v2/images", JSON, f"Content-Length: {len(body)}", token) + body[:-1]
            )
            connections.append(connection)
        served = service.client("recipient").post("/v2/images", json=other).status_code
        for connection in connections:
            _send(connection, body[-1:])
        statuses = [read_status(connection) for connection in connections]
    after = service.client("publisher").post("/v2/images", json=other).status_code

    assert served == 201
    assert 0 < statuses.count(503) < 40
    assert after == 201


@pytest.mark.parametrize(
    "lines",
    [
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, chunked",),
    ],
)
def test_a_body_in_another_transfer_coding_is_not_taken_as_it_is(
    server: Service, lines: tuple[str, ...]
) -> None:
    """What was packed for the way would become the image's data."""
    image_id = _create(server)
    token = f"X-Auth-Token: {server.token('publisher')}"
    octets = "Content-Type: application/octet-stream"
    request = head("PUT", f"/v2/images/{image_id}/file", octets, token, *lines)
    with connect(server) as connection:
        connection.sendall(request + b"2\r\nxx\r\n0\r\n\r\n")
        status = read_status(connection)

    assert status == 501
    assert server.client("publisher").get(f"/v2/images/{image_id}").json()["status"] == "queued"


@pytest.mark.parametrize("number", ["2.2250738585072011e-308", "9" * 40, "5e-324"])
@pytest.mark.parametrize("path", ["/v2/images", "/share/v1/offers", "/v2/metadefs/namespaces"])
def test_numbers_that_are_hard_to_read_cost_little_more_than_texts(
    server: Service, path: str, number: str
) -> None:
    client = server.client("publisher")
    costs = []
    for item in (number, f'"{"x" * (len(number) - 2)}"'):
        body = b'{"a":[' + b",".join([item.encode()] * 9_000) + b"]}"
        before = cpu_s(server)
        for _ in range(5):
            answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400
        costs.append(max(cpu_s(server) - before, 0.02))

    assert costs[0] < 5 * costs[1]


def test_a_long_number_is_refused_by_name(server: Service) -> None:
    answer = server.client("publisher").post("/v2/images", json={"min_disk": 10**40})

    assert answer.status_code == 400
    assert "more than 40 characters" in answer.text


def _cost_of_requests(service: Service, count: int) -> float:
    before = cpu_s(service)
    for _ in range(count):
        service.client("publisher").get("/v2/images?limit=1")
    return max(cpu_s(service) - before, 0.01)


def _create(service: Service) -> str:
    draft = {"disk_format": "raw", "container_format": "bare"}
    image_id: str = service.client("publisher").post("/v2/images", json=draft).json()["id"]
    return image_id


def _send(connection: socket.socket, data: bytes) -> None:
    """As much as the service takes: it may close before the end."""
    with suppress(ConnectionError):
        connection.sendall(data)
