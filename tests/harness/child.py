"""A server process of the tests: started with its log in a file, waited for, stopped or killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

#: The `transom` command of the tests' own environment.
PROGRAM = (sys.executable, "-m", "transom")
COMMAND_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
_NOTHING = Path(os.devnull)
_POLL_INTERVAL_S = 0.05
_LOG_TAIL_LINES = 60


class ServiceFailedError(Exception):
    """The server process did not do what it was asked; the text ends with the tail of its log."""


class Process(Protocol):
    """Of `subprocess.Popen`, what is used here."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def terminate(self) -> None: ...


class Start(Protocol):
    """Starts a process that leads a session and writes to the log, but for its errors if these have a file of
    their own."""

    def __call__(
        self,
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str] | None,
        log_path: Path,
        *,
        stdin: Path = _NOTHING,
        errors: Path | None = None,
    ) -> Process: ...


def start_program(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    log_path: Path,
    *,
    stdin: Path = _NOTHING,
    errors: Path | None = None,
) -> Process:
    with stdin.open("rb") as given, log_path.open("ab") as log, (errors or log_path).open("ab") as told:
        return subprocess.Popen(
            command, cwd=cwd, env=env, stdin=given, stdout=log, stderr=told, start_new_session=True
        )


def run(
    start: Start,
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    *,
    stdin: str = "",
    is_merged: bool = False,
    within_s: float = COMMAND_TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` does. `is_merged`: its errors are told in its output.
    `within_s`: how long it may take."""
    with tempfile.TemporaryDirectory(prefix="transom-run-") as folder:
        given, output, errors = (Path(folder) / name for name in ("input", "output", "errors"))
        given.write_text(stdin)
        errors.touch()
        process = start(command, cwd, env, output, stdin=given, errors=None if is_merged else errors)
        try:
            status = process.wait(within_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(command, status, output.read_text(), errors.read_text())


class Child:
    """One process at a time, which leads a group of its own.

    name: what messages call it. is_ready: whether it answers by now. ready_within_s: how long that may take.
    """

    def __init__(
        self, name: str, log_path: Path, is_ready: Callable[[], bool], ready_within_s: float
    ) -> None:
        self._name = name
        self._log_path = log_path
        self._is_ready = is_ready
        self._ready_within_s = ready_within_s
        self._process: Process | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(
        self,
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str] | None = None,
        start: Start = start_program,
    ) -> None:
        """Start the process and return when it is ready. ServiceFailedError if it never is; it is killed."""
        if self._process is not None:
            raise ServiceFailedError(f"{self._name} is running already")
        self._process = start(command, cwd, env, self._log_path)
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """Ask the process to end (SIGTERM), wait for it and return its exit status."""
        process = self._running()
        process.terminate()
        try:
            status = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self.failure(f"{self._name} did not stop within {STOP_TIMEOUT_S:g} s") from None
        self._process = None
        return status

    def kill(self) -> None:
        """End the process and all its children at once (SIGKILL), as a power failure would."""
        process = self._running()
        # The group may be gone already when the process died by itself; waiting is still needed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT_S)
        self._process = None
        # The kernel takes them down one by one: the last may still hold the address when the first is gone.
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while is_alive(process.pid):
            if time.monotonic() > deadline:
                raise self.failure(f"{self._name} did not end within {STOP_TIMEOUT_S:g} s")
            time.sleep(_POLL_INTERVAL_S / 10)

    def failure(self, what: str) -> ServiceFailedError:
        """The error to raise, with what the log says last."""
        tail = self._log_path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        return ServiceFailedError("\n".join([what, f"--- end of {self._log_path.name} ---", *tail]))

    def _running(self) -> Process:
        if self._process is None:
            raise ServiceFailedError(f"{self._name} is not running")
        return self._process

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + self._ready_within_s
        while not self._is_ready():
            if process.poll() is not None:
                raise self.failure(f"{self._name} ended with {process.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise self.failure(f"{self._name} was not ready within {self._ready_within_s:g} s")
            # Another process becomes ready when it does: asking again is the only way to learn it.
            time.sleep(_POLL_INTERVAL_S)


@contextlib.contextmanager
def killed_after(limit_s: float, process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kill the process when the block takes longer, or fails: who reads what it writes, or waits for its end,
    does so no longer than that."""
    timer = threading.Timer(limit_s, process.kill)
    timer.start()
    try:
        yield
    except BaseException:
        process.kill()
        raise
    finally:
        timer.cancel()


def is_alive(group: int) -> bool:
    """Whether a thread of that group of processes runs; what has ended and waits for its parent does not.

    The first thread of a killed process may end while others still write, and with them its files are open.
    """
    return any(
        state not in "ZX"
        for process in _list(Path("/proc"))
        if [of_group for _, _, of_group, *_ in _read_stats(process)] == [str(group)]
        for state, *_ in _read_stats(*_list(process / "task"))
    )


def _list(tasks: Path) -> list[Path]:
    """The processes, or the threads of one, by their folders: none when it has gone."""
    try:
        return [task for task in tasks.iterdir() if task.name.isdecimal()]
    except OSError:
        return []


def _read_stats(*tasks: Path) -> Iterator[list[str]]:
    """Of each that is there what stands behind its name, which may hold anything: state, parent, group and
    more (proc(5))."""
    for task in tasks:
        with contextlib.suppress(OSError):
            stat = (task / "stat").read_text()
            yield stat.rpartition(")")[2].split()
