"""`transom check`: compare the database with the stores, whether the service runs or not."""

from collections import Counter
from functools import partial
from typing import Any

import click

from transom.cli.numbers import COUNT
from transom.cli.tables import output_option, print_rows
from transom.cli.with_stores import run_on_stores
from transom.clock import now_us
from transom.config import Settings
from transom.data.check import Check, Finding
from transom.ownership import Ownership
from transom.sql.check_runs import CheckRun, record_check
from transom.sql.db import Database
from transom.stores.registry import Stores

_COLUMNS = ("fault", "store", "image", "owner", "key", "bytes", "repair")
_MIB = 1 << 20


@click.command()
@click.option("--deep", is_flag=True, help="Read all data and compare it with the recorded hashes.")
@click.option("--pace", type=COUNT, metavar="MIB", help="Read at most so many MiB a second.")
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
    find = partial(_find, is_deep=deep, pace=pace * _MIB if pace else None, repairs=repair)
    rows = run_on_stores(settings, find)
    print_rows(_COLUMNS, rows, output)
    if rows:
        raise SystemExit(1)


async def _find(
    db: Database, stores: Stores, *, is_deep: bool, pace: int | None, repairs: bool
) -> list[dict[str, Any]]:
    began_at = now_us()
    run = Check(db, stores, Ownership(db, stores), is_deep=is_deep, pace=pace, repairs=repairs)
    try:
        found = [finding async for finding in run.find_all()]
    finally:
        run.close()
    faults = Counter(finding.fault.value for finding in found)
    await record_check(db, began_at, CheckRun(images=run.images, faults=faults))
    return [_row(finding) for finding in found]


def _row(finding: Finding) -> dict[str, Any]:
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
