"""Results as a table for people, or as JSON, CSV or bare values for programs."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
FORMATS = ("table", "json", "csv", "value")


def format_options(command: _Command) -> _Command:
    """`-f` and `-c`, which the command gets as `form` and `columns`."""
    command = click.option(
        "-c", "--column", "columns", multiple=True, help="Show this column only; repeatable."
    )(command)
    return click.option(
        "-f", "--format", "form", type=click.Choice(FORMATS), default="table", show_default=True
    )(command)


def print_rows(
    rows: Iterable[dict[str, Any]], known: Sequence[str], form: str, columns: Sequence[str] = ()
) -> None:
    """`known`: the columns there are; a row may lack some."""
    unknown = [column for column in columns if column not in known]
    if unknown:
        raise click.UsageError(f"There is no column {unknown[0]}; there are {', '.join(known)}.")
    shown = list(columns or known)
    found = [{column: row.get(column) for column in shown} for row in rows]
    if form == "json":
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(shown)
        writer.writerows([cell(row[column]) for column in shown] for row in found)
    elif form == "value":
        for row in found:
            click.echo(" ".join(cell(row[column]) for column in shown))
    else:
        _print_table(found, shown)


def print_one(row: dict[str, Any], form: str, columns: Sequence[str] = ()) -> None:
    """One thing: its fields below one another."""
    shown = list(columns or row)
    unknown = [column for column in shown if column not in row]
    if unknown:
        raise click.UsageError(f"There is no column {unknown[0]}; there are {', '.join(row)}.")
    if form == "json":
        click.echo(json.dumps({name: row[name] for name in shown}, indent=2, ensure_ascii=False))
    elif form == "value":
        for name in shown:
            click.echo(cell(row[name]))
    else:
        fields = [{"field": name, "value": cell(row[name])} for name in shown]
        print_rows(fields, ("field", "value"), form)


def cell(value: Any) -> str:
    """A value in one line: control characters of a stranger's text are shown, not obeyed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _print_table(rows: list[dict[str, Any]], columns: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(row[column])) for column in columns))
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        # Nobody reads it at this width: no line is broken, so that `grep` finds what it looks for.
        console.width = 1_000_000
        table.box = box.SIMPLE_HEAD
        with console.capture() as capture:
            console.print(table)
        click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
        return
    console.print(table)
