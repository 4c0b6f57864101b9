"""Most services of the tests are forks of a process with the imports behind it. They are as a start is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import child, forks
from harness.child import PROGRAM, ServiceFailedError, Start, is_alive, start_program
from harness.service import Service

from .calls import eventually


def _facts(service: Service) -> dict[str, object]:
    """What a process has from its start: signals, open files, session, folder."""
    process = Path(f"/proc/{service.pid}")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    opened = [str(file.readlink()) for file in (process / "fd").iterdir()]
    return {
        "signals": {name: status[name] for name in ("SigBlk", "SigIgn", "SigCgt")},
        "threads": status["Threads"],
        "umask": status["Umask"],
        "opened": sorted(name.partition("[")[0] for name in opened if name.startswith(("socket", "pipe"))),
        "log": opened.count(str(service.log_path)),
        "input": str((process / "fd/0").readlink()),
        "session": os.getsid(service.pid) == service.pid,
        "folder": str((process / "cwd").readlink()) == str(service.work_dir),
    }


def _start_and_stop(folder: Path, start: Start) -> tuple[dict[str, object], int]:
    folder.mkdir()
    with Service(folder, start=start) as service:
        facts = _facts(service)
        return facts, service.stop()


def test_a_fork_is_as_a_start(tmp_path: Path) -> None:
    as_usual = _start_and_stop(tmp_path / "usual", start_program)

    assert _start_and_stop(tmp_path / "forked", forks.start) == as_usual


@pytest.mark.parametrize("words", ["--version", "share offer", "image list", "accounts list"])
def test_a_verb_that_is_forked_is_as_one_that_is_started(tmp_path: Path, words: str) -> None:
    nobody = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "TRANSOM_"))}
    environ = {**nobody, "OS_CLIENT_CONFIG_FILE": str(tmp_path / "nowhere")}

    started, forked = (
        child.run(start, [*PROGRAM, *words.split()], tmp_path, environ)
        for start in (start_program, forks.start)
    )

    assert started.stdout + started.stderr
    assert vars(forked) == vars(started)


def test_a_start_that_fails_is_told_with_its_log(tmp_path: Path) -> None:
    service = Service(tmp_path, settings={"TRANSOM_STORES": "nonsense"}, start=forks.start)

    with pytest.raises(ServiceFailedError, match=r"(?s)ended with 1 before.*Error: stores: a store is spelt"):
        service.start()


def test_what_says_how_python_starts_is_not_passed_over(tmp_path: Path) -> None:
    command, log = [*PROGRAM, "--version"], tmp_path / "log"

    processes = [
        forks.start(command, tmp_path, {**os.environ, **more}, log) for more in ({}, {"TZ": "UTC+3"})
    ]

    assert [process.wait(30) for process in processes] == [0, 0]
    assert [isinstance(process, forks.Forked) for process in processes] == [True, False]


def test_a_process_lives_as_long_as_one_of_its_threads(tmp_path: Path) -> None:
    """As one that is killed while it writes: its first thread has ended, and its files are still open."""
    threads = "import ctypes, threading; threading.Thread(target=input).start(); "
    ends_first = [sys.executable, "-c", threads + "ctypes.CDLL(None).pthread_exit(None)"]

    with subprocess.Popen(ends_first, stdin=subprocess.PIPE, start_new_session=True) as process:
        stat = Path(f"/proc/{process.pid}/stat")
        eventually(lambda: stat.read_text().rpartition(")")[2].split()[0], lambda state: state == "Z")
        lived = is_alive(process.pid)
        process.communicate(b"\n", timeout=30)

    assert (lived, is_alive(process.pid)) == (True, False)


def test_a_signal_that_ends_it_is_its_status(tmp_path: Path) -> None:
    process = forks.start([*PROGRAM, "work"], tmp_path, None, tmp_path / "log")

    os.kill(process.pid, signal.SIGKILL)

    assert process.wait(30) == -signal.SIGKILL
    assert process.poll() == -signal.SIGKILL
