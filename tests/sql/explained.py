"""What a statement reads to be answered, counted: the same on a fast machine and on a busy one."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from transom.sql.db import Database
from transom.sql.sqlite.spelling import translated

from .databases import Asked


async def plan_of(db: Database, asked: Asked) -> dict[str, Any]:
    """How PostgreSQL ran the statement: by the plan that its connection has for it, whatever the values."""
    await db.write(f"prepare asked as {asked.sql}")
    values = ", ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in asked.values)
    execute = f"execute asked({values})" if values else "execute asked"
    ((found,),) = await db.read(f"explain (analyze, format json) {execute}")
    await db.write("deallocate asked")
    plan: dict[str, Any] = msgspec.json.decode(found)[0]["Plan"]
    return plan


def rows_read(plan: dict[str, Any]) -> int:
    """Rows that were looked at in a table or an index, whether or not they were of use."""
    below = sum(rows_read(child) for child in plan.get("Plans", ()))
    if "Relation Name" not in plan:
        return below
    looked_at = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return below + int(looked_at)


def steps_taken(file: Path, asked: Asked) -> int:
    """Hundreds of steps of SQLite's machine that the statement takes: several for each row it looks at."""
    hundreds = 0

    def count() -> None:
        nonlocal hundreds
        hundreds += 1

    with closing(sqlite3.connect(file)) as connection:
        connection.set_progress_handler(count, 100)
        connection.execute(translated(asked.sql), asked.values).fetchall()
    return hundreds
