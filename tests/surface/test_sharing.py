"""Memberships are written by two functions, one of them for inherited ones (decision 16)."""

import ast
import re
from collections.abc import Iterator

import pytest

from .sources import PACKAGE, parse_all

#: But for the copy of what the image says, which a trigger keeps: nobody decides it, and no event tells it.
WRITES = re.compile(
    r"\b(insert\s+into|update|delete\s+from)\s+member\b(?!\s+set\s+is_asleep\b)", re.IGNORECASE
)
READS = re.compile(r"\b(?:from|join|into|update)\s+member\b|\bmember\s+join\b", re.IGNORECASE)
SQL = re.compile(r"^f?['\"(\s]*(select|insert|update|delete|exists|with|from|member)\b", re.IGNORECASE)
#: What makes a statement leave out, or look for, the memberships that have ended.
LOOKS_AT_END = re.compile(r"\bends_at\b|\blive(?:_recipients_of)?\(")
#: Goes with the image, ended or not; its events tell the two apart.
EVEN_ENDED = "delete from member where image_id = $1 returning"
#: Of inherited ones, that is about rows whatever their end: they go, or get direct, all at once.
ALL_OF_A_FAMILY = re.compile(r"(delete from member|update member set family_id = null)\s+where family_id = ")
#: All memberships, and inherited ones.
WRITERS = ("sql/members.py", "sql/inherited.py")


def _statements() -> Iterator[tuple[str, str | None]]:
    """(file, name it is assigned to) of each SQL text that writes memberships."""
    for name, tree in parse_all().items():
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


def _functions_that_read(writer: str, names: set[str]) -> set[str | None]:
    """The functions of the writer's module that read one of these names; None: outside of any."""
    tree = parse_all()[writer]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    inside = {id(part): function.name for function in functions for part in ast.walk(function)}
    return {
        inside.get(id(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names
    }


def _read_elsewhere(names: set[str]) -> set[tuple[str, str]]:
    """(file, name) of each of these names that another module imports, or reads by a writer's module."""
    found = set()
    for file, tree in parse_all().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in (
                "transom.sql.members",
                "transom.sql.inherited",
            ):
                found |= {(file, alias.name) for alias in node.names if alias.name in names}
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("members", "inherited"):
                found |= {(file, node.attr)} & {(file, name) for name in names}
    return found


def test_the_search_finds_what_writes_memberships() -> None:
    for text in (
        "insert into member (a)",
        "update member set",
        "delete\n    from member where",
        "UPDATE Member",
    ):
        assert WRITES.search(text)
    for text in ("update member_rule set", "update member set is_asleep = true"):
        assert not WRITES.search(text)


def test_statements_that_write_memberships_stand_in_two_modules() -> None:
    found = list(_statements())

    assert {file for file, _name in found} == set(WRITERS)
    assert None not in {name for _file, name in found}
    assert len(found) >= 8


@pytest.mark.parametrize("writer", WRITERS)
def test_one_function_uses_them(writer: str) -> None:
    names = {name for file, name in _statements() if name is not None and file == writer}

    # A part of a statement is read by the statements that it is part of.
    assert _functions_that_read(writer, names) - {None} == {"to_statement"}
    assert _read_elsewhere(names) == set()


def test_no_trigger_or_function_of_the_schema_writes_what_was_decided() -> None:
    schema = (PACKAGE / "sql" / "schema.sql").read_text(encoding="utf-8")

    assert not WRITES.search(schema)


def _texts() -> Iterator[tuple[str, str]]:
    """(file, source) of each SQL text that names memberships: an f-string with what it puts in."""
    for name, tree in parse_all().items():
        inner = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in ast.walk(node)
            if part is not node
        }
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.JoinedStr) or (
                isinstance(node, ast.Constant) and isinstance(node.value, str)
            )
            if is_text and id(node) not in inner and READS.search(source := ast.unparse(node)):
                yield name, source.replace("\\n", "\n")


def test_every_statement_that_looks_at_memberships_leaves_out_those_that_have_ended() -> None:
    """Docstrings name memberships, too: a text counts when it is SQL, by its first word."""
    found = [text for _file, text in _texts() if SQL.match(text)]

    lacking = [
        text
        for text in found
        if not (
            LOOKS_AT_END.search(text)
            or "insert into" in text
            or EVEN_ENDED in text
            or ALL_OF_A_FAMILY.search(text)
        )
    ]

    assert len(found) >= 15
    assert lacking == []
