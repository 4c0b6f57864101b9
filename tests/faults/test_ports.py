"""A port that a server is to have is nobody else's until it binds it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from harness import ports
from harness.ports import find_free_port


def test_processes_are_given_different_ports_that_no_connection_gets() -> None:
    ask = "from harness.ports import find_free_port; print(*[find_free_port() for _ in range(300)])"
    command = [sys.executable, "-c", ask]

    own = {find_free_port() for _ in range(300)}
    harness = str(Path(ports.__file__).parents[1])
    printed = subprocess.run(
        command, env={"PYTHONPATH": harness}, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    others = set(map(int, printed.split()))

    assert (len(own), len(others), own & others) == (300, 300, set())
    assert max(own | others) < ports.END


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    port = find_free_port()
    with socket.create_server(("127.0.0.1", port)):
        given = [find_free_port() for _ in range(600)]

    assert len(set(given)) > 300, "they come again only when all have been given"
    assert port not in given
