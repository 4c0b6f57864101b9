"""`transom migrate`: bring the database's schema up to date."""

import asyncio

import click

from transom.cli.failures import report_failures, require_folder
from transom.config import Settings
from transom.sql.connect import open_database
from transom.sql.migrate import migrate as apply_migrations
from transom.sql.migrate import missing_migrations


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 when a migration is missing.")
@click.pass_obj
def migrate(settings: Settings, check: bool) -> None:
    """Bring the database's schema up to date. Safe to run while the service runs, and more than once."""
    if settings.database_url.startswith("sqlite:"):
        require_folder(settings)
    with report_failures():
        versions = asyncio.run(_migrate(settings, check))
    if check and versions:
        raise click.ClickException(f"missing migrations: {', '.join(map(str, versions))}")
    click.echo(f"applied migrations: {', '.join(map(str, versions))}" if versions else "up to date")


async def _migrate(settings: Settings, check: bool) -> list[int]:
    db = await open_database(settings.database_url, 1)
    try:
        return await (missing_migrations(db) if check else apply_migrations(db))
    finally:
        await db.close()
