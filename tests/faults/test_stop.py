"""Starting and stopping: what is under way is finished, a wrong start is refused and says why."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from random import Random

import httpx
import pytest
from harness import plain_http
from harness.ports import find_free_port
from harness.service import MakeService, Service

from .calls import (
    PATIENCE_S,
    create_active_image,
    create_image,
    eventually,
    expect_eventually,
    owned_sizes,
    show_image,
    stored_sizes,
    worker_pids,
)
from .processes import serve_in_vain
from .uploads import HeldUpload

pytestmark = pytest.mark.real_start

MIB = 1 << 20
#: More than the sockets between the service and a client that does not read can hold.
LARGE_BYTES = 32 * MIB
SMALL_BUFFER_BYTES = 65536
DEPLOYMENTS = [
    pytest.param("sqlite", "1", id="sqlite"),
    pytest.param("sqlite", "2", id="sqlite with two workers"),
    pytest.param("postgresql", "1", id="postgresql"),
]
WRONG_SETTINGS = [
    pytest.param({"TRANSOM_WORKRES": "2"}, "TRANSOM_WORKRES", id="unknown variable"),
    pytest.param({"TRANSOM_WORKERS": "two"}, "TRANSOM_WORKERS", id="not a number"),
    pytest.param({"TRANSOM_WORKERS": "0"}, "workers", id="out of range"),
    pytest.param({"TRANSOM_METRICS": "maybe"}, "TRANSOM_METRICS", id="neither true nor false"),
    pytest.param({"TRANSOM_LISTEN": "9292"}, "listen", id="address without host"),
    pytest.param({"TRANSOM_DATABASE": "mysql://root@db/transom"}, "database", id="unknown database"),
    pytest.param({"TRANSOM_LOG_LEVEL": "chatty"}, "log_level", id="unknown word"),
    pytest.param({"TRANSOM_CONFIG": "absent.toml"}, "absent.toml", id="file that is not there"),
]
WRONG_FILES = [
    pytest.param("worker = 2\n", "worker", id="unknown key"),
    pytest.param('workers = "2"\n', "workers", id="text for a number"),
    pytest.param("workers = -1\n", "workers", id="out of range"),
    pytest.param("[server]\nworkers = 2\n", "server", id="unknown table"),
    pytest.param("workers =\n", "transom.toml", id="not TOML"),
]
WRONG_FLAGS = [
    pytest.param(("--workers", "0"), "workers", id="out of range"),
    pytest.param(("--listen", "nowhere"), "listen", id="address without port"),
    pytest.param(("--prot", "9292"), "--prot", id="unknown flag"),
]


@pytest.mark.parametrize(("database", "workers"), DEPLOYMENTS)
def test_an_upload_and_a_download_under_way_are_finished_when_the_service_is_told_to_stop(
    make_service: MakeService, database: str, workers: str
) -> None:
    service = make_service(database, TRANSOM_WORKERS=workers)
    client = service.client("publisher")
    content = Random(0).randbytes(LARGE_BYTES)
    large = create_active_image(client, content)
    coming = create_image(client)["id"]

    with (
        HeldUpload(service, "publisher", coming) as upload,
        _begin_download(service, large) as connection,
        ThreadPoolExecutor(1) as threads,
    ):
        upload.send(b"x" * MIB)
        expect_eventually(lambda: show_image(client, coming)["status"], "saving")
        connection.recv(1, socket.MSG_PEEK)
        stopping = threads.submit(service.stop)
        expect_eventually(lambda: _is_listening(service), False)
        upload.send(b"y" * MIB)
        uploaded = upload.finish()
        downloaded = _read_body(connection)
        exit_status = stopping.result()
    service.start()

    assert uploaded == 204
    assert hashlib.sha512(downloaded).digest() == hashlib.sha512(content).digest()
    assert exit_status == 0
    assert show_image(client, coming)["status"] == "active"
    assert client.get(f"/v2/images/{coming}/file").content == b"x" * MIB + b"y" * MIB
    assert stored_sizes(service) == owned_sizes(service) == [2 * MIB, LARGE_BYTES]


@pytest.mark.parametrize(("database", "workers"), DEPLOYMENTS)
def test_what_takes_longer_than_the_stop_may_take_is_broken_off_and_undone(
    make_service: MakeService, database: str, workers: str
) -> None:
    service = make_service(database, TRANSOM_WORKERS=workers, TRANSOM_STOP_TIMEOUT_S="1")
    client = service.client("publisher")
    image_id = create_image(client)["id"]

    with HeldUpload(service, "publisher", image_id) as upload:
        upload.send(b"x" * MIB)
        expect_eventually(lambda: show_image(client, image_id)["status"], "saving")
        service.stop()
        answer = upload.finish()
    service.start()

    assert answer is None
    assert show_image(client, image_id)["status"] == "queued"
    assert stored_sizes(service) == []


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_without_work_stops_with_exit_status_0(
    make_service: MakeService, signal_number: signal.Signals
) -> None:
    service = make_service("sqlite", TRANSOM_WORKERS="2")

    os.kill(service.pid, signal_number)
    # Left for the harness to reap, so that it finds its process as it expects it.
    ended = os.waitid(os.P_PID, service.pid, os.WEXITED | os.WNOWAIT)

    assert ended is not None
    assert (ended.si_code, ended.si_status) == (os.CLD_EXITED, 0)


@pytest.mark.parametrize(
    ("verb", "again"), [("serve", signal.SIGTERM), ("serve", signal.SIGHUP), ("work", signal.SIGTERM)]
)
def test_who_is_told_to_stop_ends_as_it_should_whatever_it_is_told_until_then(
    make_service: MakeService, verb: str, again: signal.Signals
) -> None:
    """To the very end: the last of the signals comes when Python has nothing left to do."""
    service = make_service("sqlite")
    with started(service, verb) as process:
        process.terminate()
        while not has_ended(process):
            process.send_signal(again)

        assert process.returncode == 0, (service.work_dir / f"{verb}.log").read_text()


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Before the next signal, so that there is a moment between two."""
    try:
        process.wait(0.001)
    except subprocess.TimeoutExpired:
        return False
    return True


@contextmanager
def started(service: Service, verb: str) -> Iterator[subprocess.Popen[bytes]]:
    """A further process over the service's database and data folder, which has begun its work."""
    address = f"127.0.0.1:{find_free_port()}"
    environment = (
        os.environ
        | service.settings
        | {
            "TRANSOM_DATA_DIR": str(service.data_dir),
            "TRANSOM_DATABASE": service.database,
            "TRANSOM_LISTEN": address,
        }
    )
    command = [sys.executable, "-m", "transom", verb]
    log = service.work_dir / f"{verb}.log"
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stderr=output) as process:
        try:
            expect_eventually(lambda: has_begun(log, address), True)
            yield process
        finally:
            process.kill()


def has_begun(log: Path, address: str) -> bool:
    """Whether the worker says so, or the service is ready."""
    if '"working"' in log.read_text():
        return True
    try:
        return plain_http.get(f"http://{address}/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_a_stop_that_meets_a_worker_at_its_very_start_is_heard(make_service: MakeService) -> None:
    """A worker that has no handlers of its own yet must not swallow the signal: nobody would send another."""
    service = make_service("sqlite")
    before = worker_pids(service)

    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: worker_pids(service), lambda pids: pids not in ([], before))

    assert service.stop() == 0


def test_a_second_service_at_the_same_address_is_refused_while_the_first_goes_on(
    make_service: MakeService, tmp_path: Path
) -> None:
    service = make_service("sqlite")
    address = httpx.URL(service.url).netloc.decode()

    ended = serve_in_vain(tmp_path, TRANSOM_LISTEN=address)

    assert ended.status != 0
    assert address in ended.output
    assert "Traceback" not in ended.output
    assert service.client("publisher").get("/v2/images").status_code == 200


def test_a_refused_second_service_leaves_the_uploads_of_the_first_alone(make_service: MakeService) -> None:
    service = make_service("sqlite")
    client = service.client("publisher")
    image_id = create_image(client)["id"]

    with HeldUpload(service, "publisher", image_id) as upload:
        upload.send(b"x" * MIB)
        expect_eventually(lambda: show_image(client, image_id)["status"], "saving")
        ended = serve_in_vain(
            service.work_dir,
            TRANSOM_LISTEN=httpx.URL(service.url).netloc.decode(),
            TRANSOM_DATA_DIR=str(service.data_dir),
            TRANSOM_DATABASE=service.database,
        )
        answer = upload.finish()

    assert ended.status != 0
    assert answer == 204
    assert show_image(client, image_id)["status"] == "active"


def test_a_second_service_on_the_same_data_leaves_the_uploads_of_the_first_alone(
    make_service: MakeService, tmp_path: Path
) -> None:
    service = make_service("sqlite")
    client = service.client("publisher")
    image_id = create_image(client)["id"]

    with HeldUpload(service, "publisher", image_id) as upload:
        upload.send(b"x" * MIB)
        expect_eventually(lambda: show_image(client, image_id)["status"], "saving")
        second = Service(tmp_path, service.database)
        second.data_dir = service.data_dir
        with second:
            answer = upload.finish()

    assert answer == 204
    assert show_image(client, image_id)["status"] == "active"
    assert stored_sizes(service) == [MIB]


def test_a_start_on_an_empty_folder_makes_all_that_is_needed(make_service: MakeService) -> None:
    service = make_service("sqlite")

    assert plain_http.get(f"{service.url}/readyz").status_code == 200
    assert set(service.clouds) == {"admin", "publisher", "recipient", "other"}
    assert service.client("publisher").get("/v2/images").json()["images"] == []


def test_accounts_and_tokens_survive_a_restart_and_a_kill(make_service: MakeService) -> None:
    service = make_service("sqlite")
    added = service.add_user("newcomer", "newcomers", "member")
    before = dict(service.clouds)
    client = service.client("newcomer")
    revoked = service.token("other")
    assert _revoke(service, revoked) == 204

    service.stop()
    service.start()
    service.kill()
    service.start()

    assert service.clouds == before
    assert client.get("/v2/images").status_code == 200
    assert _sign_in(service, "newcomer") == 201
    assert _get_images(service, revoked) == 401
    assert create_image(client)["owner"] == added.project_id


@pytest.mark.parametrize(("settings", "named"), WRONG_SETTINGS)
def test_a_wrong_environment_variable_is_refused_by_name(
    tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    ended = serve_in_vain(tmp_path, **settings)

    assert ended.status != 0
    assert named in ended.output
    assert "Traceback" not in ended.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "named"), WRONG_FILES)
def test_a_wrong_settings_file_is_refused_by_name(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "transom.toml").write_text(content)

    ended = serve_in_vain(tmp_path)

    assert ended.status != 0
    assert named in ended.output
    assert "transom.toml" in ended.output or named in content
    assert "Traceback" not in ended.output
    assert [path.name for path in tmp_path.iterdir()] == ["transom.toml"]


@pytest.mark.parametrize(("flags", "named"), WRONG_FLAGS)
def test_a_wrong_flag_is_refused_by_name(tmp_path: Path, flags: tuple[str, ...], named: str) -> None:
    ended = serve_in_vain(tmp_path, *flags)

    assert ended.status != 0
    assert named in ended.output
    assert "Traceback" not in ended.output


def test_a_database_that_does_not_answer_is_a_clear_refusal_to_start(
    make_service: MakeService, tmp_path: Path
) -> None:
    address = httpx.URL(make_service("sqlite").url).netloc.decode()

    # An HTTP server is no PostgreSQL, and sure to be there.
    ended = serve_in_vain(
        tmp_path, TRANSOM_LISTEN="127.0.0.1:0", TRANSOM_DATABASE=f"postgresql://transom@{address}/transom"
    )

    assert ended.status != 0
    assert "database" in ended.output
    assert "Traceback" not in ended.output


def test_a_data_folder_that_cannot_be_made_is_a_clear_refusal_to_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    ended = serve_in_vain(
        tmp_path, TRANSOM_LISTEN="127.0.0.1:0", TRANSOM_DATA_DIR=str(tmp_path / "file" / "data")
    )

    assert ended.status != 0
    assert str(tmp_path / "file") in ended.output
    assert "Traceback" not in ended.output


def _begin_download(service: Service, image_id: str) -> socket.socket:
    """A connection on which the image's data was asked for and little of it can wait to be read."""
    url = httpx.URL(service.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    connection.settimeout(PATIENCE_S)
    connection.connect((url.host, url.port or 80))
    head = [
        f"GET /v2/images/{image_id}/file HTTP/1.1",
        f"Host: {url.netloc.decode()}",
        f"X-Auth-Token: {service.token('publisher')}",
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
    return connection


def _read_body(connection: socket.socket) -> bytes:
    response = HTTPResponse(connection)
    response.begin()
    assert response.status == 200
    return response.read()


def _is_listening(service: Service) -> bool:
    url = httpx.URL(service.url)
    try:
        socket.create_connection((url.host, url.port or 80), timeout=PATIENCE_S).close()
    except ConnectionError:
        return False
    return True


def _get_images(service: Service, token: str) -> int:
    return service.client(None).get("/v2/images", headers={"X-Auth-Token": token}).status_code


def _revoke(service: Service, token: str) -> int:
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    return service.client(None).delete("/identity/v3/auth/tokens", headers=headers).status_code


def _sign_in(service: Service, name: str) -> int:
    cloud = service.clouds[name]
    password = {"user": {"name": name, "domain": {"name": "Default"}, "password": cloud.password}}
    identity = {"methods": ["password"], "password": password}
    scope = {"project": {"id": cloud.project_id}}
    return (
        service.client(None)
        .post(
            f"{cloud.auth_url}/auth/tokens",
            json={"auth": {"identity": identity, "scope": scope}},
        )
        .status_code
    )
