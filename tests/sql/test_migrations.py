"""The schema: migrations end where schema.sql stands, and bringing it up to date is safe at any time."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from transom.domain.errors import UnavailableError
from transom.sql.connect import open_database
from transom.sql.db import Database, SchemaHistory
from transom.sql.migrate import migrate, migrations, missing_migrations

from .databases import SCHEMA, MakeUrl, catalog

pytestmark = pytest.mark.anyio

VERSIONS = [version for version, _ in migrations()]
MUCH_NEWER = 9999


async def test_a_fresh_schema_equals_a_migrated_one(kind: str, make_url: MakeUrl, db: Database) -> None:
    fresh = await open_database(make_url(kind), 1)
    await cast(SchemaHistory, fresh).run_script(SCHEMA, VERSIONS[-1])

    of_schema, of_migrations = await catalog(fresh, kind), await catalog(db, kind)
    await fresh.close()

    assert of_schema == of_migrations


async def test_the_catalog_names_every_table_of_the_schema(kind: str, db: Database) -> None:
    """Guards the comparison above against comparing nothing with nothing."""
    found = {name for (name,) in (await catalog(db, kind))["tables"]}

    assert found == {*re.findall(r"create table (\w+)", SCHEMA), "schema_version"}


async def test_every_migration_is_applied_once_in_order(empty_url: str) -> None:
    db = await open_database(empty_url, 1)

    first, second = await migrate(db), await migrate(db)
    await db.close()

    assert (first, second) == (VERSIONS, [])


async def test_an_empty_database_lacks_all_migrations_and_a_migrated_one_none(empty_url: str) -> None:
    db = await open_database(empty_url, 1)

    before = await missing_migrations(db)
    await migrate(db)
    after = await missing_migrations(db)
    await db.close()

    assert (before, after) == (VERSIONS, [])


def test_migrations_are_numbered_without_gaps() -> None:
    assert list(range(1, len(VERSIONS) + 1)) == VERSIONS


async def test_tasks_that_migrate_at_once_apply_each_version_once(empty_url: str) -> None:
    databases = [await open_database(empty_url, 1) for _ in range(4)]

    applied = await asyncio.gather(*(migrate(db) for db in databases))
    for db in databases:
        await db.close()

    assert sorted(version for versions in applied for version in versions) == VERSIONS


def test_processes_that_migrate_at_once_all_succeed(empty_url: str, tmp_path: Path) -> None:
    processes = [_start_migrate(empty_url, tmp_path) for _ in range(4)]

    outputs = [process.communicate(timeout=60)[0] for process in processes]

    assert [process.returncode for process in processes] == [0] * 4, outputs


async def test_a_migration_that_fails_leaves_nothing_behind(kind: str, db: Database) -> None:
    before = await catalog(db, kind)

    with pytest.raises(UnavailableError) as refusal:
        await cast(SchemaHistory, db).run_script(
            "create table half (id text);\nselect nonsense from nowhere_nonsense;", MUCH_NEWER
        )

    assert "nonsense" in str(refusal.value.__cause__)
    assert (await catalog(db, kind), await missing_migrations(db)) == (before, [])


async def test_a_database_of_a_newer_release_is_left_as_it_is(kind: str, db: Database) -> None:
    await db.write("insert into schema_version (version) values ($1)", MUCH_NEWER)
    before = await catalog(db, kind)

    with pytest.raises(UnavailableError, match="newer release"):
        await migrate(db)

    assert await catalog(db, kind) == before


async def test_an_operator_is_told_that_a_database_is_of_a_newer_release(
    url: str, db: Database, tmp_path: Path
) -> None:
    await db.write("insert into schema_version (version) values ($1)", MUCH_NEWER)

    output, _ = await asyncio.to_thread(_start_migrate(url, tmp_path).communicate, timeout=60)

    assert "newer" in output


def _start_migrate(url: str, folder: Path) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRANSOM_")}
    return subprocess.Popen(
        [sys.executable, "-m", "transom", "--database", url, "--data-dir", str(folder), "migrate"],
        cwd=folder,
        env=inherited,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
