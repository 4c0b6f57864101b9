"""A web server on the loopback address that serves what a test gives it.

It is the far side of the network for what the service fetches. Start reading at `FileServer.offer`.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self

_BLOCK_BYTES = 1 << 16
_PATIENCE_S = 30.0


class _Offer(NamedTuple):
    data: bytes
    status: int
    headers: dict[str, str]
    pause_after: int | None
    go_on: threading.Event


class FileServer:
    """Serves each offer at a path of its own."""

    def __init__(self) -> None:
        offers: dict[str, _Offer] = {}
        asked: list[tuple[str, dict[str, str]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, dict(self.headers)))
                offer = offers.get(self.path)
                if offer is None:
                    self.send_error(404)
                    return
                self.send_response(offer.status)
                for name, value in {"Content-Length": str(len(offer.data)), **offer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                # The service may hang up, or be killed: that is what some tests are about.
                with contextlib.suppress(ConnectionError):
                    self._send(offer)

            def _send(self, offer: _Offer) -> None:
                for start in range(0, len(offer.data), _BLOCK_BYTES):
                    if offer.pause_after is not None and start >= offer.pause_after:
                        offer.go_on.wait(_PATIENCE_S)
                    self.wfile.write(offer.data[start : start + _BLOCK_BYTES])

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._offers = offers
        self._asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def offer(
        self,
        data: bytes,
        status: int = 200,
        headers: dict[str, str] | None = None,
        pause_after: int | None = None,
    ) -> str:
        """The URL at which the data is served. `pause_after`: bytes after which it waits for `go_on`."""
        path = f"/{uuid.uuid4().hex}"
        self._offers[path] = _Offer(data, status, headers or {}, pause_after, threading.Event())
        return self.url + path

    def redirect(self, to: str) -> str:
        """A URL that sends whoever asks for it elsewhere."""
        return self.offer(b"", 302, {"Location": to})

    def go_on(self, url: str) -> None:
        """Let all answers at this URL run to their end."""
        self._offers[url.removeprefix(self.url)].go_on.set()

    def times_asked(self, url: str) -> int:
        """How often the URL was asked for."""
        return sum(path == url.removeprefix(self.url) for path, _ in self._asked)
