"""Jobs: rows ↔ `Job`. Written whole by a batch (`batches.py`), or held by the worker that runs one."""

from typing import Any

import msgspec

from transom.domain.model import Job
from transom.sql.db import Database, Row, Statement
from transom.sql.images import to_json

_COLUMNS = "id, kind, project_id, status, input, failures, begin_at, end_at"

_decode_failures = msgspec.json.Decoder(tuple[tuple[str | None, str | None, str, str], ...]).decode
_decode_input = msgspec.json.Decoder(dict[str, Any]).decode


def _job_of_row(row: Row) -> Job:
    return Job(
        id=row[0],
        kind=row[1],
        project_id=row[2],
        status=row[3],
        input=_decode_input(row[4]),
        failures=_decode_failures(row[5]),
        begin_at=row[6],
        end_at=row[7],
    )


INSERT_JOB = """
    insert into job (id, kind, project_id, status, input, failures, begin_at, end_at, holder, held_until)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""


def insert_job(job: Job, holder: str | None = None, held_until: int = 0) -> Statement:
    """The statement that writes a new job, for the transaction that it belongs to."""
    values = (
        job.id,
        job.kind,
        job.project_id,
        job.status,
        to_json(job.input),
        to_json(job.failures),
        job.begin_at,
        job.end_at,
        holder,
        held_until,
    )
    return Statement(INSERT_JOB, values)


FIND_JOB = f"select {_COLUMNS} from job where id = $1 and project_id = $2"


async def find_job(db: Database, job_id: str, project_id: str | None) -> Job | None:
    """The project's job of this id. Read beside the event loop: a batch's may be large."""
    rows = await db.scan(FIND_JOB, job_id, project_id)
    return _job_of_row(rows[0]) if rows else None


DELETE_OLD_JOBS = "delete from job where end_at < $1"


async def delete_old_jobs(db: Database, ended_before: int) -> None:
    await db.write(DELETE_OLD_JOBS, ended_before)
