"""Connections to a file, and what its errors mean."""

import sqlite3
from pathlib import Path

from transom.domain.errors import StoreFullError, UnavailableError

#: How long a writer waits for another process's transaction, ms.
BUSY_MS = 30_000


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=BUSY_MS / 1000
    )
    connection.execute("pragma foreign_keys = on")
    connection.execute("pragma synchronous = full")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute("pragma query_only = on")
    return connection


def renamed(error: Exception) -> Exception:
    """The one place where SQLite's errors become ours. A value that Python cannot hand over is no error of
    SQLite's but of ours: it stays as it is, and loud."""
    if not isinstance(error, sqlite3.Error):
        return error
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
        return StoreFullError("The disk of the database is full.")
    return UnavailableError("The database cannot answer now.")
