"""The service's modules as syntax trees: each is parsed once, when a test asks for it.

Not while tests are collected, which every test process does for all of them.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "transom"


@functools.cache
def parse(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


@functools.cache
def parse_all(folder: Path = PACKAGE) -> dict[str, ast.Module]:
    """The tree of each module below the folder, by its path there."""
    return {path.relative_to(folder).as_posix(): parse(path) for path in sorted(folder.rglob("*.py"))}


@functools.cache
def imports(source: Path) -> frozenset[tuple[str, str | None]]:
    """(module, name imported from it or None) of each absolute import, wherever it stands."""
    found: set[tuple[str, str | None]] = set()
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            found.update((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.update((node.module, alias.name) for alias in node.names)
    return frozenset(found)
