"""From a URL to a database."""

from urllib.parse import urlsplit

from transom import clock
from transom.sql.db import Database


async def open_database(url: str, pool: int, disk_reserve: int = 0) -> Database:
    """Connect to `sqlite:///path` or `postgresql://…`; this process goes by its clock from now on. `pool`:
    most connections to a PostgreSQL server; `disk_reserve`: bytes that SQLite leaves free on its disk."""
    database = await _open(url, pool, disk_reserve)
    clock.go_by(database.now_us)
    return database


async def _open(url: str, pool: int, disk_reserve: int) -> Database:
    if urlsplit(url).scheme == "sqlite":
        from transom.sql.sqlite import SqliteDatabase, path_of

        return SqliteDatabase(path_of(url), disk_reserve)
    # Imported here: the embedded default does without the driver's memory and start-up time.
    from transom.sql.postgresql import PostgresDatabase

    return await PostgresDatabase.connect(url, pool)
