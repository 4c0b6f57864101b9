"""A web server that imports fetch from, in a process of its own, to be killed and started again."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.child import Child
from harness.ports import find_free_port

READY_TIMEOUT_S = 20.0


class WebSource:
    """Serves `data` at `url`, at the same address after each start. folder: an existing one, for the file."""

    def __init__(self, folder: Path, data: bytes) -> None:
        self._file = folder / "served"
        self._file.write_bytes(data)
        self._port = find_free_port()
        log_path = folder / "web-source.log"
        self._child = Child("the web server", log_path, self._is_listening, READY_TIMEOUT_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/disk.raw"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.is_running:
            self.kill()

    def start(self, hold_after: int | None = None, *, drips: bool = False) -> None:
        """Return when it listens. `hold_after`: bytes of each answer after which no more come, or (`drips`)
        fifty a second; None for answers that are whole."""
        script = str(Path(__file__).with_name("web_source_process.py"))
        hold = -1 if hold_after is None else hold_after
        command = [sys.executable, script, str(self._port), str(self._file), str(hold)]
        command.append("drip" if drips else "hold")
        self._child.start(command, self._file.parent)

    def kill(self) -> None:
        """End it at once (SIGKILL), in the middle of whatever it sends."""
        self._child.kill()

    def _is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=READY_TIMEOUT_S).close()
        except ConnectionError:
            return False
        return True
