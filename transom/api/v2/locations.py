"""Locations: data that lies elsewhere, given to an image; where an image's data lies (Image API v2, 2.17)."""

from http import HTTPStatus

import msgspec

from transom.api.http import Request, Response, json_response
from transom.api.images import see_image
from transom.api.new_jobs import new_job, require_place
from transom.api.services import Services
from transom.api.v2.imports import check_uri, require_no_task
from transom.clock import now_us
from transom.domain.job_inputs import AddedLocation
from transom.domain.locations import Claim, check_digits, check_queued, hold, parse_claim
from transom.domain.model import Image, Job, JobKind
from transom.images import rules
from transom.sql import images, imports
from transom.sql.retry import TRIES, write_conflict


async def add_location(services: Services, request: Request) -> Response:
    """Start the task that gives the image its data; it tells whether that is there, and is what was said."""
    claim = parse_claim(await request.json(services.bodies.json_body_limit))
    image_id = request.params["image_id"]
    for _ in range(TRIES):
        target = await see_image(services, request)
        image = target.image
        check_queued(image)
        rules.add_location(request.caller, target)
        store_id = rules.require_reader(request.caller, services.stores.reader_of(claim.url))
        check_digits(claim)
        await check_uri(services, request.caller, claim.url, "add location")
        await require_no_task(services, image)
        await require_place(services, request)
        job = _new_job(request, image, claim, store_id)
        waits = claim.os_hash_value is not None and services.image_options.do_secure_hash
        new = msgspec.structs.replace(
            hold(image, job.id, waits=waits), updated_at=images.moved_on(image, now_us())
        )
        if await imports.start_import(services.db, image, new, job, None, services.tasks.open_jobs_quota):
            services.wake_jobs()
            return Response(HTTPStatus.ACCEPTED, headers=[(b"content-type", b"text/html; charset=UTF-8")])
    raise write_conflict(f"Image {image_id} is")


def _new_job(request: Request, image: Image, claim: Claim, store_id: str) -> Job:
    said = {}
    if claim.os_hash_algo is not None and claim.os_hash_value is not None:
        said = {"os_hash_algo": claim.os_hash_algo, "os_hash_value": claim.os_hash_value}
    given = AddedLocation(image_id=image.id, loc_url=claim.url, store=store_id, validation_data=said)
    return new_job(request, JobKind.ADD_LOCATION, given, image.id)


async def list_locations(services: Services, request: Request) -> Response:
    """Where the data lies: for services, which read it there."""
    target = await see_image(services, request)
    rules.fetch_locations(request.caller, target)
    return json_response(
        [
            {"url": services.stores.url(location), "metadata": {"store": location.store, **location.metadata}}
            for location in services.stores.ordered(target.image.locations)
        ]
    )
