"""Connections to a file, and what its errors mean."""

import sqlite3
from pathlib import Path

from transom.domain.errors import StoreFullError, UnavailableError
from transom.domain.events import EventType, Via
from transom.domain.model import MemberStatus, Status, Visibility

#: How long a writer waits for another process's transaction, ms.
BUSY_MS = 30_000

# As they are bound anyway. Of each value of a type without an adapter the driver asks how to adapt it.
sqlite3.register_adapter(type(None), lambda none: none)
sqlite3.register_adapter(bool, int)
for words in (EventType, Via, Status, Visibility, MemberStatus):
    sqlite3.register_adapter(words, str.__str__)


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


def is_busy(error: Exception) -> bool:
    """Whether another process has kept the lock for as long as this one waits."""
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def is_fault(error: Exception) -> bool:
    """Whether the disk failed, or may not be written any more. One that is full does not count."""
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_IOERR", "SQLITE_READONLY"))


def renamed(error: Exception) -> Exception:
    """The one place where SQLite's errors become ours. A value that Python cannot hand over is no error of
    SQLite's but of ours: it stays as it is, and loud."""
    if not isinstance(error, sqlite3.Error):
        return error
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL"):
        return StoreFullError("The disk of the database is full.")
    return UnavailableError("The database cannot answer now.")
