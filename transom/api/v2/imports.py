"""Interoperable import: stage data, ask for an import (Image API v2, "Interoperable image import")."""

from http import HTTPStatus

import msgspec

from transom.api.conditions import require
from transom.api.http import Request, Response, json_response, no_content
from transom.api.images import see_image
from transom.api.new_jobs import new_job, require_place
from transom.api.services import Services
from transom.api.signing import own_token
from transom.api.v2.data import announced_size, judge_again, require_octets
from transom.api.v2.digests import read_digests
from transom.clock import now_us
from transom.domain.digests import read_expected
from transom.domain.errors import ConflictError, InvalidError, NotFoundError
from transom.domain.imports import (
    TASK,
    ImportRequest,
    Method,
    begin,
    check_remote_image,
    check_state,
    parse_request,
)
from transom.domain.job_inputs import Import
from transom.domain.model import Caller, Image, Job, JobKind, Status
from transom.domain.status import advance
from transom.images import rules
from transom.sql import images, imports, jobs
from transom.sql.retry import TRIES, write_conflict


async def list_import_methods(services: Services, _request: Request) -> Response:
    methods = {
        "description": "Import methods available.",
        "type": "array",
        "value": services.image_options.import_methods,
    }
    return json_response({"import-methods": methods})


async def stage_image(services: Services, request: Request) -> Response:
    """Take data that an import by `glance-direct` will make the image's; its format is looked at then."""
    if Method.DIRECT not in services.image_options.import_methods:
        raise NotFoundError("'glance-direct' method is not available at this site.")
    require_octets(request)
    announced = announced_size(request)
    digests = read_digests(request)
    target = await see_image(services, request)
    rules.modify_image(request.caller, target)
    image = target.image
    advance(image.status, Status.UPLOADING)
    services.transfer.certificates.check_source(image)
    require(request, None, is_there=False)
    guard = await services.limits.check_staging(image.owner, announced)
    try:
        await services.transfer.uploads.stage(
            image,
            request.stream(),
            announced,
            guard,
            digests,
            before_publish=judge_again(services, request, rules.modify_image),
        )
    except ConflictError:
        # Another request came first. Answer for the image as it is now; it may be gone.
        now = (await see_image(services, request)).image
        advance(now.status, Status.UPLOADING)
        raise
    return no_content()


async def import_image(services: Services, request: Request) -> Response:
    """Start the import, which a worker then does: a task tells how far it is."""
    body = await request.json(services.bodies.json_body_limit)
    asked = parse_request(body, services.image_options.import_methods)
    image_id = request.params["image_id"]
    for _ in range(TRIES):
        target = await see_image(services, request)
        image = target.image
        rules.import_image(request.caller, target, is_copy=asked.method is Method.COPY)
        check_state(asked.method, image)
        if asked.method is not Method.COPY:
            services.transfer.certificates.check_source(image)
        await services.limits.check_size(image.owner)
        if asked.method is Method.GLANCE:
            check_remote_image(asked.arguments)
            if own_token(request) is None:
                raise InvalidError("glance-download acts by the caller's token; a signed request has none.")
        await require_no_task(services, image)
        await require_place(services, request)
        stores = _chosen_stores(services, request, asked)
        if asked.method is Method.COPY:
            stores = _without_copy(image, asked, stores)
            if not stores:
                return _accepted()
        if asked.method is Method.OBJECT:
            read_expected(asked.arguments, services.image_options.hashing_algorithm)
            ref = services.objects.parse("uri", asked.arguments.get("uri"))
            services.objects.require(request.caller, ref, write=False)
        if asked.method is Method.WEB:
            read_expected(asked.arguments, services.image_options.hashing_algorithm)
            await check_uri(services, request.caller, asked.arguments.get("uri"), "web-download")
        job = _new_job(services, request, image, stores, asked)
        acts_for_user = asked.method is Method.GLANCE or services.transfer.certificates.needs_token(image)
        token = own_token(request) if acts_for_user else None
        new = begin(image, job.id, stores)
        new = msgspec.structs.replace(new, updated_at=images.moved_on(image, now_us()))
        if await imports.start_import(services.db, image, new, job, token, services.tasks.open_jobs_quota):
            services.wake_jobs()
            return _accepted()
    raise write_conflict(f"Image {image_id} is")


def _accepted() -> Response:
    return Response(HTTPStatus.ACCEPTED, headers=[(b"content-type", b"text/html; charset=UTF-8")])


async def require_no_task(services: Services, image: Image) -> None:
    """A task that is not there any more, or over, holds nothing."""
    task_id = image.properties.get(TASK)
    task = await jobs.find_by_id(services.db, task_id) if task_id is not None else None
    if task is not None and task.end_at is None:
        raise ConflictError("Image has active task")


def _chosen_stores(services: Services, request: Request, asked: ImportRequest) -> tuple[str, ...]:
    """Names of the stores that are to get the data, in the order they were named."""
    header = request.header(b"x-image-meta-store")
    if asked.all_stores:
        if asked.stores is not None or header is not None:
            raise InvalidError(
                "All_stores parameter can't be used with x-image-meta-store header or stores parameter"
            )
        return tuple(info.id for info in services.stores.writable)
    if asked.stores is not None and header is not None:
        raise InvalidError("Stores parameter and x-image-meta-store header can't be both specified")
    chosen = asked.stores or (header or services.stores.default.id,)
    for store in chosen:
        if store not in services.stores:
            raise ConflictError(f"Store '{store}' is not configured.")
        if services.stores.require(store).is_read_only:
            raise ConflictError(f"Store '{store}' is read-only.")
    return chosen


def _without_copy(image: Image, asked: ImportRequest, stores: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the stores that lack the image; it is an error to name one that has it."""
    held = {location.store for location in image.locations}
    for store in stores:
        if store in held and not asked.all_stores:
            raise InvalidError(f"Image is already present at store '{store}'")
    return tuple(store for store in stores if store not in held)


async def check_uri(services: Services, caller: Caller, uri: object, purpose: str) -> None:
    """InvalidError when the service may not fetch this for the caller."""
    try:
        await services.outbound.asked_by(caller.project_id).check(uri)
    except InvalidError as error:
        shown = str(uri)[:255]
        raise InvalidError(f"URI for {purpose} does not pass filtering: {shown} ({error})") from None


def _new_job(
    services: Services, request: Request, image: Image, stores: tuple[str, ...], asked: ImportRequest
) -> Job:
    given = Import(image_id=image.id, import_req=asked.body, backend=stores)
    return new_job(request, JobKind.IMPORT, given, image.id)
