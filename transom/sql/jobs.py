"""Jobs: rows ↔ `Job`. Written whole by a batch (`batches.py`), or held by the worker that runs one."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from transom.clock import now_us
from transom.domain.events import Actor, Via
from transom.domain.job_inputs import INPUTS
from transom.domain.model import TASK_KINDS, Failure, Image, Job, JobInput, JobKind, JobStatus
from transom.sql.db import Database, Row, Statement
from transom.sql.deletion import delete_statements
from transom.sql.images import insert_statements, lock_owner, to_json
from transom.sql.leases import as_seen

_log = logging.getLogger(__name__)

_COLUMNS = """
    id, kind, project_id, status, input, failures, begin_at, end_at, progress, image_id, user_id, request_id,
    told_at, message"""

_decode_failures = msgspec.json.Decoder(tuple[Failure, ...]).decode
_DECODE_INPUT: Mapping[str, Callable[[str], JobInput]] = {
    kind: msgspec.json.Decoder(one).decode for kind, one in INPUTS.items()
}
_decode_unknown = msgspec.json.Decoder(JobInput).decode


class ListedTask(NamedTuple):
    """A task as lists show it: without its input, which may be large."""

    id: str
    kind: str
    project_id: str
    status: str
    begin_at: int
    end_at: int | None
    told_at: int | None


class OpenJob(NamedTuple):
    """A job that is not over, and who holds it. What it is about comes with the claim."""

    id: str
    kind: str
    project_id: str
    attempts: int
    holder: str | None
    held_until: int


def _job_of_row(row: Row) -> Job:
    return Job(
        id=row[0],
        kind=row[1],
        project_id=row[2],
        status=row[3],
        input=_DECODE_INPUT.get(row[1], _decode_unknown)(row[4]),
        failures=_decode_failures(row[5]),
        begin_at=row[6],
        end_at=row[7],
        progress=row[8],
        image_id=row[9],
        user_id=row[10],
        request_id=row[11],
        told_at=row[12],
        message=row[13] or "",
    )


INSERT_JOB = """
    insert into job (id, kind, project_id, status, input, failures, begin_at, end_at, progress, attempts,
                     held_until, image_id, user_id, request_id, credential)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, $10, $11, $12, $13)"""


def insert_job(job: Job, credential: str | None = None) -> Statement:
    """The statement that writes a new job, for the transaction that it belongs to. `credential`: what it
    needs to act for who asked for it (`find_credential`)."""
    values = (
        job.id,
        job.kind,
        job.project_id,
        job.status,
        to_json(job.input),
        to_json(job.failures),
        job.begin_at,
        job.end_at,
        job.progress,
        job.image_id,
        job.user_id,
        job.request_id,
        credential,
    )
    return Statement(INSERT_JOB, values)


# One range of `job_by_end`: the jobs that are open, of all projects.
COUNT_OPEN = "select count(*) from job where project_id = $1 and end_at is null"


async def count_open_jobs(db: Database, project_id: str) -> int:
    """Jobs of a project that wait or run."""
    rows = await db.scan(COUNT_OPEN, project_id)
    return int(rows[0][0])


# Behind the insert: it counts that one, too.
WITHIN_OPEN = f"select 1 where ({COUNT_OPEN}) <= cast($2 as bigint)"
WITHIN_KIND = f"select 1 where ({COUNT_OPEN} and kind = $3) <= cast($2 as bigint)"


def guard_open(job: Job, limit: int, *changes: Statement) -> list[Statement]:
    """The changes, with a guard that the job's project has `limit` open jobs then; negative: no limit. Jobs
    of one project are written one after another."""
    if limit < 0:
        return [*changes]
    within = Statement(WITHIN_OPEN, (job.project_id, limit), required=True)
    return [lock_owner(job.project_id), *changes, within]


def _in_turn(job: Job, image: Image, open_jobs_quota: int, *changes: Statement) -> list[Statement]:
    """`guard_open` for changes that lock the image's owner: both projects are locked first, in one order,
    else two that make images for each other's project could deadlock."""
    guarded = guard_open(job, open_jobs_quota, *changes)
    owners = {job.project_id, image.owner or job.project_id}
    return guarded if len(owners) == 1 else [*map(lock_owner, sorted(owners)), *guarded]


async def start_image_task(
    db: Database, job: Job, image: Image, image_count_quota: int, open_jobs_quota: int, held: Statement
) -> bool:
    """As `start_job`, for a task that holds its image from the beginning: `held` writes that."""
    statements = (*insert_statements(image, image_count_quota), held, insert_job(job))
    return await db.transact(*_in_turn(job, image, open_jobs_quota, *statements)) is not None


async def start_imports(
    db: Database,
    starts: Sequence[tuple[Job, Image, Statement]],
    group: Job | None,
    image_count_quota: int,
    open_jobs_quota: int,
) -> bool:
    """As `start_image_task`, for several images of one project, each with its job and what holds it; all of
    them or none. `group`: the job that stands for all."""
    statements = [insert_job(group)] if group is not None else []
    for job, image, held in starts:
        statements += [*insert_statements(image, image_count_quota), held, insert_job(job)]
    job, image, _held = starts[0]
    return await db.transact(*_in_turn(job, image, open_jobs_quota, *statements)) is not None


# One range of the index `job_by_image`. Behind the insert, which is left aside.
EXPORTS_NOTHING_ELSE = f"""
    select 1 where not exists (
        select 1 from job
        where image_id = $1 and kind = '{JobKind.EXPORT}' and end_at is null and id <> $2)"""


async def start_export(db: Database, job: Job, open_jobs_quota: int) -> bool:
    """Write the job; False when its image is being exported already, or the project may have no more jobs
    open. Exports of one project are written one after another."""
    alone = Statement(EXPORTS_NOTHING_ELSE, (job.image_id, job.id), required=True)
    guarded = guard_open(job, open_jobs_quota, insert_job(job), alone)
    return await db.transact(lock_owner(job.project_id), *guarded) is not None


async def start_jobs(
    db: Database,
    starts: Sequence[Job],
    group: Job | None,
    credential: str | None,
    open_jobs_quota: int,
    alike_quota: int = -1,
) -> bool:
    """Write jobs of one project, each with the credential, and `group`, which stands for them: all or none.
    False when it may have no more open, or no more of the first's kind (`alike_quota`, negative: any)."""
    job, groups = starts[0], [group] if group is not None else []
    statements = [*(insert_job(one, credential) for one in starts), *map(insert_job, groups)]
    if alike_quota >= 0:
        within = Statement(WITHIN_KIND, (job.project_id, alike_quota, job.kind), required=True)
        statements = [lock_owner(job.project_id), *statements, within]
    return await db.transact(*guard_open(job, open_jobs_quota, *statements)) is not None


async def start_job(
    db: Database, job: Job, image: Image, image_count_quota: int, open_jobs_quota: int
) -> bool:
    """Write the job and the image that it will fill; False when the project may own no more images, or have
    no more jobs open."""
    statements = (*insert_statements(image, image_count_quota), insert_job(job))
    return await db.transact(*_in_turn(job, image, open_jobs_quota, *statements)) is not None


FIND_JOB = f"select {_COLUMNS} from job where id = $1 and project_id = $2"


async def find_job(db: Database, job_id: str, project_id: str) -> Job | None:
    """The project's job of this id. A scan, for a batch may be large."""
    rows = await db.scan(FIND_JOB, job_id, project_id)
    return _job_of_row(rows[0]) if rows else None


FIND_CREDENTIAL = "select credential from job where id = $1"


async def find_credential(db: Database, job_id: str) -> str | None:
    """The credential that the job acts with, None once the job has ended."""
    rows = await db.read(FIND_CREDENTIAL, job_id)
    return rows[0][0] if rows else None


#: Later than any end.
_LAST = 2**62
IS_TASK = "kind in ({})".format(", ".join(f"'{kind}'" for kind in TASK_KINDS))

# One range of the index `job_by_image`, read backwards; the id decides between equals.
LIST_IMAGE_TASKS = f"""
    select {_COLUMNS} from job
    where image_id = $1 and {IS_TASK} and (cast($2 as text) is null or project_id = $2)
      and (cast($3 as text) is null or (begin_at, id) < (select begin_at, id from job where id = $3))
    order by begin_at desc, id desc limit cast($4 as bigint)"""


async def list_image_tasks(
    db: Database, image_id: str, owner: str | None, after_id: str | None, limit: int
) -> list[Job]:
    """A page of the tasks about an image, the youngest first, behind the task `after_id`. `owner`: the
    project whose tasks are wanted, None: all."""
    rows = await db.scan(LIST_IMAGE_TASKS, image_id, owner, after_id, limit)
    return [_job_of_row(row) for row in rows]


FIND_BY_ID = f"select {_COLUMNS} from job where id = $1"


async def find_by_id(db: Database, job_id: str) -> Job | None:
    """The job, of whatever kind and project: for those who act for the service itself."""
    rows = await db.read(FIND_BY_ID, job_id)
    return _job_of_row(rows[0]) if rows else None


# Ids as JSON: both databases read an array of it. In the order of their beginning.
FIND_JOBS = f"""
    select {_COLUMNS} from job where id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))
    order by begin_at, id"""


async def find_jobs(db: Database, job_ids: Sequence[str]) -> list[Job]:
    """The jobs of these ids, oldest first. Jobs that were deleted are left out."""
    return [_job_of_row(row) for row in await db.read(FIND_JOBS, to_json(list(job_ids)))]


FIND_TASK = f"select {_COLUMNS} from job where id = $1 and {IS_TASK}"


async def find_task(db: Database, task_id: str) -> Job | None:
    rows = await db.read(FIND_TASK, task_id)
    return _job_of_row(rows[0]) if rows else None


#: What tasks can be sorted by, and the expression that is compared.
TASK_ORDERS = {
    "created_at": "begin_at",
    "updated_at": "coalesce(told_at, begin_at)",
    "expires_at": f"coalesce(end_at, {_LAST})",
    "id": "id",
    "type": "kind",
    "status": "status",
    "owner": "project_id",
}


async def list_tasks(
    db: Database,
    *,
    sort_key: str,
    is_descending: bool,
    limit: int,
    after: Job | None,
    status: str | None,
    kind: str | None,
    owner: str | None = None,
) -> list[ListedTask]:
    """A page of all tasks behind the task `after`, the id deciding between equals. Admins alone ask for it,
    and tasks are forgotten soon: it reads them all, by the index `job_by_image`."""
    order = TASK_ORDERS[sort_key]
    word, sign = ("desc", "<") if is_descending else ("asc", ">")
    sql = f"""
        select {", ".join(ListedTask._fields)} from job
        where image_id is not null and {IS_TASK} and (cast($1 as text) is null or status = $1)
          and (cast($2 as text) is null or kind = $2) and (cast($4 as text) is null or project_id = $4)
          and (cast($3 as text) is null
               or ({order}, id) {sign} (select {order}, id from job where id = $3))
        order by {order} {word}, id {word} limit {int(limit)}"""
    after_id = after.id if after is not None else None
    rows = await db.scan(sql, status, kind, after_id, owner)
    return [ListedTask(*row) for row in rows]


#: Many more than are at work at a time, and few to look at every other second.
_MOST_LISTED = 1000

# Every project's oldest before anybody's second, so that no project's many hold up another's few.
LIST_OPEN_JOBS = f"""
    select id, kind, project_id, attempts, holder, held_until
    from (select id, kind, project_id, attempts, holder, held_until, begin_at,
                 row_number() over (partition by project_id order by begin_at, id) as turn
          from job where end_at is null) as open
    order by turn, begin_at, id limit {_MOST_LISTED}"""


async def list_open_jobs(db: Database) -> list[OpenJob]:
    """Jobs that are not over, in the order to begin them in. Without their input: together that may be larger
    than the memory."""
    return [OpenJob(*row) for row in await db.scan(LIST_OPEN_JOBS)]


CLAIM_JOB = f"""
    update job set holder = $2, held_until = $3, status = '{JobStatus.RUNNING}', attempts = attempts + 1
    where id = $1 and end_at is null and held_until = $4 and coalesce(holder, '') = $5
    returning {_COLUMNS}"""


async def claim_job(db: Database, seen: OpenJob, holder: str, held_until: int) -> Job | None:
    """Make the job the holder's, and return it; None when another worker claimed it first, or it is over. One
    whose row cannot be read, as of a newer release, has failed: else it would be claimed for ever."""
    rows = await db.write(CLAIM_JOB, seen.id, holder, held_until, *as_seen(seen))
    if not rows:
        return None
    try:
        return _job_of_row(rows[0])
    except msgspec.DecodeError as error:
        _log.error("job %s (%s) cannot be read, and has failed: %s", seen.id, seen.kind, error)
        failed = (
            JobStatus.FAIL,
            "[]",
            now_us(),
            0,
            "The job was written in a form that is not known here.",
        )
        await db.write(FINISH_JOB, seen.id, holder, *failed)
        return None


HOLD_JOB = """
    update job set held_until = $3, progress = $4, told_at = $5, message = $6
    where id = $1 and holder = $2 and end_at is null
    returning id"""


async def hold_job(
    db: Database, job_id: str, holder: str, held_until: int, progress: int, now: int, message: str = ""
) -> bool:
    """The holder is still at work and so far; False when the job was taken from it."""
    return bool(await db.write(HOLD_JOB, job_id, holder, held_until, progress, now, message))


IS_HELD = "select 1 from job where id = $1 and holder = $2 and end_at is null"


async def is_held(db: Database, job_id: str, holder: str) -> bool:
    """Whether the holder still holds the job. Reads only, unlike `hold_job`: the caller knows too little of
    the job to write it."""
    return bool(await db.read(IS_HELD, job_id, holder))


RELEASE_JOB = """
    update job set holder = null, held_until = $3, attempts = attempts - $4
    where id = $1 and holder = $2 and end_at is null"""


async def release_job(
    db: Database, job_id: str, holder: str, not_before: int, *, has_failed: bool = True
) -> None:
    """Let any worker claim the job from that moment on. An attempt that has not failed is not counted."""
    await db.write(RELEASE_JOB, job_id, holder, not_before, 0 if has_failed else 1)


FINISH_JOB = """
    update job
    set status = $3, failures = $4, end_at = $5, progress = $6, told_at = $5, message = $7, holder = null,
        held_until = 0, credential = null
    where id = $1 and holder = $2 and end_at is null
    returning id"""


def finish_statement(job: Job, holder: str) -> Statement:
    """Writes how the job ended, if the holder still holds it; for the transaction that ends what it did."""
    values = (job.id, holder, job.status, to_json(job.failures), job.end_at, job.progress, job.message)
    return Statement(FINISH_JOB, values, required=True)


async def finish_job(db: Database, job: Job, holder: str) -> bool:
    """Write how the job ended; False when it was taken from the holder, or has ended already."""
    return await db.transact(finish_statement(job, holder)) is not None


def _requester(job: Job) -> Actor:
    via = Via.IMS if job.kind == JobKind.COPY else Via.IMAGES_V2
    return Actor(via=via, project=job.project_id, user=job.user_id, request_id=job.request_id)


async def fail_new_image(db: Database, job: Job, holder: str, image: Image, now: int) -> bool:
    """As `finish_job`, and the image that was made for the job goes with it, as do its bytes; False also when
    somebody changed that since it was looked at."""
    done = await db.transact(finish_statement(job, holder), *delete_statements(image, now, _requester(job)))
    return done is not None
