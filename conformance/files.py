"""The web server that images are fetched from: two files, over plain HTTP on the loopback address."""

import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

#: Bytes of no format; more than one read of any reader.
_BLOB = bytes(range(256)) * 4096
_QCOW2_CLUSTER = 1 << 16


def _make_qcow2() -> bytes:
    """An empty disk of 1 MiB: the header (version 2), its table of first level and nothing in it.

    Fields and order as in QEMU's docs/interop/qcow2; what is not named is zero.
    """
    header = struct.pack(
        ">4sIQIIQIIQQIIQ",
        *(b"QFI\xfb", 2),
        *(0, 0),  # no backing file
        *(16, 1 << 20),  # bits of a cluster, size of the disk
        *(0, 1, _QCOW2_CLUSTER),  # no encryption, one entry of the first level
        *(2 * _QCOW2_CLUSTER, 1, 0, 0),  # reference counts, no snapshots
    )
    return header.ljust(4 * _QCOW2_CLUSTER, b"\0")


_FILES = {"/blob.bin": _BLOB, "/disk.qcow2": _make_qcow2()}


class FileServer:
    """Serves from `__enter__` to `__exit__`, in threads of this process."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

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

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, *_: object) -> None:
        """Whoever fetches says so itself when it goes wrong."""

    def _answer(self, *, with_body: bool) -> None:
        body = _FILES.get(self.path, b"")
        self.send_response(200 if self.path in _FILES else 404)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)
