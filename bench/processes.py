"""Processes as /proc shows them: whose children they are, what processor time and memory they take."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen, TimeoutExpired
from types import TracebackType
from typing import Self

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20
_PROC = Path("/proc")
_SAMPLE_INTERVAL_S = 0.01
_READY_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
#: Columns of /proc/stat that count as work: user, nice, system, irq, softirq, steal.
_BUSY_COLUMNS = (1, 2, 3, 6, 7, 8)


class BenchError(Exception):
    """A measurement cannot be made; the text says why."""


def tree_of(root: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit() and (fields := _stat_fields(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def worker_of(root: int) -> int:
    """The worker process of a Granian server: the largest of its children."""
    return max(tree_of(root)[1:], key=rss_bytes)


def cpu_s(root: int) -> float:
    """Processor time (user and system) that the process tree has used, seconds."""
    fields = [_stat_fields(pid) for pid in tree_of(root)]
    return sum(int(found[11]) + int(found[12]) for found in fields if found) / TICKS_PER_S


def rss_bytes(pid: int) -> int:
    """Resident memory of one process; 0 once it is gone."""
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name (state is the first); [] once it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _machine_busy_s() -> float:
    columns = (_PROC / "stat").read_text().splitlines()[0].split()
    return sum(int(columns[number]) for number in _BUSY_COLUMNS) / TICKS_PER_S


def _own_cpu_s() -> float:
    """Ours and that of the children we waited for (wrk)."""
    return sum(os.times()[:4])


class Watch:
    """While entered, counts the processor time of one server, of the one beside it that it uses, and of
    strangers.

    Afterwards `cpu_s` and `beside_cpu_s` (seconds), `elapsed_s` and `other_cores` (cores taken by neither
    the servers nor us).
    """

    def __init__(self, root: int, beside: int | None = None) -> None:
        self._root = root
        self._beside = beside
        self.cpu_s = self.beside_cpu_s = self.elapsed_s = self.other_cores = 0.0

    def __enter__(self) -> Self:
        self._before = self._read()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        after = self._read()
        self.elapsed_s, self.cpu_s, self.beside_cpu_s, ours, busy = (
            now - then for now, then in zip(after, self._before, strict=True)
        )
        self.other_cores = max(busy - self.cpu_s - self.beside_cpu_s - ours, 0.0) / self.elapsed_s

    def _read(self) -> tuple[float, ...]:
        beside_s = 0.0 if self._beside is None else cpu_s(self._beside)
        return time.monotonic(), cpu_s(self._root), beside_s, _own_cpu_s(), _machine_busy_s()


class RssPeak:
    """While entered, samples the memory of one process; afterwards `peak_bytes` is the most that was seen."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._sampler.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._sampler.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_INTERVAL_S):
            self.peak_bytes = max(self.peak_bytes, rss_bytes(self._pid))


@contextmanager
def run_server(
    command: Sequence[str], port: int, log_path: Path, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """The id of a server process that accepts connections on the port; it is stopped afterwards."""
    with log_path.open("ab") as log:
        process = Popen(command, stdin=DEVNULL, stdout=log, stderr=STDOUT, env=environment)
    try:
        _wait_for_port(process, port, log_path)
        yield process.pid
    finally:
        stop(process)


def stop(process: Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_port(process: Popen[bytes], port: int, log_path: Path) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"{process.args!r} does not serve:\n{log_path.read_text(errors='replace')}")
        time.sleep(0.02)
