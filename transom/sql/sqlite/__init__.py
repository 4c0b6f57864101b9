"""SQLite in a file (see `database.py`)."""

from transom.sql.sqlite.database import SqliteDatabase, path_of

__all__ = ["SqliteDatabase", "path_of"]
