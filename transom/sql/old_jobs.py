"""Removes ended jobs: those that are old enough, and those of projects that keep too many bytes of them."""

from transom.sql.db import Database, Statement
from transom.sql.images import to_json
from transom.sql.jobs import IS_TASK

DELETE_OLD_JOBS = f"delete from job where end_at < $1 and not {IS_TASK}"

DELETE_OLD_TASKS = f"delete from job where end_at < $1 and {IS_TASK}"


async def delete_old_jobs(db: Database, jobs_before: int, tasks_before: int) -> None:
    """Forget the jobs of the IMS API and the tasks of the Image API that ended before these moments."""
    await db.transact(
        Statement(DELETE_OLD_JOBS, (jobs_before,)), Statement(DELETE_OLD_TASKS, (tasks_before,))
    )


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

DELETE_SURPLUS = """
    delete from job
    where end_at is not null and id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))"""

#: Rows that go at a time: of a batch each may have some megabytes, and SQLite's other writers wait.
_SURPLUS_SLICE = 20


async def delete_surplus_jobs(db: Database, most_bytes: int, since: int, newest_kept: int) -> int:
    """Forget the oldest ended jobs of projects whose ended jobs take more than `most_bytes`, if one of theirs
    has ended `since`, but for each project's newest; how many there were. The search runs beside the event
    loop."""
    surplus = [row[0] for row in await db.scan(LIST_SURPLUS, most_bytes, since, newest_kept)]
    for start in range(0, len(surplus), _SURPLUS_SLICE):
        await db.write(DELETE_SURPLUS, to_json(surplus[start : start + _SURPLUS_SLICE]))
    return len(surplus)
