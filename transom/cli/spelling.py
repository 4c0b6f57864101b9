"""Texts of strangers on an operator's or a user's terminal, and in their spreadsheets."""

import json
from typing import Any

from transom.client.spreadsheets import keep_as_text


def spell_out(text: str) -> str:
    """The text in one line: its control characters are shown, not obeyed."""
    return text if text.isprintable() else "".join(map(_visible, text))


def spell_lines(text: str) -> str:
    """As `spell_out`, with the line ends that the text has."""
    return "\n".join(map(spell_out, text.split("\n")))


def spell_cell(text: str) -> str:
    """The text as a cell of a CSV file: spelled out, and kept from being a formula."""
    return keep_as_text(spell_out(text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def spell_json(value: Any, indent: int | None = None) -> str:
    """The value as JSON for people and programs: all scripts as they are, but control characters escaped, of
    which JSON itself asks for those below 32 only."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "\n".join(map(_escape, text.split("\n")))


def _escape(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)
