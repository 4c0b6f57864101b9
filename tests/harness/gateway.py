"""A small real HTTP server in front of another: it counts, holds up and falsifies what passes.

It is the far side of the network as it may be: slow, overloaded, dead behind a live proxy. What it lets
through is answered by the real server.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

from harness import plain_http
from harness.loopback import Handler, LoopbackServer

_HOP_BY_HOP = {
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "content-encoding",
    "date",
    "server",
}


class Call(NamedTuple):
    method: str
    path: str


class Gateway(LoopbackServer):
    """`url` is that of the target, by way of this server."""

    def __init__(self, target: str, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """`port`, `tls`: as of `LoopbackServer`."""
        self._target = target
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._seen: list[Call] = []
        #: The header of the last call that came in.
        self.own_token = ""
        #: Asked before a call goes on; a status instead of None is the answer then.
        self.refuse: Callable[[Call], int | None] = lambda _call: None
        gateway = self

        class Passing(Handler):
            def respond(self) -> None:
                gateway._pass_on(self)

        super().__init__(Passing, port, tls)

    @property
    def url(self) -> str:
        return self.origin + urlsplit(self._target).path

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        super().__exit__(exc_type, exc, trace)

    def count(self, method: str, path: str) -> int:
        """How many calls have come in; `path` below the target, without the query."""
        with self._lock:
            return self._seen.count(Call(method, path))

    def hold(self) -> None:
        """From now on calls come in and are not answered, until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def _pass_on(self, handler: Handler) -> None:
        below = handler.path.removeprefix(urlsplit(self._target).path)
        call = Call(handler.command, below.partition("?")[0])
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            self._seen.append(call)
            self.own_token = handler.headers.get("X-Auth-Token", "")
        self._open.wait(60)
        status = self.refuse(call)
        if status is not None:
            _answer(handler, status, {}, b"<html>not what was asked for</html>")
            return
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers.pop("Host", None)
        answer = plain_http.request(
            handler.command, self._target + below, headers=headers, content=body, timeout=60
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        _answer(handler, answer.status_code, kept, answer.content)


def _answer(handler: Handler, status: int, headers: Mapping[str, str], body: bytes) -> None:
    try:
        handler.answer(status, body, headers)
    except OSError:
        # Whoever asked did not wait for the answer.
        handler.close_connection = True
