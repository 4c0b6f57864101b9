"""A small web server with files to fetch, of many moods: without ranges, without HEAD, breaking off …

The mood is the first segment of the path. It serves from threads of the test's own process.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class MoodyServer:
    """Serves `files` (name → data) until it is left. `asked`: the paths of all requests so far."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.asked: list[str] = []
        server = self

        class Handler(_Handler):
            files = server.files
            asked = server.asked

            @property
            def port(self) -> int:
                return server.port

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, name: str, mood: str = "plain") -> str:
        return f"http://127.0.0.1:{self.port}/{mood}/{name}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Mapping[str, bytes] = {}
    asked: list[str]

    @property
    def port(self) -> int:
        raise NotImplementedError

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def _serve(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        _empty, mood, name = self.path.split("/", 2)
        data = self.files.get(name)
        if mood.startswith("redirect"):
            host = "localhost" if mood.endswith("localhost") else "127.0.0.1"
            self._answer(302, b"", {"Location": f"http://{host}:{self.port}/plain/{name}"}, with_body)
        elif data is None:
            self._answer(404, b"absent", {}, with_body)
        elif mood == "no-head" and not with_body:
            self._answer(405, b"", {}, with_body)
        elif mood in ("no-length-in-head", "chunked-head") and not with_body:
            self._answer_without_length(mood)
        else:
            self._send_file(mood, data, with_body)

    def _send_file(self, mood: str, data: bytes, with_body: bool) -> None:
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if wanted is None or mood == "no-ranges":
            self._answer(200, data, {}, with_body, mood)
            return
        start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if start >= len(data):
            self._answer(416, b"", {}, with_body)
            return
        if mood == "other-range":
            end = start + (end - start) // 2
        part = data[start : end + 1]
        self._answer(206, part, {"Content-Range": f"bytes {start}-{end}/{len(data)}"}, with_body, mood)

    def _answer(
        self, status: int, body: bytes, headers: Mapping[str, str], with_body: bool, mood: str = ""
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body[: len(body) // 2] if mood in ("cut-short", "broken") else body)
        if mood in ("cut-short", "broken"):
            self.wfile.flush()
            if mood == "broken":
                # Closing at once with this set sends a reset.
                linger = b"\1\0\0\0\0\0\0\0"
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True

    def _answer_without_length(self, mood: str) -> None:
        self.send_response(200)
        if mood == "chunked-head":
            self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
