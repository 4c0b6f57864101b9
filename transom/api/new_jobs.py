"""Jobs as handlers make them, of every kind: none forgets who asked for it."""

import uuid
from collections.abc import Sequence

from transom.api.http import Request
from transom.api.services import Services
from transom.clock import now_us
from transom.domain.errors import LimitExceededError, Reason
from transom.domain.job_inputs import asked_by
from transom.domain.model import TASK_KINDS, Job, JobInput, JobKind, JobStatus
from transom.sql import jobs


async def require_place(services: Services, request: Request) -> None:
    """LimitExceededError when the caller's project may have no more jobs open. The statements that write a
    job make sure of it; this says so."""
    limit = services.tasks.open_jobs_quota
    if limit >= 0 and await jobs.count_open_jobs(services.db, request.caller.project_id or "") >= limit:
        text = f"The project has {limit} jobs that wait or run, and may have no more."
        raise LimitExceededError(text, Reason.TOO_MANY_JOBS)


def new_job(
    request: Request,
    kind: JobKind,
    given: JobInput,
    image_id: str | None = None,
    status: JobStatus = JobStatus.INIT,
) -> Job:
    """The job as it is before it was written. `image_id`: the image that a task is about. Tasks have UUIDs
    for ids, jobs of the IMS API the same without dashes."""
    job_id, caller = uuid.uuid4(), request.caller
    is_task = kind in TASK_KINDS
    return Job(
        id=str(job_id) if is_task else job_id.hex,
        kind=kind,
        project_id=caller.project_id or "",
        status=status,
        input=asked_by(given, caller),
        failures=(),
        begin_at=now_us(),
        end_at=None,
        image_id=image_id,
        user_id=caller.user_id,
        request_id=request.request_id if is_task else None,
    )


async def start_jobs(
    services: Services,
    request: Request,
    new: Sequence[Job],
    group: Job | None,
    token: str | None,
    most_alike: int = -1,
) -> None:
    """Write the jobs and their group, all or none, and wake a worker. LimitExceededError when the project may
    have no more of them open. `token`: kept for the jobs; `most_alike`: jobs of the kind that a project may
    have open, negative for no limit."""
    limit = services.tasks.open_jobs_quota
    if not await jobs.start_jobs(services.db, new, group, token, limit, most_alike):
        await require_place(services, request)
        bound = f"{most_alike} jobs of this kind" if most_alike >= 0 else f"{limit} jobs"
        text = f"The project may have no more than {bound} that wait or run."
        raise LimitExceededError(text, Reason.TOO_MANY_JOBS)
    services.wake_jobs()
