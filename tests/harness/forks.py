"""Processes of `transom` that are forked from one that has imported it: see `preloaded.py`."""

from __future__ import annotations

import atexit
import functools
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import preloaded
from harness.child import PROGRAM, Process, start_program
from harness.service import Service

#: What `transom serve` imports before it forks its workers; not prometheus-client, which then reads the
#: environment.
_OF_SERVICES = (
    "transom.cli.serve",
    "transom.process",
    "transom.prepare",
    "granian.server.mp",
    "jwt",
    "oslo_utils.imageutils.format_inspector",
)
#: What the verbs import that the tests run most: those for users and `accounts`.
_OF_VERBS = (
    "transom.cli.accounts",
    "transom.cli.audit",
    "transom.cli.remote.family",
    "transom.cli.remote.hook",
    "transom.cli.remote.image",
    "transom.cli.remote.rule",
    "transom.cli.remote.share",
    "transom.client.clouds",
    "transom.client.families",
    "transom.client.images",
    "transom.client.rows",
    "transom.client.shares",
    "transom.sql.sqlite",
)
#: What the interpreter and what it loads read once, when they start.
_READ_AT_THE_START = ("COVERAGE", "LANG", "LC_", "LD_", "MALLOC_", "PYTHON", "SSL_", "TZ")
_START_TIMEOUT_S = 60
_PROCESSES = {"serve", "work"}


def start(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    log_path: Path,
    *,
    stdin: Path = Path(os.devnull),
    errors: Path | None = None,
) -> Process:
    """Start `python -m transom …` with its imports behind it. Any other command starts as usual, and so does
    one whose environment says how Python is to start."""
    environment = os.environ if env is None else env
    program, arguments = tuple(command[: len(PROGRAM)]), command[len(PROGRAM) :]
    if program != PROGRAM or _starts_otherwise(environment):
        return start_program(command, cwd, env, log_path, stdin=stdin, errors=errors)
    streams = {"input": stdin, "output": log_path, "errors": errors or log_path}
    return Forked(arguments, cwd, environment, streams)


def forked_service(
    work_dir: Path,
    database: str | None = None,
    settings: Mapping[str, str] | None = None,
    address: str | None = None,
) -> Service:
    """A `Service` whose processes are forks."""
    return Service(work_dir, database, settings, address=address, start=start)


def _starts_otherwise(environment: Mapping[str, str]) -> bool:
    names = {*environment, *os.environ}
    return any(
        name.startswith(_READ_AT_THE_START) and environment.get(name) != os.environ.get(name)
        for name in names
    )


class Forked:
    """`python -m transom` with these arguments, forked."""

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        streams: Mapping[str, Path],
    ) -> None:
        call = {
            "arguments": list(arguments),
            "folder": str(cwd),
            "environment": dict(environment),
            **{name: str(path) for name, path in streams.items()},
        }
        is_process = not _PROCESSES.isdisjoint(arguments)
        self._arguments = arguments
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(_START_TIMEOUT_S)
        self._connection.connect(_start_program(_OF_SERVICES if is_process else _OF_VERBS))
        self._connection.sendall(json.dumps(call).encode() + b"\n")
        self.pid = self._read_number()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float) -> int:
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(list(self._arguments), timeout)
        return status

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def _look(self, within_s: float) -> int | None:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                has_ended = bool(selector.select(within_s))
            if has_ended:
                self.returncode = self._read_number()
                self._connection.close()
        return self.returncode

    def _read_number(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._connection.recv(1)
            if not byte:
                raise ConnectionError("what forks the services has ended")
            line += byte
        return int(line)


@functools.cache
def _start_program(modules: tuple[str, ...]) -> str:
    """Start what they are forked from, which ends with this process; the path of its socket."""
    folder = tempfile.TemporaryDirectory(prefix="transom-forks-")
    path = str(Path(folder.name) / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        # Who comes before the program is ready waits.
        listener.listen()
        descriptor = listener.fileno()
        program = subprocess.Popen(
            [sys.executable, preloaded.__file__, str(descriptor), *modules],
            stdin=subprocess.PIPE,
            pass_fds=[descriptor],
            start_new_session=True,
        )

    def end() -> None:
        program.communicate(timeout=10)
        folder.cleanup()

    atexit.register(end)
    return path
