"""Bring a database to the schema this release works with: numbered scripts, each in a transaction."""

from importlib.resources import files
from typing import cast

from transom.sql.db import Database, SchemaHistory


def migrations() -> list[tuple[int, str]]:
    """(version, script) of every migration, in order. The file's name starts with its number."""
    folder = files("transom.sql") / "migrations"
    found = [
        (int(f.name[:4]), f.read_text(encoding="utf-8")) for f in folder.iterdir() if f.name[:4].isdigit()
    ]
    return sorted(found)


async def migrate(db: Database) -> list[int]:
    """Apply what is missing; the versions that were applied. Safe to run from several processes at once."""
    history = cast(SchemaHistory, db)
    done = await history.schema_version()
    return [
        version
        for version, script in migrations()
        if version > done and await history.run_script(script, version)
    ]


async def missing_migrations(db: Database) -> list[int]:
    """The versions that `migrate` would apply."""
    done = await cast(SchemaHistory, db).schema_version()
    return [version for version, _script in migrations() if version > done]
