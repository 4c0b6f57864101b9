"""Lists that a verb prints: a table for people, JSON for programs."""

from collections.abc import Sequence
from typing import Any

import click

from transom.cli.spelling import spell_json, spell_out

output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
)


def print_rows(columns: Sequence[str], rows: Sequence[dict[str, Any]], output: str) -> None:
    """Each row has a value for every column: a text, several of them, or None."""
    if output == "json":
        click.echo(spell_json(list(rows), indent=2))
        return
    table = [list(columns), *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return spell_out(value if isinstance(value, str) else ",".join(value))
