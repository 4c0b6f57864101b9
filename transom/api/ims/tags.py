"""Tags by the rules of the IMS API: pairs of a key and a value, ten an image (`domain/tags.py`).

Start reading at `add_tag`. The last part finds images by their tags.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from transom.api.actors import actor_of
from transom.api.http import Request, Response, json_response, no_content
from transom.api.images import see_image
from transom.api.ims import body
from transom.api.ims.body import read_object, require_project
from transom.api.ims.queries import parse_ims_list_query
from transom.api.services import Services
from transom.domain import protection
from transom.domain.attributes import shown_status
from transom.domain.errors import InvalidError, Reason
from transom.domain.fields import MAX_NAME, check_characters
from transom.domain.listing import Condition, ims_ranges
from transom.domain.model import Image, ImageTarget
from transom.domain.tags import (
    MOST_TAGS,
    Tag,
    TagSearch,
    check_native_tag,
    check_removed_tag,
    check_tag,
    check_unique,
    parse_tag,
    parse_tags,
    put_tags,
    remove_key,
    remove_tags,
    seek_tag,
    seek_tags,
    values_by_key,
)
from transom.images import rules
from transom.images.lists import STEP, each_allowed, each_of
from transom.images.rules import not_found
from transom.images.service import change_image
from transom.sql import tags

#: Tags in a page of `list_tags` unless told, and at most.
_PAGE, _MOST_IN_PAGE = 500, 1000
#: Images in a page of `find_images` unless told, and at most.
_IMAGES, _MOST_IMAGES = 10, 1000
_MOST_DIGITS = 9

_Change = Callable[[tuple[str, ...]], tuple[str, ...]]


# ---- the tags of one image, by their keys (T1, T2, T6)


async def add_tag(services: Services, request: Request) -> Response:
    """The native call: a key without a value."""
    tag = check_native_tag("tag", request.params["tag"])
    return await _put(services, request, request.params["image_id"], [tag])


async def remove_tag(services: Services, request: Request) -> Response:
    """The native call: whatever has the tag for its key, or is written like it."""
    tag = request.params["tag"]
    return await _change(services, request, request.params["image_id"], lambda texts: remove_key(texts, tag))


async def remove_tag_by_key(services: Services, request: Request) -> Response:
    """A key that the image does not have is not found."""
    require_project(request)
    key = request.params.get("key", "action")  # Where `action` stands in the path, the route has no variable.
    return await _change(services, request, request.params["image_id"], lambda texts: remove_key(texts, key))


# ---- the tags of one image, as pairs (T3, T5, T7, T8)


async def put_tag(services: Services, request: Request) -> Response:
    """The extension: the image in the body, the tag as text (`key.value` or `key=value`) or as a pair."""
    given = await read_object(services, request)
    if given.get("image_id") is None:
        raise InvalidError("image_id: is missing.")
    image_id = body.check_id("image_id", given["image_id"])
    text, pair = given.get("tag"), given.get("image_tag")
    if (text is None) == (pair is None):
        raise InvalidError("tag, image_tag: exactly one of them is needed.", Reason.TAG_INVALID)
    if pair is not None:
        return await _put(services, request, image_id, [check_tag("image_tag", _pair("image_tag", pair))])
    if not isinstance(text, str):
        raise InvalidError("tag: must be a string.")
    return await _put(services, request, image_id, [check_tag("tag", parse_tag(text))])


async def put_image_tag(services: Services, request: Request) -> Response:
    require_project(request)
    given = await read_object(services, request)
    tag = check_tag("tag", _pair("tag", given.get("tag")))
    return await _put(services, request, request.params["image_id"], [tag])


async def change_tags(services: Services, request: Request) -> Response:
    """Several tags at once, all or none. Removing those that are not there succeeds."""
    require_project(request)
    given = await read_object(services, request)
    action = given.get("action")
    if action == "create":
        return await _put(services, request, request.params["image_id"], _pairs(given, check_tag))
    if action == "delete":
        return await _remove(services, request, given)
    raise InvalidError("action: must be create or delete.")


async def remove_image_tags(services: Services, request: Request) -> Response:
    """As `change_tags` with `delete`."""
    require_project(request)
    return await _remove(services, request, await read_object(services, request))


async def list_image_tags(services: Services, request: Request) -> Response:
    require_project(request)
    image = (await see_image(services, request)).image
    return json_response({"tags": _bodies(image)})


def _bodies(image: Image) -> list[dict[str, str]]:
    return [{"key": tag.key, "value": tag.value} for tag in parse_tags(image.tags)]


def _pairs(given: dict[str, Any], check: Callable[[str, Tag], Tag]) -> list[Tag]:
    """`tags` of a batch, checked one by one."""
    found = _entries(given, "tags")
    if not found:
        raise InvalidError("tags: at least one tag is needed.", Reason.TAG_INVALID)
    pairs = [check(field, _pair(field, entry)) for field, entry in found]
    check_unique("tags", [tag.key for tag in pairs])
    return pairs


def _pair(field: str, given: Any) -> Tag:
    """A tag as `{"key": …, "value": …}`; a value that is absent or null is empty."""
    if not isinstance(given, dict):
        raise InvalidError(f"{field}: must be an object with key and value.", Reason.TAG_INVALID)
    key, value = given.get("key"), given.get("value")
    if not isinstance(key, str):
        raise InvalidError(f"{field}.key: must be a string.", Reason.TAG_INVALID)
    if value is not None and not isinstance(value, str):
        raise InvalidError(f"{field}.value: must be a string.", Reason.TAG_INVALID)
    return Tag(key, value or "")


async def _put(services: Services, request: Request, image_id: str, new: list[Tag]) -> Response:
    quota = services.image_quotas.tags
    limit = min(MOST_TAGS, quota) if quota >= 0 else MOST_TAGS
    return await _change(services, request, image_id, lambda texts: put_tags(texts, new, limit))


async def _remove(services: Services, request: Request, given: dict[str, Any]) -> Response:
    unwanted = _pairs(given, check_removed_tag)
    image_id = request.params["image_id"]
    return await _change(services, request, image_id, lambda texts: remove_tags(texts, unwanted))


async def _change(services: Services, request: Request, image_id: str, change: _Change) -> Response:
    def decide(target: ImageTarget) -> Image:
        rules.modify_image(request.caller, target)
        return msgspec.structs.replace(target.image, tags=change(target.image.tags))

    await change_image(
        services.db, request.caller, actor_of(request), image_id, decide, missing=not_found(image_id)
    )
    return no_content()


# ---- the tags of many images (T4, T9)


async def list_tags(services: Services, request: Request) -> Response:
    """The tags of the images that a list with the same filters has, as they are written; in pages of tags."""
    pairs = body.query_values(request)
    limit = body.page_limit(pairs, _PAGE, _MOST_IN_PAGE)
    page = _number("page", pairs.get("page"), 1, 1, 10**_MOST_DIGITS - 1, Reason.BAD_URL)
    filters = [pair for pair in request.query_pairs() if pair[0] not in ("limit", "page", "marker")]
    query = parse_ims_list_query(filters, services.lists, _PAGE)
    caller = request.caller
    rules.list_images(caller)
    seen = protection.visible_query(caller, query)
    ranges = ims_ranges(caller, seen) if seen is not None else []
    offset = (page - 1) * limit
    if rules.lists_all_it_finds(caller):
        found = await tags.list_tags(services.db, ranges, seen or query, limit, offset)
        return json_response({"tags": found})
    allowed = await _tags_of(each_allowed(services.db, caller, ranges, seen or query))
    return json_response({"tags": sorted(allowed)[offset : offset + limit]})


async def list_own_tags(services: Services, request: Request) -> Response:
    """All keys, and their values, of the images that the project owns."""
    project_id = require_project(request)
    rules.list_images(request.caller)
    if rules.lists_all_it_finds(request.caller):
        texts = await tags.list_own_tags(services.db, project_id)
    else:
        texts = await _tags_of(_each_sought(services, request, project_id, TagSearch()))
    found = values_by_key(texts)
    return json_response({"tags": [{"key": key, "values": values} for key, values in found.items()]})


async def _tags_of(each: AsyncGenerator[Image, None]) -> list[str]:
    return list({tag async for image in each for tag in image.tags})


# ---- images by their tags (T10)


async def find_images(services: Services, request: Request) -> Response:
    """Those that the project owns and the request describes: a page of them, newest first (`filter`), or how
    many there are (`count`)."""
    project_id = require_project(request)
    rules.list_images(request.caller)
    given = await read_object(services, request)
    action = given.get("action")
    if action not in ("filter", "count"):
        raise InvalidError("action: must be filter or count.")
    search = _search(given)
    if action == "count":
        _none, total = await _find(services, request, project_id, search, 0, 0)
        return json_response({"total_count": total})
    limit = _number("limit", given.get("limit"), _IMAGES, 1, _MOST_IMAGES)
    offset = _number("offset", given.get("offset"), 0, 0, 10**_MOST_DIGITS - 1)
    found, total = await _find(services, request, project_id, search, limit, offset)
    return json_response({"resources": [_resource(image) for image in found], "total_count": total})


async def _find(
    services: Services, request: Request, project_id: str, search: TagSearch, limit: int, offset: int
) -> tuple[list[Image], int]:
    """(a page of the images that are sought, how many there are)."""
    if rules.lists_all_it_finds(request.caller):
        page = await tags.find_images(services.db, project_id, search, limit, offset) if limit else []
        return page, await tags.count_images(services.db, project_id, search)
    page, total = [], 0
    async for image in _each_sought(services, request, project_id, search):
        if offset <= total < offset + limit:
            page.append(image)
        total += 1
    return page, total


def _each_sought(
    services: Services, request: Request, project_id: str, search: TagSearch
) -> AsyncGenerator[Image, None]:
    """As `each_of`, of the project's own images that are sought, the newest first."""

    async def read(after: Image | None) -> tuple[list[Image], bool]:
        found = await tags.find_images(services.db, project_id, search, STEP, 0, after)
        return found, len(found) < STEP

    return each_of(request.caller, read)


def _resource(image: Image) -> dict[str, Any]:
    return {
        "resource_id": image.id,
        "resource_name": image.name or "",
        "resource_detail": {"status": shown_status(image.status)},
        "tags": _bodies(image),
    }


def _search(given: dict[str, Any]) -> TagSearch:
    untagged = given.get("without_any_tag")
    if untagged is not None and not isinstance(untagged, bool):
        raise InvalidError("without_any_tag: must be true or false.")
    matches = _matches(given)
    name, image_id = matches.get("resource_name"), matches.get("resource_id")
    if untagged:
        return TagSearch(untagged=True, name=name, image_id=image_id)
    return TagSearch(
        all_of=_sought(given, "tags"),
        any_of=_sought(given, "tags_any"),
        not_all_of=_sought(given, "not_tags"),
        none_of=_sought(given, "not_tags_any"),
        name=name,
        image_id=image_id,
    )


def _matches(given: dict[str, Any]) -> dict[str, str]:
    """Field of an image → what it is compared with."""
    pairs = [_pair(field, entry) for field, entry in _entries(given, "matches")]
    check_unique("matches", [pair.key for pair in pairs])
    for key, value in ((pair.key, pair.value) for pair in pairs):
        if key not in ("resource_name", "resource_id"):
            raise InvalidError("matches: a key must be resource_name or resource_id.")
        if len(value) > MAX_NAME:
            raise InvalidError(f"matches: {key} must not be longer than {MAX_NAME} characters.")
        check_characters(f"matches: {key}", value)
    return {pair.key: pair.value for pair in pairs}


def _sought(given: dict[str, Any], name: str) -> tuple[Condition, ...]:
    return seek_tags(name, [_sought_one(field, entry) for field, entry in _entries(given, name)])


def _sought_one(field: str, entry: Any) -> Condition:
    if not isinstance(entry, dict) or not isinstance(entry.get("key"), str):
        raise InvalidError(f"{field}: must be an object with a key and a list of values.", Reason.TAG_INVALID)
    values = entry.get("values")
    if values is None:
        return seek_tag(field, entry["key"], [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidError(f"{field}.values: must be a list of strings.", Reason.TAG_INVALID)
    return seek_tag(field, entry["key"], values)


def _entries(given: dict[str, Any], name: str) -> list[tuple[str, Any]]:
    """(`name[0]`, entry) … of a list; none when it is absent or null."""
    value = given.get(name)
    if value is not None and not isinstance(value, list):
        raise InvalidError(f"{name}: must be a list.")
    return [(f"{name}[{position}]", entry) for position, entry in enumerate(value or [])]


def _number(
    name: str, given: Any, default: int, least: int, largest: int, reason: Reason | None = None
) -> int:
    """A number in digits, from `least` to `largest`; `default` when it is absent."""
    if given is None:
        return default
    is_number = isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS
    if not is_number or not least <= int(given) <= largest:
        raise InvalidError(f"{name}: must be a whole number from {least} to {largest}, in digits.", reason)
    return int(given)
