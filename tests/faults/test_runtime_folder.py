"""The counters of a service that was killed do not stay in memory for ever, and nobody else's go."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.child import killed_after

#: Says where its counters are, and lives until it is told to end; its fork lives on for as long as it may.
_COUNTING = """
import os, sys
from transom.telemetry import runtime_folder
with runtime_folder():
    forked = "fork" in sys.argv and os.fork() == 0
    if not forked:
        print(os.environ["PROMETHEUS_MULTIPROC_DIR"], flush=True)
    sys.stdin.read()
    if forked:
        os._exit(0)
"""


@contextmanager
def _counting(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process with counters, and their folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", _COUNTING, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, killed_after(60, process):
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        assert process.stdin is not None
        process.stdin.close()
        # Ends with the last that holds it: neither the process nor its fork is left.
        process.stdout.read()


def test_a_start_removes_the_counters_of_a_service_that_was_killed() -> None:
    with _counting() as (killed, left):
        killed.kill()
        killed.wait(30)
        assert left.is_dir()

        with _counting() as (_process, folder):
            assert folder.is_dir()

    assert not left.exists()
    assert not folder.exists()


def test_a_start_leaves_the_counters_of_others_alone() -> None:
    with _counting() as (_process, living), _counting():
        assert living.is_dir()


def test_counters_are_in_use_for_as_long_as_a_worker_lives() -> None:
    """Granian's workers outlive a parent that was killed for a moment, and count."""
    with _counting("fork") as (killed, folder):
        killed.kill()
        killed.wait(30)
        with _counting():
            assert folder.is_dir()
    with _counting():
        pass
    assert not folder.exists()
