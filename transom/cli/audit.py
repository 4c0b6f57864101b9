"""`transom audit`: who shared what with whom, when, and who answered; straight from the database."""

import asyncio
import csv
import sys
from datetime import UTC, datetime
from typing import Any

import click

from transom.cli.failures import report_failures, require_folder
from transom.cli.numbers import COUNT
from transom.cli.spelling import spell_cell
from transom.cli.tables import print_rows
from transom.config import Settings
from transom.domain.events import Event, EventQuery
from transom.domain.times import show_time
from transom.sql.connect import open_database
from transom.sql.events import audit_events

_COLUMNS = (
    *("time", "type", "image", "name", "family_id", "family", "owner", "recipient", "was", "status"),
    *("by_project", "by_user", "via", "request_id", "reason", "sequence"),
)
#: What a table has; the rest is for programs.
_SHOWN = ("time", "type", "name", "family", "owner", "recipient", "status", "by_user", "via", "reason")


class _Time(click.ParamType[int]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time like 2026-11-29 or 2026-11-29T08:00:00Z.", param, ctx)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1_000_000)


@click.command()
@click.option("--image", metavar="ID", help="Of this image.")
@click.option("--project", metavar="ID", help="That this project shared, or was offered.")
@click.option("--user", metavar="ID", help="That this user did.")
@click.option("--since", type=_Time(), help="From this time on; UTC unless it says otherwise.")
@click.option("--until", type=_Time(), help="Before this time.")
@click.option("--limit", type=COUNT, default=1000, show_default=True, help="Show only the newest.")
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
@click.pass_obj
def audit(
    settings: Settings,
    form: str,
    limit: int,
    image: str | None,
    project: str | None,
    user: str | None,
    since: int | None,
    until: int | None,
) -> None:
    """List the events of sharing, from all APIs, oldest first. Changes nothing.

    Events that have no number yet come last. JSON and CSV have more than the table: ids, and requests.
    """
    if settings.database_url.startswith("sqlite:"):
        require_folder(settings)
    query = EventQuery(
        limit=limit, image_id=image, other=project, user=user, since=since, until=until, descending=True
    )
    with report_failures():
        found = asyncio.run(_read(settings, query))
    rows = [_row(event) for event in found]
    if form == "csv":
        writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: spell_cell(text or "") for name, text in row.items()} for row in rows)
    else:
        print_rows(_SHOWN if form == "table" else _COLUMNS, rows, form)


async def _read(settings: Settings, query: EventQuery) -> list[Event]:
    db = await open_database(settings.database_url, 1)
    try:
        return await audit_events(db, query)
    finally:
        await db.close()


def _row(event: Event) -> dict[str, str | None]:
    data, actor = event.data, event.actor
    return {
        "time": show_time(event.at),
        "type": event.type,
        "image": event.image_id,
        "name": data.image,
        "family_id": event.family_id,
        "family": data.family,
        "owner": event.owner,
        "recipient": event.member_id,
        "was": data.was,
        "status": data.status,
        "by_project": actor.project,
        "by_user": actor.user,
        "via": actor.via.value,
        "request_id": actor.request_id,
        "reason": data.reason,
        "sequence": str(event.seq) if event.seq else None,
    }
