"""No module grows beyond what can be read in one sitting, and each says what it answers for."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "transom"
SOURCES = {
    module.relative_to(PACKAGE).as_posix(): module.read_text(encoding="utf-8")
    for module in sorted(PACKAGE.rglob("*.py"))
}
#: Aim for 400; this is where it must be split.
MOST_LINES = 450


def test_no_module_is_longer_than_450_lines() -> None:
    lines = {name: len(text.splitlines()) for name, text in SOURCES.items()}

    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("name", [name for name, text in SOURCES.items() if text.strip()])
def test_a_module_opens_with_what_it_answers_for(name: str) -> None:
    assert ast.get_docstring(ast.parse(SOURCES[name]))
