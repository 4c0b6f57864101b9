"""Images to objects (IMS API, "Exporting an Image")."""

from transom.api.http import Request, Response, json_response
from transom.api.images import see_image
from transom.api.ims import body
from transom.api.ims.body import read_object, require_project
from transom.api.new_jobs import new_job, require_place
from transom.api.services import Services
from transom.domain.errors import ConflictError, Reason
from transom.domain.job_inputs import Export
from transom.domain.model import JobKind
from transom.sql import jobs
from transom.transfers import export_rules as rules


async def export_image(services: Services, request: Request) -> Response:
    """Write the data of an image into an object that is not there yet. The answer is a job."""
    require_project(request)
    services.objects.require_configured()
    given = await read_object(services, request)
    seen = await see_image(services, request)
    rules.export_image(request.caller, seen)
    image = seen.image
    is_quick = body.switch(given, "is_quick_export")
    limits = services.ims_limits
    limit = limits.object_quick_size_cap if is_quick else limits.object_size_cap
    rules.require_size(image, limit, is_quick=is_quick)
    wanted = rules.export_format(image, given.get("file_format"), is_quick=is_quick)
    ref = services.objects.parse("bucket_url", given.get("bucket_url"))
    target = await services.objects.open(request.caller, ref, write=True)
    asked = Export(
        image_id=image.id, name=image.name, target=str(ref), file_format=wanted, checksum=image.checksum
    )
    job = new_job(request, JobKind.EXPORT, asked, image.id)
    await target.require_free(job.id)
    await require_place(services, request)
    if not await jobs.start_export(services.db, job, services.tasks.open_jobs_quota):
        await require_place(services, request)
        raise ConflictError(f"Image {image.id} is being exported already.", Reason.EXPORT_RUNS)
    services.wake_jobs()
    return json_response({"job_id": job.id})
