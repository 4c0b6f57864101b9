"""Copies of an image within the region (IMS API, "Replicating an image within a region")."""

import uuid
from typing import Any

import msgspec

from transom.api.http import Request, Response, json_response
from transom.api.ims import body
from transom.api.ims.body import read_object, require_project
from transom.api.new_jobs import new_job, require_place
from transom.api.services import Services
from transom.clock import now_us
from transom.domain import image_quotas, protection
from transom.domain.attributes import ENTERPRISE_PROJECT, check_value
from transom.domain.copies import DESCRIPTION, copied_properties
from transom.domain.errors import InvalidError, Reason
from transom.domain.fields import check_storable
from transom.domain.job_inputs import Copy
from transom.domain.model import (
    Caller,
    Image,
    Job,
    JobKind,
    Status,
    Visibility,
)
from transom.images import rules
from transom.sql import jobs, members
from transom.transfers.rules import judge_copy


async def copy_image(services: Services, request: Request) -> Response:
    """A private image of the caller's own with the bytes and properties of the one in the path. The answer is
    a job; the new image is `queued` until its bytes are there, and goes away if they cannot be copied."""
    project_id = require_project(request)
    given = await read_object(services, request)
    source = await find_source(services, request)
    image = _copy_of(source, given, request.caller, project_id)
    image_quotas.check_properties(source, image, services.image_quotas.properties)
    image_quotas.check_metadata(None, image, services.image_quotas.metadata_bytes)
    job = _new_job(request, source, image)
    await services.limits.check_size(image.owner, source.size or 0)
    limit = await services.limits.most_images(image.owner)
    await require_place(services, request)
    if not await jobs.start_job(services.db, job, image, limit, services.tasks.open_jobs_quota):
        await require_place(services, request)
        raise image_quotas.too_many_images(limit)
    services.wake_jobs()
    return json_response({"job_id": job.id})


async def find_source(services: Services, request: Request) -> Image:
    """The image of the path, if it can be copied, and the caller may have a copy. An offer has to be accepted
    first."""
    image_id, caller = request.params["image_id"], request.caller
    found = await members.find_member(services.db, image_id, caller.member_ids, caller.project_id or "")
    return judge_copy(caller, found, caller.project_id, rules.absent(image_id))


def new_name(given: dict[str, Any]) -> str:
    """The name of the copy."""
    if given.get("name") in (None, ""):
        raise InvalidError("name: is missing.", Reason.NAME_MISSING)
    return str(_checked("name", given["name"]))


def new_description(given: dict[str, Any]) -> str | None:
    """The description of the copy; None: it keeps that of the source."""
    if given.get("description") is None:
        return None
    return str(_checked(DESCRIPTION, given["description"]))


def _copy_of(source: Image, given: dict[str, Any], caller: Caller, project_id: str) -> Image:
    name = new_name(given)
    if body.text(given, "cmk_id") is not None:
        raise InvalidError("cmk_id: this service has no keys to encrypt images with.", Reason.KEY_UNKNOWN)
    properties, description = copied_properties(source), new_description(given)
    if description is not None:
        protection.require_set(caller, source.properties, DESCRIPTION)
        properties[DESCRIPTION] = description
    enterprise_project_id = body.text(given, ENTERPRISE_PROJECT)
    if enterprise_project_id is not None:
        protection.require_set(caller, source.properties, ENTERPRISE_PROJECT)
        properties[ENTERPRISE_PROJECT] = enterprise_project_id
    now = now_us()
    return msgspec.structs.replace(
        source,
        id=str(uuid.uuid4()),
        owner=project_id,
        name=name,
        status=Status.QUEUED,
        visibility=Visibility.PRIVATE,
        protected=False,
        os_hidden=False,
        tags=(),
        properties=properties,
        locations=(),
        created_at=now,
        updated_at=now,
    )


def _checked(name: str, value: Any) -> Any:
    """The value as a new image keeps it, by the rules of one that is created."""
    kept = check_value(name, value)
    check_storable(name, kept)
    return kept


def _new_job(request: Request, source: Image, image: Image) -> Job:
    given = Copy(
        image_id=image.id,
        name=image.name,
        source_id=source.id,
        size=source.size or 0,
        checksum=source.checksum,
    )
    return new_job(request, JobKind.COPY, given)
