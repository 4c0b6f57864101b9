"""Images: create, list, show, update, delete, tags, deactivate and reactivate (Image API v2, "Images")."""

import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec

from transom.api.http import HttpError, Request, Response, json_response, no_content
from transom.api.parts import Parts
from transom.api.v2 import answers
from transom.api.v2.answers import TRIES, outrun
from transom.api.v2.query import page_link, parse_list_query
from transom.api.v2.versions import base_url
from transom.api.wire import image_body
from transom.clock import now_us
from transom.config import Settings
from transom.domain import access, patch, quota
from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
)
from transom.domain.fields import (
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
from transom.domain.listing import visible_ranges
from transom.domain.model import Caller, Image, Status, Visibility
from transom.domain.status import WITH_DATA
from transom.sql import images, listing

_PATCH_NEW = "application/openstack-images-v2.1-json-patch"
_PATCH_OLD = "application/openstack-images-v2.0-json-patch"

#: Read-only whatever else is wrong with a create request; the others of FIELDS come after the policy.
_NEVER_GIVEN = ("direct_url", "self", "file", "schema", "stores")


def absent(image_id: str) -> str:
    """What is said of an image that is absent or hidden."""
    return f"No image found with ID {image_id}"


# ---- create


async def create_image(parts: Parts, request: Request) -> Response:
    body = await request.json(parts.settings.json_body_limit)
    image = _image_of_body(body, request.caller, parts.settings)
    if not await images.insert_image(parts.db, image, id_was_chosen="id" in body):
        raise ConflictError(f"Image ID {image.id} already exists!")
    location = f"{base_url(parts, request)}/v2/images/{image.id}".encode("latin-1")
    return json_response(image_body(image), HTTPStatus.CREATED, [(b"location", location)])


def _image_of_body(body: dict[str, Any] | list[Any], caller: Caller, settings: Settings) -> Image:
    """The order of checks is that of the reference, 3.1."""
    if not isinstance(body, dict):
        raise InvalidError("Unexpected body type: an image is a JSON object.")
    for name in _NEVER_GIVEN:
        if name in body:
            raise read_only(name)
    given = {name: check_field(name, value) for name, value in body.items()}
    properties = {name: value for name, value in given.items() if name not in FIELDS}
    for name in properties:
        check_property_name(name)
    owner = (given["owner"] or None) if "owner" in given else caller.project_id
    visibility = given.get("visibility", Visibility.SHARED)
    access.create_image(caller, owner, visibility)
    for name in given:
        if name in FIELDS and FIELDS[name].read_only:
            raise read_only(name)
    if "locations" in given:
        raise ForbiddenError("Attribute 'locations' is reserved.")
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
    quota.check_tags(None, image, settings.image_tag_quota)
    for name in NATURAL:
        check_not_negative(name, getattr(image, name))
    quota.check_properties(None, image, settings.image_property_quota)
    quota.check_metadata(None, image, settings.image_metadata_limit)
    for name, value in given.items():
        check_storable(name, value)
    return image


# ---- list, show


async def list_images(parts: Parts, request: Request) -> Response:
    pairs = request.query_pairs()
    query = parse_list_query(pairs, parts.settings)
    access.list_images(request.caller)
    after = await _find_marker(parts, request.caller, query.marker) if query.marker is not None else None
    found = await listing.list_images(parts.db, visible_ranges(request.caller, query), query, after)
    body: dict[str, Any] = {
        "images": [image_body(image) for image in found],
        "first": page_link(pairs, None),
        "schema": "/v2/schemas/images",
    }
    if found and len(found) == query.limit:
        body["next"] = page_link(pairs, found[-1].id)
    return json_response(body)


async def _find_marker(parts: Parts, caller: Caller, image_id: str) -> Image:
    image, is_member = await images.find_image(parts.db, image_id, caller.member_ids)
    try:
        return access.see_image(caller, image, is_member, absent(image_id))
    except NotFoundError as error:
        raise InvalidError(f"marker: {error}") from None


async def show_image(parts: Parts, request: Request) -> Response:
    image, _is_member = await see_image(parts, request)
    return json_response(image_body(image))


async def see_image(parts: Parts, request: Request) -> tuple[Image, bool]:
    """The image of the path, and whether the caller's project is a member of it; or NotFoundError."""
    image_id = request.params["image_id"]
    image, is_member = await images.find_image(parts.db, image_id, request.caller.member_ids)
    return access.see_image(request.caller, image, is_member, absent(image_id)), is_member


# ---- change


async def update_image(parts: Parts, request: Request) -> Response:
    media_type = request.content_type
    if media_type not in (_PATCH_NEW, _PATCH_OLD):
        raise HttpError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The request media type {media_type or '(none)'} is not supported by this server.",
            [(b"accept-patch", f"{_PATCH_OLD}, {_PATCH_NEW}".encode())],
        )
    body = await request.json(parts.settings.json_body_limit)
    operations = patch.parse_operations(body, old_form=media_type == _PATCH_OLD)

    def decide(image: Image, is_member: bool) -> Image:
        if not operations:
            return image
        new = patch.apply(operations, image, request.caller, is_member)
        quota.check_tags(image, new, parts.settings.image_tag_quota)
        quota.check_properties(image, new, parts.settings.image_property_quota)
        quota.check_metadata(image, new, parts.settings.image_metadata_limit)
        return new

    changed = await _change_image(parts, request, decide, touches=bool(operations))
    return json_response(image_body(changed))


async def _change_image(
    parts: Parts,
    request: Request,
    decide: Callable[[Image, bool], Image],
    *,
    missing: str | None = None,
    touches: bool = True,
) -> Image:
    """Look at the image, `decide` what it becomes, and write that unless somebody changed it meanwhile: then
    look and decide again. `missing`: the text for an absent image. `touches`: whether `updated_at` moves."""
    image_id = request.params["image_id"]
    for _ in range(TRIES):
        image, is_member = await images.find_image(parts.db, image_id, request.caller.member_ids)
        seen = access.see_image(request.caller, image, is_member, missing or absent(image_id))
        new = decide(seen, is_member)
        if not touches:
            return seen
        new = msgspec.structs.replace(new, updated_at=images.moved_on(seen, now_us()))
        if await images.update_image(parts.db, seen, new):
            return new
    raise outrun(f"Image {image_id} is")


async def delete_image(parts: Parts, request: Request) -> Response:
    image_id = request.params["image_id"]
    for _ in range(TRIES):
        image, is_member = await images.find_image(parts.db, image_id, request.caller.member_ids)
        seen = access.see_image(
            request.caller, image, is_member, f"Failed to find image {image_id} to delete"
        )
        access.delete_image(request.caller, seen, is_member)
        if await images.delete_image(parts.db, seen, now_us()):
            await parts.transfer.remove(seen.locations)
            return no_content()
    raise outrun(f"Image {image_id} is")


async def deactivate_image(parts: Parts, request: Request) -> Response:
    def decide(image: Image, is_member: bool) -> Image:
        access.deactivate_image(request.caller, image, is_member)
        return _switch(image, "deactivate", Status.DEACTIVATED)

    await _change_image(parts, request, decide)
    return no_content()


async def reactivate_image(parts: Parts, request: Request) -> Response:
    def decide(image: Image, is_member: bool) -> Image:
        access.reactivate_image(request.caller, image, is_member)
        return _switch(image, "reactivate", Status.ACTIVE)

    await _change_image(parts, request, decide)
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
            quota.check_tags(image, new, parts.settings.image_tag_quota)
        except LimitExceededError as error:
            raise LimitExceededError(f"Image tag limit exceeded for image {image.id}: {error}") from None
        return new

    await _change_image(parts, request, decide, missing=answers.absent(request.params["image_id"]))
    return no_content()


async def remove_tag(parts: Parts, request: Request) -> Response:
    tag = request.params["tag"]

    def decide(image: Image, is_member: bool) -> Image:
        access.modify_image(request.caller, image, is_member)
        if tag not in image.tags:
            raise NotFoundError(f"Image {image.id} has no tag {tag[:MAX_NAME]!r}.")
        return msgspec.structs.replace(image, tags=tuple(one for one in image.tags if one != tag))

    await _change_image(parts, request, decide, missing=answers.absent(request.params["image_id"]))
    return no_content()
