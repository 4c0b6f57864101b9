"""No test can wait for ever: each is ended, named, and the run goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TESTS = """
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest


def wait_for_ever():
    threading.Event().wait()


@pytest.fixture
def waits_before():
    wait_for_ever()


@pytest.fixture
def waits_after():
    yield
    wait_for_ever()


def test_waits():
    wait_for_ever()


def test_waits_before(waits_before):
    pass


def test_waits_after(waits_after):
    pass


def test_waits_again_when_it_is_ended():
    with ThreadPoolExecutor() as threads:
        threads.submit(wait_for_ever).result()


def test_fails_and_waits_after(waits_after):
    assert False


def test_passes():
    pass
"""


def test_whatever_waits_is_named_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "test_waiting.py").write_text(TESTS)

    command = [sys.executable, "-m", "pytest", "-n", "1", "-p", "no:cacheprovider", "-p", "harness.limits"]
    command += [f"--rootdir={tmp_path}", f"--config-file={ROOT}/pyproject.toml"]
    command += ["--override-ini=timeout=2", "--override-ini=faulthandler_timeout=8", "test_waiting.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    lines = [line.split() for line in done.stdout.splitlines()]
    assert {tuple(words[:2]) for words in lines if words and words[0] in ("FAILED", "ERROR")} == {
        ("FAILED", "test_waiting.py::test_waits"),
        ("ERROR", "test_waiting.py::test_waits_before"),
        ("ERROR", "test_waiting.py::test_waits_after"),
        ("FAILED", "test_waiting.py::test_waits_again_when_it_is_ended"),
        ("FAILED", "test_waiting.py::test_fails_and_waits_after"),
    }, done.stdout + done.stderr
    # The test that passes, and the call of the one whose fixture waits.
    assert "2 passed" in done.stdout
    # The stacks, also of a process that had to be ended.
    assert "Failed: Timeout (>2.0s) from pytest-timeout." in done.stdout
    assert "in test_waits_again_when_it_is_ended" in done.stderr
    assert "in waits_after" in done.stderr
