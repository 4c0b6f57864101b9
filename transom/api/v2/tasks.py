"""Tasks: how far an image's imports are, and how they ended (Image API v2, "Tasks").

Everybody sees those about an image; those of all projects, and starting one, are for admins.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec

from transom.api.http import Request, Response, json_response
from transom.api.images import see_image
from transom.api.new_jobs import new_job, require_place
from transom.api.queries import page_link, refuse_nul
from transom.api.services import Services
from transom.api.v2.imports import check_uri
from transom.api.versions import base_url
from transom.api.wire import timestamp
from transom.domain import image_quotas
from transom.domain.digests import read_expected
from transom.domain.errors import InvalidError, NotFoundError
from transom.domain.fields import UUID_PATTERN, check_field, quoted
from transom.domain.imports import Method, begin, check_texts
from transom.domain.job_inputs import NewImage
from transom.domain.model import Caller, Job, JobKind, JobStatus
from transom.domain.times import HOUR_US
from transom.images.creation import new_image
from transom.sql import jobs
from transom.sql.imports import change_statement
from transom.sql.jobs import ListedTask
from transom.transfers import rules

_STATUS = {
    JobStatus.INIT: "pending",
    JobStatus.RUNNING: "processing",
    JobStatus.SUCCESS: "success",
    JobStatus.FAIL: "failure",
}
#: What the data of a new image must be, as in the arguments of web-download.
_HASH = ("os_hash_algo", "os_hash_value")
#: What of a task's input its owner is shown.
_SHOWN_INPUT = {
    JobKind.IMPORT: ("image_id", "import_req", "backend"),
    JobKind.IMPORT_NEW: ("import_from", "import_from_format", "image_properties", *_HASH),
    JobKind.ADD_LOCATION: ("image_id", "loc_url", "validation_data"),
}
_STATES = {shown: state for state, shown in _STATUS.items()}
#: Most tasks of an image in a page. Glance has no pages here, and hardly any image has more tasks.
_PAGE = 100


async def list_image_tasks(services: Services, request: Request) -> Response:
    """The tasks about an image; callers who are not admins see those of their own project."""
    image = (await see_image(services, request)).image
    caller, pairs = request.caller, request.query_pairs()
    given = dict(pairs)
    limit, marker = min(_limit(given, services.lists.api_limit_max, _PAGE), _PAGE), given.get("marker")
    after = await _find_marker(services, caller, marker) if marker else None
    if after is not None and after.image_id != image.id:
        raise _unknown_marker(after.id)
    after_id = after.id if after is not None else None
    owner = rules.shows_tasks_of(caller)
    found = await jobs.list_image_tasks(services.db, image.id, owner, after_id, limit)
    hours = services.tasks.task_time_to_live
    body: dict[str, Any] = {"tasks": [_image_task_body(task, hours) for task in found]}
    if found and len(found) == limit:
        body["next"] = page_link(f"/v2/images/{image.id}/tasks", pairs, found[-1].id)
    return json_response(body)


def _image_task_body(task: Job, hours_to_live: int) -> dict[str, Any]:
    """The task as Glance keeps it in its database, which is what it answers here."""
    expires_at = _expiry(task, hours_to_live)
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


def task_status(task: Job | ListedTask) -> str:
    return _STATUS[JobStatus(task.status)]


def task_input(task: Job) -> dict[str, Any]:
    shown = {name: getattr(task.input, name) for name in _SHOWN_INPUT[JobKind(task.kind)]}
    return {name: value for name, value in shown.items() if value is not None}


def task_result(task: Job) -> dict[str, Any] | None:
    return {"image_id": task.image_id} if task.status == JobStatus.SUCCESS else None


def task_message(task: Job) -> str:
    return task.failures[0].message if task.failures else task.message


def _moment(microseconds: int) -> str:
    """`2020-12-18T05:20:38.000000`: without a zone, as this one call has it."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:06}"


# ---- everybody's tasks, for admins; those of its project for whom else the operator lets look


async def list_tasks(services: Services, request: Request) -> Response:
    """A page of tasks, whatever image they are about. InvalidError for a value that a parameter does not
    take."""
    caller = request.caller
    rules.use_tasks(caller)
    pairs = request.query_pairs()
    refuse_nul(pairs)
    given = dict(pairs)
    limit = _limit(given, services.lists.api_limit_max, services.lists.limit_param_default)
    marker = given.get("marker")
    after = await _find_marker(services, caller, marker) if marker else None
    seen = rules.shows_tasks_of(caller)
    owner = given.get("owner") or seen
    found = await jobs.list_tasks(
        services.db,
        sort_key=_one_of(given, "sort_key", jobs.TASK_ORDERS, "created_at"),
        is_descending=_one_of(given, "sort_dir", ("asc", "desc"), "desc") == "desc",
        limit=limit if seen in (None, owner) else 0,
        after=after,
        status=_STATES[_one_of(given, "status", _STATES)] if given.get("status") else None,
        kind=_one_of(given, "type", (JobKind.IMPORT_NEW,)) if given.get("type") else None,
        owner=owner,
    )
    body: dict[str, Any] = {
        "tasks": [_listed_body(task, services.tasks.task_time_to_live) for task in found],
        "first": page_link("/v2/tasks", pairs, None),
        "schema": "/v2/schemas/tasks",
    }
    if found and len(found) == limit:
        body["next"] = page_link("/v2/tasks", pairs, found[-1].id)
    return json_response(body)


def _limit(given: Mapping[str, str], largest: int, default: int) -> int:
    text = given.get("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidError("limit: must be a whole number, 0 or more.")
    return min(int(text), largest)


def _one_of(given: Mapping[str, str], name: str, allowed: Iterable[str], default: str = "") -> str:
    value = given.get(name, default)
    if value not in tuple(allowed):
        raise InvalidError(f"{name}: {quoted(value)} is not one of {', '.join(allowed)}.")
    return value


async def _find_marker(services: Services, caller: Caller, marker: str) -> Job:
    if not re.fullmatch(UUID_PATTERN, marker):
        raise InvalidError("Invalid marker format")
    task = await jobs.find_task(services.db, marker)
    if task is None or not rules.sees_task(caller, task):
        raise _unknown_marker(marker)
    return task


def _unknown_marker(marker: str) -> InvalidError:
    return InvalidError(f"marker: there is no task {marker}.")


async def show_task(services: Services, request: Request) -> Response:
    rules.use_tasks(request.caller)
    task_id = request.params["task_id"]
    task = await jobs.find_task(services.db, task_id)
    if task is None or not rules.sees_task(request.caller, task):
        raise NotFoundError(f"Could not find task {task_id}")
    return json_response(_full_body(task, services.tasks.task_time_to_live))


async def create_task(services: Services, request: Request) -> Response:
    """Make an image and fill it from a URL. The image goes again if that fails."""
    rules.use_tasks(request.caller)
    given = _read_task(await request.json(services.bodies.json_body_limit))
    caller = request.caller
    expected = {name: given[name] for name in _HASH if name in given}
    read_expected(expected, services.image_options.hashing_algorithm)
    await check_uri(services, caller, given["import_from"], "import_from")
    properties = given["image_properties"]
    formats = {"disk_format": given["import_from_format"], "container_format": "bare"}
    image = new_image(formats | properties, caller, services.image_quotas, check_field, properties)
    store = services.stores.default.id
    asked = NewImage(
        import_from=given["import_from"],
        import_from_format=given["import_from_format"],
        image_properties=properties,
        import_req={"method": {"name": Method.WEB, "uri": given["import_from"], **expected}},
        backend=(store,),
        **expected,
    )
    task = new_job(request, JobKind.IMPORT_NEW, asked, image.id)
    limit = await services.limits.most_images(image.owner)
    new = msgspec.structs.replace(begin(image, task.id, (store,)), updated_at=image.updated_at + 1)
    await require_place(services, request)
    held = change_statement(image, new)
    if not await jobs.start_image_task(services.db, task, image, limit, services.tasks.open_jobs_quota, held):
        await require_place(services, request)
        raise image_quotas.too_many_images(limit)
    services.wake_jobs()
    location = f"{base_url(services, request)}/v2/tasks/{task.id}".encode("latin-1")
    body = _full_body(task, services.tasks.task_time_to_live)
    return json_response(body, HTTPStatus.CREATED, [(b"location", location)])


def _read_task(body: Any) -> dict[str, Any]:
    """`input` of the body, whose shape is checked; InvalidError names what is wrong."""
    for name in ("type", "input"):
        if not isinstance(body, dict) or name not in body:
            raise InvalidError(f"Task '{name}' is required")
    if body["type"] != JobKind.IMPORT_NEW:
        raise InvalidError(f"type: {quoted(body['type'])} is not one of import.")
    given = body["input"]
    if not isinstance(given, dict):
        raise InvalidError("input: must be an object.")
    for name in ("import_from", "import_from_format", "image_properties"):
        if name not in given:
            raise InvalidError(f"Input does not contain '{name}' field")
    if not isinstance(given["import_from_format"], str):
        raise InvalidError("import_from_format: must be a string.")
    if not isinstance(given["image_properties"], dict) or "id" in given["image_properties"]:
        raise InvalidError("image_properties: must be an object without an id.")
    check_texts(body)
    known = ("import_from", "import_from_format", "image_properties", *_HASH)
    return {name: given[name] for name in known if name in given}


def _listed_body(task: Job | ListedTask, hours_to_live: int) -> dict[str, Any]:
    expires_at = _expiry(task, hours_to_live)
    return {
        "id": task.id,
        "type": task.kind,
        "status": task_status(task),
        "owner": task.project_id,
        "created_at": timestamp(task.begin_at),
        "updated_at": timestamp(task.told_at or task.begin_at),
        **({"expires_at": timestamp(expires_at)} if expires_at is not None else {}),
        "self": f"/v2/tasks/{task.id}",
        "schema": "/v2/schemas/task",
    }


def _full_body(task: Job, hours_to_live: int) -> dict[str, Any]:
    return {
        **_listed_body(task, hours_to_live),
        "image_id": task.image_id,
        "request_id": task.request_id,
        "user_id": task.user_id,
        "input": task_input(task),
        "result": task_result(task),
        "message": task_message(task),
    }


def _expiry(task: Job | ListedTask, hours_to_live: int) -> int | None:
    return task.end_at + hours_to_live * HOUR_US if task.end_at is not None else None
