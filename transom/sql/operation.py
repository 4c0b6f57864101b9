"""Counts over everything, for operators. All are scans: they read whole tables, or all of an index."""

from transom.domain.model import JobStatus, MemberStatus, Status, Visibility
from transom.domain.operation import HookState, ProjectUse, StoreUse, UseSort
from transom.sql.db import Database
from transom.sql.live import live
from transom.sql.member_ids import is_project

_ON_ITS_WAY = (Status.SAVING, Status.UPLOADING, Status.IMPORTING)

COUNT_UPLOADS = f"""
    select status, count(*) from image
    where status in ({", ".join(f"'{status}'" for status in _ON_ITS_WAY)}) group by status"""


async def count_uploads(db: Database) -> dict[str, int]:
    """Images whose data is on its way, by status."""
    counted = {row[0]: int(row[1]) for row in await db.scan(COUNT_UPLOADS)}
    return {status: counted.get(status, 0) for status in _ON_ITS_WAY}


# Both ranges of `job_by_end`.
COUNT_JOBS = f"""
    select case when holder is null then 'waiting' else 'running' end, count(*)
    from job where end_at is null group by 1
    union all
    select 'failed', count(*) from job where end_at > $1 and status = '{JobStatus.FAIL}'"""


async def count_jobs(db: Database, since: int) -> dict[str, int]:
    """Jobs that wait and that are run, and those that have failed since then."""
    counted = {row[0]: int(row[1]) for row in await db.scan(COUNT_JOBS, since)}
    return {state: counted.get(state, 0) for state in ("waiting", "running", "failed")}


COUNT_HOOK_STATES = f"""
    select case when not is_enabled then '{HookState.DISABLED}'
                when attempts > 0 then '{HookState.FAILING}' else '{HookState.WORKING}' end, count(*)
    from hook group by 1"""


async def count_hook_states(db: Database) -> dict[str, int]:
    counted = {row[0]: int(row[1]) for row in await db.scan(COUNT_HOOK_STATES)}
    return {state: counted.get(state, 0) for state in HookState}


# Each copy of an image's data takes room.
COUNT_STORES = """
    select place.value ->> 'store', count(distinct image.id), coalesce(sum(image.size), 0)
    from image cross join jsonb_array_elements(image.locations) as place
    group by 1 order by 1"""


async def count_stores(db: Database) -> dict[str, StoreUse]:
    """Images and their total size in each store, by the store's id."""
    rows = await db.scan(COUNT_STORES)
    return {row[0]: StoreUse(images=int(row[1]), size=int(row[2])) for row in rows}


# Three scans of everything, added up by project. Memberships of a domain count for no project.
LIST_PROJECTS = f"""
    select project_id, images, size, given, taken, rank from (
        select project_id, images, size, given, taken,
               case cast($1 as text)
                   when '{UseSort.IMAGES}' then images when '{UseSort.GIVEN}' then given
                   when '{UseSort.TAKEN}' then taken else size end as rank
        from (
            select project_id, cast(sum(images) as bigint) as images, cast(sum(size) as bigint) as size,
                   cast(sum(given) as bigint) as given, cast(sum(taken) as bigint) as taken
            from (
                select owner as project_id, count(*) as images, coalesce(sum(size), 0) as size,
                       0 as given, 0 as taken
                from image where owner is not null group by owner
                union all
                select image.owner, 0, 0, count(*), 0
                from member join image on image.id = member.image_id
                where {live("$2")} and image.visibility = '{Visibility.SHARED}' and image.owner is not null
                group by image.owner
                union all
                select member.member_id, 0, 0, 0, count(*)
                from member join image on image.id = member.image_id
                where {live("$2")} and image.visibility = '{Visibility.SHARED}'
                  and member.status = '{MemberStatus.ACCEPTED}' and {is_project("member.member_id")}
                group by member.member_id) as part
            group by project_id) as whole) as ranked
    where rank <= $3 and (rank < $3 or project_id > $4)
    order by rank desc, project_id limit $5"""


async def list_projects(
    db: Database, sort: UseSort, now: int, *, after: tuple[int, str], limit: int
) -> list[ProjectUse]:
    """Projects that have anything, most first, from behind `after` (rank, project) on."""
    rows = await db.scan(LIST_PROJECTS, sort, now, *after, limit)
    return [
        ProjectUse(
            project_id=row[0],
            images=int(row[1]),
            size=int(row[2]),
            given=int(row[3]),
            taken=int(row[4]),
            rank=int(row[5]),
        )
        for row in rows
    ]
