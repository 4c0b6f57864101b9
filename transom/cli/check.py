"""`transom check`: compare the database with the stores, whether the service runs or not."""

import asyncio
from typing import Any

import click

from transom.cli.failures import report_failures, require_folder
from transom.cli.tables import output_option, print_rows
from transom.config import Settings, SettingsError
from transom.domain.errors import UnavailableError

_COLUMNS = ("fault", "store", "image", "owner", "key", "bytes", "repair")
_MIB = 1 << 20


@click.command()
@click.option("--deep", is_flag=True, help="Read all data and compare it with the recorded hashes.")
@click.option("--pace", type=click.IntRange(1), metavar="MIB", help="Read at most so many MiB a second.")
@click.option(
    "--repair",
    is_flag=True,
    help="Move data that no image has to `aside` in its store, and deactivate images that have no good copy "
    "of their data. Nothing is deleted.",
)
@output_option
@click.pass_obj
def check(settings: Settings, deep: bool, pace: int | None, repair: bool, output: str) -> None:
    """Find image data that is missing, that is not as it was recorded, or that no image has.

    Faults: missing; wrong size; wrong hash (with --deep); orphan (data of no image); not checked (the store
    cannot be reached, or is not this database's). Exit status 1 when there are any.
    """
    if settings.database_url.startswith("sqlite:"):
        require_folder(settings)
    with report_failures(SettingsError):
        rows = asyncio.run(_find(settings, deep, pace * _MIB if pace else None, repair))
    print_rows(_COLUMNS, rows, output)
    if rows:
        raise SystemExit(1)


async def _find(settings: Settings, is_deep: bool, pace: int | None, repairs: bool) -> list[dict[str, Any]]:
    from transom.data.check import Check
    from transom.ownership import Ownership
    from transom.sql.connect import open_database
    from transom.sql.migrate import missing_migrations
    from transom.stores.registry import open_stores

    db = await open_database(settings.database_url, 1)
    try:
        if missing := await missing_migrations(db):
            raise UnavailableError(f"The database lacks migrations {missing}: run `transom migrate`.")
        stores = open_stores(settings)
        run = Check(db, stores, Ownership(db, stores), is_deep=is_deep, pace=pace, repairs=repairs)
        try:
            return [_row(finding) async for finding in run.find_all()]
        finally:
            run.close()
    finally:
        await db.close()


def _row(finding: Any) -> dict[str, Any]:
    image = finding.image
    return {
        "fault": finding.fault.value,
        "store": finding.store,
        "image": image.id if image is not None else None,
        "owner": image.owner if image is not None else None,
        "key": finding.key,
        "bytes": str(finding.size) if finding.size is not None else None,
        "repair": finding.repair,
    }
