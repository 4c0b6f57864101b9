"""The watch of connections counts no time against a client in which the worker itself is busy."""

import asyncio
import dataclasses
import socket
from collections.abc import Iterator

import pytest

from transom.api.bodies import BodyMemory
from transom.api.connections import Watch
from transom.api.watched import ConnectionLimits

pytestmark = pytest.mark.anyio

#: No patience with heads: whatever time counts is too long.
LIMITS = ConnectionLimits(head_s=0.0, idle_s=60, stall_s=60, pace_bytes_s=1, total=100, by_address=100)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def connected(listener: socket.socket) -> Iterator[socket.socket]:
    """The client's end of a connection that has half a head."""
    with socket.create_connection(listener.getsockname(), timeout=10) as client, listener.accept()[0]:
        client.sendall(b"GET / HT")
        yield client


async def _come_round() -> None:
    """Long enough for what another thread has asked of the loop."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
def closed() -> list[str]:
    """Why connections were closed."""
    return []


@pytest.fixture
async def watch(listener: socket.socket, closed: list[str]) -> Watch:
    made = Watch(LIMITS, BodyMemory(1), listener.getsockname()[1], None, closed.append)
    made.follow(asyncio.get_running_loop())
    return made


async def test_a_head_is_waited_for_as_long_as_the_worker_is_busy(
    watch: Watch, closed: list[str], connected: socket.socket
) -> None:
    for _ in range(5):  # Nothing runs on the loop between these.
        watch.look()
    while_busy = list(closed)
    await _come_round()
    watch.look()

    assert (while_busy, closed) == ([], ["head"])
    assert connected.recv(1) == b""


async def test_a_request_that_waits_for_a_busy_worker_is_not_idle(
    listener: socket.socket, connected: socket.socket
) -> None:
    """Its connection was idle for nearly as long as it may when it came."""
    closed: list[str] = []
    impatient = dataclasses.replace(LIMITS, head_s=60.0, idle_s=-9.0)
    watch = Watch(impatient, BodyMemory(1), listener.getsockname()[1], None, closed.append)
    watch.follow(asyncio.get_running_loop())
    for _ in range(5):
        watch.look()

    assert closed == []
