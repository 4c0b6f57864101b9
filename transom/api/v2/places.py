"""PATCH of an image's locations, where the operator shows them (Image API v2, "Locations", the old way)."""

import msgspec

from transom.api.conditions import versioned_response
from transom.api.http import Request, Response
from transom.api.parts import Parts
from transom.api.v2 import images as images_api
from transom.api.v2.images import absent, check_limits
from transom.clock import now_us
from transom.domain import access, patch
from transom.domain.errors import InvalidError, TransomError
from transom.domain.locations import Known, change_places, parse_place
from transom.domain.model import Image, Location
from transom.sql import images, imports
from transom.sql.retry import TRIES, write_conflict


async def update_image(parts: Parts, request: Request) -> Response:
    """Any PATCH of an image."""
    operations = await images_api.read_patch(parts, request, patch.OPENSTACK)
    shows = parts.settings.show_multiple_locations
    if shows and any(operation.root == "locations" for operation in operations):
        changed = await update_places(parts, request, operations)
    else:
        changed = await images_api.update_image(parts, request, operations)
    return versioned_response(request, changed.updated_at, images_api.shown_body(parts, request, changed))


async def update_places(parts: Parts, request: Request, operations: list[patch.Operation]) -> Image:
    """The image after operations of which some are on its locations. What these name is looked at first, if
    the caller may change them at all."""
    image_id, caller = request.params["image_id"], request.caller
    known: Known | None = None
    guard = images_api.shown_guard(parts, request)
    for _ in range(TRIES):
        found, is_member = await images.find_image(parts.db, image_id, caller.member_ids)
        seen = access.see_image(caller, found, is_member, absent(image_id))
        if known is None:
            for operation in operations:
                if operation.root == "locations":
                    access.change_locations(caller, seen, is_member, operation.op)
            known = await _look(parts, operations, seen)
        if guard is not None:
            await guard(seen)
        looked = known

        def change(operation: patch.Operation, image: Image, looked: Known = looked) -> Image:
            return change_places(operation, image, looked)

        new = patch.apply(operations, seen, caller, is_member, change)
        check_limits(seen, new, parts.settings)
        new = msgspec.structs.replace(new, updated_at=images.moved_on(seen, now_us()))
        given_up = _given_up(seen, new)
        if await imports.change_places(parts.db, seen, new, given_up):
            await parts.transfer.remove(given_up)
            return new
    raise write_conflict(f"Image {image_id} is")


def _given_up(seen: Image, new: Image) -> tuple[Location, ...]:
    kept = {(location.store, location.key) for location in new.locations}
    return tuple(one for one in seen.locations if (one.store, one.key) not in kept)


async def _look(parts: Parts, operations: list[patch.Operation], image: Image) -> Known:
    """InvalidError for a URL that may not be fetched, or has no data."""
    had = {parts.stores.url(location) for location in image.locations}
    found = {}
    for operation in operations:
        if operation.root != "locations" or operation.op == "remove":
            continue
        for value in [operation.value] if operation.op == "add" else operation.value:
            url = parse_place(value).url
            if operation.op == "add" or not had:
                found[url] = await _look_at(parts, url)
    return Known(
        found=found,
        url_of=parts.stores.url,
        algorithm=parts.settings.hashing_algorithm,
        most=parts.settings.image_location_quota,
    )


async def _look_at(parts: Parts, url: str) -> tuple[str, int]:
    store_id = parts.stores.reader_of(url)
    if store_id is None:
        raise InvalidError(f"Invalid location: {url}")
    await parts.outbound.check(url)
    try:
        size = await parts.stores.get(store_id).size(url)
    except TransomError as error:
        raise InvalidError(f"Invalid location: {url} ({error})") from None
    if not size:
        raise InvalidError(f"Invalid location: {url}")
    return store_id, size
