"""Files of the operator's that are edited while the service runs: all workers go by the same, and by a new
one when they are told to; a mistake in one changes nothing."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from harness import plain_http
from harness.child import PROGRAM, start_program
from harness.hung_disk import hung_disk
from harness.service import MakeService, Service

from .calls import (
    PATIENCE_S,
    create_active_image,
    eventually,
    expect_eventually,
    new_client,
    worker_pids,
)
from .test_copies import is_over, start_copy

_MINE = '"get_images": "role:reader"\n'
_NOBODYS = '"get_images": "!"\n'
#: A connection for one request.
_ONCE = {"Connection": "close"}
_BROKEN = '"get_images": "role:\n  - [reader'


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(_MINE)
    return file


@pytest.fixture
def governed(make_service: MakeService, policy: Path) -> Service:
    return make_service("sqlite", TRANSOM_WORKERS="2", TRANSOM_POLICY_FILE=str(policy))


def _list_by_many(service: Service) -> set[int]:
    """The statuses of lists over so many connections that each worker has answered some."""
    with new_client(service, "publisher") as client:
        return {client.get("/v2/images", headers=_ONCE).status_code for _ in range(24)}


@contextmanager
def _locked(url: str, table: str) -> Iterator[Callable[[], bool]]:
    """What tells whether somebody waits for the table."""
    waits = f"select count(*) > 0 from pg_locks where relation = '{table}'::regclass and not granted"
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        try:
            runner.run(connection.execute(f"begin; lock table {table}"))
            yield lambda: bool(runner.run(connection.fetchval(waits)))
        finally:
            runner.run(connection.close())


def _reload(service: Service) -> None:
    os.kill(service.pid, signal.SIGHUP)


def _replace_a_worker(service: Service) -> None:
    before = worker_pids(service)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: worker_pids(service), lambda pids: len(pids) == 2 and before[0] not in pids)
    expect_eventually(lambda: _answers(service), True)


def _answers(service: Service) -> bool:
    """Whether no connection meets a worker that is not ready."""
    with plain_http.open_client(base_url=service.url) as client:
        try:
            return {client.get("/readyz", headers=_ONCE).status_code for _ in range(12)} == {200}
        except httpx.TransportError:
            return False


def _metrics(service: Service) -> str:
    return plain_http.get(f"{service.url}/metrics").text


def _stale(service: Service) -> list[str]:
    body: dict[str, list[str]] = plain_http.get(f"{service.url}/readyz").json()
    return body.get("files_not_in_force", [])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_NOBODYS, id="other rules", marks=pytest.mark.real_start),
        pytest.param(_BROKEN, id="malformed"),
        pytest.param(None, id="absent"),
    ],
)
def test_a_worker_that_replaces_another_goes_by_the_same_rules(
    governed: Service, policy: Path, content: str | None
) -> None:
    if content is None:
        policy.unlink()
    else:
        policy.write_text(content)

    _replace_a_worker(governed)

    assert _list_by_many(governed) == {200}
    assert _stale(governed) == ["policy_file"]
    assert 'transom_file_in_force{setting="policy_file"} 0.0' in _metrics(governed)


def test_all_workers_go_by_a_new_file_when_they_are_told(governed: Service, policy: Path) -> None:
    workers = worker_pids(governed)
    policy.write_text(_NOBODYS)

    _reload(governed)

    expect_eventually(lambda: _list_by_many(governed), {403})
    _replace_a_worker(governed)
    assert _list_by_many(governed) == {403}
    assert set(workers) & set(worker_pids(governed)), "the others were not replaced"
    assert _stale(governed) == []
    assert 'transom_file_in_force{setting="policy_file"} 1.0' in _metrics(governed)


def test_a_mistake_in_one_file_keeps_all_as_they_were(
    make_service: MakeService, policy: Path, tmp_path: Path
) -> None:
    versions = tmp_path / "versions.toml"
    versions.write_text("")
    service = make_service("sqlite", TRANSOM_POLICY_FILE=str(policy), TRANSOM_OS_VERSIONS_FILE=str(versions))
    policy.write_text(_NOBODYS)
    versions.write_text("[[os_version]]\nname = 7\n")

    _reload(service)

    expect_eventually(lambda: "stay as they were" in service.log_path.read_text(), True)
    log = service.log_path.read_text()
    assert str(versions) in log, "the log names the operator's file"
    assert _list_by_many(service) == {200}
    assert sorted(_stale(service)) == ["os_versions_file", "policy_file"]

    versions.write_text('[[os_version]]\nname = "Own 1"\nplatform = "Other"\n')
    _reload(service)

    expect_eventually(lambda: _list_by_many(service), {403})


def test_a_transfer_goes_on_while_files_are_read(governed: Service, policy: Path) -> None:
    publisher = governed.client("publisher")
    image = publisher.post("/v2/images", json={"disk_format": "raw", "container_format": "bare"}).json()

    def chunks() -> list[bytes]:
        policy.write_text(_NOBODYS)
        _reload(governed)
        return [b"data"] * 4

    def body() -> Iterator[bytes]:
        yield b"first"
        yield from chunks()

    answer = publisher.put(
        f"{image['self']}/file", content=body(), headers={"Content-Type": "application/octet-stream"}
    )

    assert answer.status_code == 204


def test_workers_answer_alike_while_the_accounts_are_malformed(governed: Service) -> None:
    """No answer by accounts of before: they may have somebody who was removed (docs/decisions/0002)."""
    accounts = governed.data_dir / "identity" / "accounts.yaml"
    sound = accounts.read_text()
    token = governed.token("publisher")
    accounts.write_text(sound.replace("users:", "user:", 1))
    expect_eventually(lambda: _list_by_many(governed), {503})

    before = worker_pids(governed)
    os.kill(before[0], signal.SIGKILL)
    after = eventually(lambda: worker_pids(governed), lambda pids: len(pids) == 2 and before[0] not in pids)
    expect_eventually(lambda: _list_by_many(governed), {503})
    assert worker_pids(governed) == after, "none of them ends for it"

    accounts.write_text(sound)
    expect_eventually(lambda: _list_by_many(governed), {200})
    assert governed.token("publisher") == token


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A file in a folder of its own, whose disk may hang."""
    folder = tmp_path / "rules"
    folder.mkdir()
    file = folder / "policy.yaml"
    file.write_text(_MINE)
    return file


def _go_on_watching(service: Service) -> dict[str, int]:
    with plain_http.open_client(base_url=service.url, timeout=PATIENCE_S) as client:
        return {path: client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics")}


def test_a_file_whose_disk_hangs_holds_up_nothing(make_service: MakeService, rules: Path) -> None:
    service = make_service("sqlite", TRANSOM_WORKERS="2", TRANSOM_POLICY_FILE=str(rules))
    with hung_disk(rules.parent):
        watched = _go_on_watching(service)
        _reload(service)
        _replace_a_worker(service)
        assert watched == _go_on_watching(service) == dict.fromkeys(watched, 200)
        assert _list_by_many(service) == {200}
    # The disk that was away is back.
    rules.write_text(_NOBODYS)
    _reload(service)
    expect_eventually(lambda: _list_by_many(service), {403})

    with hung_disk(rules.parent):
        _reload(service)
        assert service.stop() == 0


def test_jobs_go_on_while_a_file_hangs(make_service: MakeService, rules: Path, tmp_path: Path) -> None:
    service = make_service("sqlite", TRANSOM_SERVE_RUNS_JOBS="false", TRANSOM_POLICY_FILE=str(rules))
    image = create_active_image(service.client("publisher"), b"data")
    log = tmp_path / "work.log"
    settings = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")},
        "TRANSOM_DATA_DIR": str(service.data_dir),
        "TRANSOM_DATABASE": service.database,
        "TRANSOM_POLICY_FILE": str(rules),
    }
    worker = start_program([*PROGRAM, "work"], tmp_path, settings, log)
    try:
        first = start_copy(service, image)
        expect_eventually(lambda: is_over(service, first), True)
        with hung_disk(rules.parent):
            os.kill(worker.pid, signal.SIGHUP)
            job = start_copy(service, image)
            expect_eventually(lambda: is_over(service, job), True)
    finally:
        worker.terminate()
        assert worker.wait(60) == 0, log.read_text()


@pytest.mark.parametrize("_attempt", range(4))
def test_a_stop_that_follows_a_reload_at_once_is_not_lost(governed: Service, _attempt: int) -> None:
    _reload(governed)

    assert governed.stop() == 0


def test_a_worker_that_starts_goes_by_files_that_were_changed_meanwhile(
    make_service: MakeService, policy: Path
) -> None:
    """It has read them before, and waits for a table that somebody has locked."""
    service = make_service("postgresql", TRANSOM_WORKERS="2", TRANSOM_POLICY_FILE=str(policy))
    before = worker_pids(service)
    with _locked(service.database, "loose_blob") as is_waited_for:
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: worker_pids(service), lambda pids: len(pids) == 2 and before[0] not in pids)
        expect_eventually(is_waited_for, True)
        policy.write_text(_NOBODYS)
        _reload(service)
        expect_eventually(lambda: "taken into force again" in service.log_path.read_text(), True)

    expect_eventually(lambda: _list_by_many(service), {403})
