"""Images made of objects (IMS API: "Creating an Image" from a file, "Importing an Image File Quickly",
"Creating a Data Disk Image from an External Image File", "Registering an Image").

What can be judged by the request alone is refused at once; whether the object is there, and what it holds,
the job finds out. Start reading at `create_image`.
"""

from typing import Any, NamedTuple

import msgspec

from transom.api.http import Request, Response, json_response
from transom.api.ims import body, new_images, servers
from transom.api.ims.body import read_object, require_project
from transom.api.new_jobs import new_job, require_place
from transom.api.services import Services
from transom.clock import now_us
from transom.domain import access, image_quotas
from transom.domain.attributes import ARCHITECTURE, ENTERPRISE_PROJECT, OS_FACTS, OS_VERSION, SUPPORT_ARM
from transom.domain.errors import ConflictError, InvalidError, Reason
from transom.domain.imports import Method, begin
from transom.domain.job_inputs import ImportGroup, ObjectImport
from transom.domain.model import Image, Job, JobKind, Status
from transom.domain.objects import ObjectRef
from transom.images import rules
from transom.images.rules import absent
from transom.sql import images, imports, jobs
from transom.sql.imports import change_statement
from transom.sql.retry import TRIES, write_conflict

#: What quick imports take: they convert nothing.
_QUICK_FORMATS = ("raw", "zvhd2")
#: The system of an image that names none. None: that which images have by default.
_OTHER_SYSTEMS = {"Linux": None, "Windows": "Other Windows(64 bit)"}
_MOST_DATA_IMAGES = 3
#: Sizes of disks, GB: of a system disk, of one beside it, of a data disk by itself.
_SYSTEM_GB, _BESIDE_GB, _DATA_GB = (1, 1024), (1, 2048), (40, 2048)
#: The largest disk that an image can name by the other calls; larger ones are put in here.
_MOST_GB = 1024


class _Planned(NamedTuple):
    """An image to be, and the object that it is to be made of."""

    image: Image
    ref: ObjectRef
    kind: JobKind
    formats: tuple[str, ...] = ()
    is_quick: bool = False


# ---- the calls


async def create_image(services: Services, request: Request) -> Response:
    """I9: a system image of an object, with up to three data images of others; or what `servers.py` makes.
    The answer is a job; it has a job of its own for each image when there are several."""
    require_project(request)
    given = await read_object(services, request)
    if given.get("image_url") is None:
        return await servers.create_of_cloud(services, request, given)
    services.objects.require_configured()
    planned = [_plan_system(services, request, given, is_quick=body.switch(given, "is_quick_import"))]
    for number, one in enumerate(_data_images(given)):
        planned.append(_plan_beside(services, request, one, f"data_images[{number}]", given))
    return await _start(services, request, planned)


async def import_quickly(services: Services, request: Request) -> Response:
    """I10: a system image, or with `type` DataImage a data image, of an object that need not be converted."""
    given = await _read(services, request)
    if given.get("type") == new_images.DATA:
        planned = _plan_data(services, request, given, _SYSTEM_GB, is_quick=True)
    else:
        planned = _plan_system(services, request, given, is_quick=True)
    return await _start(services, request, [planned])


async def create_data_image(services: Services, request: Request) -> Response:
    """I11: a data image of an object."""
    given = await _read(services, request)
    return await _start(services, request, [_plan_data(services, request, given, _DATA_GB, is_quick=False)])


async def register_object(services: Services, request: Request) -> Response:
    """I13: fill an image whose metadata was made before with an object, as it is. The image is `queued` again
    if that fails."""
    given = await _read(services, request)
    ref = _object(services, request, given, "image_url")
    image_id, caller = request.params["image_id"], request.caller
    for _ in range(TRIES):
        found = await images.find_image(services.db, image_id, caller.member_ids)
        target = access.see_image(caller, found, absent(image_id))
        rules.import_image(caller, target, is_copy=False)
        image = target.image
        if image.status != Status.QUEUED:
            text = f"Image {image_id} is {image.status}; only a queued image can be filled."
            raise ConflictError(text, Reason.IMAGE_NOT_READY)
        await services.limits.check_size(image.owner)
        await require_place(services, request)
        job, held = _new_job(services, request, _Planned(image, ref, JobKind.REGISTER_OBJECT))
        if await imports.start_import(services.db, image, held, job, None, services.tasks.open_jobs_quota):
            services.wake_jobs()
            return json_response({"job_id": job.id})
    raise write_conflict(f"Image {image_id} is")


async def _read(services: Services, request: Request) -> dict[str, Any]:
    """The body, where there is an object store and the caller has a project."""
    require_project(request)
    services.objects.require_configured()
    return await read_object(services, request)


# ---- what the images are to be


def _plan_system(services: Services, request: Request, given: dict[str, Any], *, is_quick: bool) -> _Planned:
    ref = _object(services, request, given, "image_url")
    environment = new_images.environment(given)
    is_iso = environment == "IsoImage"
    if (is_quick or is_iso) and not given.get("os_version"):
        raise InvalidError("os_version: is needed for this image.", Reason.OS_VERSION_INVALID)
    os_type = new_images.os_type(given, "")
    architecture = body.text(given, ARCHITECTURE)
    firmware = body.text(given, "hw_firmware_type") or ("uefi" if architecture == "arm" else None)
    min_disk = _gigabytes(given, _SYSTEM_GB, "min_disk")
    fields = {
        "virtual_env_type": environment,
        "min_disk": min_disk,
        OS_VERSION: given.get("os_version") or _OTHER_SYSTEMS[os_type],
        ARCHITECTURE: architecture,
        SUPPORT_ARM: "true" if architecture == "arm" else None,
        "hw_firmware_type": firmware,
        "min_ram": given.get("min_ram"),
        "max_ram": given.get("max_ram"),
        "__is_config_init": body.switch(given, "is_config"),
    }
    image = new_images.plan_image(services, request, given, fields, given.get("name"), _origin(given))
    formats = ("iso",) if is_iso else _QUICK_FORMATS if is_quick else ()
    return _Planned(image, ref, JobKind.IMPORT_OBJECT, formats, is_quick)


def _plan_data(
    services: Services,
    request: Request,
    given: dict[str, Any],
    sizes: tuple[int, int],
    *,
    is_quick: bool,
    field: str = "",
    name: Any = None,
) -> _Planned:
    """`field`: where in the body this stands, with a dot at its end; `name`: the name if none is told."""
    ref = _object(services, request, given, "image_url", field)
    os_type = new_images.os_type(given, field)
    min_disk = _gigabytes(given, sizes, f"{field}min_disk")
    fields = {"virtual_env_type": new_images.DATA, "min_disk": min(min_disk, _MOST_GB)}
    named = given.get("name") or name
    image = new_images.plan_image(services, request, given, fields, named, _origin(given))
    # There is no system on it, but for the kind that its file system is of.
    others = {OS_VERSION, *OS_FACTS}
    kept = {name: value for name, value in image.properties.items() if name not in others}
    image = msgspec.structs.replace(image, min_disk=min_disk, properties={**kept, "__os_type": os_type})
    formats = _QUICK_FORMATS if is_quick else ()
    return _Planned(image, ref, JobKind.IMPORT_DATA_OBJECT, formats, is_quick)


def _plan_beside(
    services: Services, request: Request, given: dict[str, Any], field: str, system: dict[str, Any]
) -> _Planned:
    """A data image that is made with a system image, and belongs to the same enterprise project."""
    number = int(field.partition("[")[2].rstrip("]")) + 1
    inherited = {ENTERPRISE_PROJECT: system.get(ENTERPRISE_PROJECT), "os_type": system.get("os_type")}
    return _plan_data(
        services,
        request,
        {**inherited, **given},
        _BESIDE_GB,
        is_quick=body.switch(given, "is_quick_import"),
        field=f"{field}.",
        name=f"{str(system.get('name'))[:120]}-data{number}",
    )


def _data_images(given: dict[str, Any]) -> list[dict[str, Any]]:
    found = given.get("data_images")
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidError("data_images: must be a list of objects.")
    if len(found) > _MOST_DATA_IMAGES:
        raise InvalidError(f"data_images: at most {_MOST_DATA_IMAGES} are made with a system image.")
    return found


def _object(
    services: Services, request: Request, given: dict[str, Any], name: str, field: str = ""
) -> ObjectRef:
    ref = services.objects.parse(f"{field}{name}", given.get(name))
    services.objects.require(request.caller, ref, write=False)
    return ref


def _origin(given: dict[str, Any]) -> str:
    return f"file,{given.get('image_url')}"


def _gigabytes(given: dict[str, Any], sizes: tuple[int, int], field: str) -> int:
    value, (least, largest) = given.get("min_disk"), sizes
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= largest:
        raise InvalidError(f"{field}: must be {least} to {largest} (GB).", Reason.SIZE_INVALID)
    return value


# ---- the start


async def _start(services: Services, request: Request, planned: list[_Planned]) -> Response:
    """Write the images and their jobs, all or none."""
    refs = [one.ref for one in planned]
    if len(set(refs)) < len(refs):
        text = "data_images: an object can become one image of a call only."
        raise InvalidError(text, Reason.OBJECT_NAMED_TWICE)
    owner = planned[0].image.owner
    await services.limits.check_size(owner)
    limit = await services.limits.most_images(owner)
    await require_place(services, request)
    starts = []
    for one in planned:
        job, held = _new_job(services, request, one)
        starts.append((job, one.image, change_statement(one.image, held)))
    group = _group(request, starts[0][1], [job for job, _, _ in starts]) if len(starts) > 1 else None
    if not await jobs.start_imports(services.db, starts, group, limit, services.tasks.open_jobs_quota):
        await require_place(services, request)
        raise image_quotas.too_many_images(limit)
    services.wake_jobs()
    return json_response({"job_id": group.id if group is not None else starts[0][0].id})


def _new_job(services: Services, request: Request, planned: _Planned) -> tuple[Job, Image]:
    """(the job, the image as it is held by it)."""
    limits, image, store = services.ims_limits, planned.image, services.stores.default.id
    asked = ObjectImport(
        image_id=image.id,
        name=image.name,
        import_req={"method": {"name": Method.OBJECT, "uri": str(planned.ref)}},
        backend=(store,),
        most_bytes=limits.object_quick_size_cap if planned.is_quick else limits.object_size_cap,
        finds_format=planned.kind != JobKind.REGISTER_OBJECT,
        formats=planned.formats,
    )
    job = new_job(request, planned.kind, asked, image.id)
    held = begin(image, job.id, (store,))
    return job, msgspec.structs.replace(held, updated_at=images.moved_on(image, now_us()))


def _group(request: Request, system: Image, subs: list[Job]) -> Job:
    asked = ImportGroup(sub_jobs=tuple(job.id for job in subs), image_id=system.id, name=system.name)
    return new_job(request, JobKind.IMPORT_SEVERAL, asked)
