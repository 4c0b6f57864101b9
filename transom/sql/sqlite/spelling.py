"""Statements are written in PostgreSQL's words: here is how SQLite spells them, and a whole script."""

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from transom.sql.db import Arm

#: PostgreSQL's words → SQLite's, in this order, in the schema and in every statement. SQLite compares text
#: bytewise anyway. Both functions that open a JSON array call its elements `value`. Nobody waits for a lock
#: where one writes at a time.
SPELLING = {
    ' collate "C"': "",
    "jsonb_array_elements_text": "json_each",
    "jsonb_array_elements": "json_each",
    "place.value ->> 'store'": "json_extract(place.value, '$.store')",
    "jsonb": "text",
    "boolean": "integer",
    "bigint": "integer",
    " generated always as identity primary key": " primary key",
    "json_agg": "json_group_array",
    "json_build_array": "json_array",
    "json_build_object": "json_object",
    "strpos": "instr",
    " for update skip locked": "",
    " for update": "",
    " for share": "",
    "pg_advisory_xact_lock(hashtextextended($1, 0))": "$1",
    "properties ->> 'os_glance_importing_to_stores'": (
        "json_extract(properties, '$.os_glance_importing_to_stores')"
    ),
    "pg_column_size": "length",
    " with ordinality as waiting (value, number)": " as waiting",
    "waiting.number": "(waiting.key + 1)",
    "join lateral (select * from image where image.id = member.image_id offset 0) as image on": (
        "join image on image.id = member.image_id and"
    ),
}
#: Nearly all are live, and an index alone counts them all: only where that is too many each row is looked at.
_HAS_ROOM = re.compile(r"live_recipients_of\(image\.id, (\$\d+)\) < (cast\(\$\d+ as \w+\))")
_COUNTS_LESS = (
    r"((select count(*) from member where member.image_id = image.id) < \2"
    r" or (select count(*) from member where member.image_id = image.id and member.ends_at > \1) < \2)"
)
#: It waits for others, and finds that the image is shared.
_IS_LOCKED = re.compile(r"live_recipients_of\(image\.id, \$\d+\) >= 0")


class SqliteDialect:
    returns_joined = False

    def json_has_element(self, column: str, value: str) -> str:
        return f"exists (select 1 from json_each({column}) as e where e.value = {value})"

    def json_has_pair(self, column: str, key: str, value: str) -> str:
        return f"exists (select 1 from json_each({column}) as e where e.key = {key} and e.value = {value})"

    def json_text(self, column: str, key: str) -> str:
        return f"json_extract({column}, '$.\"{key}\"')"

    def json_has_key(self, column: str, key: str) -> str:
        return f"exists (select 1 from json_each({column}) as e where e.key = {key})"

    def merge(self, arms: Sequence[Arm], keys: Sequence[str], order: str, limit: str) -> str:
        """SQLite gives the arms the order of the whole, and takes from each the row that is next."""
        return f"{' union '.join(arm.sql for arm in arms)}order by {order} limit {limit}"


@lru_cache(maxsize=512)
def translated(sql: str) -> str:
    """The statement as SQLite understands it."""
    for postgresql, sqlite in SPELLING.items():
        sql = sql.replace(postgresql, sqlite)
    sql = _HAS_ROOM.sub(_COUNTS_LESS, _IS_LOCKED.sub("true", sql))
    return re.sub(r"\$(\d+)", r"?\1", sql)


_INSERTS_OR_UPDATES = re.compile(r"^\s*(?:insert|update)\b")


@lru_cache(maxsize=512)
def spelt_for_unit(sql: str) -> str:
    """The statement as the writer runs it: one that stops half way leaves what it did, and its unit is taken
    back as a whole (`writer.py`). So SQLite need not copy each page before a statement about many rows first
    writes to it. It does so all the same where the statement, or one of its triggers, calls a function."""
    return _INSERTS_OR_UPDATES.sub(r"\g<0> or fail", translated(sql))


_CHANGED = re.compile(r"\bchanged\.(\w+)")


#: How an `EventInsert` with two events of a row numbers them. On SQLite it is run once for each: that takes
#: less than a table of the two numbers, and the order of its rows.
_STEPS = ("cross join (select 1 as number union all select 2) as step", "order by step.number")
_STEP = "step.number"


@lru_cache(maxsize=512)
def event_insert(
    sql: str, values: int, columns: tuple[str, ...]
) -> tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """(the statement of an `EventInsert` for one row, the places of what it reads in the row, whose values
    come after its own `values`, and what comes behind these each time that it is run for the row). It has
    them where it names them: of a row to select from SQLite makes a table first."""
    sql = spelt_for_unit(sql).replace("join changed on", "where")
    read = list(dict.fromkeys(_CHANGED.findall(sql)))
    sql = _CHANGED.sub(lambda column: f"?{values + 1 + read.index(column[1])}", sql)
    sql = sql.replace("from changed", "from (select 1) as changed")
    times: tuple[tuple[int, ...], ...] = ((),)
    if _STEP in sql:
        for words in _STEPS:
            sql = sql.replace(words, "")
        sql = sql.replace(_STEP, f"?{values + 1 + len(read)}")
        times = ((1,), (2,))
    return sql, tuple(map(columns.index, read)), times


_FUNCTION = re.compile(r"^create function .*?^\$\$;$", re.DOTALL | re.MULTILINE)
#: A function that only triggers call: its name, and its statements.
_TRIGGERED = re.compile(
    r"^create function (\w+)\(\) returns trigger language plpgsql as \$\$\n"
    r"begin\n(.*?)    return null;\nend\n\$\$;$",
    re.DOTALL | re.MULTILINE,
)


def statements_of(script: str) -> list[str]:
    """The script's statements one by one: `executescript` would end the transaction they belong to.

    Functions are PostgreSQL's. Triggers of SQLite have the statements of theirs in themselves; for a call of
    another kind see `translated`."""
    for name, body in _TRIGGERED.findall(script):
        script = script.replace(f"execute function {name}()", f"begin\n{body}end")
    found: list[str] = []
    pending = ""
    for line in _FUNCTION.sub("", script).splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
