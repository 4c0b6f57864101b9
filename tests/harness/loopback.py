"""A small web server in threads of the test's own process: what the ones with a purpose are made from."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class LoopbackServer:
    """Serves from `__enter__` to `__exit__`. `port` 0: any that is free. `tls`: with a certificate, to be an
    https server."""

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        #: How many clients have begun to speak TLS, whether or not they then took the certificate.
        self.handshakes = 0
        if tls is not None:
            tls.sni_callback = self._count_handshake
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def origin(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def _count_handshake(self, _connection: object, _name: object, _context: object) -> None:
        self.handshakes += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Silent, and with an answer in one call."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.respond()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (the names of the base class)

    def respond(self) -> None:
        """To be written by who makes a server of this."""
        raise NotImplementedError

    def log_message(self, *_: Any) -> None:
        """Whoever asks says so itself when it goes wrong."""

    def answer(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, sent: int | None = None
    ) -> None:
        """`sent`: how many bytes of the body are; None is all of them, of the answer to a HEAD none is."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])
