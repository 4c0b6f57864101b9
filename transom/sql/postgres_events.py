"""A change and its events, as one statement: one round trip, whole or not at all."""

import re
from functools import lru_cache
from typing import Any

from transom.sql.db import Statement

_VALUE = re.compile(r"\$(\d+)")


def with_events(statement: Statement) -> tuple[str, tuple[Any, ...]]:
    """(text, values) of the statement and its events; it returns the columns that the latter names."""
    if not statement.events:
        return statement.sql, statement.values
    values = statement.values
    firsts = []
    for event in statement.events:
        firsts.append(len(values))
        values += event.values
    texts = tuple((event.sql, first) for event, first in zip(statement.events, firsts, strict=True))
    return _joined(statement.sql, texts, statement.events[0].columns), values


@lru_cache(maxsize=512)
def _joined(sql: str, events: tuple[tuple[str, int], ...], columns: tuple[str, ...]) -> str:
    parts = [f"changed as ({sql})"]
    for number, (text, first) in enumerate(events):
        parts.append(f"event_{number} as ({_shifted(text, first)})")
    return f"with {', '.join(parts)} select {', '.join(columns)} from changed"


def _shifted(sql: str, first: int) -> str:
    """The text with the numbers of its values counted from behind so many."""
    return _VALUE.sub(lambda found: f"${int(found[1]) + first}", sql)
