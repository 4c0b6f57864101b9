"""Indexes of the properties that the operator named (`indexed_properties`).

Each property has one for each range of a list, as names have (`schema.sql`). They are no part of the schema:
a list is the same without them, and slower.
"""

import hashlib
import logging
from collections.abc import Collection
from typing import cast

from transom.sql.db import Database, SchemaHistory, SqlDialect

_log = logging.getLogger(__name__)

_PREFIX = "image_property_"
#: End of the name → what the index has beside the property, and a term that its images meet.
_RANGES = {
    # An expression, lest a list of an owner's images that looks up nothing is read from here (decision 0013).
    "own": ("(owner || ''), created_at, id", ""),
    "public": ("created_at, id", "visibility = 'public' and "),
    "community": ("created_at, id", "visibility = 'community' and "),
    # In the words of a list (`_ANYBODYS_SQL`).
    "any": ("created_at, id", "id <> '' and "),
}


async def make_property_indexes(db: Database, properties: Collection[str], *, drops: bool) -> list[str]:
    """Make the indexes of these properties that are missing, and drop those of others if asked to. The names
    of the indexes that were made or dropped."""
    if not properties and not drops:
        return []
    history = cast(SchemaHistory, db)
    present = {name for name in await history.list_indexes() if name.startswith(_PREFIX)}
    wanted = {name: sql for one in properties for name, sql in _definitions(db.dialect, one).items()}
    missing = [sql for name, sql in wanted.items() if name not in present]
    others = sorted(present - wanted.keys()) if drops else []
    script = "".join([*missing, *(f"drop index {name};\n" for name in others)])
    if script:
        _log.info("indexes of properties: %d to make, %d to drop", len(missing), len(others))
        await history.change_indexes(script)
    return [*(name for name in wanted if name not in present), *others]


def _definitions(dialect: SqlDialect, name: str) -> dict[str, str]:
    """Of each index of the property its name and the statement that makes it."""
    text = dialect.json_text("properties", name)
    stem = _PREFIX + hashlib.sha256(name.encode()).hexdigest()[:12]
    return {
        f"{stem}_{end}": (
            f"create index {stem}_{end} on image ({text}, {columns}) where {term}{text} is not null;\n"
        )
        for end, (columns, term) in _RANGES.items()
    }
