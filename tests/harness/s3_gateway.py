"""A small real server in front of an S3 service: it counts, breaks off, holds up and refuses what passes.

The Host header goes through as it came, so that signatures stay good. Start reading at `S3Gateway`.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from harness.loopback import Handler, LoopbackServer

_BLOCK_BYTES = 1 << 16
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}


class Asked(NamedTuple):
    """A request; `range` is that header, "" without one."""

    method: str
    path: str
    range: str
    query: str


class BreakOff(NamedTuple):
    """Send so many bytes of the body, then close the connection."""

    after_bytes: int


class HoldUp(NamedTuple):
    """Send so many bytes of the body, and the others when `S3Gateway.release` is called."""

    after_bytes: int


#: What is done with a request: None passes it on, a status is the answer instead.
Rule = Callable[[Asked], "BreakOff | HoldUp | int | None"]


class S3Gateway(LoopbackServer):
    """`origin` is the service at `target`, by way of this server."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target).netloc
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._seen: list[Asked] = []
        self.rule: Rule = lambda _asked: None
        #: Set when somebody is held up.
        self.is_holding = threading.Event()
        gateway = self

        class Passing(_Passing):
            site = gateway

        super().__init__(Passing)

    def seen(self, method: str) -> list[Asked]:
        with self._lock:
            return [asked for asked in self._seen if asked.method == method]

    def release(self) -> None:
        self._released.set()

    def note(self, asked: Asked) -> None:
        with self._lock:
            self._seen.append(asked)

    def hold(self) -> None:
        self.is_holding.set()
        self._released.wait(60)

    @property
    def target(self) -> str:
        return self._target


class _Passing(Handler):
    site: S3Gateway

    do_PUT = do_DELETE = Handler.do_GET  # noqa: N815 (the names of the base class)

    def respond(self) -> None:
        parts = urlsplit(self.path)
        asked = Asked(self.command, parts.path, self.headers.get("Range", ""), parts.query)
        self.site.note(asked)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        done = self.site.rule(asked)
        if isinstance(done, int):
            self.answer(done, b"<Error><Code>ServiceUnavailable</Code></Error>")
            return
        try:
            self._pass_on(body, done)
        except OSError:
            # Whoever asked did not wait for the answer.
            self.close_connection = True

    def _pass_on(self, body: bytes, done: BreakOff | HoldUp | None) -> None:
        connection = http.client.HTTPConnection(self.site.target, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OF_THE_CONNECTION:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_THE_CONNECTION | {"date", "server"}:
                    self.send_header(name, value)
            if answer.getheader("Content-Length") is None:
                # Its end is that of the connection.
                self.close_connection = True
                self.send_header("Connection", "close")
            self.end_headers()
            self._send_body(answer, done)
        finally:
            connection.close()

    def _send_body(self, answer: http.client.HTTPResponse, done: BreakOff | HoldUp | None) -> None:
        left = done.after_bytes if done is not None else None
        if left == 0 and isinstance(done, BreakOff):
            self.close_connection = True
            return
        while block := answer.read(_BLOCK_BYTES if left is None else min(left, _BLOCK_BYTES)):
            self.wfile.write(block)
            if left is not None:
                left -= len(block)
            if left == 0 and isinstance(done, HoldUp):
                self.site.hold()
                left = None
            elif left == 0:
                self.close_connection = True
                return
