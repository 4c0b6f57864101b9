"""What comes before a body: how long it may be, and what of it is kept."""

from __future__ import annotations

import json

import pytest
from conftest import SharedServices
from harness.service import Service

from .strangers import connect, cpu_s, head, read_status

#: What all of a head but one long header has at most, bytes.
REST = 4 << 10
LIMIT = 64 << 10


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


@pytest.mark.parametrize("path", ["/", "/console/", "/v2/images", "/share/v1", "/identity/v3", "/healthz"])
@pytest.mark.parametrize("count", [1, 40])
def test_a_head_of_more_than_64_kib_is_refused(server: Service, path: str, count: int) -> None:
    token = f"X-Auth-Token: {server.token('publisher')}"
    lines = [f"X-{number}: {'a' * (LIMIT // count)}" for number in range(count)]

    assert _status(server, head("GET", path, token, *lines)) == 431


def test_a_method_counts_too(server: Service) -> None:
    assert _status(server, head("A" * LIMIT, "/v2/images")) == 431


@pytest.mark.parametrize("name", ["Cookie", "X-Other", "Accept-Language", "If-None-Match"])
def test_a_head_of_almost_64_kib_is_taken(server: Service, name: str) -> None:
    token = f"X-Auth-Token: {server.token('publisher')}"

    assert _status(server, head("GET", "/v2/images", token, f"{name}: {'a=b;' * ((LIMIT - REST) // 4)}")) in (
        200,
        400,
    )


def test_a_long_digest_is_refused(server: Service) -> None:
    publisher = server.client("publisher")
    image_id = publisher.post("/v2/images", json={"disk_format": "raw", "container_format": "bare"}).json()[
        "id"
    ]
    headers = {"Content-Type": "application/octet-stream", "Content-Digest": "md5=:AAAA:," * 400}

    answer = publisher.put(f"/v2/images/{image_id}/file", content=b"data", headers=headers)

    assert answer.status_code == 400
    assert "Content-Digest" in answer.text


@pytest.mark.parametrize(("method", "path"), [("GET", "/" + "long/" * 12_000), ("M" * 60_000, "/long")])
def test_a_line_of_the_log_is_short_however_long_the_request(server: Service, method: str, path: str) -> None:
    _status(server, head(method, path))
    lines = [line for line in server.read_log().splitlines() if '"/long' in line]

    assert json.loads(lines[-1])["path"].startswith("/long")
    assert len(lines[-1]) < 3_000


def _status(service: Service, request: bytes) -> int:
    with connect(service) as connection:
        connection.sendall(request)
        return read_status(connection)


def test_a_list_of_too_many_values_is_refused_at_the_first_too_many(server: Service) -> None:
    """To take all of them apart costs as much as a hundred requests."""
    token = f"X-Auth-Token: {server.token('publisher')}"
    few = head("GET", "/v2/images?limit=1", token)
    many = head("GET", f"/v2/images?name=in:{',' * (LIMIT - REST)}", token)

    assert _status(server, many) == 400
    assert _cost_of(server, many) < 10 * _cost_of(server, few)


@pytest.mark.parametrize("root", ["", "/v2", "/ims", "/share", "/identity/v3"])
def test_many_slashes_cost_little_more_than_another_path_as_long(server: Service, root: str) -> None:
    """They count as one, and are not taken away one by one."""
    length = LIMIT - REST
    slashes, letters = head("GET", root + "/" * length), head("GET", f"{root}/{'a' * length}")

    assert _status(server, slashes) == _status(server, head("GET", f"{root}/"))
    assert _cost_of(server, slashes, 10) < 10 * _cost_of(server, letters, 10)


@pytest.mark.parametrize(
    "path", ["/console/login?q={}", "/v2/images?limit=1&p={}", "/v2/images/{}", "/console/{}"]
)
def test_many_percent_signs_cost_little_more_than_letters(server: Service, path: str) -> None:
    token = f"X-Auth-Token: {server.token('publisher')}"
    signs, letters = (head("GET", path.format(text * (LIMIT - REST)), token) for text in ("%", "a"))

    assert _status(server, signs) == _status(server, letters)
    assert _cost_of(server, signs) < 5 * _cost_of(server, letters)


def _cost_of(service: Service, request: bytes, times: int = 100) -> float:
    before = cpu_s(service)
    for _ in range(times):
        _status(service, request)
    return max(cpu_s(service) - before, 0.05)
