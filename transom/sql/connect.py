"""From a URL to a database."""

from urllib.parse import urlsplit

from transom.sql.db import Database


async def open_database(url: str, pool: int, disk_reserve: int = 0) -> Database:
    """Connect to `sqlite:///path` or `postgresql://…`. `pool`: most connections to a PostgreSQL server;
    `disk_reserve`: bytes that SQLite leaves free on its disk (`Room`)."""
    if urlsplit(url).scheme == "sqlite":
        from transom.sql.sqlite import SqliteDatabase, path_of

        return SqliteDatabase(path_of(url), disk_reserve)
    # Imported here: the embedded default does without the driver's memory and start-up time.
    from transom.sql.postgresql import PostgresDatabase

    return await PostgresDatabase.connect(url, pool)
