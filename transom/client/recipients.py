"""Recipients as people write them: on a command line, or in files with a line, column or entry for each."""

import csv
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from transom.client.kinds import KINDS, Kind
from transom.client.names import find_in_identity
from transom.client.service import RefusedError, Service
from transom.client.spreadsheets import text_of

#: Heads of the column that has the projects, in the order in which they are looked for.
_COLUMNS = ("project", "project_id", "id", "name")
#: What spreadsheets put between cells, depending on the language they speak.
_DELIMITERS = (",", ";", "\t")

#: Recipients by the plural of their kind, as a request has them: ids, or names that are still to be found.
Sets = dict[str, list[str]]


class RecipientsError(Exception):
    """Somebody is not found, or a file names nobody; the text says who or why."""


def read_recipients(service: Service, to: Mapping[str, Iterable[str]], to_file: Path | None) -> Sets:
    """The ids of all that `to` (ids or names, by the plural of their kind) and the file name, each once.
    RecipientsError, which names all that are not found."""
    named = read_file(to_file) if to_file is not None else _sets()
    return {
        kind.plural: _find_all(service, kind, [*to.get(kind.plural, ()), *named[kind.plural]])
        for kind in KINDS
    }


def _sets(projects: Iterable[str] = ()) -> Sets:
    return {kind.plural: [] for kind in KINDS} | {"projects": list(projects)}


def _find_all(service: Service, kind: Kind, texts: Iterable[str]) -> list[str]:
    """Which there are of a kind without names, only the service knows."""
    found, wrong = [], []
    for text in dict.fromkeys(texts):
        try:
            found.append(find_in_identity(service, kind.name, text) if kind.has_names else text)
        except RefusedError as error:
            wrong.append(str(error))
    if wrong:
        raise RecipientsError("\n       ".join(wrong))
    return list(dict.fromkeys(found))


def read_file(path: Path) -> Sets:
    """What is written there. RecipientsError for a file that cannot be read, or has nobody in it."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecipientsError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RecipientsError(f"{path} is not UTF-8: save it as such.") from None
    read = {".csv": _read_csv, ".yaml": _read_yaml, ".yml": _read_yaml}.get(path.suffix.lower(), _read_lines)
    try:
        named = read(text)
    except (csv.Error, ValueError) as error:
        raise RecipientsError(f"{path}: {error}") from None
    if not any(named.values()):
        raise RecipientsError(f"{path} names nobody.")
    return named


def _read_lines(text: str) -> Sets:
    """A line each; blank ones and what stands behind # say nothing."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return _sets(line for line in lines if line)


def _read_csv(text: str) -> Sets:
    """The column `project` (or `project_id`, `id`, `name`), and those of the other kinds, if there are any;
    without a head that names one of them, the first column, of projects."""
    for delimiter in _DELIMITERS:
        head, *rows = _rows_of_csv(text, delimiter)
        columns = _find_columns(head)
        if columns:
            return _sets() | {plural: _column(rows, column) for plural, column in columns.items()}
    return _sets(_column(_rows_of_csv(text, ","), 0))


def _rows_of_csv(text: str, delimiter: str) -> list[list[str]]:
    """All but blank ones; an empty one if there are no others."""
    rows = csv.reader(text.splitlines(), delimiter=delimiter)
    return [row for row in rows if any(cell.strip() for cell in row)] or [[]]


def _find_columns(head: list[str]) -> dict[str, int]:
    """The places of the columns that name recipients, by the plurals of their kinds."""
    cells = [cell.strip().lower() for cell in head]
    names = {kind.plural: kind.name for kind in KINDS}
    names["projects"] = next((name for name in _COLUMNS if name in cells), "project")
    return {plural: cells.index(name) for plural, name in names.items() if name in cells}


def _column(rows: list[list[str]], column: int) -> list[str]:
    cells = (row[column].strip() for row in rows if column < len(row))
    return [text_of(cell) for cell in cells if cell]


def _read_yaml(text: str) -> Sets:
    """A list of projects, or lists by the plurals of their kinds."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    if isinstance(value, list):
        value = {"projects": value}
    plurals = [kind.plural for kind in KINDS]
    quoted = ", ".join(f"`{one}`" for one in plurals[:-1]) + f" and `{plurals[-1]}`"
    if not isinstance(value, dict) or set(value) - set(plurals):
        raise ValueError(f"must be a list, or have {quoted} only.")
    sets = {name: value.get(name) or [] for name in plurals}
    if not all(
        isinstance(one, list) and all(isinstance(item, str | int) for item in one) for one in sets.values()
    ):
        raise ValueError(f"{quoted} must be lists of ids or names.")
    return {name: [str(item) for item in one] for name, one in sets.items()}
