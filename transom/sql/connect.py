"""From a URL to a database."""

from urllib.parse import urlsplit

from transom.sql.db import Database


async def open_database(url: str, pool: int) -> Database:
    """Connect to `sqlite:///path` or `postgresql://…`. `pool`: most connections to a PostgreSQL server."""
    if urlsplit(url).scheme == "sqlite":
        from transom.sql.sqlite import SqliteDatabase, path_of

        return SqliteDatabase(path_of(url))
    # Imported here: the embedded default does without the driver's memory and start-up time.
    from transom.sql.postgresql import PostgresDatabase

    return await PostgresDatabase.connect(url, pool)
