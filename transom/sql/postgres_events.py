"""A change and the events that it tells, as one statement: one round trip, whole or not at all."""

import re
from functools import lru_cache
from typing import Any

from transom.sql.db import Statement

_VALUE = re.compile(r"\$(\d+)")


def with_events(statement: Statement) -> tuple[str, tuple[Any, ...]]:
    """(text, values) of the statement and what it tells; it returns the columns that the latter names."""
    if not statement.tells:
        return statement.sql, statement.values
    values = statement.values
    firsts = []
    for tell in statement.tells:
        firsts.append(len(values))
        values += tell.values
    texts = tuple((tell.sql, first) for tell, first in zip(statement.tells, firsts, strict=True))
    return _joined(statement.sql, texts, statement.tells[0].columns), values


@lru_cache(maxsize=512)
def _joined(sql: str, tells: tuple[tuple[str, int], ...], columns: tuple[str, ...]) -> str:
    parts = [f"changed as ({sql})"]
    for number, (text, first) in enumerate(tells):
        parts.append(f"told_{number} as ({_shifted(text, first)})")
    return f"with {', '.join(parts)} select {', '.join(columns)} from changed"


def _shifted(sql: str, first: int) -> str:
    """The text with the numbers of its values counted from behind so many."""
    return _VALUE.sub(lambda found: f"${int(found[1]) + first}", sql)
