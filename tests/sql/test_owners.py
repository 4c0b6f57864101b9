"""Which database this is: the same one after all that happens to it, another one in every copy."""

import asyncio
import shutil
from pathlib import Path

import pytest
from harness.copies import copy_database
from harness.postgresql import PostgreSQL

from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.migrate import migrate
from transom.sql.owners import (
    DatabaseId,
    is_owned_store,
    know_database,
    record_owned_store,
    renew_database_id,
)

from .databases import MakeUrl

pytestmark = pytest.mark.anyio


async def know(url: str) -> DatabaseId:
    """What a process finds that opens the database now."""
    db = await open_database(url, 2)
    try:
        await migrate(db)
        return (await know_database(db))[0]
    finally:
        await db.close()


async def test_a_database_has_one_id_for_all_that_ask_at_once(db: Database, neighbour: Database) -> None:
    found = await asyncio.gather(*(know_database(one) for one in (db, neighbour) * 5))

    assert len(set(found)) == 1
    assert found[0][0].copied_from is None


async def test_a_database_is_the_same_after_a_restart(make_url: MakeUrl, kind: str) -> None:
    url = make_url(kind)

    assert await know(url) == await know(url)


async def test_a_copy_is_another_database_and_knows_of_which(
    make_url: MakeUrl, kind: str, tmp_path: Path, postgresql: PostgreSQL
) -> None:
    url = make_url(kind)
    original = await know(url)
    (tmp_path / "copy").mkdir()
    copied = await asyncio.to_thread(copy_database, url, tmp_path / "copy", postgresql)

    copy = await know(copied)

    assert copy.id != original.id
    assert copy.copied_from == original.id
    assert (await know(copied), await know(url)) == (copy, original)


async def test_those_who_find_out_at_once_that_it_is_a_copy_agree(
    make_url: MakeUrl, kind: str, tmp_path: Path, postgresql: PostgreSQL
) -> None:
    url = make_url(kind)
    await know(url)
    copied = await asyncio.to_thread(copy_database, url, tmp_path, postgresql)

    found = await asyncio.gather(*(know(copied) for _ in range(5)))

    assert len(set(found)) == 1


async def test_a_disowned_database_has_another_id(db: Database) -> None:
    (before, _place) = await know_database(db)

    after = await renew_database_id(db)

    assert after.id != before.id
    assert (after.copied_from, after.place) == (before.id, before.place)


async def test_a_store_is_owned_once_it_was_recorded(db: Database) -> None:
    before = await is_owned_store(db, "cold")
    await record_owned_store(db, "cold")
    await record_owned_store(db, "cold")

    assert (before, await is_owned_store(db, "cold"), await is_owned_store(db, "warm")) == (
        False,
        True,
        False,
    )


async def test_a_copy_within_the_server_is_another_database(postgresql: PostgreSQL) -> None:
    """`create database … template` copies the files."""
    url = postgresql.create_database()
    original = await know(url)
    copied = postgresql.create_database(template=url)

    assert (await know(copied)).copied_from == original.id


async def test_a_dump_restored_over_its_own_database_is_the_same_one(postgresql: PostgreSQL) -> None:
    url = postgresql.create_database()
    original = await know(url)

    await asyncio.to_thread(postgresql.restore_in_place, url)

    assert await know(url) == original


async def test_a_role_that_may_see_nothing_of_the_server_has_an_id(postgresql: PostgreSQL) -> None:
    url = postgresql.create_database()
    db = await open_database(url, 1)
    await migrate(db)
    await db.write("create role plain_owner")
    await db.write("grant select, insert, update on database_id to plain_owner")
    await db.write("revoke execute on function pg_control_system() from public")
    await db.write("set role plain_owner")

    found, place = await know_database(db)
    await db.close()

    assert found.place == place.id
    assert place.id.startswith("postgresql/-/")


async def test_a_moved_folder_holds_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    original = await know(f"sqlite:///{tmp_path}/here/transom.db")

    (tmp_path / "here").rename(tmp_path / "there")

    assert await know(f"sqlite:///{tmp_path}/there/transom.db") == original


async def test_a_file_put_back_from_a_backup_is_another_database(tmp_path: Path) -> None:
    file = tmp_path / "transom.db"
    original = await know(f"sqlite:///{file}")
    shutil.copy2(file, tmp_path / "backup.db")

    (tmp_path / "backup.db").replace(file)

    assert (await know(f"sqlite:///{file}")).copied_from == original.id


async def test_to_ask_for_the_place_leaves_the_locks_of_a_writer(tmp_path: Path) -> None:
    """SQLite's locks are the process's: whoever opens the file and closes it again takes all of them away."""
    db = await open_database(f"sqlite:///{tmp_path}/transom.db", 1)
    await migrate(db)

    await db.find_place()

    held = await asyncio.to_thread(locked_files)
    files = await asyncio.to_thread(lambda: {path.stat().st_ino for path in tmp_path.iterdir()})
    await db.close()
    assert held & files


def locked_files() -> set[int]:
    """The inodes of the files on which somebody holds a POSIX lock."""
    lines = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    return {int(words[5].rpartition(":")[2]) for words in lines if words[1] == "POSIX"}
