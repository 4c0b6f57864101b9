"""`transom stores`: which database owns the stores, and how that is changed (docs/stores.md)."""

from typing import Any

import click

from transom.cli.spelling import spell_out
from transom.cli.tables import output_option, print_rows
from transom.cli.with_stores import run_on_stores
from transom.config import Settings
from transom.domain.errors import TransomError
from transom.domain.ownership import Standing, describe
from transom.domain.stores import StoreInfo
from transom.ownership import Finding, Ownership
from transom.sql.db import Database
from transom.sql.owners import know_database, renew_database_id
from transom.stores.registry import Stores

_COLUMNS = ("store", "place", "standing", "owner")


@click.group()
def stores() -> None:
    """Which database owns the stores, and so may write and remove there."""


@stores.command("status")
@output_option
@click.pass_obj
def show_status(settings: Settings, output: str) -> None:
    """Show the standing of each store. Changes no store.

    Standings: own; free (without a mark; the service marks it when it starts); moved (together with the
    database; marked again then); foreign (of another database); mixed up (another store of this database);
    unmarked (the mark is missing); unknown (the store cannot be reached). Exit status 1 when one of them may
    not be changed or is unknown.
    """
    database_id, rows = run_on_stores(settings, _list_standings)
    if output == "table":
        click.echo(f"This database is {database_id}.")
    print_rows(_COLUMNS, rows, output)
    if any(row["standing"] not in _USABLE for row in rows):
        raise SystemExit(1)


@stores.command("adopt")
@click.argument("store_ids", metavar="[STORE]...", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def adopt_stores(settings: Settings, store_ids: tuple[str, ...], yes: bool) -> None:
    """Make this database the owner of the named stores, or of all that it does not own.

    The previous owner may not write or remove there any more. Use it after a restore. Do not use it in a copy
    of a database that is in use, unless the copy has stores of its own.
    """
    found = run_on_stores(settings, lambda db, opened: _find_adoptable(db, opened, store_ids))
    if not found:
        click.echo("every store is this database's own")
        return
    if not yes:
        for store_id, one in found.items():
            found_as = describe(one.standing, store_id, is_copy=one.is_copy)
            click.echo(f"{found_as} Mark: {spell_out(one.owner or 'none')}.")
        click.confirm("Whoever has them may not write or remove there any more. Adopt them?", abort=True)
    run_on_stores(settings, lambda db, opened: _adopt(db, opened, list(found)))
    click.echo(f"adopted: {', '.join(found)}")


@stores.command("disown")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def disown_stores(settings: Settings, yes: bool) -> None:
    """Give this database a new id, so that it owns none of its stores.

    Use it on a copy of a whole disk, machine or PostgreSQL server, which cannot be told from its original,
    before a service is started there.
    """
    if not yes:
        click.confirm("This database will not write to its stores or remove from them. Go on?", abort=True)
    database_id = run_on_stores(settings, _disown)
    click.echo(f"this database is {database_id} now")


_USABLE = frozenset({Standing.OWN.value, Standing.FREE.value, Standing.MOVED.value})
_UNKNOWN = "unknown"


async def _list_standings(db: Database, opened: Stores) -> tuple[str, list[dict[str, Any]]]:
    ownership = Ownership(db, opened)
    database, _place = await know_database(db)
    return database.id, [await _describe_row(ownership, info) for info in opened.writable]


async def _describe_row(ownership: Ownership, info: StoreInfo) -> dict[str, Any]:
    row = {"store": info.id, "place": _show_place(info), "standing": _UNKNOWN, "owner": None}
    try:
        found = await ownership.look(info.id)
    except TransomError:
        return row
    return row if found is None else row | {"standing": found.standing.value, "owner": found.owner}


async def _find_adoptable(db: Database, opened: Stores, store_ids: tuple[str, ...]) -> dict[str, Finding]:
    """Those that are named, in so far as they are not the database's own; without names all of that kind."""
    ownership = Ownership(db, opened)
    asked = [opened.require(store_id).id for store_id in store_ids]
    looks = {one: await ownership.look(one) for one in asked or (info.id for info in opened.writable)}
    return {
        store_id: found
        for store_id, found in looks.items()
        if found is not None and found.standing is not Standing.OWN
    }


async def _adopt(db: Database, opened: Stores, store_ids: list[str]) -> None:
    ownership = Ownership(db, opened)
    for store_id in store_ids:
        await ownership.adopt(store_id)


async def _disown(db: Database, _opened: Stores) -> str:
    return (await renew_database_id(db)).id


def _show_place(info: StoreInfo) -> str:
    return f"{info.kind.value}://{info.address}"
