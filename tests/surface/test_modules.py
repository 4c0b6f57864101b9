"""No module grows beyond what can be read in one sitting, and each says what it answers for."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from transom.domain.times import DAY_US, HOUR_US

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


def test_modules_that_others_name_are_there() -> None:
    """Beside them, in their packages, or from `transom` on; of the repository, as `tests/…`."""
    absent = {
        (name, named)
        for name, text in SOURCES.items()
        for named in re.findall(r"`((?!glance/)[a-z0-9_/]+\.(?:py|sql))`", text)
        if not any((folder / named).is_file() for folder in (PACKAGE.parent, *(PACKAGE / name).parents))
    }

    assert absent == set()


def test_hours_and_days_in_microseconds_are_named_once() -> None:
    """`domain/times.py` has them: a number of eleven digits is not read, and is written wrong one day."""
    durations = {HOUR_US, DAY_US}
    found = {
        name
        for name, text in SOURCES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and node.value in durations
    }

    assert found == set()


def test_a_caller_is_it_or_they() -> None:
    """Callers are programs, projects and people."""
    found = {name: re.findall(r"\b(?:he|him|his|himself)\b", text) for name, text in SOURCES.items()}

    assert {name: words for name, words in found.items() if words} == {}


def test_what_a_module_defines_is_used() -> None:
    """Somewhere in the code beside its definition; commands, which are decorated, on a command line."""
    named = Counter(word for text in SOURCES.values() for word in re.findall(r"\w+", text))
    # `openstack` finds its commands there.
    named.update(re.findall(r"\w+", (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")))

    unused = {
        (name, node.name)
        for name, text in SOURCES.items()
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.decorator_list
        and not node.name.startswith("__")
        and named[node.name] == 1
    }

    assert unused == set()
