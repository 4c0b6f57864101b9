"""What SQLite's log takes of the disk."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from transom.sql.connect import open_database

pytestmark = pytest.mark.anyio

MIB = 1 << 20
#: A log is cut to so many bytes: what the writer lets it have by itself.
MOST = 64 * MIB
SET = "update large set value = $2 where id = $1"


async def test_the_log_that_grew_while_another_process_read_is_cut_when_that_has_ended(
    tmp_path: Path,
) -> None:
    """As a backup does that reads the whole file in one transaction."""
    db = await open_database(f"sqlite:///{tmp_path}/transom.db", 1)
    log = tmp_path / "transom.db-wal"
    await db.write("create table large (id integer primary key, value text)")
    await db.write("insert into large values (0, ''), (1, '')")
    with closing(sqlite3.connect(tmp_path / "transom.db", isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from large").fetchall()
        for number in range(MOST // MIB + 16):
            await db.write(SET, number % 2, chr(ord("0") + number) * MIB)
        grown = log.stat().st_size
        reader.execute("commit")

    for number in range(2):  # The first write moves the log into the file, the next one begins it anew.
        await db.write(SET, number, "end" * MIB)
    cut = log.stat().st_size
    await db.close()

    assert grown > MOST
    assert cut <= MOST
