"""Jobs by the rules of the IMS API: what came of a batch, or how far a copy is."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from transom.api.http import Request, Response, json_response
from transom.api.ims.body import require_project
from transom.api.ims.errors import code_of
from transom.api.pieces import make_beside
from transom.api.services import Services
from transom.domain.errors import NotFoundError, Reason
from transom.domain.job_inputs import (
    Batch,
    Capture,
    Copy,
    Export,
    ImportGroup,
    ObjectImport,
    RegionCopy,
    input_of,
)
from transom.domain.model import Job, JobKind, JobStatus
from transom.domain.recipients import GROUPS, member_key
from transom.sql import jobs

#: Failures or recipients of a batch from which on it takes some milliseconds to tell what came of it.
_MANY = 1000
_JOB_ID = re.compile(r"[0-9a-f]{32}")

#: Stands in a result where the image's id goes. JSON has it nowhere else.
_IMAGE = b"\0"
#: How a result ends, or goes on.
_DONE = b',"status":"%b"}' % JobStatus.SUCCESS.value.encode()
_FAILED = b',"status":"%b"' % JobStatus.FAIL.value.encode()
#: How the `member_id` of a group begins in JSON → how a result names it.
_GROUPS = {f'"{member_key(kind, "")}'.encode(): f'"{kind}_id":"'.encode() for kind in GROUPS}
_encode_lines = msgspec.json.Encoder().encode_lines


async def show_job(services: Services, request: Request) -> Response:
    """The job and, of a batch, one result for each image and recipient."""
    job = await _find(services, request)
    if max(len(job.failures), len(_recipients_of(job))) > _MANY:
        return await make_beside(_render, job)
    return _render(job, await _subs_of(services, job))


async def _subs_of(services: Services, job: Job) -> list[Job]:
    """The jobs that it stands for, in the order of the request."""
    if not isinstance(job.input, ImportGroup):
        return []
    found = {one.id: one for one in await jobs.find_jobs(services.db, job.input.sub_jobs)}
    return [found[job_id] for job_id in job.input.sub_jobs if job_id in found]


def _recipients_of(job: Job) -> Sequence[str]:
    return job.input.recipients if isinstance(job.input, Batch) else ()


def _render(job: Job, subs: Sequence[Job] = ()) -> Response:
    summary = _summary(job)
    # Huawei's SDKs have the reason in the entities too, as `error` (their class JobEntities).
    reason = {"error_code": summary["error_code"], "error": summary["fail_reason"]} if job.failures else {}
    return json_response({**summary, "entities": {**_entities(job, subs), **reason}})


async def show_progress(services: Services, request: Request) -> Response:
    """How much of the job is done, from 0 to 1."""
    job = await _find(services, request)
    subs = await _subs_of(services, job)
    return json_response({**_summary(job), "entities": {**_image_of(job), **_progress_of(job, subs)}})


async def _find(services: Services, request: Request) -> Job:
    """Only the project that started a job sees it; for others there is none."""
    project_id, job_id = require_project(request), request.params["job_id"]
    job = await jobs.find_job(services.db, job_id, project_id) if _JOB_ID.fullmatch(job_id) else None
    if job is None:
        raise NotFoundError(f"job_id: there is no job {job_id}.", Reason.JOB_UNKNOWN)
    return job


def _summary(job: Job) -> dict[str, Any]:
    first = job.failures[0] if job.failures else None
    more = f" (and {len(job.failures) - 1} more; see the results)" if len(job.failures) > 1 else ""
    return {
        "job_id": job.id,
        "job_type": job.kind,
        "begin_time": _moment(job.begin_at),
        "end_time": _moment(job.end_at) if job.end_at is not None else None,
        "status": job.status,
        "error_code": code_of(first.reason) if first is not None else None,
        "fail_reason": f"{first.message}{more}" if first is not None else None,
    }


def _moment(microseconds: int) -> str:
    """`2024-11-06T06:30:00.778Z`."""
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entities(job: Job, subs: Sequence[Job]) -> dict[str, Any]:
    if isinstance(job.input, Batch):
        return {"results": results_of(job)}
    of_subs = {}
    if job.kind == JobKind.IMPORT_DATA_OBJECT:
        # Open Telekom Cloud's Terraform provider looks for an image with tags there, and there alone.
        subs = [job]
    if subs:
        results = [{**_summary(sub), "entities": _image_of(sub)} for sub in subs]
        of_subs = {"sub_jobs_result": results, "sub_jobs_list": [sub.id for sub in subs]}
    # Of a group whose images others make, the first job knows the first image.
    image = _image_of(job)
    if subs and not image.get("image_id"):
        image = _image_of(subs[0])
    return {**image, **_progress_of(job, subs), **of_subs}


def _progress_of(job: Job, subs: Sequence[Job]) -> dict[str, Any]:
    if job.end_at is not None:
        return {"process_percent": 1.0}
    percents = [100 if sub.end_at is not None else sub.progress for sub in subs] or [job.progress]
    percent = sum(percents) / len(percents)
    return {"process_percent": percent / 100, "current_task": f"{job.kind}:running"}


def _image_of(job: Job) -> dict[str, Any]:
    """The image that the job makes, if it makes one."""
    made = Copy | RegionCopy | ObjectImport | ImportGroup | Export | Capture
    if not isinstance(job.input, made) or job.status == JobStatus.FAIL:
        return {}
    named = {"image_id": job.input.image_id} if job.input.image_id else {}
    return {**named, "image_name": job.input.name or ""}


def results_of(job: Job) -> msgspec.Raw:
    """`[{"image_id", "project_id" (or that of a group), "status"}, …]`, with `error_code` and
    `fail_reason` of what failed. There may be ten thousand, so they are put together as bytes: what they have
    in common is encoded once, and all those of an image without failures are one replacement."""
    batch = input_of(job, Batch)
    images, members = batch.images, batch.recipients
    ends = _ends_of_failures(job)
    failed = {image_id for image_id, _member in ends}
    starts = [b'{"image_id":' + _IMAGE + b"," + _target(member) for member in _encoded(members)]
    pairs = list(zip(members, starts, strict=True))
    all_done = (_DONE + b",").join(starts) + _DONE
    results = []
    for image_id, encoded in zip(images, _encoded(images), strict=True):
        found = all_done
        if image_id in failed:
            of_others = ends.get((image_id, None), _DONE)
            found = b",".join([start + ends.get((image_id, member), of_others) for member, start in pairs])
        results.append(found.replace(_IMAGE, encoded))
    return msgspec.Raw(b"[" + b",".join(results) + b"]")


def _ends_of_failures(job: Job) -> dict[tuple[str | None, str | None], bytes]:
    """(image, recipient, None standing for all of them) → the end of the result's body."""
    starts = {
        reason: b'%b,"error_code":"%b","fail_reason":' % (_FAILED, code_of(reason).encode())
        for reason in {failure.reason for failure in job.failures}
    }
    texts = _encoded([failure.message for failure in job.failures])
    return {
        (image_id, member_id): starts[reason] + text + b"}"
        for (image_id, member_id, reason, _), text in zip(job.failures, texts, strict=True)
    }


def _target(member: bytes) -> bytes:
    """A recipient as a result names it, of its `member_id` in JSON."""
    for start, name in _GROUPS.items():
        if member.startswith(start):
            return name + member[len(start) :]
    return b'"project_id":' + member


def _encoded(values: Sequence[Any]) -> list[bytes]:
    """Each of them as JSON, which has no line breaks, by one call."""
    return _encode_lines(values).splitlines()
