"""Clients that take their answers slowly, or not at all: what the service holds for them meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from harness.service import MakeService, Service

from .strangers import JSON, LOGIN, MIB, connect, head, memory_bytes, read_to_end

OpenReader = Callable[[bytes], socket.socket]
#: A page of large images is more than the server and the kernel take ahead of its reader.
PAGE = 15
IMAGE_BYTES = 500_000
MEMBERS = ["publisher", "recipient", "other", "admin"]


@pytest.fixture
def narrow(make_service: MakeService) -> Service:
    """A service with memory for one such page of each of four projects."""
    limits = {"TRANSOM_BODY_MEMORY_BYTES": str(32 * MIB), "TRANSOM_SIGNED_BODY_LIMIT": str(MIB)}
    service = make_service("sqlite", TRANSOM_IMAGE_METADATA_LIMIT=str(MIB), **limits)
    for _ in range(PAGE):
        draft = {"visibility": "public", "note": "x" * IMAGE_BYTES}
        assert service.client("admin").post("/v2/images", json=draft).status_code == 201
    return service


def test_parts_of_images_that_nobody_takes_fill_little_memory(make_service: MakeService) -> None:
    service = make_service("sqlite")
    client = service.client("publisher")
    draft = {"disk_format": "raw", "container_format": "bare"}
    image_id = client.post("/v2/images", json=draft).json()["id"]
    octets = {"Content-Type": "application/octet-stream"}
    client.put(f"/v2/images/{image_id}/file", content=bytes(16 * MIB), headers=octets)
    token = f"X-Auth-Token: {service.token('publisher')}"
    before = memory_bytes(service)

    with _readers(service) as open_reader:
        for _ in range(40):
            reader = open_reader(head("GET", f"/v2/images/{image_id}/file", token, "Range: bytes=0-"))
            assert reader.recv(12) == b"HTTP/1.1 206"
        # A last one that is answered: by then the others have what the server takes ahead.
        client.get(f"/v2/images/{image_id}/file", headers={"Range": "bytes=0-"})
        grown = memory_bytes(service) - before

    assert grown < 40 * 3 * MIB


def test_pages_that_nobody_takes_are_bounded_by_project(narrow: Service) -> None:
    with _readers(narrow) as open_reader:
        readers = [open_reader(_page(narrow, "publisher")) for _ in range(4)]
        begun = [reader.recv(12) for reader in readers]
        others = narrow.client("recipient").get(f"/v2/images?limit={PAGE}")

    assert sorted(begun) == [b"HTTP/1.1 200"] + 3 * [b"HTTP/1.1 503"]
    assert len(others.json()["images"]) == PAGE


def test_pages_that_nobody_takes_make_room_for_others(narrow: Service) -> None:
    """Those of four projects fill the memory; the one that has waited longest is broken off."""
    narrow.add_user("newcomer", "newcomer", "member")
    with _readers(narrow) as open_reader:
        readers, begun = [], []
        for name in MEMBERS:
            readers.append(open_reader(_page(narrow, name)))
            begun.append(readers[-1].recv(12))
            # When a login is answered it has what the server takes ahead, and waits longer than the next.
            assert _log_in(narrow) == 401
        page = narrow.client("newcomer").get(f"/v2/images?limit={PAGE - 5}")
        after = narrow.client("newcomer").get(f"/v2/images?limit={PAGE - 5}")
        ends = [len(read_to_end(reader)) for reader in readers[:1]]

    assert begun == [b"HTTP/1.1 200"] * 4
    assert len(page.json()["images"]) == len(after.json()["images"]) == PAGE - 5
    assert ends[0] < PAGE * IMAGE_BYTES


def test_half_sent_logins_from_many_addresses_make_room_for_others(make_service: MakeService) -> None:
    """Together they are more than there is memory for."""
    limits = {"TRANSOM_BODY_MEMORY_BYTES": str(4 * MIB), "TRANSOM_SIGNED_BODY_LIMIT": str(MIB)}
    service = make_service("sqlite", **limits)
    begun = head("POST", LOGIN, JSON, f"Content-Length: {64 << 10}") + b" " * ((64 << 10) - 1)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(connect(service, f"127.0.0.{address}"))
            for address in range(11, 16)
            for _ in range(16)
        ]
        for connection in connections:
            connection.sendall(begun)
        created = service.client("recipient").post("/v2/images", json={"name": "x" * 100}).status_code
        statuses = {_log_in(service) for _ in range(3)}

    assert created == 201
    assert statuses == {401}


def _log_in(service: Service) -> int:
    """By a wrong password: it is heard."""
    user = {"name": "publisher", "domain": {"id": "default"}, "password": "wrong"}
    identity = {"methods": ["password"], "password": {"user": user}}
    return service.client(None).post(LOGIN, json={"auth": {"identity": identity}}).status_code


def _page(service: Service, name: str) -> bytes:
    return head("GET", f"/v2/images?limit={PAGE}", f"X-Auth-Token: {service.token(name)}")


@contextmanager
def _readers(service: Service) -> Iterator[OpenReader]:
    """Makes connections that ask and take next to nothing of the answer."""
    with ExitStack() as stack:

        def open_reader(request: bytes) -> socket.socket:
            connection = stack.enter_context(connect(service, buffer_bytes=2048))
            connection.sendall(request)
            return connection

        yield open_reader
