"""Copies of a database as an operator makes them: a backup that is restored elsewhere."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg

from harness.postgresql import PostgreSQL

_SQLITE = "sqlite:///"


def copy_database(url: str, folder: Path, postgresql: PostgreSQL) -> str:
    """The URL of a copy of the database, made while it is at work: a file in `folder`, or another database
    of the server."""
    if not url.startswith(_SQLITE):
        return postgresql.copy_database(url)
    target = folder / "transom.db"
    with (
        closing(sqlite3.connect(url.removeprefix(_SQLITE))) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
    return f"{_SQLITE}{target}"


def execute(url: str, sql: str) -> None:
    """Run a statement on a database of either kind."""
    if url.startswith(_SQLITE):
        with closing(sqlite3.connect(url.removeprefix(_SQLITE))) as file, file:
            file.execute(sql)
    else:
        asyncio.run(_execute(url, sql))


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
