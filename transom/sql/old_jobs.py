"""Removes ended jobs: those that are old enough, and those of projects that keep too many bytes of them."""

from collections.abc import Sequence

from transom.sql.db import Database
from transom.sql.images import to_json
from transom.sql.jobs import IS_TASK

#: What a look for those that are old enough finds; the next one finds more.
_MOST_OLD = 5_000

LIST_OLD_JOBS = f"select id from job where end_at < $1 and not {IS_TASK} limit {_MOST_OLD}"

# By `job_by_image`, where batches of shares are not, which are the many, and kept for longer than tasks: with
# `+ 0` databases look up no index.
LIST_OLD_TASKS = f"""
    select id from job where image_id is not null and {IS_TASK} and end_at + 0 < $1 limit {_MOST_OLD}"""

DELETE_ENDED = """
    delete from job
    where end_at is not null and id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))"""

#: Rows that go at a time: of a batch each may have some megabytes, and SQLite's other writers wait.
_SLICE = 20


async def delete_old_jobs(db: Database, jobs_before: int, tasks_before: int) -> None:
    """Forget the jobs of the IMS API and the tasks of the Image API that ended before these moments. They are
    looked for beside the event loop, and no writer waits meanwhile."""
    jobs = await db.scan(LIST_OLD_JOBS, jobs_before)
    tasks = await db.scan(LIST_OLD_TASKS, tasks_before)
    await _delete(db, [row[0] for row in (*jobs, *tasks)])


async def _delete(db: Database, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), _SLICE):
        await db.write(DELETE_ENDED, to_json(ids[start : start + _SLICE]))


# For each project with a job that ended since $2: the oldest ended jobs that exceed $1 bytes in total, never
# the newest $3: their clients may not have read the results yet.
# PostgreSQL knows the sizes, as stored, without reading the values; SQLite has to read those of these
# projects. A row is taken for 1,000 bytes more.
LIST_SURPLUS = """
    select id from (
        select id, sum(pg_column_size(input) + pg_column_size(failures) + 1000)
                   over (partition by project_id order by end_at desc, id) as kept,
               row_number() over (partition by project_id order by end_at desc, id) as place
        from job
        where end_at is not null and project_id in (select project_id from job where end_at >= $2)
    ) as ended where kept > cast($1 as bigint) and place > cast($3 as bigint)"""


async def delete_surplus_jobs(db: Database, most_bytes: int, since: int, newest_kept: int) -> int:
    """Forget the oldest ended jobs of projects whose ended jobs take more than `most_bytes`, if one of theirs
    has ended `since`, but for each project's newest; how many there were. The search runs beside the event
    loop."""
    surplus = [row[0] for row in await db.scan(LIST_SURPLUS, most_bytes, since, newest_kept)]
    await _delete(db, surplus)
    return len(surplus)
