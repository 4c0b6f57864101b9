"""Over which databases a test with the shared `service` runs: over both, unless it is marked by this; and a
way into the database of a service."""

import asyncio
import sqlite3
from contextlib import closing

import asyncpg
import pytest

from harness.service import Service

_SQLITE = "sqlite:///"

#: For what is refused by its form, before any database is asked.
over_one_database = pytest.mark.parametrize("service", ["sqlite"], indirect=True)


def over_one(fixture: str) -> pytest.MarkDecorator:
    """The same of a service by this fixture, for what another server does: a refusal, an absence."""
    return pytest.mark.parametrize(fixture, ["sqlite"], indirect=True)


def change_database(service: Service, statement: str) -> None:
    """Run a statement behind the service's back, as another process does."""
    if service.database.startswith(_SQLITE):
        file = service.database.removeprefix(_SQLITE)
        with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as connection:
            connection.execute(statement)
        return

    async def execute() -> None:
        connection = await asyncpg.connect(service.database)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute())
