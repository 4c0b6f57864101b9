"""Tasks: how far an image's imports are, and how they ended (Image API v2, "Tasks")."""

from datetime import UTC, datetime
from typing import Any

from transom.api.http import Request, Response, json_response
from transom.api.parts import Parts
from transom.api.v2.images import see_image
from transom.domain.model import Job, JobStatus
from transom.sql import jobs

_STATUS = {
    JobStatus.INIT: "pending",
    JobStatus.RUNNING: "processing",
    JobStatus.SUCCESS: "success",
    JobStatus.FAIL: "failure",
}
#: What of a task's input its owner is shown.
_SHOWN_INPUT = ("image_id", "import_req", "backend")
_HOUR_US = 3_600_000_000


async def list_image_tasks(parts: Parts, request: Request) -> Response:
    """The tasks about an image; who is no admin sees those of its own project."""
    image, _is_member = await see_image(parts, request)
    caller = request.caller
    found = [
        _image_task_body(task, parts.settings.task_time_to_live)
        for task in await jobs.list_image_tasks(parts.db, image.id)
        if caller.is_admin or task.project_id == caller.project_id
    ]
    return json_response({"tasks": found})


def _image_task_body(task: Job, hours_to_live: int) -> dict[str, Any]:
    """The task as Glance keeps it in its database, which is what it answers here."""
    expires_at = task.end_at + hours_to_live * _HOUR_US if task.end_at is not None else None
    return {
        "id": task.id,
        "type": task.kind,
        "status": task_status(task),
        "owner": task.project_id,
        "image_id": task.image_id,
        "user_id": task.user_id,
        "request_id": task.request_id,
        "input": task_input(task),
        "result": task_result(task),
        "message": task_message(task),
        "created_at": _moment(task.begin_at),
        "updated_at": _moment(task.told_at or task.begin_at),
        "expires_at": _moment(expires_at) if expires_at is not None else None,
        "deleted": False,
        "deleted_at": None,
    }


def task_status(task: Job) -> str:
    return _STATUS[JobStatus(task.status)]


def task_input(task: Job) -> dict[str, Any]:
    return {name: task.input[name] for name in _SHOWN_INPUT if name in task.input}


def task_result(task: Job) -> dict[str, Any] | None:
    return {"image_id": task.image_id} if task.status == JobStatus.SUCCESS else None


def task_message(task: Job) -> str:
    return task.failures[0][3] if task.failures else task.message


def _moment(microseconds: int) -> str:
    """`2020-12-18T05:20:38.000000`: without a zone, as this one call has it."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:06}"
