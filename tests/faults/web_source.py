"""A web server that imports fetch from, in a process of its own, to be killed and started again."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.service import find_free_port

from .calls import eventually

END_TIMEOUT_S = 20.0


class WebSource:
    """Serves `data` at `url`, at the same address after each start. folder: an existing one, for the file."""

    def __init__(self, folder: Path, data: bytes) -> None:
        self._file = folder / "served"
        self._file.write_bytes(data)
        self._port = find_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/disk.raw"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()

    def start(self, hold_after: int | None = None) -> None:
        """Return when it listens. `hold_after`: bytes of each answer after which no more come, None for
        answers that are whole."""
        script = str(Path(__file__).with_name("web_source_process.py"))
        hold = -1 if hold_after is None else hold_after
        self._process = subprocess.Popen(
            [sys.executable, script, str(self._port), str(self._file), str(hold)], stdin=subprocess.DEVNULL
        )
        assert eventually(self._is_listening, bool), "the web server does not listen"

    def kill(self) -> None:
        """End it at once (SIGKILL), in the middle of whatever it sends."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(END_TIMEOUT_S)
        self._process = None

    def _is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=END_TIMEOUT_S).close()
        except ConnectionError:
            return False
        return True
