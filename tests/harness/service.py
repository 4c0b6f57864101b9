"""A real Transom server process: started, spoken to over HTTP, stopped or killed.

It knows the service only from outside: its command line, its `TRANSOM_*` settings, the `clouds.yaml` it
writes and its HTTP answers. It must not import the service. Its clients hold every answer against the
OpenAPI document (`answers.py`). Start reading at `Service`.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import httpx
import yaml

from harness import child, plain_http
from harness.answers import check
from harness.child import PROGRAM, Child, ServiceFailedError, Start, start_program
from harness.ports import find_free_port

READY_TIMEOUT_S = 60.0


@dataclasses.dataclass(frozen=True)
class Cloud:
    """One account and the project it works in, as an OpenStack client would be configured with."""

    name: str
    auth_url: str
    username: str
    password: str
    project_name: str
    project_id: str


class MakeService(Protocol):
    """Start a service over a fresh database; settings are environment variables named in full."""

    def __call__(self, database: str, **settings: str) -> Service: ...


def _makes_its_own(_service: Service) -> AbstractContextManager[None]:
    """All that a service needs, when it starts as for its users."""
    return nullcontext()


class Service:
    """One server process with its own port, data directory and database.

    The port is chosen once, so that after `stop` or `kill` a `start` serves the same data at the same
    address. Clients and tokens are kept over such a restart.

    database: `sqlite:///…` or `postgresql://…`; None is a SQLite file in work_dir.
    work_dir: an existing empty directory for everything the process writes.
    settings: further environment variables, named in full (`TRANSOM_…`); they win over ours.
    program: the `transom` command; that of the tests' own environment unless given.
    address: where it serves (host:port), for who has to know beforehand.
    start: how `transom` becomes a process.
    prepared: around each start, gives the service what was made before (`forks.py`).
    """

    def __init__(
        self,
        work_dir: Path,
        database: str | None = None,
        settings: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
        address: str | None = None,
        start: Start = start_program,
        prepared: Callable[[Service], AbstractContextManager[None]] = _makes_its_own,
    ) -> None:
        self._start = start
        self._prepared = prepared
        self._program = program
        self.work_dir = work_dir
        self.data_dir = work_dir / "data"
        self.log_path = work_dir / "service.log"
        self.database = database or f"sqlite:///{work_dir / 'transom.db'}"
        self.settings = dict(settings or {})
        self.clouds: dict[str, Cloud] = {}
        self._address = address or f"127.0.0.1:{find_free_port()}"
        self._domain_name = "Default"
        self._child = Child("the service", self.log_path, self._is_ready, READY_TIMEOUT_S)
        self._tokens: dict[str, str] = {}
        self._clients: dict[str | None, httpx.Client] = {}

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    @property
    def pid(self) -> int:
        """The id of the server process, which leads a process group of its own."""
        return self._child.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and return when it is ready; raises ServiceFailedError if it never is."""
        with self._prepared(self):
            self._start_process()

    def _start_process(self) -> None:
        self.data_dir.mkdir(exist_ok=True)
        command = [*self._program, "serve"]
        self._child.start(command, self.work_dir, self._environment(), self._start)
        try:
            self._read_clouds()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """Ask the process to end (SIGTERM), wait for it and return its exit status."""
        return self._child.stop()

    def kill(self) -> None:
        """End the process and all its children at once (SIGKILL), as a power failure would."""
        self._child.kill()

    def close(self) -> None:
        """Stop the process if it runs and close all clients; the service is not to be used afterwards."""
        try:
            if self._child.is_running:
                self.stop()
        finally:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def run(
        self, *arguments: str, within_s: float = child.COMMAND_TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run another verb of the command with the settings of this service, to its end, which comes in so
        many seconds."""
        return self._run(arguments, within_s=within_s)

    def add_user(self, name: str, project: str, role: str) -> Cloud:
        """Make an account with one role in a project, new or not; the service must run."""
        password = secrets.token_urlsafe(18)
        words = ["accounts", "add", name, "--project", project, "--role", role, "--password-stdin"]
        result = self._run(words, stdin=f"{password}\n")
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

    def use_tokens(self, tokens: Mapping[str, str]) -> None:
        """Know tokens of these accounts."""
        self._tokens.update(tokens)

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
            self._clients[name] = plain_http.open_client(
                base_url=self.url,
                headers=headers,
                timeout=30,
                # Threads share it, and httpcore may close a connection as idle just when another thread takes
                # it. So the service is to close them, which keeps them for longer than this.
                limits=httpx.Limits(keepalive_expiry=60),
                event_hooks={"response": [check]},
            )
        return self._clients[name]

    def read_log(self) -> str:
        """The log of a service of one worker, up to this moment: lines are written a little later than what
        they tell of."""
        mark = f"/{secrets.token_hex(16)}"
        plain_http.get(f"{self.url}{mark}")
        deadline = time.monotonic() + READY_TIMEOUT_S
        while mark not in (log := self.log_path.read_text()):
            if time.monotonic() > deadline:
                raise ServiceFailedError(f"a request is not in the log:\n{log[-2000:]}")
            time.sleep(0.01)
        return log

    def _run(
        self, arguments: Sequence[str], stdin: str = "", within_s: float = child.COMMAND_TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        command = [*self._program, *arguments]
        return child.run(
            self._start,
            command,
            self.work_dir,
            self._environment(),
            stdin=stdin,
            is_merged=True,
            within_s=within_s,
        )

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")}
        return {
            **inherited,
            "TRANSOM_LISTEN": self._address,
            "TRANSOM_DATA_DIR": str(self.data_dir),
            "TRANSOM_DATABASE": self.database,
            **self.settings,
        }

    def _is_ready(self) -> bool:
        try:
            answer = plain_http.get(f"{self.url}/readyz", timeout=2)
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
            raise self._child.failure(f"no token for {cloud.name}: {answer.status_code} {answer.text}")
        body: dict[str, Any] = answer.json()
        return answer.headers["X-Subject-Token"], body
