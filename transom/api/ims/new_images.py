"""New images that calls of the IMS API make from an object, a server or a volume: the fields that these calls
have in common."""

from collections.abc import Callable
from typing import Any

import msgspec

from transom.api.http import Request
from transom.api.ims import body
from transom.api.services import Services
from transom.domain import attributes
from transom.domain.attributes import ENTERPRISE_PROJECT
from transom.domain.errors import InvalidError, Reason
from transom.domain.model import Image
from transom.domain.tags import MOST_TAGS, Tag, check_tag, parse_tag, put_tags
from transom.images.creation import new_image

#: `type` of a system image → its `virtual_env_type`.
ENVIRONMENTS = {
    "ECS": "FusionCompute",
    "FusionCompute": "FusionCompute",
    "BMS": "Ironic",
    "Ironic": "Ironic",
    "IsoImage": "IsoImage",
}
DATA = "DataImage"
#: Where the data comes from, in the words that providers read the source's name from again.
ORIGIN = "__data_origin"
_OS_TYPES = ("Linux", "Windows")


def os_type(given: dict[str, Any], field: str) -> str:
    """`field`: where in the body this stands, with a dot at its end."""
    found = body.text(given, "os_type") or _OS_TYPES[0]
    if found not in _OS_TYPES:
        text = f"{field}os_type: must be one of {', '.join(_OS_TYPES)}."
        raise InvalidError(text, Reason.OS_TYPE_INVALID)
    return found


def environment(given: dict[str, Any]) -> str:
    """The `virtual_env_type` of a system image, by the body's `type`."""
    kind = body.text(given, "type") or "ECS"
    if kind not in ENVIRONMENTS:
        text = f"type: must be one of {', '.join(ENVIRONMENTS)}."
        raise InvalidError(text, Reason.IMAGE_TYPE_INVALID)
    return ENVIRONMENTS[kind]


def plan_image(
    services: Services,
    request: Request,
    given: dict[str, Any],
    fields: dict[str, Any],
    name: Any,
    origin: str,
) -> Image:
    """The image, before it is written. `fields`: those that only this call has; `origin`: what the image is
    made from."""
    if name in (None, ""):
        raise InvalidError("name: is missing.", Reason.NAME_MISSING)
    if body.text(given, "cmk_id") is not None:
        raise InvalidError("cmk_id: this service has no keys to encrypt images with.", Reason.KEY_UNKNOWN)
    asked = {
        **fields,
        "name": name,
        "__description": given.get("description"),
        ENTERPRISE_PROJECT: body.text(given, ENTERPRISE_PROJECT),
        "tags": _tags(given),
    }
    known = {name: value for name, value in asked.items() if value is not None}
    os_versions = services.operator_files.os_versions
    whole = attributes.complete(known, os_versions)
    check = attributes.make_check(os_versions)
    image = new_image(whole, request.caller, services.image_quotas, check, known)
    # The service says it, not the client, who may not have the right to.
    return msgspec.structs.replace(image, properties={**image.properties, ORIGIN: origin})


def _tags(given: dict[str, Any]) -> list[str]:
    texts, pairs = given.get("tags"), given.get("image_tags")
    if texts and pairs:
        raise InvalidError("tags, image_tags: only one of them can be given.", Reason.TAG_INVALID)
    name = "image_tags" if pairs else "tags"
    read: Callable[[Any], Tag | None] = _pair if pairs else _text
    found = texts or pairs or []
    tags = [read(one) for one in found] if isinstance(found, list) else [None]
    if None in tags:
        raise InvalidError(f"{name}: must be a list of tags.", Reason.TAG_INVALID)
    return list(put_tags((), [check_tag(name, tag) for tag in tags if tag is not None], MOST_TAGS))


def _text(value: Any) -> Tag | None:
    return parse_tag(value) if isinstance(value, str) else None


def _pair(value: Any) -> Tag | None:
    if not isinstance(value, dict):
        return None
    key, text = value.get("key"), value.get("value", "")
    return Tag(key, text) if isinstance(key, str) and isinstance(text, str) else None
