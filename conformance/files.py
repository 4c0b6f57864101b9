"""The web server that images are fetched from: two files, over plain HTTP on the loopback address."""

import struct

from harness.loopback import Handler, LoopbackServer

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


class FileServer(LoopbackServer):
    def __init__(self) -> None:
        super().__init__(_Handler)


class _Handler(Handler):
    def respond(self) -> None:
        found = _FILES.get(self.path)
        self.answer(200 if found else 404, found or b"", {"Content-Type": "application/octet-stream"})
