"""Processes of `transom` that are forked from one that has imported it: see `preloaded.py`. Their services
start with what others have made before: the schema, and accounts."""

from __future__ import annotations

import atexit
import functools
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import preloaded
from harness.accounts import KeptAccounts
from harness.child import PROGRAM, Process, ServiceFailedError, run, start_program
from harness.postgresql import PostgreSQL
from harness.service import Service

#: What `transom serve` imports before it forks its workers; not prometheus-client, which then reads the
#: environment, but what that imports.
_OF_SERVICES = (
    "transom.cli.serve",
    "transom.process",
    "transom.prepare",
    "transom.identity.keystone",
    "transom.sql.postgresql",
    "transom.sql.sqlite",
    "aiohttp",
    "granian.server.mp",
    "http.server",
    "jwt",
    "oslo_utils.imageutils.format_inspector",
    "wsgiref.simple_server",
)
#: What the verbs import that the tests run most: those for users and `accounts`.
_OF_VERBS = (
    "transom.cli.accounts",
    "transom.cli.audit",
    "transom.cli.remote.family",
    "transom.cli.remote.hook",
    "transom.cli.remote.image",
    "transom.cli.remote.rule",
    "transom.cli.remote.share",
    "transom.client.clouds",
    "transom.client.families",
    "transom.client.images",
    "transom.client.rows",
    "transom.client.shares",
    "transom.sql.sqlite",
)
#: What the interpreter and what it loads read once, when they start.
_READ_AT_THE_START = ("COVERAGE", "LANG", "LC_", "LD_", "MALLOC_", "PYTHON", "SSL_", "TZ")
_START_TIMEOUT_S = 60
_PROCESSES = {"serve", "work"}


def start(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None,
    log_path: Path,
    *,
    stdin: Path = Path(os.devnull),
    errors: Path | None = None,
) -> Process:
    """Start `python -m transom …` with its imports behind it. Any other command starts as usual, and so does
    one whose environment says how Python is to start."""
    environment = os.environ if env is None else env
    program, arguments = tuple(command[: len(PROGRAM)]), command[len(PROGRAM) :]
    if program != PROGRAM or _starts_otherwise(environment):
        return start_program(command, cwd, env, log_path, stdin=stdin, errors=errors)
    streams = {"input": stdin, "output": log_path, "errors": errors or log_path}
    return Forked(arguments, cwd, environment, streams)


def forked_service(
    work_dir: Path,
    database: str | None = None,
    settings: Mapping[str, str] | None = None,
    address: str | None = None,
) -> Service:
    """A `Service` whose processes are forks, with a schema and accounts that were made before."""
    prepared = functools.partial(prepare, first_accounts())
    return Service(work_dir, database, settings, address=address, start=start, prepared=prepared)


@contextmanager
def prepare(accounts: KeptAccounts, service: Service) -> Iterator[None]:
    """Around a start of the service: a new one has these accounts, and in a file of SQLite the schema."""
    file = service.database.removeprefix("sqlite:///")
    if file != service.database and not service.data_dir.exists() and not Path(file).exists():
        shutil.copy(_migrated_file(), file)
    with accounts.given_to(service):
        yield


@functools.cache
def first_accounts() -> KeptAccounts:
    """Those of a first start, for all services of this process that are not started as their users do."""
    return KeptAccounts(_kept_folder("accounts"))


def create_migrated_database(server: PostgreSQL) -> str:
    """The URL of a new database with the schema."""
    return server.create_database(_migrated_template(server))


@functools.cache
def _migrated_template(server: PostgreSQL) -> str:
    url = server.create_database()
    _migrate(url)
    return url


@functools.cache
def _migrated_file() -> Path:
    file = _kept_folder("migrated") / "transom.db"
    _migrate(f"sqlite:///{file}")
    return file


def _migrate(url: str) -> None:
    folder = _kept_folder("migrating")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")}
    environment |= {"TRANSOM_DATABASE": url, "TRANSOM_DATA_DIR": str(folder)}
    done = run(start, [*PROGRAM, "migrate"], folder, environment, is_merged=True)
    if done.returncode != 0:
        raise ServiceFailedError(f"migrate ended with {done.returncode}:\n{done.stdout}")


def _kept_folder(name: str) -> Path:
    """A new folder that lasts as long as this process."""
    folder = tempfile.TemporaryDirectory(prefix=f"transom-{name}-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _starts_otherwise(environment: Mapping[str, str]) -> bool:
    names = {*environment, *os.environ}
    return any(
        name.startswith(_READ_AT_THE_START) and environment.get(name) != os.environ.get(name)
        for name in names
    )


class Forked:
    """`python -m transom` with these arguments, forked."""

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        streams: Mapping[str, Path],
    ) -> None:
        call = {
            "arguments": list(arguments),
            "folder": str(cwd),
            "environment": dict(environment),
            **{name: str(path) for name, path in streams.items()},
        }
        is_process = not _PROCESSES.isdisjoint(arguments)
        self._arguments = arguments
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(_START_TIMEOUT_S)
        self._connection.connect(_start_program(_OF_SERVICES if is_process else _OF_VERBS))
        self._connection.sendall(json.dumps(call).encode() + b"\n")
        self.pid = self._read_number()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float) -> int:
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(list(self._arguments), timeout)
        return status

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def _look(self, within_s: float) -> int | None:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                has_ended = bool(selector.select(within_s))
            if has_ended:
                self.returncode = self._read_number()
                self._connection.close()
        return self.returncode

    def _read_number(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            byte = self._connection.recv(1)
            if not byte:
                raise ConnectionError("what forks the services has ended")
            line += byte
        return int(line)


@functools.cache
def _start_program(modules: tuple[str, ...]) -> str:
    """Start what they are forked from, which ends with this process; the path of its socket."""
    folder = tempfile.TemporaryDirectory(prefix="transom-forks-")
    path = str(Path(folder.name) / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        # Who comes before the program is ready waits.
        listener.listen()
        descriptor = listener.fileno()
        program = subprocess.Popen(
            [sys.executable, preloaded.__file__, str(descriptor), *modules],
            stdin=subprocess.PIPE,
            pass_fds=[descriptor],
            start_new_session=True,
        )

    def end() -> None:
        program.communicate(timeout=10)
        folder.cleanup()

    atexit.register(end)
    return path
