"""Images: create, list, show, update, delete, tags, deactivate and reactivate (Image API v2, "Images")."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Container
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import msgspec

from transom.api.conditions import Guard, guard_of, versioned_response
from transom.api.http import HttpError, Request, Response, json_response, no_content
from transom.api.parts import Parts
from transom.api.v2 import answers
from transom.api.v2.query import page_link, parse_list_query
from transom.api.v2.versions import base_url
from transom.api.wire import image_body
from transom.clock import now_us
from transom.config import Settings
from transom.domain import access, image_quotas, patch, protection
from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Reason,
)
from transom.domain.fields import (
    FAMILY_PREFIX,
    FIELDS,
    MAX_NAME,
    NATURAL,
    check_field,
    check_not_negative,
    check_property_name,
    check_storable,
    check_tag,
    read_only,
)
from transom.domain.listing import ListQuery, Range, visible_ranges
from transom.domain.model import Caller, Image, Location, Status, Visibility
from transom.domain.status import WITH_DATA
from transom.sql import blobs, images, listing
from transom.sql.listing import ImagePage
from transom.sql.retry import TRIES, write_conflict

_PATCH_NEW = "application/openstack-images-v2.1-json-patch"
_PATCH_OLD = "application/openstack-images-v2.0-json-patch"

#: Read-only whatever else is wrong with a create request; the others of FIELDS come after the policy.
_NEVER_GIVEN = ("direct_url", "self", "file", "schema", "stores")

#: Images read at a time where a rule thins them out.
STEP = 100


def absent(image_id: str) -> str:
    """What is said of an image that is absent or hidden."""
    return f"No image found with ID {image_id}"


# ---- create


async def create_image(parts: Parts, request: Request) -> Response:
    body = await request.json(parts.settings.json_body_limit)
    if not isinstance(body, dict):
        raise InvalidError("Unexpected body type: an image is a JSON object.")
    image = image_of_body(body, request.caller, parts.settings, check_field, body)
    shown = shown_body(parts, request, image)
    return await keep_image(parts, request, image, shown, id_was_chosen="id" in body)


async def keep_image(
    parts: Parts, request: Request, image: Image, shown: dict[str, Any], *, id_was_chosen: bool
) -> Response:
    """Write the new image, and answer with its body `shown`."""
    most = await parts.limits.most_images(image.owner)
    if not await images.insert_image(parts.db, image, most, id_was_chosen=id_was_chosen):
        if 0 <= most <= await images.count_images(parts.db, image.owner):
            raise image_quotas.too_many_images(most)
        raise ConflictError(f"Image ID {image.id} already exists!")
    location = f"{base_url(parts, request)}{request.prefix}/v2/images/{image.id}".encode("latin-1")
    store_ids = ",".join(info.id for info in parts.stores.infos).encode()
    headers = [(b"location", location), (b"openstack-image-store-ids", store_ids)]
    if methods := parts.settings.import_methods:
        headers.append((b"openstack-image-import-methods", ",".join(methods).encode()))
    return versioned_response(request, image.updated_at, shown, HTTPStatus.CREATED, headers)


def image_of_body(
    body: dict[str, Any],
    caller: Caller,
    settings: Settings,
    check_value: Callable[[str, Any], Any],
    asked: Container[str],
) -> Image:
    """A new image. `check_value`: a value as the image keeps it, or an error (`fields.check_field`).
    `asked`: what of the body the client named itself. The order of checks is that of the reference, 3.1."""
    for name in _NEVER_GIVEN:
        if name in body:
            raise read_only(name)
    kept = {name: value for name, value in body.items() if not name.startswith(FAMILY_PREFIX)}
    given = {name: check_value(name, value) for name, value in kept.items()}
    properties = {name: value for name, value in given.items() if name not in FIELDS}
    for name in properties:
        check_property_name(name)
    owner = (given["owner"] or None) if "owner" in given else caller.project_id
    visibility = given.get("visibility", Visibility.SHARED)
    access.create_image(caller, owner, visibility)
    protection.require_create(caller, [name for name in properties if name in asked])
    for name in given:
        if name in FIELDS and FIELDS[name].read_only:
            raise read_only(name)
    if "locations" in given:
        raise ForbiddenError("Attribute 'locations' is reserved.", Reason.UNSUPPORTED)
    now = now_us()
    image = Image(
        id=given.get("id") or str(uuid.uuid4()),
        owner=owner,
        name=given.get("name"),
        status=Status.QUEUED,
        visibility=visibility,
        container_format=given.get("container_format"),
        disk_format=given.get("disk_format"),
        min_disk=given.get("min_disk", 0),
        min_ram=given.get("min_ram", 0),
        protected=given.get("protected", False),
        os_hidden=given.get("os_hidden", False),
        size=None,
        virtual_size=None,
        checksum=None,
        os_hash_algo=None,
        os_hash_value=None,
        tags=given.get("tags", ()),
        properties=properties,
        locations=(),
        created_at=now,
        updated_at=now,
    )
    image_quotas.check_tags(None, image, settings.image_tag_quota)
    for name in NATURAL:
        check_not_negative(name, getattr(image, name))
    image_quotas.check_properties(None, image, settings.image_property_quota)
    image_quotas.check_metadata(None, image, settings.image_metadata_limit)
    for name, value in given.items():
        check_storable(name, value)
    return image


# ---- list, show


async def list_images(parts: Parts, request: Request) -> Response:
    pairs = request.query_pairs()
    query = parse_list_query(pairs, parts.settings)
    found = await find_images(parts, request.caller, visible_ranges, query)
    shown = [shown_body(parts, request, image) for image in found.images]
    return page_response(pairs, shown, is_full=found.is_full)


async def find_images(
    parts: Parts,
    caller: Caller,
    make_ranges: Callable[[Caller, ListQuery], list[Range]],
    query: ListQuery,
) -> ImagePage:
    """One page of the images that the caller may list. `make_ranges`: which they are."""
    access.list_images(caller)
    after = await _find_marker(parts, caller, query.marker) if query.marker is not None else None
    seen = protection.visible_query(caller, query)
    if seen is None:
        return ImagePage([], is_full=False)
    ranges = make_ranges(caller, seen)
    if access.lists_all_it_finds(caller):
        return await listing.list_images(parts.db, ranges, seen, after, caller.project_id)
    return await _find_allowed(parts, caller, ranges, seen, after)


async def _find_allowed(
    parts: Parts, caller: Caller, ranges: list[Range], query: ListQuery, after: Image | None
) -> ImagePage:
    """A page of those images that the operator's own `get_image` lets the caller see, filled up from what
    follows for those it does not."""
    allowed: list[Image] = []
    size = 0
    async with aclosing(each_allowed(parts, caller, ranges, query, after)) as every:
        async for image in every:
            if len(allowed) == query.limit or size >= query.size_limit:
                return ImagePage(allowed, is_full=True)
            allowed.append(image)
            size += listing.size_of(image)
    return ImagePage(allowed, is_full=len(allowed) == query.limit)


def each_allowed(
    parts: Parts, caller: Caller, ranges: list[Range], query: ListQuery, after: Image | None = None
) -> AsyncGenerator[Image, None]:
    """As `each_of`, of a list's images past `after`, in its order."""
    step = msgspec.structs.replace(query, limit=max(query.limit, STEP))

    async def read(after: Image | None) -> tuple[list[Image], bool]:
        found = await listing.list_images(parts.db, ranges, step, after, caller.project_id)
        return found.images, not found.is_full

    return each_of(caller, read, after)


async def each_of(
    caller: Caller,
    read: Callable[[Image | None], Awaitable[tuple[list[Image], bool]]],
    after: Image | None = None,
) -> AsyncGenerator[Image, None]:
    """Every image that the operator's own `get_image` lets the caller see. `read`: some images past the one
    it is given (None: from the first on), and whether they are the last."""
    while True:
        found, is_end = await read(after)
        for image in found:
            if access.is_listed(caller, image):
                yield image
        if is_end:
            return
        after = found[-1]
        # Where a rule hides nearly everything there are many steps, and each may run on the event loop.
        await asyncio.sleep(0)


async def _find_marker(parts: Parts, caller: Caller, image_id: str) -> Image:
    image, is_member = await images.find_image(parts.db, image_id, caller.member_ids)
    try:
        return access.see_image(caller, image, is_member, absent(image_id))
    except NotFoundError as error:
        raise InvalidError(f"marker: {error}", Reason.BAD_URL) from None


def page_response(pairs: list[tuple[str, str]], shown: list[dict[str, Any]], *, is_full: bool) -> Response:
    """A page of a list with links to the first and, behind a full one, the next. Clients append them to
    their endpoint."""
    body: dict[str, Any] = {
        "images": shown,
        "first": page_link("/v2/images", pairs, None),
        "schema": "/v2/schemas/images",
    }
    if shown and is_full:
        body["next"] = page_link("/v2/images", pairs, shown[-1]["id"])
    return json_response(body)


async def show_image(parts: Parts, request: Request) -> Response:
    image, _is_member = await see_image(parts, request)
    if access.is_for_service(request.caller):
        parts.uses.note(image, request.caller, is_download=False)
    return versioned_response(request, image.updated_at, shown_body(parts, request, image))


def shown_body(parts: Parts, request: Request, image: Image) -> dict[str, Any]:
    """The image's body with the places of its data, where there is any and the caller may know."""
    body = image_body(image, request.caller)
    if image.locations and access.sees_places(request.caller, image):
        body["stores"] = ",".join(parts.stores.ids_of(image.locations))
        if parts.settings.show_image_direct_url:
            body["direct_url"] = parts.stores.url(parts.stores.ordered(image.locations)[0])
    if parts.settings.show_multiple_locations:
        may_see = access.sees_places(request.caller, image)
        body["locations"] = [
            {"url": parts.stores.url(one), "metadata": {**one.metadata, "store": one.store}}
            for one in (image.locations if may_see else ())
        ]
    return body


async def see_image(parts: Parts, request: Request) -> tuple[Image, bool]:
    """The image of the path, and whether the caller's project is a member of it; or NotFoundError."""
    image_id = request.params["image_id"]
    image, is_member = await images.find_image(parts.db, image_id, request.caller.member_ids)
    return access.see_image(request.caller, image, is_member, absent(image_id)), is_member


# ---- change


async def update_image(parts: Parts, request: Request, operations: list[patch.Operation]) -> Image:
    """The image after the operations, of which none changes its locations (`places.py`)."""

    def decide(image: Image, is_member: bool) -> Image:
        new = patch.apply(operations, image, request.caller, is_member)
        check_limits(image, new, parts.settings)
        return new

    image_id, guard = request.params["image_id"], shown_guard(parts, request)
    return await change_image(parts, request.caller, image_id, decide, touches=bool(operations), guard=guard)


def shown_guard(parts: Parts, request: Request) -> Guard | None:
    """Of a write whose conditions are about the image as `show_image` shows it."""

    async def show(image: Image) -> dict[str, Any]:
        return shown_body(parts, request, image)

    return guard_of(request, show)


async def read_patch(parts: Parts, request: Request, rules: patch.Rules) -> list[patch.Operation]:
    """The operations of the body, which has one of the two media types."""
    media_type = request.content_type
    if media_type not in (_PATCH_NEW, _PATCH_OLD):
        raise HttpError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The request media type {media_type or '(none)'} is not supported by this server.",
            [(b"accept-patch", f"{_PATCH_OLD}, {_PATCH_NEW}".encode())],
        )
    body = await request.json(parts.settings.json_body_limit)
    return patch.parse_operations(body, old_form=media_type == _PATCH_OLD, rules=rules)


def check_limits(old: Image, new: Image, settings: Settings) -> None:
    image_quotas.check_tags(old, new, settings.image_tag_quota)
    image_quotas.check_properties(old, new, settings.image_property_quota)
    image_quotas.check_metadata(old, new, settings.image_metadata_limit)


async def change_image(
    parts: Parts,
    caller: Caller,
    image_id: str,
    decide: Callable[[Image, bool], Image],
    *,
    missing: str | None = None,
    touches: bool = True,
    guard: Guard | None = None,
) -> Image:
    """Look at the image, `decide` what it becomes, and write that unless somebody changed it meanwhile: then
    look and decide again. `missing`: the text for an absent image. `touches`: whether `updated_at` moves.
    `guard`: what the client demands of the image it changes."""
    for _ in range(TRIES):
        image, is_member = await images.find_image(parts.db, image_id, caller.member_ids)
        seen = access.see_image(caller, image, is_member, missing or absent(image_id))
        if guard is not None:
            access.modify_image(caller, seen, is_member)
            await guard(seen)
        new = decide(seen, is_member)
        if not touches:
            return seen
        new = msgspec.structs.replace(new, updated_at=images.moved_on(seen, now_us()))
        if await images.update_image(parts.db, seen, new):
            return new
    raise write_conflict(f"Image {image_id} is")


async def delete_image(parts: Parts, request: Request) -> Response:
    async def judge(image: Image, is_member: bool) -> None:
        access.delete_image(request.caller, image, is_member)

    return await remove_image(parts, request, judge, shown_guard(parts, request))


async def remove_image(
    parts: Parts,
    request: Request,
    judge: Callable[[Image, bool], Awaitable[None]],
    guard: Guard | None,
) -> Response:
    """Delete the image of the path unless `judge` or `guard` raises. What these saw still holds then: every
    change of the image since makes it look again."""
    image_id = request.params["image_id"]
    for _ in range(TRIES):
        image, is_member = await images.find_image(parts.db, image_id, request.caller.member_ids)
        seen = access.see_image(
            request.caller, image, is_member, f"Failed to find image {image_id} to delete"
        )
        await judge(seen, is_member)
        if guard is not None:
            await guard(seen)
        staged = await _find_staged(parts, seen)
        if await images.delete_image(parts.db, seen, now_us()):
            await parts.transfer.remove((*seen.locations, *staged))
            await parts.transfer.forget(seen)
            return no_content()
    raise write_conflict(f"Image {image_id} is")


async def _find_staged(parts: Parts, image: Image) -> tuple[Location, ...]:
    """The bytes that wait to be imported into the image."""
    if image.status not in (Status.UPLOADING, Status.IMPORTING):
        return ()
    staged = await blobs.find_staged(parts.db, image.id)
    return (Location(store=staged.store, key=staged.key),) if staged is not None else ()


async def deactivate_image(parts: Parts, request: Request) -> Response:
    def decide(image: Image, is_member: bool) -> Image:
        access.deactivate_image(request.caller, image, is_member)
        return _switch(image, "deactivate", Status.DEACTIVATED)

    await change_image(parts, request.caller, request.params["image_id"], decide)
    return no_content()


async def reactivate_image(parts: Parts, request: Request) -> Response:
    def decide(image: Image, is_member: bool) -> Image:
        access.reactivate_image(request.caller, image, is_member)
        return _switch(image, "reactivate", Status.ACTIVE)

    await change_image(parts, request.caller, request.params["image_id"], decide)
    return no_content()


def _switch(image: Image, verb: str, to: Status) -> Image:
    if image.status not in WITH_DATA:
        raise ForbiddenError(f"Not allowed to {verb} image in status '{image.status}'")
    return msgspec.structs.replace(image, status=to)


# ---- tags


async def add_tag(parts: Parts, request: Request) -> Response:
    tag = request.params["tag"]
    check_tag(tag)

    def decide(image: Image, is_member: bool) -> Image:
        access.modify_image(request.caller, image, is_member)
        new = msgspec.structs.replace(image, tags=tuple(sorted({*image.tags, tag})))
        try:
            image_quotas.check_tags(image, new, parts.settings.image_tag_quota)
        except LimitExceededError as error:
            raise LimitExceededError(f"Image tag limit exceeded for image {image.id}: {error}") from None
        return new

    image_id = request.params["image_id"]
    await change_image(parts, request.caller, image_id, decide, missing=answers.absent(image_id))
    return no_content()


async def remove_tag(parts: Parts, request: Request) -> Response:
    tag = request.params["tag"]

    def decide(image: Image, is_member: bool) -> Image:
        access.modify_image(request.caller, image, is_member)
        if tag not in image.tags:
            raise NotFoundError(f"Image {image.id} has no tag {tag[:MAX_NAME]!r}.")
        return msgspec.structs.replace(image, tags=tuple(one for one in image.tags if one != tag))

    image_id = request.params["image_id"]
    await change_image(parts, request.caller, image_id, decide, missing=answers.absent(image_id))
    return no_content()
