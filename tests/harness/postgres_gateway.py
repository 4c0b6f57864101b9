"""A socket in front of a PostgreSQL server: it passes everything on, or nothing, and counts round trips. Of a
commit it may lose the answer.

A client waits for an answer after a Sync, a Flush or a simple Query, whatever it sent before (PostgreSQL,
"Frontend/Backend Protocol", Message Flow). Start reading at `PostgresGateway`.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

_SOCKET = ".s.PGSQL.5432"
_BLOCK_BYTES = 1 << 16
_LENGTH_BYTES = 4
#: For which nothing passes, at most.
_PATIENCE_S = 60
#: Types of the messages that a client waits after.
_WAITED_FOR = frozenset(b"SHQ")
_COMMIT = b"commit\0"


class PostgresGateway:
    """`url` is the database at `target`, a URL that names a folder with its socket, by way of this one."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = str(Path(parse_qs(parts.query)["host"][0]) / _SOCKET)
        # A short path: a socket's name may have about a hundred characters only.
        self._folder = tempfile.TemporaryDirectory(prefix="transom-gw-")
        self.url = parts._replace(query=urlencode({"host": self._folder.name})).geturl()
        self._lock = threading.Lock()
        self._round_trips = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._passes = threading.Event()
        self._passes.set()
        self._loses_commit = False

    def hold(self) -> None:
        """From now on nothing passes in either direction, as if the network lost it, until `release`."""
        self._passes.clear()

    def release(self) -> None:
        self._passes.set()

    def lose_next_commit(self) -> None:
        """The next `commit` reaches the server, and its client loses the connection instead of an answer."""
        with self._lock:
            self._loses_commit = True

    @property
    def round_trips(self) -> int:
        """How often, on all connections together, a client has waited for an answer since it logged in."""
        with self._lock:
            return self._round_trips

    def __enter__(self) -> Self:
        self._listener.bind(str(Path(self._folder.name) / _SOCKET))
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        with self._lock:
            ending = [self._listener, *self._open]
        for one in ending:
            # Whoever waits at it is woken.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in ending:
            one.close()
        self._folder.cleanup()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            with self._lock:
                self._open += [client, server]
            frontend = _Frontend(self._note)
            self._start(_pass_on, client, server, frontend.read, self._passes)
            self._start(_pass_on, server, client, frontend.answer, self._passes)

    def _note(self, message: bytes) -> bool:
        """Whether its answer is to be lost."""
        with self._lock:
            self._round_trips += 1
            is_lost = self._loses_commit and message == _COMMIT
            self._loses_commit = self._loses_commit and not is_lost
            return is_lost


class _Frontend:
    """What one client sends, message by message; it calls `note` with the content of each that an answer is
    waited for."""

    def __init__(self, note: Callable[[bytes], bool]) -> None:
        self._note = note
        self._is_lost = False
        self._rest = bytearray()
        # The first message has no type.
        self._type_bytes = 0

    def read(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= self._type_bytes + _LENGTH_BYTES:
            length = int.from_bytes(self._rest[self._type_bytes : self._type_bytes + _LENGTH_BYTES])
            end = self._type_bytes + length
            if len(self._rest) < end:
                return
            if self._type_bytes and self._rest[0] in _WAITED_FOR:
                self._is_lost |= self._note(bytes(self._rest[self._type_bytes + _LENGTH_BYTES : end]))
            del self._rest[:end]
            self._type_bytes = 1

    def answer(self, _data: bytes) -> None:
        """The server says something. ConnectionError if the client is not to know."""
        if self._is_lost:
            raise ConnectionError


def _pass_on(
    source: socket.socket, sink: socket.socket, look: Callable[[bytes], None], passes: threading.Event
) -> None:
    """Until one side hangs up; then the other side is told."""
    with suppress(OSError):
        while data := source.recv(_BLOCK_BYTES):
            passes.wait(_PATIENCE_S)
            # Before it goes on: who has seen the answer must find its question counted.
            look(data)
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
