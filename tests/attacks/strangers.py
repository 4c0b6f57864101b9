"""What somebody without an account can send, as bytes over plain sockets, and what it costs the service."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, contextmanager, suppress
from http.client import BadStatusLine, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from harness.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Far beyond any limit that a test sets: a connection that is open so long is never closed.
PATIENCE_S = 30.0
LOGIN = "/identity/v3/auth/tokens"
JSON = "Content-Type: application/json"
MIB = 1 << 20
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def connect(service: Service, source: str = "127.0.0.1", buffer_bytes: int = 0) -> socket.socket:
    """A connection from this address of the loopback network. `buffer_bytes`: that the kernel takes ahead of
    its reader; 0: as it likes."""
    url = httpx.URL(service.url)
    connection = socket.socket()
    connection.settimeout(PATIENCE_S)
    if buffer_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    connection.bind((source, 0))
    connection.connect((url.host, url.port or 80))
    return connection


@contextmanager
def crowd(service: Service, count: int, source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """So many connections, on which nothing is sent."""
    with ExitStack() as stack:
        yield [stack.enter_context(connect(service, source)) for _ in range(count)]


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: images", *lines, "", ""]).encode("latin-1")


def read_to_end(connection: socket.socket) -> bytes:
    """All that comes until the service closes the connection. TimeoutError when it does not."""
    received = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            return received
        if not piece:
            return received
        received += piece


def read_status(connection: socket.socket) -> int:
    """The status of the answer, which is read whole; 0 when the connection is closed without one."""
    response = HTTPResponse(connection)
    try:
        response.begin()
        response.read()
    except (BadStatusLine, ConnectionError):
        return 0
    return response.status


def count_open(connections: Iterable[socket.socket]) -> int:
    """How many the service has not closed."""
    return sum(map(_is_open, connections))


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        connection.settimeout(PATIENCE_S)


def wait_until_stopping(service: Service) -> None:
    """Until it takes no new connections."""
    url = httpx.URL(service.url)
    with suppress(ConnectionError):
        for _ in range(int(PATIENCE_S * 20)):
            socket.create_connection((url.host, url.port or 80), PATIENCE_S).close()
            time.sleep(0.05)
        raise TimeoutError


def wait_for(is_so: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE_S * 5)):
        if is_so():
            return
        pause.wait(0.2)
    raise TimeoutError


def worker_pids(service: Service) -> list[int]:
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def memory_bytes(service: Service) -> int:
    """What the workers hold in memory of their own."""
    return sum(_status_kib(pid, "RssAnon") for pid in worker_pids(service)) << 10


def peak_memory_bytes(service: Service) -> int:
    """The most that the workers have held in memory so far."""
    return sum(_status_kib(pid, "VmHWM") for pid in worker_pids(service)) << 10


def _status_kib(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def cpu_s(service: Service) -> float:
    """What the workers have computed so far, in seconds of a core."""
    spent = 0
    for pid in worker_pids(service):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / _TICKS_PER_S


def page_faults(service: Service) -> int:
    """How often the workers have taken a page of memory that was not theirs yet: of work that fills memory a
    count that no other work on the machine changes."""
    return sum(
        int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])
        for pid in worker_pids(service)
    )
