"""The verbs for users, as they run them: another process, with an account of clouds.yaml.

It is forked from one with the imports behind it; with the mark `real_start`, and at a terminal, it is
`python -m transom`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import SharedServices
from harness import child, forks
from harness.child import PROGRAM, killed_after, start_program
from harness.service import Service

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def service(shared_services: SharedServices) -> Service:
    """Over one database: what is tested here is on the other side of HTTP."""
    return shared_services.get("sqlite")


def environment(service: Service, account: str, **more: str) -> Mapping[str, str]:
    """Of a process that is to be this account; nothing of ours steers it besides."""
    unwanted = ("TRANSOM_", "OS_", "COLUMNS", "FORCE_COLOR", "NO_COLOR")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {
        **inherited,
        "OS_CLIENT_CONFIG_FILE": str(service.data_dir / "clouds.yaml"),
        "OS_CLOUD": account,
        "NO_PROXY": "127.0.0.1",
        **more,
    }


def program(*words: str) -> list[str]:
    return [*PROGRAM, *words]


@pytest.fixture
def run(request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> Run:
    """Runs `transom` as an account of the shared service, in the test's folder. `stdin`: what it is given."""
    start = forks.start if request.node.get_closest_marker("real_start") is None else start_program

    def run(account: str, *words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return child.run(
            start, program(*words), tmp_path, environment(service, account, **environ), stdin=stdin
        )

    return run


class Shown(NamedTuple):
    """What a terminal was told, and the exit status."""

    text: str
    returncode: int


RunOnTerminal = Callable[..., Shown]


@pytest.fixture
def run_on_terminal(service: Service, tmp_path: Path) -> RunOnTerminal:
    """As `run`, with a terminal of so many columns, at which somebody types `typed`."""

    def run(account: str, *words: str, width: int = 80, typed: str = "") -> Shown:
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        process = subprocess.Popen(
            program(*words),
            cwd=tmp_path,
            env=environment(service, account, TERM="xterm-256color"),
            stdin=side,
            stdout=side,
            stderr=side,
        )
        os.close(side)
        os.write(main, typed.encode())
        shown = b""
        # Linux tells the end of the other side as an error.
        with killed_after(60, process), suppress(OSError):
            while chunk := os.read(main, 1 << 16):
                shown += chunk
        os.close(main)
        return Shown(shown.decode().replace("\r\n", "\n"), process.wait(60))

    return run
