"""Jobs by the rules of the IMS API: what came of a batch, or how far a copy is."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from transom.api.http import Request, Response, json_response
from transom.api.ims.body import require_project
from transom.api.ims.errors import code_of
from transom.api.ims.members import ims_target
from transom.api.parts import Parts
from transom.domain.errors import NotFoundError, Reason
from transom.domain.model import Job, JobStatus
from transom.sql import jobs

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_DONE = {"status": JobStatus.SUCCESS}


async def show_job(parts: Parts, request: Request) -> Response:
    """The job and, of a batch, one result for each image and recipient."""
    job = await _find(parts, request)
    return json_response({**_summary(job), "entities": _entities(job)})


async def show_progress(parts: Parts, request: Request) -> Response:
    """How much of the job is done, from 0 to 1."""
    job = await _find(parts, request)
    return json_response({**_summary(job), "entities": {**_image_of(job), **_progress_of(job)}})


async def _find(parts: Parts, request: Request) -> Job:
    """Only the project that started a job sees it; for others there is none."""
    project_id, job_id = require_project(request), request.params["job_id"]
    job = await jobs.find_job(parts.db, job_id, project_id) if _JOB_ID.fullmatch(job_id) else None
    if job is None:
        raise NotFoundError(f"job_id: there is no job {job_id}.", Reason.JOB_UNKNOWN)
    return job


def _summary(job: Job) -> dict[str, Any]:
    _image, _member, reason, text = job.failures[0] if job.failures else (None, None, None, None)
    more = f" (and {len(job.failures) - 1} more; see the results)" if len(job.failures) > 1 else ""
    return {
        "job_id": job.id,
        "job_type": job.kind,
        "begin_time": _moment(job.begin_at),
        "end_time": _moment(job.end_at) if job.end_at is not None else None,
        "status": job.status,
        "error_code": code_of(reason) if reason is not None else None,
        "fail_reason": f"{text}{more}" if text is not None else None,
    }


def _moment(microseconds: int) -> str:
    """`2024-11-06T06:30:00.778Z`."""
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entities(job: Job) -> dict[str, Any]:
    if "recipients" in job.input:
        return {"results": list(_results(job))}
    return {**_image_of(job), **_progress_of(job)}


def _progress_of(job: Job) -> dict[str, Any]:
    if job.end_at is not None:
        return {"process_percent": 1.0}
    return {"process_percent": job.progress / 100, "current_task": f"{job.kind}:running"}


def _image_of(job: Job) -> dict[str, Any]:
    """The image that the job makes, if it makes one."""
    if "image_id" not in job.input or job.status == JobStatus.FAIL:
        return {}
    return {"image_id": job.input["image_id"], "image_name": job.input["name"]}


def _results(job: Job) -> Iterator[dict[str, Any]]:
    # There may be ten thousand: what is alike in many of them is made once.
    codes = {reason: code_of(reason) for reason in {failure[2] for failure in job.failures}}
    failures = {
        (image, member): {"status": JobStatus.FAIL, "error_code": codes[reason], "fail_reason": text}
        for image, member, reason, text in job.failures
    }
    targets = [(member_id, ims_target(member_id)) for member_id in job.input["recipients"]]
    for image_id in job.input["images"]:
        of_all = failures.get((image_id, None), _DONE)
        for member_id, target in targets:
            yield {"image_id": image_id, **target, **failures.get((image_id, member_id), of_all)}
