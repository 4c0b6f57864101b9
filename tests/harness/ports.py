"""Ports for servers of the tests that have to know theirs before they start, or take it again.

Ports from 32768 on are what the kernel gives to connections by default: one of them that is free now may be
such a connection's before a server binds it, or while the server is killed and starts again. So these are
below, and each process that asks has a block of its own, by a lock on a file, until it ends.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

FIRST, END = 12_000, 32_000
_OF_A_PROCESS = 500
_FOLDER = Path(tempfile.gettempdir()) / f"transom-ports-{os.getuid()}"


def find_free_port() -> int:
    """A port that nobody listens on; in this process it comes again when 500 have been given, if it is free.
    OSError when there is none."""
    with _LOCK:
        for port in itertools.islice(_PORTS, _OF_A_PROCESS):
            if _is_free(port):
                return port
    raise OSError(f"no port from {FIRST} to {END} is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _own_ports() -> Iterator[int]:
    """Those of the first block that no process has, again and again."""
    _FOLDER.mkdir(exist_ok=True)
    for first in range(FIRST, END, _OF_A_PROCESS):
        with (_FOLDER / str(first)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield from itertools.cycle(range(first, first + _OF_A_PROCESS))


_PORTS, _LOCK = _own_ports(), threading.Lock()
