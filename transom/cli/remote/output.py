"""Results as a table for people, or as JSON, CSV or bare values for programs."""

import csv
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

import click

from transom.cli.spelling import spell_cell, spell_json, spell_out
from transom.client.kinds import name_party

_Command = TypeVar("_Command", bound=Callable[..., Any])
FORMATS = ("table", "json", "csv", "value")
#: What is never broken in two, so that it can be copied: ids, and times, whose fraction tables leave out.
_WHOLE = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")
_FRACTION = re.compile(r"(?<=T[0-9]{2}:[0-9]{2}:[0-9]{2})\.[0-9]+(?=Z$)")
#: Between two columns.
_GAP = 2
#: What other columns keep at least, if they have so much, when a table has to be made narrower.
_LEAST = 10


def format_options(command: _Command) -> _Command:
    """`-f` and `-c`, which the command gets as `form` and `columns`."""
    command = click.option(
        "-c", "--column", "columns", multiple=True, help="Show this column only; repeatable."
    )(command)
    return click.option(
        "-f", "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True
    )(command)


def json_option(text: str) -> Callable[[_Command], _Command]:
    """`-f` of verbs that print no table of things, which the command gets as `form`. `text`: what `json`
    is."""
    return click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help=f"json: {text}",
    )


def print_rows(
    rows: Iterable[dict[str, Any]],
    known: Sequence[str],
    form: str,
    columns: Sequence[str] = (),
    more: Sequence[str] = (),
) -> None:
    """`known`: the columns there are; a row may lack some. `more`: those that JSON and CSV have besides, and
    other forms if they are asked for."""
    _require_columns(columns, (*known, *more))
    shown = list(columns or (*known, *(more if form in ("json", "csv") else ())))
    found = [{column: row.get(column) for column in shown} for row in rows]
    if form == "json":
        click.echo(spell_json(found, indent=2))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(shown)
        writer.writerows([_csv_cell(row[column]) for column in shown] for row in found)
    elif form == "value":
        for row in found:
            click.echo(" ".join(cell(row[column]) for column in shown))
    else:
        texts = [[_short(row[column]) for column in shown] for row in found]
        _print_table(texts, shown, is_chosen=bool(columns))


def print_one(row: dict[str, Any], form: str, columns: Sequence[str] = ()) -> None:
    """One thing: its fields below one another."""
    shown = list(columns or row)
    _require_columns(shown, row)
    if form == "json":
        click.echo(spell_json({name: row[name] for name in shown}, indent=2))
    elif form == "value":
        for name in shown:
            click.echo(cell(row[name]))
    else:
        fields = [{"field": name, "value": cell(row[name])} for name in shown]
        print_rows(fields, ("field", "value"), form, ("field", "value"))


def _require_columns(wanted: Iterable[str], known: Collection[str]) -> None:
    unknown = [column for column in wanted if column not in known]
    if unknown:
        raise click.UsageError(f"There is no column {unknown[0]}; there are {', '.join(known)}.")


def cell(value: Any) -> str:
    """A value in one line: control characters of a stranger's text are shown, not obeyed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return _cell_of_object(value)
    return spell_out(str(value))


def _csv_cell(value: Any) -> str:
    """Only texts are somebody's: a number below nothing is no formula."""
    return cell(value) if isinstance(value, int | float) else spell_cell(cell(value))


def _cell_of_object(value: dict[str, Any]) -> str:
    party = name_party(value)
    if party is not None:
        return spell_out(party)
    return ", ".join(f"{cell(name)}: {cell(one)}" for name, one in value.items())


def _short(value: Any) -> str:
    return _FRACTION.sub("", cell(value))


def _print_table(rows: list[list[str]], columns: Sequence[str], *, is_chosen: bool) -> None:
    """`is_chosen`: somebody asked for these columns, also where they are empty."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        # Nobody reads it at this width: no line is broken, so that `grep` finds what it looks for.
        console.width = 1_000_000
        with console.capture() as capture:
            console.print(_table(rows, columns))
        click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
        return
    if not rows:
        click.echo("There is nothing to show.", err=True)
        return
    if not is_chosen:
        filled = [place for place in range(len(columns)) if any(row[place] for row in rows)]
        rows = [[row[place] for place in filled] for row in rows]
        columns = [columns[place] for place in filled]
    if is_chosen or _least_width(rows, columns) <= console.width:
        console.print(_table(rows, columns))
        return
    for position, row in enumerate(rows):
        console.print(*[""] * bool(position), _block(row, columns))


def _least_width(rows: list[list[str]], columns: Sequence[str]) -> int:
    least = [
        max(len(column), *(_least_of(row[place]) for row in rows)) for place, column in enumerate(columns)
    ]
    return sum(least) + _GAP * (len(columns) - 1)


def _least_of(text: str) -> int:
    return len(text) if _WHOLE.fullmatch(text) else min(len(text), _LEAST)


def _table(rows: list[list[str]], columns: Sequence[str]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for place, column in enumerate(columns):
        is_whole = any(_WHOLE.fullmatch(row[place]) for row in rows)
        table.add_column(column, overflow="fold", no_wrap=is_whole and column != "value")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _block(row: list[str], columns: Sequence[str]) -> Any:
    """A row as lines below one another."""
    from rich.table import Table
    from rich.text import Text

    block = Table.grid(padding=(0, _GAP))
    block.add_column(style="bold")
    block.add_column(overflow="fold")
    for column, text in zip(columns, row, strict=True):
        if text:
            block.add_row(column, Text(text))
    return block
