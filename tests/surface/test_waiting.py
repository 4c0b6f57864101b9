"""No test can wait for ever: each is ended, named, and the run goes on.

What tests wait for has a limit of its own, which says better what did not come.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .sources import parse

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "tests").rglob("*.py"))

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


_MODULES_THAT_WAIT = re.compile(
    r"^(?:import|from) (subprocess|threading|multiprocessing|socket|urllib|http\b)", re.M
)
#: Calls that wait, by their last name, and how many arguments come before that of the time.
WAITING = {"communicate": 1, "create_connection": 1, "urlopen": 2, "HTTPConnection": 2, "HTTPSConnection": 2}
#: Methods of threads, processes, events and barriers, whose only argument is the time.
JOINING = {"join", "wait"}
#: Functions of `subprocess`, which take the time by its name.
RUNNING = {"call", "check_call", "check_output", "run"}


def _waits_for_ever(call: ast.Call) -> bool:
    named = {keyword.arg for keyword in call.keywords}
    if "timeout" in named:
        return False
    match call.func:
        case ast.Attribute(value=ast.Name(id="subprocess"), attr=name) if name in RUNNING:
            # A mapping of options is taken to have it.
            return None not in named
        case ast.Attribute(attr=name) if name in JOINING:
            return not call.args
        case ast.Attribute(attr=name) | ast.Name(id=name) if name in WAITING:
            return len(call.args) <= WAITING[name]
    return False


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("subprocess.run(['true'], check=True)", True),
        ("subprocess.run(['true'], timeout=1)", False),
        ("process.communicate()", True),
        ("process.communicate(None, 5)", False),
        ("thread.join()", True),
        ("thread.join(5)", False),
        ("', '.join(words)", False),
        ("urlopen(request)", True),
        ("socket.create_connection(address, 5)", False),
    ],
)
def test_a_wait_without_an_end_is_found(code: str, expected: bool) -> None:
    (call,) = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))

    assert _waits_for_ever(call) is expected


def test_no_wait_of_the_tests_is_without_an_end() -> None:
    """Of coroutines, none is looked for: `timeout` ends those with their test."""
    found = []
    for source in SOURCES:
        if _MODULES_THAT_WAIT.search(source.read_text(encoding="utf-8")) is None:
            continue
        nodes = list(ast.walk(parse(source)))
        awaited = {id(node.value) for node in nodes if isinstance(node, ast.Await)}
        calls = [node for node in nodes if isinstance(node, ast.Call) and id(node) not in awaited]
        found += [f"{source.relative_to(ROOT)}:{call.lineno}" for call in calls if _waits_for_ever(call)]

    assert found == []
