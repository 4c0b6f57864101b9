"""Recipients as people write them: on a command line, or in files with a line, column or entry for each."""

import csv
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

from transom.client.names import find_domain, find_project
from transom.client.service import RefusedError, Service

#: Heads of the column that has the recipients, in the order in which they are looked for.
_COLUMNS = ("project", "project_id", "id", "name")


class Named(NamedTuple):
    """Ids or names, as they were written; of organisations and their units ids."""

    projects: list[str]
    domains: list[str]
    organizations: list[str]


#: The sets of recipients, as a request has them.
Sets = dict[str, list[str]]


class RecipientsError(Exception):
    """Somebody is not found, or a file names nobody; the text says who or why."""


def read_recipients(
    service: Service,
    to: Iterable[str],
    to_domain: Iterable[str],
    to_organization: Iterable[str],
    to_file: Path | None,
) -> Sets:
    """Ids of projects, domains and organisations, each once. RecipientsError, which names all that are not
    found; which organisations there are only the service knows."""
    named = read_file(to_file) if to_file is not None else Named([], [], [])
    return {
        "projects": _find_all(service, [*to, *named.projects], find_project),
        "domains": _find_all(service, [*to_domain, *named.domains], find_domain),
        "organizations": list(dict.fromkeys([*to_organization, *named.organizations])),
    }


def _find_all(service: Service, texts: Iterable[str], find: Callable[[Service, str], str]) -> list[str]:
    found, wrong = [], []
    for text in dict.fromkeys(texts):
        try:
            found.append(find(service, text))
        except RefusedError as error:
            wrong.append(str(error))
    if wrong:
        raise RecipientsError("\n       ".join(wrong))
    return list(dict.fromkeys(found))


def read_file(path: Path) -> Named:
    """RecipientsError for a file that cannot be read, or has nobody in it."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipientsError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    read = {".csv": _read_csv, ".yaml": _read_yaml, ".yml": _read_yaml}.get(path.suffix.lower(), _read_lines)
    try:
        named = read(text)
    except (csv.Error, ValueError) as error:
        raise RecipientsError(f"{path}: {error}") from None
    if not any(named):
        raise RecipientsError(f"{path} names nobody.")
    return named


def _read_lines(text: str) -> Named:
    """A line each; blank ones and what stands behind # say nothing."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return Named([line for line in lines if line], [], [])


def _read_csv(text: str) -> Named:
    """The column `project` (or `project_id`, `id`, `name`), and `domain` and `organization` if there are any;
    without a head that names one of them, the first column."""
    rows = [row for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row)]
    if not rows:
        return Named([], [], [])
    head = [cell.strip().lower() for cell in rows[0]]
    names = [next((name for name in _COLUMNS if name in head), ""), "domain", "organization"]
    columns = [head.index(name) if name in head else None for name in names]
    if not any(column is not None for column in columns):
        return Named(_column(rows, 0), [], [])
    return Named(*(_column(rows[1:], column) for column in columns))


def _column(rows: list[list[str]], column: int | None) -> list[str]:
    if column is None:
        return []
    return [row[column].strip() for row in rows if column < len(row) and row[column].strip()]


def _read_yaml(text: str) -> Named:
    """A list of projects, or `projects`, `domains` and `organizations`."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    if isinstance(value, list):
        value = {"projects": value}
    if not isinstance(value, dict) or set(value) - set(Named._fields):
        raise ValueError("must be a list, or have `projects`, `domains` and `organizations` only.")
    sets = [value.get(name) or [] for name in Named._fields]
    if not all(isinstance(one, list) and all(isinstance(item, str | int) for item in one) for one in sets):
        raise ValueError("`projects`, `domains` and `organizations` must be lists of ids or names.")
    return Named(*([str(item) for item in one] for one in sets))
