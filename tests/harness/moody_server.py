"""A small web server with files to fetch, of many moods: without ranges, without HEAD, breaking off …

The mood is the first segment of the path. It serves from threads of the test's own process.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

from harness.loopback import Handler, LoopbackServer

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class MoodyServer(LoopbackServer):
    """Serves `files` (name → data) until it is left. `asked`: the paths of all requests so far."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.asked: list[str] = []
        site = self

        class Moody(_Handler):
            moody = site

        super().__init__(Moody)

    def url(self, name: str, mood: str = "plain") -> str:
        return f"{self.origin}/{mood}/{name}"


class _Handler(Handler):
    moody: MoodyServer

    def respond(self) -> None:
        is_head = self.command == "HEAD"
        self.moody.asked.append(self.path)
        _empty, mood, name = self.path.split("/", 2)
        data = self.moody.files.get(name)
        if mood.startswith("redirect"):
            host = "localhost" if mood.endswith("localhost") else "127.0.0.1"
            self.answer(302, b"", {"Location": f"http://{host}:{self.moody.port}/plain/{name}"})
        elif data is None:
            self.answer(404, b"absent")
        elif mood == "no-head" and is_head:
            self.answer(405, b"")
        elif mood in ("no-length-in-head", "chunked-head") and is_head:
            self._answer_without_length(mood)
        else:
            self._send_file(mood, data)

    def _send_file(self, mood: str, data: bytes) -> None:
        if mood == "no-content":
            self.answer(204, b"")
            return
        if mood == "packed":
            self.answer(200, data, {"Content-Encoding": "gzip"})
            return
        if mood == "another-part":
            self.answer(206, data[1:], {"Content-Range": f"bytes 1-{len(data) - 1}/{len(data)}"})
            return
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if wanted is None or mood == "no-ranges":
            self._send(mood, 200, data, {})
            return
        start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if start >= len(data):
            self.answer(416, b"")
            return
        if mood == "other-range":
            end = start + (end - start) // 2
        part = data[start : end + 1]
        self._send(mood, 206, part, {"Content-Range": f"bytes {start}-{end}/{len(data)}"})

    def _send(self, mood: str, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        breaks_off = mood in ("cut-short", "broken")
        self.answer(status, body, headers, sent=len(body) // 2 if breaks_off else None)
        if breaks_off:
            self.wfile.flush()
            self.close_connection = True
        if mood == "broken":
            # Closing at once with this set sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def _answer_without_length(self, mood: str) -> None:
        self.send_response(200)
        if mood == "chunked-head":
            self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
