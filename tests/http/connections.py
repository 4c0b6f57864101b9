"""Requests that no HTTP library would send: broken off, short of bytes, or without any length.

Knows sockets and the wire form of HTTP/1.1. Start reading at `send_head`.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import BadStatusLine, HTTPResponse

import httpx
from harness.service import Service
from images import OCTET_STREAM, PATIENCE_S, eventually, show_image

LAST_CHUNK = b"0\r\n\r\n"
CHUNKED_UPLOAD = {"Content-Type": OCTET_STREAM, "Transfer-Encoding": "chunked"}


def send_head(
    service: Service, caller: str, request_line: str, headers: Mapping[str, str] | None = None
) -> socket.socket:
    """A connection on which the request line and the headers are sent, and nothing of a body."""
    url = httpx.URL(service.url)
    connection = socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S)
    fields = {"Host": url.netloc.decode(), "X-Auth-Token": service.token(caller)} | dict(headers or {})
    lines = [f"{request_line} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    connection.sendall("\r\n".join(lines).encode("latin-1"))
    return connection


def chunk(data: bytes) -> bytes:
    """The data as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def send_end(connection: socket.socket, data: bytes = b"") -> None:
    """Sends the last bytes there will be, to a service that may have hung up already."""
    with suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def read_status(connection: socket.socket) -> int | None:
    """The status of the answer; None when the service hung up without one."""
    response = HTTPResponse(connection)
    try:
        response.begin()
    except (BadStatusLine, ConnectionError):
        return None
    finally:
        response.close()
    return response.status


@contextmanager
def upload_in_progress(
    service: Service,
    caller: str,
    image_id: str,
    headers: Mapping[str, str] = CHUNKED_UPLOAD,
    first_bytes: bytes = b"5\r\n01234\r\n",
) -> Iterator[socket.socket]:
    """An upload of which the service has taken the head and the first bytes, and says `saving`."""
    client = service.client(caller)
    with send_head(service, caller, f"PUT /v2/images/{image_id}/file", headers) as connection:
        connection.sendall(first_bytes)
        assert eventually(lambda: show_image(client, image_id)["status"], "saving") == "saving"
        yield connection
