"""What it takes to forget old jobs, which each process looks for three times a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from transom.sql import old_jobs
from transom.sql.connect import open_database
from transom.sql.migrate import migrate

from .databases import Tap
from .explained import steps_taken

pytestmark = pytest.mark.anyio

KEPT, OLD = 20_000, 50
_INSERT = """
    with recursive number (n) as (select 1 union all select n + 1 from number where n < {count})
    insert into job (id, kind, project_id, status, input, failures, begin_at, end_at, progress, attempts,
                     held_until, image_id)
    select '{kind}-' || n, '{kind}', 'project', 'SUCCESS', '{{}}', '[]', n, {end_at}, 100, 1, 0, {image}
    from number"""


async def test_jobs_that_are_kept_for_longer_than_tasks_are_not_looked_at(tmp_path: Path) -> None:
    """Nor does anybody wait to write meanwhile."""
    file = tmp_path / "transom.db"
    db = await open_database(f"sqlite:///{file}", 1)
    try:
        await migrate(db)
        await db.write(_INSERT.format(count=KEPT, kind="add-members", end_at=200, image="null"))
        tap = Tap(db)

        await old_jobs.delete_old_jobs(tap, 100, 300)
    finally:
        await db.close()

    assert [one.as_short for one in tap.asked] == [False, False]
    assert sum(steps_taken(file, one) for one in tap.asked) < KEPT / 1000


async def test_old_ones_of_both_kinds_go_some_at_a_time(tmp_path: Path) -> None:
    db = await open_database(f"sqlite:///{tmp_path / 'transom.db'}", 1)
    try:
        await migrate(db)
        for end_at, kind, image in ((99, "add-members", "null"), (299, "import", "'image'")):
            await db.write(_INSERT.format(count=OLD, kind=kind, end_at=end_at, image=image))
        tap = Tap(db)

        await old_jobs.delete_old_jobs(tap, 100, 300)
        left = await db.read("select id from job")
    finally:
        await db.close()

    writes = [one for one in tap.asked if one.sql == old_jobs.DELETE_ENDED]
    assert left == []
    assert len(writes) == 5
