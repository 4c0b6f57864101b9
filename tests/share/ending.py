"""Ends shares at once, as time does: what has ended is absent, whether it was removed or not."""

import asyncio
import sqlite3
from contextlib import closing

import asyncpg
from harness.service import Service

_SQLITE = "sqlite:///"


def end_share(service: Service, image_id: str, member_id: str) -> None:
    """The membership of the image ends now; its row stays until somebody removes it."""
    _write(
        service,
        "update member set ends_at = 1, expires_at = 1 "
        f"where image_id = '{image_id}' and member_id = '{member_id}'",
    )


def end_membership(service: Service, family_id: str, member_id: str) -> None:
    """The membership of the family ends now, and what it brought, as `end_share` does it."""
    these = f"where family_id = '{family_id}' and member_id = '{member_id}'"
    for table in ("member", "family_member"):
        _write(service, f"update {table} set ends_at = 1, expires_at = 1 {these}")


def remove_events(service: Service, before: int) -> None:
    """Those with a smaller number are kept no more, as after `event_lifetime_days`."""
    _write(service, f"delete from event where seq < {before}")


def _write(service: Service, sql: str) -> None:
    if service.database.startswith(_SQLITE):
        with closing(sqlite3.connect(service.database.removeprefix(_SQLITE), timeout=30)) as file, file:
            file.execute(sql)
    else:
        asyncio.run(_write_postgresql(service.database, sql))


async def _write_postgresql(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
