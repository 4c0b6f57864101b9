"""Each bound that no setting moves stands in a table of docs/security.md, as it is."""

import ast
import importlib
import re
from typing import NamedTuple

import pytest

from .sources import PACKAGE, parse_all

DOCS = PACKAGE.parent / "docs" / "security.md"
HEADING = "## Limits without a setting"
#: Parts of the service that take something from callers, or hold something for them.
PARTS = ("api/", "data/", "domain/", "identity/", "sharing/", "transfers/", "outbound.py")
#: It describes bounds, and has none.
NOT_PARTS = ("api/openapi/",)
#: What a bound is called. A bare `_MOST` is the size of a piece of work within the service.
BOUND = re.compile(r"^_?(MOST|MAX|LONGEST)_[A-Z_]+$")
NAMED = re.compile(r"`([a-z_0-9.]+)\.(_?[A-Z_]+)`")


class Row(NamedTuple):
    limit: str
    #: (module, name) of the constants.
    constants: list[tuple[str, str]]


def read_table() -> list[Row]:
    section = DOCS.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return [Row(cells[2], NAMED.findall(cells[4])) for cells in rows]


def find_bounds() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for path, tree in parse_all().items():
        if not path.startswith(PARTS) or path.startswith(NOT_PARTS):
            continue
        module = path.removesuffix(".py").replace("/", ".")
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                names = [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and _is_set(one)]
                found.update((module, name) for name in names if BOUND.match(name))
    return found


def _is_set(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def spellings(value: float) -> set[str]:
    found = {f"{value:,}", f"{value:g}"}
    for unit, size in {" KiB": 1 << 10, " MiB": 1 << 20, " min": 60, " h": 3600, " s": 1}.items():
        if value % size == 0:
            found.add(f"{int(value // size):,}{unit}")
    if value % 1_000_000 == 0:  # Microseconds.
        found |= {f"{int(value // 3_600_000_000)} h"}
    return found


def test_every_bound_is_in_the_table() -> None:
    named = {constant for row in read_table() for constant in row.constants}

    assert find_bounds() - named == set()


@pytest.mark.parametrize("row", read_table(), ids=lambda row: row.constants[0][1])
def test_a_row_says_what_its_constants_are(row: Row) -> None:
    for module, name in row.constants:
        value = getattr(importlib.import_module(f"transom.{module}"), name)
        assert any(
            re.search(rf"(?<![\d.,]){re.escape(spelling)}(?!\d|[.,]\d)", row.limit)
            for spelling in spellings(value)
        ), (name, value, row.limit)
