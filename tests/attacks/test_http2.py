"""HTTP/2: not spoken unless it is asked for, and then with headers and streams bounded."""

from __future__ import annotations

import os
import signal
import socket
import struct
from contextlib import ExitStack, suppress

import pytest
from harness.service import MakeService, Service

from .strangers import MIB, PATIENCE_S, connect, memory_bytes, read_to_end, wait_until_stopping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, CONTINUATION, GOAWAY, RST_STREAM, PING = 4, 1, 9, 7, 3, 6
INITIAL_WINDOW_SIZE = 4
END_STREAM, END_HEADERS = 1, 4
MAX_FRAME = 16384
#: A request's head by the static table of HPACK (RFC 7541, A): GET, http, /, and :authority as a literal.
REQUEST = b"\x82\x86\x84\x41\x06images"


def test_http2_is_not_spoken_by_default(hurried: Service) -> None:
    with connect(hurried) as connection:
        connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, b"") + _request(1))

        received = read_to_end(connection)

    assert not _frames(received)


def test_http2_is_spoken_where_the_setting_says_so(multiplexed: Service) -> None:
    with connect(multiplexed) as connection:
        connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, b"") + _request(1))

        kinds = _read_until(connection, HEADERS)

    assert HEADERS in kinds


@pytest.mark.parametrize("name", ["hurried", "multiplexed"])
def test_headers_that_are_referenced_over_and_over_take_no_memory(
    request: pytest.FixtureRequest, name: str
) -> None:
    """82 KiB that unpack to 300 MiB: one header of 4 KB in the table, and 78,000 references to it."""
    service: Service = request.getfixturevalue(name)
    before = memory_bytes(service)

    with ExitStack() as stack:
        for _ in range(4):
            connection = stack.enter_context(connect(service))
            with suppress(ConnectionError):
                connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, b"") + _bomb(1))
                _read_until(connection, HEADERS, RST_STREAM, GOAWAY)
        grown = memory_bytes(service) - before

    assert grown < 32 * MIB


def test_few_streams_are_open_at_once(multiplexed: Service) -> None:
    with connect(multiplexed) as connection:
        # None of them ends: each waits for a body.
        opened = b"".join(_request(1 + 2 * n, END_HEADERS, b"\x83\x86\x84\x41\x06images") for n in range(100))
        connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, b"") + opened)

        kinds = _read_until(connection, RST_STREAM, GOAWAY)

    assert RST_STREAM in kinds or GOAWAY in kinds


def test_a_connection_of_http2_that_asks_for_nothing_is_closed(multiplexed: Service) -> None:
    with connect(multiplexed) as connection:
        connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, b""))

        read_to_end(connection)


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json"])
def test_pings_do_not_keep_a_connection_whose_client_takes_no_answer(multiplexed: Service, path: str) -> None:
    """The client grants no byte of any stream, and reads whatever else comes."""
    with connect(multiplexed) as connection:
        no_window = struct.pack("!HI", INITIAL_WINDOW_SIZE, 0)
        request = _request(1, block=_block(path))
        connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, no_window) + request)
        connection.settimeout(0.5)

        assert _ping_until_closed(connection, int(PATIENCE_S * 2))


def test_a_silent_connection_is_closed_where_http2_is_spoken(multiplexed: Service) -> None:
    with connect(multiplexed) as connection:
        read_to_end(connection)


@pytest.mark.real_start
def test_a_client_that_hangs_up_on_several_answers_does_not_hold_up_a_stop(make_service: MakeService) -> None:
    """Each is longer than what may be on its way to a client that grants nothing."""
    settings = {"TRANSOM_HTTP2": "true", "TRANSOM_IMAGE_METADATA_LIMIT": str(MIB)}
    service = make_service("sqlite", **settings)
    for _ in range(2):
        service.client("publisher").post("/v2/images", json={"note": "x" * 500_000})
    token = _literal(b"x-auth-token", service.token("publisher").encode())
    asked = [_request(1 + 2 * n, block=_block("/v2/images") + token) for n in range(4)]
    with connect(service) as connection:
        connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, b"") + b"".join(asked))
        received = b""
        while _frames(received).count(HEADERS) < len(asked):
            received += connection.recv(65536)
        os.kill(service.pid, signal.SIGTERM)
        wait_until_stopping(service)

    assert service.stop() == 0


def _ping_until_closed(connection: socket.socket, most: int) -> bool:
    """Whether the service closed it while it was sent so many pings, half a second apart."""
    for _ in range(most):
        try:
            connection.sendall(_frame(PING, 0, 0, b"\0" * 8))
            while connection.recv(65536):
                pass
        except TimeoutError:
            continue
        except ConnectionError:
            pass
        return True
    return False


def _block(path: str) -> bytes:
    """The head of a GET: its path as a literal (RFC 7541, 6.2.2)."""
    return b"\x82\x86\x04" + bytes([len(path)]) + path.encode() + b"\x41\x06images"


def _literal(name: bytes, value: bytes) -> bytes:
    """A header that is in no table (RFC 7541, 6.2.2); the value is longer than 126 bytes, and its length in
    two bytes more."""
    length = len(value) - 127
    return b"\0" + bytes([len(name)]) + name + bytes([0x7F, 0x80 | length & 0x7F, length >> 7]) + value


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def _request(stream: int, flags: int = END_HEADERS | END_STREAM, block: bytes = REQUEST) -> bytes:
    return _frame(HEADERS, flags, stream, block)


def _bomb(stream: int) -> bytes:
    """A literal with incremental indexing (0x40), its length in 7 bits and more, then references to it."""
    literal = b"\x40" + _literal(b"a", b"x" * 4000)[1:]
    block = REQUEST + literal + b"\xbe" * 78_000
    pieces = [block[start : start + MAX_FRAME] for start in range(0, len(block), MAX_FRAME)]
    frames = [_frame(HEADERS, END_STREAM, stream, pieces[0])]
    frames += [_frame(CONTINUATION, 0, stream, piece) for piece in pieces[1:-1]]
    return b"".join([*frames, _frame(CONTINUATION, END_HEADERS, stream, pieces[-1])])


def _frames(received: bytes) -> list[int]:
    """The kinds of the whole frames."""
    kinds: list[int] = []
    while len(received) >= 9:
        length = int.from_bytes(received[:3])
        if len(received) < 9 + length or received.startswith(b"HTTP/1."):
            break
        kinds.append(received[3])
        received = received[9 + length :]
    return kinds


def _read_until(connection: socket.socket, *wanted: int) -> list[int]:
    """The kinds of frames that came until one of these, or the end."""
    received = b""
    while not set(wanted) & set(_frames(received)):
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return _frames(received)
