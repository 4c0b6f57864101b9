"""One statement that changes rows, and the events of these."""

import re
import sqlite3
from functools import lru_cache

from transom.sql.db import Row, Statement
from transom.sql.sqlite.spelling import event_insert, spelt_for_unit

_RETURNING = re.compile(r"\s+returning\s+(.+)$", re.DOTALL)
_TABLE = re.compile(r"\s*(?:insert into|update) (\w+)")


def run_statement(connection: sqlite3.Connection, statement: Statement) -> list[Row]:
    """Run it with its events; the rows that it returns."""
    rows: list[Row]
    if statement.key:
        rows = _change_row(connection, statement)
    else:
        rows = connection.execute(spelt_for_unit(statement.sql), statement.values).fetchall()
    for event in statement.events if rows else ():
        sql, places, times = event_insert(event.sql, len(event.values), event.columns)
        changed = ((*event.values, *[row[at] for at in places]) for row in rows)
        connection.executemany(sql, [(*values, *number) for values in changed for number in times])
    return rows


def _change_row(connection: sqlite3.Connection, statement: Statement) -> list[Row]:
    """Of a statement with a key. SQLite makes a table of what a `returning` returns, which costs more than to
    look the row up behind the change."""
    sql, look = _without_returning(statement.sql, statement.key)
    if not connection.execute(sql, statement.values).rowcount:
        return []
    key = statement.values[: len(statement.key)]
    if look is None:
        return [key]
    rows: list[Row] = connection.execute(look, key).fetchall()
    return rows


@lru_cache(maxsize=64)
def _without_returning(sql: str, key: tuple[str, ...]) -> tuple[str, str | None]:
    """(the statement without its `returning`, a look for what that names by the values of the key; None where
    it names nothing but the key)."""
    returning, table = _RETURNING.search(sql), _TABLE.match(sql)
    if returning is None or table is None:
        raise ValueError(f"no row of a key is changed and returned by {sql}")
    columns = tuple(name.strip() for name in returning[1].split(","))
    where = " and ".join(f"{name} = ?{number}" for number, name in enumerate(key, 1))
    look = None if columns == key else f"select {', '.join(columns)} from {table[1]} where {where}"
    return spelt_for_unit(sql[: returning.start()]), look
