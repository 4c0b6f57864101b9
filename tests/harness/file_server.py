"""A web server on the loopback address that serves what a test gives it.

It is the far side of the network for what the service fetches. Start reading at `FileServer.offer`.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import uuid
from typing import NamedTuple

from harness.loopback import Handler, LoopbackServer

_BLOCK_BYTES = 1 << 16
_PATIENCE_S = 30.0


class _Offer(NamedTuple):
    data: bytes
    status: int
    headers: dict[str, str]
    pause_after: int | None
    go_on: threading.Event


class FileServer(LoopbackServer):
    """Serves each offer at a path of its own. `tls`: with a certificate, to be an https server."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        offers: dict[str, _Offer] = {}
        asked: list[str] = []

        class OfferHandler(Handler):
            protocol_version = "HTTP/1.0"

            def respond(self) -> None:
                asked.append(self.path)
                offer = offers.get(self.path) if self.command == "GET" else None
                if offer is None:
                    self.send_error(404)
                    return
                self.answer(offer.status, offer.data, offer.headers, sent=0)
                # The service may hang up, or be killed: that is what some tests are about.
                with contextlib.suppress(ConnectionError):
                    self._send(offer)

            def _send(self, offer: _Offer) -> None:
                for start in range(0, len(offer.data), _BLOCK_BYTES):
                    if offer.pause_after is not None and start >= offer.pause_after:
                        offer.go_on.wait(_PATIENCE_S)
                    self.wfile.write(offer.data[start : start + _BLOCK_BYTES])

        super().__init__(OfferHandler, tls=tls)
        self._offers = offers
        self._asked = asked

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
        return self.origin + path

    def redirect(self, to: str) -> str:
        """A URL that sends whoever asks for it elsewhere."""
        return self.offer(b"", 302, {"Location": to})

    def go_on(self, url: str) -> None:
        """Let all answers at this URL run to their end."""
        self._offers[url.removeprefix(self.origin)].go_on.set()

    def times_asked(self, url: str) -> int:
        """How often the URL was asked for."""
        return sum(path == url.removeprefix(self.origin) for path in self._asked)
