"""`transom migrate`: bring the database's schema up to date."""

import asyncio

import click

from transom.cli.failures import report_failures, require_folder
from transom.config import Settings
from transom.sql.connect import open_database
from transom.sql.migrate import migrate as apply_migrations
from transom.sql.migrate import missing_migrations
from transom.sql.property_indexes import make_property_indexes


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 when a migration is missing.")
@click.pass_obj
def migrate(settings: Settings, check: bool) -> None:
    """Bring the database's schema up to date. Safe to run while the service runs, and more than once.

    Creates the indexes of `indexed_properties`, and drops those of properties no longer named there.
    """
    if settings.database_url.startswith("sqlite:"):
        require_folder(settings)
    with report_failures():
        versions, indexes = asyncio.run(_migrate(settings, check))
    if check and versions:
        raise click.ClickException(f"missing migrations: {', '.join(map(str, versions))}")
    for name in indexes:
        click.echo(f"made or dropped the index {name}")
    click.echo(f"applied migrations: {', '.join(map(str, versions))}" if versions else "up to date")


async def _migrate(settings: Settings, check: bool) -> tuple[list[int], list[str]]:
    """The migrations that were applied, or are missing; the indexes that were made or dropped."""
    db = await open_database(settings.database_url, 1)
    try:
        if check:
            return await missing_migrations(db), []
        versions = await apply_migrations(db)
        return versions, await make_property_indexes(db, settings.with_indexes, drops=True)
    finally:
        await db.close()
