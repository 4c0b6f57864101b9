"""What reads the log takes nothing any more, as a journald that hangs or a terminal that was stopped, or
there is no output. The service goes on, and tells later what its log lacks."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import plain_http
from harness.child import PROGRAM, Process
from harness.service import Service

from .calls import PATIENCE_S, create_image, eventually, worker_pids

#: A path of which the log shows 2,048 characters: so many lines are more than a pipe and what waits for it.
_LONG = "/v2/images/" + "x" * 2_048
_MANY = 1_000
_LOST = "transom_log_lines_lost_total"


class _PipedService(Service):
    """Its log goes into a pipe."""

    def __init__(self, work_dir: Path, **settings: str) -> None:
        self.reader, self._writer = os.pipe()
        super().__init__(work_dir, None, settings, start=self._start_piped)

    def _start_piped(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str] | None, log_path: Path, **_: Any
    ) -> Process:
        with log_path.open("ab") as log:
            return subprocess.Popen(
                command, cwd=cwd, env=env, stdout=log, stderr=self._writer, start_new_session=True
            )

    @property
    def is_full(self) -> bool:
        return not select.select([], [self._writer], [], 0)[1]

    def read_on(self) -> Iterator[dict[str, Any]]:
        """The lines in the pipe and those to come."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
        with os.fdopen(self.reader, "rb") as lines:
            for line in lines:
                yield json.loads(line)


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[_PipedService]:
    with contextlib.closing(_PipedService(tmp_path, TRANSOM_WORKERS="2")) as service:
        service.start()
        yield service


def _fill(service: _PipedService) -> None:
    """Send requests until the pipe takes no line more, and some."""
    with plain_http.open_client(base_url=service.url, timeout=PATIENCE_S) as client:
        eventually(lambda: (client.get(_LONG), service.is_full)[1], bool)
        for _ in range(_MANY):
            assert client.get(_LONG).status_code == 401
        for path in ("/healthz", "/readyz"):
            assert client.get(path).status_code == 200


def _lost(service: Service) -> float:
    """Of both workers, as the metrics have it."""
    lines = plain_http.get(f"{service.url}/metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(_LOST))


def test_a_log_that_nobody_reads_holds_up_nothing(piped: _PipedService) -> None:
    _fill(piped)

    assert create_image(piped.client("publisher"))["status"] == "queued"
    assert _lost(piped) > 0


def test_the_parent_of_the_workers_goes_on_as_well(piped: _PipedService) -> None:
    """It logs that a worker ended, and another one has to start."""
    _fill(piped)
    victim = worker_pids(piped)[0]

    os.kill(victim, signal.SIGKILL)

    eventually(lambda: worker_pids(piped), lambda pids: len(pids) == 2 and victim not in pids)


def test_a_stop_goes_on_as_well(piped: _PipedService) -> None:
    _fill(piped)

    assert piped.stop() == 0


def test_the_log_says_what_it_lacks(piped: _PipedService) -> None:
    _fill(piped)
    lost = eventually(lambda: _lost(piped), lambda count: count > 0)

    lines = piped.read_on()
    told = 0
    while told < lost:
        # With the first lines that are written again.
        plain_http.get(f"{piped.url}/healthz")
        line = next(lines)
        told += line.get("lost", 0)

    # More of them by now: the metrics were asked for, too.
    assert told >= lost


def test_a_service_without_outputs_serves(tmp_path: Path) -> None:
    """As `transom serve <&- >&- 2>&-` in a script."""
    closing = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    with Service(tmp_path, program=(*closing, *PROGRAM)) as service:
        assert create_image(service.client("publisher"))["status"] == "queued"
        assert service.stop() == 0
