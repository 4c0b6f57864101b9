"""Bring a database to the schema this release works with: numbered scripts, each in a transaction, or in
pieces (`run_script`)."""

from importlib.resources import files
from typing import cast

from transom.domain.errors import UnavailableError
from transom.sql.db import Database, SchemaHistory


def migrations() -> list[tuple[int, str]]:
    """(version, script) of every migration, in order. The file's name starts with its number."""
    folder = files("transom.sql") / "migrations"
    found = [
        (int(f.name[:4]), f.read_text(encoding="utf-8")) for f in folder.iterdir() if f.name[:4].isdigit()
    ]
    return sorted(found)


async def migrate(db: Database) -> list[int]:
    """Apply what is missing; the versions that were applied. Safe to run from several processes at once.

    UnavailableError when the database is of a newer release, which this one does not know.
    """
    missing = await missing_migrations(db)
    history = cast(SchemaHistory, db)
    return [
        version
        for version, script in migrations()
        if version in missing and await history.run_script(script, version)
    ]


async def missing_migrations(db: Database) -> list[int]:
    """The versions that `migrate` would apply. UnavailableError as there."""
    done = await cast(SchemaHistory, db).schema_version()
    known = [version for version, _script in migrations()]
    if done > known[-1]:
        raise UnavailableError(
            f"The database is of a newer release: its schema has version {done}, this one knows {known[-1]}."
        )
    return [version for version in known if version > done]
