"""Images made of servers and volumes, where the cloud around this service has some (IMS API, "Creating an
Image" from a server or a volume, "Creating a Full-Server Image").

Whether the catalog of the caller's token has the service that is needed is told at once; what that service
says of the server or volume, the job finds out. Start reading at `create_of_cloud`.
"""

import re
from typing import Any, NamedTuple

from transom.api.http import Request, Response, json_response
from transom.api.ims import body, new_images
from transom.api.ims.body import read_object, require_project
from transom.api.new_jobs import new_job, require_place, start_jobs
from transom.api.services import Services
from transom.api.signing import own_token
from transom.domain.attributes import ENTERPRISE_PROJECT, OS_FACTS, OS_VERSION, WHOLE_IMAGE
from transom.domain.errors import InvalidError, Reason
from transom.domain.job_inputs import Capture, ImportGroup
from transom.domain.model import Image, Job, JobKind
from transom.transfers.cloud import find_service

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
#: Disks that a server may have beside its first.
_MOST_VOLUMES = 23
_NO_BACKUPS = "this service keeps no backups. An image can be made of the server itself (instance_id)."


class _Planned(NamedTuple):
    kind: JobKind
    asked: Capture


# ---- the calls


async def create_of_cloud(services: Services, request: Request, given: dict[str, Any]) -> Response:
    """I9 without an object: an image of a server's system disk (`instance_id`), of a volume (`volume_id`), or
    of data volumes (`data_images`). The answer is a job; one for data images has a job for each of them."""
    if given.get("backup_id") is not None:
        raise InvalidError(f"backup_id: {_NO_BACKUPS}", Reason.BACKUP_UNKNOWN)
    planned = []
    if given.get("instance_id") is not None:
        planned.append(_plan_server(services, request, given))
    elif given.get("volume_id") is not None:
        planned.append(_plan_volume(services, request, given))
    data_images = _data_images(given)
    for number, one in enumerate(data_images):
        planned.append(_plan_data(services, request, one, f"data_images[{number}].", given))
    if not planned:
        services.objects.require_configured()
        raise InvalidError("image_url: is missing.", Reason.SOURCE_UNKNOWN)
    return await _start(services, request, planned, is_group=bool(data_images))


async def create_whole_image(services: Services, request: Request) -> Response:
    """I12: an image of a server with all its volumes. The answer is a job."""
    require_project(request)
    given = await read_object(services, request)
    if given.get("backup_id") is not None:
        is_vault = body.text(given, "whole_image_type") == "CBR"
        reason = Reason.BACKUP_UNKNOWN if is_vault else Reason.SERVER_BACKUP_UNKNOWN
        raise InvalidError(f"backup_id: {_NO_BACKUPS}", reason)
    return await _start(services, request, [_plan_whole(services, request, given)], is_group=False)


# ---- what the images are to be


def _plan_server(services: Services, request: Request, given: dict[str, Any]) -> _Planned:
    server_id = _server_id(given)
    asked = _capture(services, request, given, {}, f"instance,{server_id}", server_id=server_id)
    return _Planned(JobKind.CAPTURE_SERVER, asked)


def _plan_whole(services: Services, request: Request, given: dict[str, Any]) -> _Planned:
    server_id = _server_id(given)
    if body.text(given, "vault_id") is not None:
        text = "vault_id: this service has no vaults: the volumes of the server are snapshotted by the cloud."
        raise InvalidError(text, Reason.VAULT_UNKNOWN)
    origin = f"instance,{server_id}"
    asked = _capture(services, request, given, {}, origin, is_whole=True, server_id=server_id)
    return _Planned(JobKind.CAPTURE_WHOLE, asked)


def _plan_volume(services: Services, request: Request, given: dict[str, Any]) -> _Planned:
    volume_id = _volume_id(given, "")
    if not given.get("os_version"):
        raise InvalidError("os_version: is needed for this image.", Reason.OS_VERSION_INVALID)
    fields = {"virtual_env_type": new_images.environment(given), OS_VERSION: given["os_version"]}
    asked = _capture(services, request, given, fields, f"volume,{volume_id}", volume_id=volume_id)
    return _Planned(JobKind.CAPTURE_VOLUME, asked)


def _plan_data(
    services: Services, request: Request, given: dict[str, Any], field: str, system: dict[str, Any]
) -> _Planned:
    """A data image of a volume. It belongs to the enterprise project of the body, `system`."""
    volume_id = _volume_id(given, field)
    whole = {ENTERPRISE_PROJECT: system.get(ENTERPRISE_PROJECT), **given}
    fields = {"virtual_env_type": new_images.DATA, "__os_type": new_images.os_type(given, field)}
    asked = _capture(services, request, whole, fields, f"volume,{volume_id}", volume_id=volume_id)
    return _Planned(JobKind.CAPTURE_VOLUME, asked)


def _data_images(given: dict[str, Any]) -> list[dict[str, Any]]:
    found = given.get("data_images") or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidError("data_images: must be a list of objects.")
    if len(found) > _MOST_VOLUMES:
        raise InvalidError(f"data_images: at most {_MOST_VOLUMES} volumes can be named.")
    return found


def _server_id(given: dict[str, Any]) -> str:
    found = given.get("instance_id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise InvalidError("instance_id: is not the id of a server.", Reason.SERVER_ID_INVALID)
    return found


def _volume_id(given: dict[str, Any], field: str) -> str:
    found = given.get("volume_id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise InvalidError(f"{field}volume_id: is not the id of a volume.", Reason.VOLUME_UNKNOWN)
    return found


def _capture(
    services: Services,
    request: Request,
    given: dict[str, Any],
    fields: dict[str, Any],
    origin: str,
    *,
    is_whole: bool = False,
    server_id: str = "",
    volume_id: str = "",
) -> Capture:
    """What the client says of the image goes before what the other service says, and that before what images
    are by default."""
    more = {"min_ram": given.get("min_ram"), "max_ram": given.get("max_ram")}
    image = new_images.plan_image(services, request, given, {**more, **fields}, given.get("name"), origin)
    asked = {name for name, value in {**more, **fields}.items() if value is not None}
    asked |= {new_images.ORIGIN, *(OS_FACTS if OS_VERSION in fields else ())}
    asked |= {
        kept
        for kept, name in (("__description", "description"), (ENTERPRISE_PROJECT, ENTERPRISE_PROJECT))
        if given.get(name) not in (None, "")
    }
    properties = (
        _without_system(image) if fields.get("virtual_env_type") == new_images.DATA else image.properties
    )
    whole = {WHOLE_IMAGE: "true"} if is_whole else {}
    return Capture(
        server_id=server_id,
        volume_id=volume_id,
        name=image.name or "",
        min_ram=image.min_ram,
        tags=image.tags,
        properties={**{name: value for name, value in properties.items() if name in asked}, **whole},
        defaults={name: value for name, value in properties.items() if name not in asked},
    )


def _without_system(image: Image) -> dict[str, str]:
    """There is no system on a data disk, but for the kind that its file system is of."""
    others = {OS_VERSION, *OS_FACTS} - {"__os_type"}
    return {name: value for name, value in image.properties.items() if name not in others}


# ---- the start


async def _start(
    services: Services, request: Request, planned: list[_Planned], *, is_group: bool
) -> Response:
    """Write the jobs, all or none."""
    token = own_token(request)
    for is_for_server in sorted({bool(one.asked.server_id) for one in planned}):
        await find_service(services.cloud, token, is_for_server=is_for_server)
    await services.limits.check_size(request.caller.project_id)
    await require_place(services, request)
    starts = [new_job(request, one.kind, one.asked) for one in planned]
    group = _group(request, planned, starts) if is_group else None
    await start_jobs(services, request, starts, group, token or "")
    return json_response({"job_id": group.id if group is not None else starts[0].id})


def _group(request: Request, planned: list[_Planned], subs: list[Job]) -> Job:
    asked = ImportGroup(sub_jobs=tuple(job.id for job in subs), image_id="", name=planned[0].asked.name)
    return new_job(request, JobKind.CAPTURE_SEVERAL, asked)
