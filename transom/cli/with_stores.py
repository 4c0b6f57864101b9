"""What verbs do that work on the database and the stores, whether a service runs or not."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from transom.cli.failures import report_failures, require_folder
from transom.config import Settings, SettingsError
from transom.config.stores import store_options
from transom.domain.errors import UnavailableError
from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.migrate import missing_migrations
from transom.stores.registry import Stores, open_stores

_Result = TypeVar("_Result")


def run_on_stores(settings: Settings, act: Callable[[Database, Stores], Awaitable[_Result]]) -> _Result:
    """What `act` returns, of a database that has the schema of this release. Failures end the command."""
    if settings.database_url.startswith("sqlite:"):
        require_folder(settings)

    async def run() -> _Result:
        db = await open_database(settings.database_url, 1)
        try:
            if missing := await missing_migrations(db):
                raise UnavailableError(f"The database lacks migrations {missing}: run `transom migrate`.")
            return await act(db, open_stores(store_options(settings)))
        finally:
            await db.close()

    with report_failures(SettingsError):
        return asyncio.run(run())
