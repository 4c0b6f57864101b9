"""All routes: (method, path) → handler, and error → status. Those of the share API, identity and metadata
definitions come from tables of their own.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from transom.api import front, openapi, operation
from transom.api.http import JSON, Request, Response
from transom.api.identity import ROUTES as IDENTITY_ROUTES
from transom.api.ims import copies, exports, jobs, legacy, region_copies, servers
from transom.api.ims import images as ims_images
from transom.api.ims import imports as ims_imports
from transom.api.ims import members as ims_members
from transom.api.ims import quota as ims_quota
from transom.api.ims import tags as ims_tags
from transom.api.ims import versions as ims_versions
from transom.api.pieces import make_beside
from transom.api.services import Services
from transom.api.share import CALLS as SHARE_CALLS
from transom.api.share import checked
from transom.api.v2 import (
    cache,
    data,
    images,
    imports,
    locations,
    members,
    schemas,
    stores,
    tasks,
    usage,
    versions,
)
from transom.api.v2.metadefs import ROUTES as METADEF_ROUTES
from transom.domain import errors

Handler = Callable[[Services, Request], Awaitable[Response]]


class Route(NamedTuple):
    """`takes_body`: a request without one is refused by the handler; on other routes one with a body is
    refused before it, as Glance does (its router's `body_reject`), but not by the rules of the IMS API. None:
    the route does not care. `is_open`: it needs no token, though its root does."""

    method: str
    path: str
    handler: Handler
    takes_body: bool | None = False
    is_open: bool = False


async def _show_openapi(services: Services, _request: Request) -> Response:
    has_identity = services.site.identity == "builtin"
    # It is made once, and that takes longer than others may wait.
    body = await make_beside(partial(openapi_document, has_identity=has_identity))
    return Response(body=body, headers=[(b"content-type", JSON), (b"cache-control", b"no-cache")])


ROUTES: tuple[Route, ...] = (
    Route("GET", "/", front.show_front, None),
    Route("HEAD", "/", front.show_front, None),
    Route("GET", "/versions", versions.list_versions, None),
    Route("HEAD", "/versions", versions.list_versions, None),
    Route("GET", "/openapi.json", _show_openapi, None),
    Route("GET", "/healthz", operation.check_alive),
    Route("GET", "/readyz", operation.check_ready),
    Route("GET", "/healthcheck", operation.check_health),
    Route("HEAD", "/healthcheck", operation.check_health_briefly),
    Route("GET", "/metrics", operation.show_metrics),
    # Below /v2 a token is needed; any /v2.N that is served is the same as /v2.
    Route("GET", "/v2", versions.redirect_to_root),
    Route("GET", "/v2/images", images.list_images, None),
    Route("POST", "/v2/images", images.create_image, True),
    Route("GET", "/v2/images/{image_id}", images.show_image),
    Route("PATCH", "/v2/images/{image_id}", images.update_image, True),
    # A client of the IMS API that asks here by token speaks of backups: {"delete_backup": true}.
    Route("DELETE", "/v2/images/{image_id}", images.delete_image, None),
    Route("GET", "/v2/images/{image_id}/file", data.download_image),
    Route("HEAD", "/v2/images/{image_id}/file", data.download_image),
    Route("PUT", "/v2/images/{image_id}/file", data.upload_image, True),
    Route("PUT", "/v2/images/{image_id}/stage", imports.stage_image, True),
    Route("POST", "/v2/images/{image_id}/import", imports.import_image, True),
    Route("GET", "/v2/images/{image_id}/tasks", tasks.list_image_tasks),
    Route("POST", "/v2/images/{image_id}/locations", locations.add_location, True),
    Route("GET", "/v2/images/{image_id}/locations", locations.list_locations),
    Route("POST", "/v2/images/{image_id}/actions/deactivate", images.deactivate_image),
    Route("POST", "/v2/images/{image_id}/actions/reactivate", images.reactivate_image),
    Route("PUT", "/v2/images/{image_id}/tags/{tag}", images.add_tag),
    Route("DELETE", "/v2/images/{image_id}/tags/{tag}", images.remove_tag),
    Route("GET", "/v2/images/{image_id}/members", members.list_members),
    Route("POST", "/v2/images/{image_id}/members", members.add_member, True),
    Route("GET", "/v2/images/{image_id}/members/{member_id}", members.show_member),
    Route("PUT", "/v2/images/{image_id}/members/{member_id}", members.set_member_status, True),
    Route("DELETE", "/v2/images/{image_id}/members/{member_id}", members.remove_member),
    Route("GET", "/v2/schemas/image", schemas.show_image_schema),
    Route("GET", "/v2/schemas/images", schemas.show_images_schema),
    Route("GET", "/v2/schemas/member", schemas.show_member_schema),
    Route("GET", "/v2/schemas/members", schemas.show_members_schema),
    Route("GET", "/v2/schemas/task", schemas.show_task_schema),
    Route("GET", "/v2/schemas/tasks", schemas.show_tasks_schema),
    Route("GET", "/v2/tasks", tasks.list_tasks, None),
    Route("POST", "/v2/tasks", tasks.create_task, True),
    Route("GET", "/v2/tasks/{task_id}", tasks.show_task, None),
    Route("GET", "/v2/info/import", imports.list_import_methods),
    Route("GET", "/v2/info/stores", stores.list_stores),
    Route("GET", "/v2/info/stores/detail", stores.list_stores_in_detail),
    Route("GET", "/v2/cache", cache.list_cache),
    Route("DELETE", "/v2/cache", cache.clear_cache),
    Route("PUT", "/v2/cache/{image_id}", cache.queue_image),
    Route("DELETE", "/v2/cache/{image_id}", cache.remove_image),
    Route("GET", "/v2/cache/nodes/{image_id}", cache.list_nodes),
    Route("POST", "/v2/cache/clean", cache.clean_cache),
    Route("POST", "/v2/cache/prune", cache.prune_cache),
    Route("DELETE", "/v2/stores/{store_id}/{image_id}", stores.delete_from_store),
    Route("GET", "/v2/info/usage", usage.show_usage, None),
    *(Route(*row) for row in METADEF_ROUTES),
    *(Route(method, path, handler, None) for method, path, handler in IDENTITY_ROUTES),
    *(Route(call.method, call.path, checked(call), call.takes_body, call.is_open) for call in SHARE_CALLS),
)

#: What the IMS API has beside, or does otherwise. These hold for signed requests and below `/ims`; a path
#: that ROUTES lacks is found here in any case.
IMS_ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1", ims_versions.show_version, None),
    Route("GET", "/v1.1", ims_versions.show_version, None),
    Route("GET", "/v2", ims_versions.show_version, None),
    Route("GET", "/v2/cloudimages", ims_images.list_cloud_images, None),
    Route("PATCH", "/v2/cloudimages/{image_id}", ims_images.update_cloud_image, True),
    Route("GET", "/v2/images", ims_images.list_images, None),
    Route("POST", "/v2/images", ims_images.create_image, True),
    Route("GET", "/v2/images/{image_id}", ims_images.show_image, None),
    Route("PATCH", "/v2/images/{image_id}", ims_images.update_image, True),
    Route("DELETE", "/v2/images/{image_id}", ims_images.delete_image, None),
    Route("GET", "/v1.1/images/detail", legacy.list_images, None),
    Route("HEAD", "/v1/images/{image_id}", legacy.show_metadata, None),
    Route("DELETE", "/v1.1/images/{image_id}", ims_images.delete_image, None),
    Route("GET", "/v1/cloudimages/quota", ims_quota.show_quota, None),
    Route("GET", "/v1/cloudimages/os_version", ims_versions.list_os_versions, None),
    Route("POST", "/v2/cloudimages/action", ims_imports.create_image, True),
    Route("POST", "/v2/cloudimages/quickimport/action", ims_imports.import_quickly, True),
    Route("POST", "/v1/cloudimages/dataimages/action", ims_imports.create_data_image, True),
    Route("POST", "/v2/cloudimages/dataimages/action", ims_imports.create_data_image, True),
    Route("PUT", "/v1/cloudimages/{image_id}/upload", ims_imports.register_object, True),
    Route("POST", "/v1/cloudimages/{image_id}/file", exports.export_image, True),
    Route("POST", "/v2/cloudimages/{image_id}/file", exports.export_image, True),
    Route("POST", "/v1/cloudimages/wholeimages/action", servers.create_whole_image, True),
    Route("POST", "/v1/cloudimages/{image_id}/cross_region_copy", region_copies.copy_to_region, True),
    Route("POST", "/v1/cloudimages/members", ims_members.share_images, True),
    Route("PUT", "/v1/cloudimages/members", ims_members.answer_offers, True),
    Route("DELETE", "/v1/cloudimages/members", ims_members.withdraw_images, True),
    Route("GET", "/v1/{project_id}/cloudimages/{image_id}/members", ims_members.list_members, None),
    Route("GET", "/v1/{project_id}/cloudimages/{image_id}/members/{member_id}", ims_members.show_member),
    Route("GET", "/v1/{project_id}/jobs/{job_id}", jobs.show_job, None),
    Route("GET", "/v1/cloudimages/job/{job_id}", jobs.show_progress, None),
    Route("POST", "/v1/cloudimages/{image_id}/copy", copies.copy_image, True),
    Route("POST", "/v2/cloudimages/{image_id}/copy", copies.copy_image, True),
    Route("GET", "/v2/images/{image_id}/members", ims_members.list_members, None),
    Route("POST", "/v2/images/{image_id}/members", ims_members.add_member, True),
    Route("GET", "/v2/images/{image_id}/members/{member_id}", ims_members.show_member, None),
    Route("PUT", "/v2/images/{image_id}/members/{member_id}", ims_members.set_member_status, True),
    Route("DELETE", "/v2/images/{image_id}/members/{member_id}", ims_members.remove_member, None),
    Route("PUT", "/v2/images/{image_id}/tags/{tag}", ims_tags.add_tag, None),
    Route("DELETE", "/v2/images/{image_id}/tags/{tag}", ims_tags.remove_tag, None),
    Route("GET", "/v1/cloudimages/tags", ims_tags.list_tags, None),
    Route("PUT", "/v1/cloudimages/tags", ims_tags.put_tag, True),
    Route("DELETE", "/v1/{project_id}/cloudimages/{image_id}/tags/delete", ims_tags.remove_image_tags, True),
    Route("POST", "/v1/{project_id}/cloudimages/{image_id}/tags/delete", ims_tags.remove_image_tags, True),
    Route("GET", "/v2/{project_id}/images/tags", ims_tags.list_own_tags, None),
    Route("GET", "/v2/{project_id}/images/{image_id}/tags", ims_tags.list_image_tags, None),
    Route("POST", "/v2/{project_id}/images/{image_id}/tags", ims_tags.put_image_tag, True),
    Route("POST", "/v2/{project_id}/images/{image_id}/tags/action", ims_tags.change_tags, True),
    Route("DELETE", "/v2/{project_id}/images/{image_id}/tags/action", ims_tags.remove_tag_by_key, None),
    Route("DELETE", "/v2/{project_id}/images/{image_id}/tags/{key}", ims_tags.remove_tag_by_key, None),
    Route("POST", "/v2/{project_id}/images/resource_instances/action", ims_tags.find_images, True),
)

#: Every TransomError is here by its own class; `tests/surface` keeps it so.
STATUS: dict[type[errors.TransomError], int] = {
    errors.InvalidError: 400,
    errors.ClientGoneError: 400,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.VanishedError: 410,
    errors.LimitExceededError: 413,
    errors.SpentError: 413,
    errors.BodyTooLargeError: 413,
    errors.StoreFullError: 413,
    errors.ContentRefusedError: 415,
    errors.UnavailableError: 503,
    errors.SourceAwayError: 503,
    errors.UnusableSourceError: 503,
    errors.ProgramMissingError: 503,
    errors.LostDataError: 503,
    errors.NotOwnedError: 503,
}


def openapi_document(*, has_identity: bool) -> bytes:
    """These tables, and what is said of their rows, as OpenAPI (`openapi/`)."""
    return openapi.encode_document(ROUTES, IMS_ROUTES, has_identity=has_identity)
