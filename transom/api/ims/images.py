"""Images by the rules of the IMS API: create, list, show, update, delete (IMS API, "Image Management").

They are the images of the Image API, looked at otherwise: whether one is private or shared depends on its
recipients, and some properties are attributes with rules (`domain/attributes.py`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from transom.api import images as calls
from transom.api.actors import actor_of, patching_actor_of
from transom.api.conditions import guard_of, versioned_response
from transom.api.http import Request, Response, json_response, no_content
from transom.api.images import page_response, read_patch, see_image
from transom.api.ims.body import read_object
from transom.api.ims.queries import parse_ims_list_query
from transom.api.ims.wire import ims_image
from transom.api.services import Services
from transom.domain import attributes, image_quotas, patch
from transom.domain.listing import ims_ranges
from transom.domain.model import Caller, Image, ImageTarget, Visibility
from transom.images import patching, rules
from transom.images.creation import new_image
from transom.images.lists import find_images
from transom.images.service import change_image, remove_image
from transom.sql import images

#: Images in a page of the extension's list unless told.
_PAGE = 500


async def create_image(services: Services, request: Request) -> Response:
    """Always a private one, to be filled by `PUT …/file`."""
    asked = await read_object(services, request)
    given = attributes.complete(asked, services.operator_files.os_versions)
    check = attributes.make_check(services.operator_files.os_versions)
    image = new_image(given, request.caller, services.image_quotas, check, asked)
    shown = ims_image(image, request.caller, False)
    return await calls.create_image(services, request, image, shown, id_was_chosen="id" in given)


# ---- list, show


async def list_cloud_images(services: Services, request: Request) -> Response:
    """The extension's list: long pages without links. A full one names the marker of the next."""
    query = parse_ims_list_query(request.query_pairs(), services.lists, _PAGE)
    found = await find_images(services.db, request.caller, ims_ranges, query)
    page: dict[str, Any] = {"images": await _bodies(services, request, found.images)}
    if found.images and found.is_full:
        page["page_info"] = {"next_marker": found.images[-1].id}
    return json_response(page)


async def list_images(services: Services, request: Request) -> Response:
    """The native list, with links to its pages."""
    pairs = request.query_pairs()
    query = parse_ims_list_query(pairs, services.lists, services.lists.limit_param_default)
    found = await find_images(services.db, request.caller, ims_ranges, query)
    shown = await _bodies(services, request, found.images)
    return page_response(pairs, shown, is_full=found.is_full)


async def show_image(services: Services, request: Request) -> Response:
    image = (await see_image(services, request)).image
    return await _render(services, request, image)


async def _render(services: Services, request: Request, image: Image) -> Response:
    return versioned_response(request, image.updated_at, await _body(services, request, image))


async def _body(services: Services, request: Request, image: Image) -> dict[str, Any]:
    (body,) = await _bodies(services, request, [image])
    return body


async def _bodies(services: Services, request: Request, found: Sequence[Image]) -> list[dict[str, Any]]:
    maybe_shared = [image.id for image in found if image.visibility == Visibility.SHARED]
    shared = await images.shared_among(services.db, maybe_shared)
    return [ims_image(image, request.caller, image.id in shared) for image in found]


# ---- change


async def update_cloud_image(services: Services, request: Request) -> Response:
    """The extension's update, of whichever media type: of active images only, and `replace` may add."""
    body = await request.json(services.bodies.json_body_limit)
    operations = patch.parse_operations(
        body, old_form=False, rules=attributes.extension_rules(services.operator_files.os_versions)
    )
    return await _update(services, request, attributes.replace_or_add(operations), rules.update_ims_image)


async def update_image(services: Services, request: Request) -> Response:
    """The native update, but that sharing is not its business."""
    operations = await read_patch(
        services, request, attributes.native_rules(services.operator_files.os_versions)
    )
    return await _update(services, request, operations, rules.modify_image)


async def _update(
    services: Services,
    request: Request,
    operations: list[patch.Operation],
    judge: Callable[[Caller, ImageTarget], None],
) -> Response:
    caller = request.caller

    def decide(target: ImageTarget) -> Image:
        judge(caller, target)
        patched = patching.apply(operations, target, caller)
        new = attributes.follow_os_version(target.image, patched, services.operator_files.os_versions)
        image_quotas.check_change(target.image, new, services.image_quotas)
        return new

    image_id, guard = request.params["image_id"], guard_of(request, partial(_body, services, request))
    actor = patching_actor_of(services, request, operations)
    changed = await change_image(
        services.db, caller, actor, image_id, decide, writes=bool(operations), guard=guard
    )
    return await _render(services, request, changed)


async def delete_image(services: Services, request: Request) -> Response:
    """A body is taken for the backups that it may speak of, of which there are none here."""

    async def judge(target: ImageTarget) -> None:
        image = target.image
        # Sharing with one of those changes the image, so what is found here still holds when it is deleted.
        is_for_group = image.visibility == Visibility.SHARED and await images.has_group_member(
            services.db, image.id
        )
        rules.delete_ims_image(request.caller, target, is_for_group=is_for_group)

    image_id, guard = request.params["image_id"], guard_of(request, partial(_body, services, request))
    caller, actor = request.caller, actor_of(request)
    await remove_image(services.db, services.transfer, caller, actor, image_id, judge, guard)
    return no_content()
