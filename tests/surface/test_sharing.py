"""Where sharing is decided and written: each at one place, as the decision "A room for sharing" has it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "transom"
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
WRITES = re.compile(r"\b(insert\s+into|update|delete\s+from)\s+member\b", re.IGNORECASE)
WRITER = "sql/members.py"


def _statements() -> Iterator[tuple[str, str | None]]:
    """(file, name it is assigned to) of each SQL text that writes memberships."""
    for name, tree in SOURCES.items():
        named = {
            id(part): target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
            for part in ast.walk(node.value)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and WRITES.search(node.value):
                yield name, named.get(id(node))


def _uses(name: str) -> Iterator[tuple[str, str | None]]:
    """(file, function) of each place that reads this name, or an attribute of this name."""
    for file, tree in SOURCES.items():
        functions = [
            node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        inside = {id(part): function.name for function in functions for part in ast.walk(function)}
        for node in ast.walk(tree):
            is_name = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id == name
            if is_name or (isinstance(node, ast.Attribute) and node.attr == name):
                yield file, inside.get(id(node))


def test_the_search_finds_what_writes_memberships() -> None:
    for text in (
        "insert into member (a)",
        "update member set",
        "delete\n    from member where",
        "UPDATE Member",
    ):
        assert WRITES.search(text)
    assert not WRITES.search("update member_rule set")


def test_statements_that_write_memberships_stand_at_one_place() -> None:
    found = list(_statements())

    assert {file for file, _name in found} == {WRITER}
    assert None not in {name for _file, name in found}
    assert len(found) >= 8


def test_one_function_uses_them() -> None:
    users = {use for _file, name in _statements() if name is not None for use in _uses(name)}
    # Elsewhere the same names may stand for other things; in the writer's module they do not.
    assert {function for file, function in users if file == WRITER} == {"to_statement"}
    importers = {
        file
        for file, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "transom.sql.members"
        for alias in node.names
        if alias.name in {name for _file, name in _statements()}
    }
    assert importers == set()
    assert {
        (file, name)
        for file, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "members"
        for name in [node.attr]
        if name in {name for _file, name in _statements()}
    } == set()


def test_no_trigger_or_function_of_the_schema_writes_memberships() -> None:
    schema = (PACKAGE / "sql" / "schema.sql").read_text(encoding="utf-8")

    assert not WRITES.search(schema)
