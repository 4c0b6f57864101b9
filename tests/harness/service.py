"""A real Transom server process: started, spoken to over HTTP, stopped or killed.

It knows the service only from outside: its command line, its `TRANSOM_*` settings, the `clouds.yaml` it
writes and its HTTP answers. It must not import the service. Start reading at `Service`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.05
LOG_TAIL_LINES = 60


class ServiceFailedError(Exception):
    """The server process did not do what it was asked; the text ends with the tail of its log."""


@dataclasses.dataclass(frozen=True)
class Cloud:
    """One account and the project it works in, as an OpenStack client would be configured with."""

    name: str
    auth_url: str
    username: str
    password: str
    project_name: str
    project_id: str


class Service:
    """One server process with its own port, data directory and database.

    The port is chosen once, so that after `stop` or `kill` a `start` serves the same data at the same
    address. Clients and tokens are kept over such a restart.

    database: `sqlite:///…` or `postgresql://…`; None is a SQLite file in work_dir.
    work_dir: an existing empty directory for everything the process writes.
    settings: further environment variables, named in full (`TRANSOM_…`); they win over ours.
    """

    def __init__(
        self, work_dir: Path, database: str | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.work_dir = work_dir
        self.data_dir = work_dir / "data"
        self.log_path = work_dir / "service.log"
        self.database = database or f"sqlite:///{work_dir / 'transom.db'}"
        self.settings = dict(settings or {})
        self.clouds: dict[str, Cloud] = {}
        self._address = f"127.0.0.1:{find_free_port()}"
        self._domain_name = "Default"
        self._process: subprocess.Popen[bytes] | None = None
        self._tokens: dict[str, str] = {}
        self._clients: dict[str | None, httpx.Client] = {}

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    @property
    def pid(self) -> int:
        """The id of the server process, which leads a process group of its own."""
        return self._running().pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and return when it is ready; raises ServiceFailedError if it never is."""
        if self._process is not None:
            raise ServiceFailedError("the service is running already")
        self.data_dir.mkdir(exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "transom", "serve"],
                cwd=self.work_dir,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
            self._read_clouds()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """Ask the process to end (SIGTERM), wait for it and return its exit status."""
        process = self._running()
        process.terminate()
        try:
            status = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failure(f"the service did not stop within {STOP_TIMEOUT_S:g} s") from None
        self._process = None
        return status

    def kill(self) -> None:
        """End the process and all its children at once (SIGKILL), as a power failure would."""
        process = self._running()
        # The group may be gone already when the process died by itself; waiting is still needed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT_S)
        self._process = None

    def close(self) -> None:
        """Stop the process if it runs and close all clients; the service is not to be used afterwards."""
        try:
            if self._process is not None:
                self.stop()
        finally:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def add_user(self, name: str, project: str, role: str) -> Cloud:
        """Make an account with one role in a project, new or not; the service must run."""
        password = secrets.token_urlsafe(18)
        command = [sys.executable, "-m", "transom", "accounts", "add", name]
        result = subprocess.run(
            [*command, "--project", project, "--role", role, "--password-stdin"],
            cwd=self.work_dir,
            env=self._environment(),
            input=f"{password}\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_TIMEOUT_S,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise ServiceFailedError(f"accounts add {name} ended with {result.returncode}:\n{result.stdout}")
        draft = Cloud(
            name=name,
            auth_url=self.clouds["admin"].auth_url,
            username=name,
            password=password,
            project_name=project,
            project_id="",
        )
        token, body = self._authenticate(draft)
        self._tokens[name] = token
        self.clouds[name] = dataclasses.replace(draft, project_id=str(body["token"]["project"]["id"]))
        return self.clouds[name]

    def use_clouds(self, clouds: Mapping[str, Cloud]) -> None:
        """Know the accounts of the Keystone that this service asks."""
        self.clouds.update(clouds)

    def token(self, name: str) -> str:
        """A project-scoped token of this account; the first one is kept."""
        if name not in self._tokens:
            self._tokens[name], _ = self._authenticate(self.clouds[name])
        return self._tokens[name]

    def client(self, name: str | None) -> httpx.Client:
        """The HTTP client that acts as this account; None acts without a token."""
        if name not in self._clients:
            # Errors come as JSON to who asks for it.
            headers = {"Accept": "application/json"}
            if name is not None:
                headers["X-Auth-Token"] = self.token(name)
            # Proxy settings of the machine must not stand between the tests and the loopback address.
            self._clients[name] = httpx.Client(
                base_url=self.url, headers=headers, timeout=30, trust_env=False
            )
        return self._clients[name]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServiceFailedError("the service is not running")
        return self._process

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")}
        return {
            **inherited,
            "TRANSOM_LISTEN": self._address,
            "TRANSOM_DATA_DIR": str(self.data_dir),
            "TRANSOM_DATABASE": self.database,
            **self.settings,
        }

    def _wait_until_ready(self) -> None:
        process = self._running()
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_ready():
            if process.poll() is not None:
                raise self._failure(f"the service ended with {process.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(f"the service was not ready within {READY_TIMEOUT_S:g} s")
            # Another process becomes ready when it does: asking again is the only way to learn it.
            time.sleep(POLL_INTERVAL_S)

    def _is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    def _read_clouds(self) -> None:
        if not (self.data_dir / "clouds.yaml").exists():
            # Its accounts are in a Keystone; see `use_clouds`.
            return
        document: dict[str, Any] = yaml.safe_load((self.data_dir / "clouds.yaml").read_text())
        for name, entry in document["clouds"].items():
            auth = entry["auth"]
            self._domain_name = auth["user_domain_name"]
            self.clouds[name] = Cloud(
                name=name,
                auth_url=auth["auth_url"],
                username=auth["username"],
                password=auth["password"],
                project_name=auth["project_name"],
                project_id=auth["project_id"],
            )

    def _authenticate(self, cloud: Cloud) -> tuple[str, dict[str, Any]]:
        domain = {"name": self._domain_name}
        user = {"name": cloud.username, "domain": domain, "password": cloud.password}
        request = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": cloud.project_name, "domain": domain}},
            }
        }
        answer = self.client(None).post(f"{cloud.auth_url.rstrip('/')}/auth/tokens", json=request)
        if answer.status_code != httpx.codes.CREATED:
            raise self._failure(f"no token for {cloud.name}: {answer.status_code} {answer.text}")
        body: dict[str, Any] = answer.json()
        return answer.headers["X-Subject-Token"], body

    def _failure(self, what: str) -> ServiceFailedError:
        tail = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return ServiceFailedError("\n".join([what, f"--- end of {self.log_path.name} ---", *tail]))


def find_free_port() -> int:
    """A port that was free a moment ago.

    The kernel gives it out and it is released before the service binds it; the window is small, and a lost
    race shows at once as a service that ends before it is ready.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
