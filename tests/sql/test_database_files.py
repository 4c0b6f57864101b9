"""What becomes of an embedded database whose files others touch, or lock."""

import asyncio
import resource
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from transom.domain.errors import UnavailableError
from transom.sql.connect import open_database
from transom.sql.db import Database

pytestmark = pytest.mark.anyio

INSERT = "insert into note (id) values ($1)"
REFUSAL = "removed or replaced"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transom.db"


@pytest.fixture
async def db(path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite:///{path}", 1)
    await opened.write("create table note (id text primary key)")
    yield opened
    await opened.close()


def _move(file: Path) -> None:
    file.rename(file.with_suffix(".moved"))


def _move_back(file: Path) -> None:
    file.with_suffix(".moved").rename(file)


def _replace(file: Path) -> None:
    copy = file.with_suffix(".copy")
    shutil.copy(file, copy)
    copy.rename(file)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("touch", [Path.unlink, _move, _replace])
async def test_nothing_is_acknowledged_that_the_next_start_would_not_find(
    db: Database, path: Path, touch: Callable[[Path], None], suffix: str
) -> None:
    await db.write(INSERT, "before")

    touch(Path(f"{path}{suffix}"))

    for note in ("first", "second"):
        with pytest.raises(UnavailableError, match=REFUSAL):
            await db.write(INSERT, note)
    with pytest.raises(UnavailableError, match=REFUSAL):
        await db.require_writable()
    assert await db.read("select count(*) from note where id in ('before', 'second')") == [(1,)]


async def test_writing_goes_on_when_the_files_are_back(db: Database, path: Path) -> None:
    _move(path)
    with pytest.raises(UnavailableError, match=REFUSAL):
        await db.require_writable()

    _move_back(path)

    await db.require_writable()
    await db.write(INSERT, "after")
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("select id from note").fetchall() == [("after",)]


async def test_what_other_processes_may_do_stops_nothing(db: Database, path: Path) -> None:
    for number, statement in enumerate(
        ("vacuum", "pragma wal_checkpoint(truncate)", f"vacuum into '{path}-copy'")
    ):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(statement)
        await db.write(INSERT, f"{number}")

    await db.require_writable()


async def test_a_database_that_another_process_keeps_locked_is_not_ready(db: Database, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(UnavailableError, match="locked"):
            await db.require_writable()
        assert await db.read("select count(*) from note") == [(0,)]

    await db.require_writable()


@contextmanager
def _broken_disk() -> Iterator[None]:
    """No file can grow, nor be written at all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_database_whose_disk_fails_is_not_ready_until_a_write_succeeds(db: Database) -> None:
    with _broken_disk():
        # Raised outside, where the test's own output has a disk again.
        (lost,) = await asyncio.gather(db.write(INSERT, "lost"), return_exceptions=True)
        (first,) = await asyncio.gather(db.require_writable(), return_exceptions=True)
        (second,) = await asyncio.gather(db.require_writable(), return_exceptions=True)
    assert [type(one) for one in (lost, first, second)] == [UnavailableError] * 3

    await db.require_writable()
    await db.write(INSERT, "kept")
    assert await db.read("select id from note") == [("kept",)]


async def test_a_transaction_that_changes_nothing_does_not_make_a_failed_disk_good(db: Database) -> None:
    with _broken_disk():
        (lost,) = await asyncio.gather(db.write(INSERT, "lost"), return_exceptions=True)
        (none,) = await asyncio.gather(
            db.write("delete from note where id = $1 returning id", "nobody"), return_exceptions=True
        )
        (ready,) = await asyncio.gather(db.require_writable(), return_exceptions=True)

    assert [type(one) for one in (lost, none, ready)] == [UnavailableError, list, UnavailableError]
