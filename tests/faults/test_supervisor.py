"""Workers that end again and again: each is replaced as long as one can start, and takes no other along."""

import multiprocessing
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import httpx
import pytest
from harness.service import MakeService, Service

from transom.cli.supervisor import signal_workers

from .calls import PATIENCE_S, eventually, expect_eventually, new_client, worker_pids

#: A connection for one request.
_ONCE = {"Connection": "close"}
#: More often within seconds than a crash would be taken for bad luck.
_TIMES = 3


def _replace(service: Service, victim: int, count: int) -> None:
    """Kill the worker, and wait for another in its place."""
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: worker_pids(service), lambda pids: len(pids) == count and victim not in pids)


def _answers(service: Service) -> bool:
    with new_client(service, "publisher") as client:
        try:
            return client.get("/v2/images", headers=_ONCE).status_code == 200
        except httpx.TransportError:
            return False


def _failed_starts(service: Service) -> int:
    return service.log_path.read_text().count("the worker cannot start")


def test_a_worker_that_is_killed_again_and_again_takes_no_other_along(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_WORKERS="2")
    victim, other = worker_pids(service)

    for _ in range(_TIMES):
        _replace(service, victim, 2)
        victim = next(pid for pid in worker_pids(service) if pid != other)

    assert other in worker_pids(service)
    expect_eventually(lambda: _answers(service), True)


def test_the_only_worker_is_replaced_however_often_it_is_killed(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_WORKERS="1")

    for _ in range(_TIMES):
        _replace(service, worker_pids(service)[0], 1)
        expect_eventually(lambda: _answers(service), True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_that_cannot_be_replaced_for_a_while_takes_no_other_along(
    make_service: MakeService, workers: str
) -> None:
    service = make_service("sqlite", TRANSOM_WORKERS=workers)
    victim, *others = worker_pids(service)

    # A process takes descriptors in its parent; one that lacks memory for it fails alike.
    limits = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    os.kill(victim, signal.SIGKILL)
    expect_eventually(lambda: service.log_path.read_text().count("cannot be replaced now") >= 2, True)
    assert worker_pids(service) == others
    if others:
        assert _answers(service)

    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, limits)
    eventually(lambda: worker_pids(service), lambda pids: len(pids) == int(workers))
    expect_eventually(lambda: _answers(service), True)
    assert set(others) < set(worker_pids(service))


def test_a_service_that_cannot_copy_the_operators_files_goes_on(
    make_service: MakeService, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('"get_images": "role:reader"\n')
    service = make_service("sqlite", TRANSOM_POLICY_FILE=str(policy))
    workers = worker_pids(service)
    # As where its disk is full.
    shutil.rmtree(_runtime_folder(service) / "files")

    os.kill(service.pid, signal.SIGHUP)

    said = "the operator's files stay as they were"
    expect_eventually(lambda: said in service.log_path.read_text(), True)
    assert _answers(service)
    assert worker_pids(service) == workers


def test_the_service_ends_when_no_worker_can_start(make_service: MakeService, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('"get_images": "role:reader"\n')
    service = make_service("sqlite", TRANSOM_WORKERS="2", TRANSOM_POLICY_FILE=str(policy))
    first, second = worker_pids(service)
    # One that is so old has not just failed to start.
    expect_eventually(lambda: _age_s(second) > 5, True)
    # Of the policy each worker reads a copy when it starts.
    shutil.rmtree(_runtime_folder(service) / "files")

    os.kill(first, signal.SIGKILL)

    expect_eventually(lambda: _failed_starts(service) >= _TIMES, True)
    assert second in worker_pids(service)
    os.kill(second, signal.SIGKILL)
    pid = service.pid
    expect_eventually(lambda: _has_ended(pid), True)
    assert service.stop() == 1
    assert "no worker can start" in service.log_path.read_text()


def _runtime_folder(service: Service) -> Path:
    """That of the running service, by a file that it has open."""
    files = [link.readlink() for link in Path(f"/proc/{service.pid}/fd").iterdir()]
    return next(file.parent for file in files if file.parent.name.startswith("transom-metrics"))


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or _stat(pid)[0] == "Z"


def _age_s(pid: int) -> float:
    started = int(_stat(pid)[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def test_a_worker_that_has_just_ended_keeps_no_signal_from_the_others() -> None:
    """It ended the supervisor, and with it the service, when a worker was killed as a SIGHUP came."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    ended, alive = (context.Process(target=there.recv) for _ in range(2))
    ended.start()
    alive.start()
    assert ended.pid is not None
    ended.kill()
    # As the thread that waits for it does, before anybody else knows.
    os.waitpid(ended.pid, 0)

    signal_workers(signal.SIGKILL)
    alive.join(PATIENCE_S)

    assert alive.exitcode == -signal.SIGKILL
    here.close()
    there.close()
