"""Copies of an image to another region (IMS API, "Replicating an Image Across Regions").

What can be judged here is refused at once; what the image service there says, the job finds out.
"""

import uuid
from typing import Any

from transom.api.http import Request, Response, json_response
from transom.api.ims import body
from transom.api.ims.body import read_object, require_project
from transom.api.ims.copies import find_source, new_description, new_name
from transom.api.new_jobs import new_job, require_place, start_jobs
from transom.api.services import Services
from transom.api.signing import own_token
from transom.domain.errors import InvalidError, Reason
from transom.domain.job_inputs import RegionCopy
from transom.domain.model import Image, JobKind
from transom.transfers.regions import knows_regions, require_region


async def copy_to_region(services: Services, request: Request) -> Response:
    """A private image in a project of another region, with the bytes and properties of the one in the path.
    The answer is a job."""
    require_project(request)
    if not knows_regions(services.cloud):
        text = (
            "This service knows no other region. Download the image here, and upload it there; or import it "
            "there by the method glance-download or web-download."
        )
        raise InvalidError(text, Reason.UNSUPPORTED)
    given = await read_object(services, request)
    region, target = _region(given, services.cloud.region), _target(given)
    asked = _plan(given, await find_source(services, request), region, target)
    token = own_token(request)
    await require_region(services.cloud, request.caller, token, region, target)
    await require_place(services, request)
    job = new_job(request, JobKind.COPY_TO_REGION, asked)
    await start_jobs(services, request, [job], None, token, services.ims_limits.region_copies_quota)
    return json_response({"job_id": job.id})


def _plan(given: dict[str, Any], source: Image, region: str, target: str) -> RegionCopy:
    return RegionCopy(
        image_id=str(uuid.uuid4()),
        name=new_name(given),
        source_id=source.id,
        size=source.size or 0,
        checksum=source.checksum,
        region=region,
        project_name=target,
        description=new_description(given),
    )


def _region(given: dict[str, Any], own: str) -> str:
    region = body.text(given, "region")
    if region is None:
        raise InvalidError("region: is missing.", Reason.REGION_UNKNOWN)
    if region == own:
        text = f"region: the image is in region {region} already; it can be copied there as well (…/copy)."
        raise InvalidError(text, Reason.REGION_SAME)
    return region


def _target(given: dict[str, Any]) -> str:
    """The project to copy to. An agency has to be named, though nobody acts by one here."""
    target = body.text(given, "project_name")
    if target is None:
        raise InvalidError("project_name: is missing.", Reason.PROJECT_NAME_MISSING)
    if body.text(given, "agency_name") is None:
        raise InvalidError("agency_name: is missing.", Reason.AGENCY_MISSING)
    return target
