"""Images: create, list, show, update, delete, tags, deactivate and reactivate (Image API v2, "Images")."""

from typing import Any

import msgspec

from transom.api import images as calls
from transom.api.actors import actor_of, giving_actor_of, patching_actor_of
from transom.api.conditions import guard_of, versioned_response
from transom.api.http import Request, Response, no_content
from transom.api.images import page_response, read_patch, see_image
from transom.api.services import Services
from transom.api.v2.query import parse_list_query
from transom.api.wire import image_body
from transom.domain import access, image_quotas, patch
from transom.domain.errors import InvalidError, LimitExceededError, NotFoundError
from transom.domain.fields import MAX_NAME, check_field, check_tag
from transom.domain.listing import visible_ranges
from transom.domain.locations import Known
from transom.domain.model import Image, ImageTarget, Status
from transom.images import patching, rules
from transom.images.creation import new_image
from transom.images.lists import find_images
from transom.images.locations import change_locations, look_at_locations
from transom.images.rules import not_found
from transom.images.service import Guard, change_image, remove_image

# ---- create, list, show


async def create_image(services: Services, request: Request) -> Response:
    body = await request.json(services.bodies.json_body_limit)
    if not isinstance(body, dict):
        raise InvalidError("Unexpected body type: an image is a JSON object.")
    image = new_image(body, request.caller, services.image_quotas, check_field, body)
    shown = render_image(services, request, image)
    return await calls.create_image(services, request, image, shown, id_was_chosen="id" in body)


async def list_images(services: Services, request: Request) -> Response:
    pairs = request.query_pairs()
    query = parse_list_query(pairs, services.lists)
    found = await find_images(services.db, request.caller, visible_ranges, query)
    shown = [render_image(services, request, image) for image in found.images]
    return page_response(pairs, shown, is_full=found.is_full)


async def show_image(services: Services, request: Request) -> Response:
    image = (await see_image(services, request)).image
    if access.is_for_service(request.caller):
        services.uses.record(image, request.caller, is_download=False)
    return versioned_response(request, image.updated_at, render_image(services, request, image))


def render_image(services: Services, request: Request, image: Image) -> dict[str, Any]:
    """The image's body with the places of its data, where there is any and the caller may know."""
    body = image_body(image, request.caller)
    if image.locations and rules.sees_locations(request.caller, image):
        body["stores"] = ",".join(services.stores.ids_of(image.locations))
        if services.image_options.show_image_direct_url:
            body["direct_url"] = services.stores.url(services.stores.ordered(image.locations)[0])
    if services.image_options.show_multiple_locations:
        may_see = rules.sees_locations(request.caller, image)
        body["locations"] = [
            {"url": services.stores.url(one), "metadata": {**one.metadata, "store": one.store}}
            for one in (image.locations if may_see else ())
        ]
    return body


# ---- change, delete


async def update_image(services: Services, request: Request) -> Response:
    operations = await read_patch(services, request, patch.OPENSTACK)
    shows = services.image_options.show_multiple_locations
    if shows and any(operation.root == "locations" for operation in operations):
        changed = await _change_locations(services, request, operations)
    else:
        changed = await _change(services, request, operations)
    return versioned_response(request, changed.updated_at, render_image(services, request, changed))


async def _change(services: Services, request: Request, operations: list[patch.Operation]) -> Image:
    def decide(target: ImageTarget) -> Image:
        new = patching.apply(operations, target, request.caller)
        image_quotas.check_change(target.image, new, services.image_quotas)
        return new

    image_id, guard = request.params["image_id"], _shown_guard(services, request)
    return await change_image(
        services.db,
        request.caller,
        patching_actor_of(services, request, operations),
        image_id,
        decide,
        writes=bool(operations),
        guard=guard,
    )


async def _change_locations(services: Services, request: Request, operations: list[patch.Operation]) -> Image:
    options = services.image_options

    async def look(image: Image) -> Known:
        algorithm, limit = options.hashing_algorithm, options.image_location_quota
        outbound = services.outbound.asked_by(request.caller.project_id)
        return await look_at_locations(services.stores, outbound, operations, image, algorithm, limit)

    image_id, guard = request.params["image_id"], _shown_guard(services, request)
    return await change_locations(
        services.db,
        services.transfer,
        request.caller,
        patching_actor_of(services, request, operations),
        image_id,
        operations,
        look,
        services.image_quotas,
        guard,
    )


def _shown_guard(services: Services, request: Request) -> Guard | None:
    """Of a write whose conditions are about the image as `show_image` shows it."""

    async def show(image: Image) -> dict[str, Any]:
        return render_image(services, request, image)

    return guard_of(request, show)


async def delete_image(services: Services, request: Request) -> Response:
    async def judge(target: ImageTarget) -> None:
        rules.delete_image(request.caller, target)

    image_id, guard = request.params["image_id"], _shown_guard(services, request)
    caller, actor = request.caller, actor_of(request)
    await remove_image(services.db, services.transfer, caller, actor, image_id, judge, guard)
    return no_content()


async def deactivate_image(services: Services, request: Request) -> Response:
    def decide(target: ImageTarget) -> Image:
        rules.deactivate_image(request.caller, target)
        return msgspec.structs.replace(target.image, status=Status.DEACTIVATED)

    await change_image(services.db, request.caller, actor_of(request), request.params["image_id"], decide)
    return no_content()


async def reactivate_image(services: Services, request: Request) -> Response:
    def decide(target: ImageTarget) -> Image:
        rules.reactivate_image(request.caller, target)
        return msgspec.structs.replace(target.image, status=Status.ACTIVE)

    actor = giving_actor_of(services, request)
    await change_image(services.db, request.caller, actor, request.params["image_id"], decide)
    return no_content()


# ---- tags


async def add_tag(services: Services, request: Request) -> Response:
    """Idempotent. InvalidError for a text that no tag has, LimitExceededError beyond `image_tag_quota`."""
    tag = request.params["tag"]
    check_tag(tag)

    def decide(target: ImageTarget) -> Image:
        rules.modify_image(request.caller, target)
        image = target.image
        new = msgspec.structs.replace(image, tags=tuple(sorted({*image.tags, tag})))
        try:
            image_quotas.check_tags(image, new, services.image_quotas.tags)
        except LimitExceededError as error:
            raise LimitExceededError(f"Image tag limit exceeded for image {image.id}: {error}") from None
        return new

    image_id = request.params["image_id"]
    await change_image(
        services.db, request.caller, actor_of(request), image_id, decide, missing=not_found(image_id)
    )
    return no_content()


async def remove_tag(services: Services, request: Request) -> Response:
    """NotFoundError when the image has no such tag."""
    tag = request.params["tag"]

    def decide(target: ImageTarget) -> Image:
        rules.modify_image(request.caller, target)
        image = target.image
        if tag not in image.tags:
            raise NotFoundError(f"Image {image.id} has no tag {tag[:MAX_NAME]!r}.")
        return msgspec.structs.replace(image, tags=tuple(one for one in image.tags if one != tag))

    image_id = request.params["image_id"]
    await change_image(
        services.db, request.caller, actor_of(request), image_id, decide, missing=not_found(image_id)
    )
    return no_content()
