"""An upload that is held open for as long as a test wants, over a plain socket."""

from __future__ import annotations

import socket
from http.client import BadStatusLine, HTTPResponse
from types import TracebackType
from typing import Self

import httpx
from harness.service import Service

from .calls import OCTET_STREAM, PATIENCE_S

_LAST_CHUNK = b"0\r\n\r\n"


class HeldUpload:
    """PUT file, chunked: `send` as often as wanted, then `finish`. Leaving it hangs up."""

    def __init__(self, service: Service, caller: str, image_id: str) -> None:
        url = httpx.URL(service.url)
        self.image_id = image_id
        self._connection = socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S)
        head = [
            f"PUT /v2/images/{image_id}/file HTTP/1.1",
            f"Host: {url.netloc.decode()}",
            f"X-Auth-Token: {service.token(caller)}",
            f"Content-Type: {OCTET_STREAM}",
            "Transfer-Encoding: chunked",
        ]
        self._connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def send(self, data: bytes) -> None:
        """Send a part of the data. OSError when the service is gone."""
        self._connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self) -> int | None:
        """End the body; the status of the answer, None when the service hung up without one."""
        try:
            self._connection.sendall(_LAST_CHUNK)
        except ConnectionError:
            return None
        return self.read_status()

    def read_status(self) -> int | None:
        """The status of the answer, None when the service hung up without one."""
        response = HTTPResponse(self._connection)
        try:
            response.begin()
        except (BadStatusLine, ConnectionError):
            return None
        finally:
            response.close()
        return response.status
