"""JSON patch on an Image → a new Image. All operations or none: any error leaves the old one as it was.

`parse_operations` judges the shape and needs no image; `apply` decides on one. The order of checks and the
texts follow Glance (glance/api/v2/images.py, RequestDeserializer and ImagesController.update).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from transom.domain import access, protection
from transom.domain.errors import ConflictError, ForbiddenError, InvalidError, Reason
from transom.domain.fields import (
    FIELDS,
    check_field,
    check_not_reserved,
    check_property_name,
    check_storable,
    read_only,
    shown,
)
from transom.domain.model import Caller, Image, Status

#: Each makes a new image; together they must not hold up everybody else.
MOST_OPERATIONS = 1000
OPERATIONS = ("add", "remove", "replace")


class Operation(msgspec.Struct, frozen=True):
    """`root`: the field or property. `overwrites`: whether `add` may meet one that is there (v2.1 only).
    `position`: which of the locations, or where among them; None for all."""

    op: str
    root: str
    value: Any = None
    overwrites: bool = True
    position: str | None = None


#: Changes the locations of an image by one operation; given where these can be seen.
ChangePlaces = Callable[[Operation, Image], Image]


class Rules(NamedTuple):
    """What an API lets its clients change: `check_name` raises for a field or property that they may not,
    `check_value` returns the value of one as the image keeps it, or raises."""

    check_name: Callable[[str], None]
    check_value: Callable[[str, Any], Any]


def check_changeable(name: str) -> None:
    """ForbiddenError for what only the service sets."""
    if name == "id" or (name in FIELDS and FIELDS[name].read_only):
        raise read_only(name)
    check_not_reserved(name)


OPENSTACK = Rules(check_changeable, check_field)


def parse_operations(body: Any, *, old_form: bool, rules: Rules = OPENSTACK) -> list[Operation]:
    """The operations of a PATCH body. `old_form`: the v2.0 media type, `{"replace": "/name", "value": …}`."""
    if not isinstance(body, list):
        raise InvalidError("Request body must be a JSON array of operation objects.")
    if len(body) > MOST_OPERATIONS:
        raise InvalidError(f"Too many operations: a request takes at most {MOST_OPERATIONS}.")
    split = _split_old if old_form else _split_new
    return [_parse(raw, split, not old_form, rules) for raw in body]


def _parse(
    raw: Any, split: Callable[[dict[str, Any]], tuple[str, Any]], overwrites: bool, rules: Rules
) -> Operation:
    if not isinstance(raw, dict):
        raise InvalidError("Operations must be JSON objects.")
    op, path = split(raw)
    segments = _parse_pointer(path)
    root = segments[0]
    depth = 2 if root == "locations" and op != "replace" else 1
    if len(segments) != depth:
        raise InvalidError(f"Invalid JSON pointer for this resource: '{path}'")
    if op != "remove" and "value" not in raw:
        raise InvalidError(f'Operation "{op}" requires a member named "value".')
    rules.check_name(root)
    position = segments[1] if depth == 2 else None
    if op == "remove":
        return Operation(op, root, position=position)
    if position is not None:
        rules.check_value(root, [raw["value"]])
        return Operation(op, root, raw["value"], overwrites, position)
    return Operation(op, root, rules.check_value(root, raw["value"]), overwrites)


def _split_new(raw: dict[str, Any]) -> tuple[str, Any]:
    allowed = f"It must be one of the following: {', '.join(OPERATIONS)}."
    if "op" not in raw:
        raise InvalidError(f"Unable to find `op` in JSON Schema change. {allowed}")
    if raw["op"] not in OPERATIONS:
        raise InvalidError(f"Invalid operation: `{_named(raw['op'])}`. {allowed}")
    if "path" not in raw:
        raise InvalidError("Unable to find 'path' in JSON Schema change")
    return raw["op"], raw["path"]


def _split_old(raw: dict[str, Any]) -> tuple[str, Any]:
    named = [op for op in OPERATIONS if op in raw]
    if len(named) != 1:
        raise InvalidError(
            'Operation objects must contain exactly one member named "add", "remove", or "replace".'
        )
    return named[0], raw[named[0]]


def _named(op: Any) -> str:
    return op[:80] if isinstance(op, str) else shown(op)


def _parse_pointer(pointer: Any) -> list[str]:
    """The segments of a JSON pointer (RFC 6901), blanks around each taken off."""
    if not isinstance(pointer, str):
        raise InvalidError(f"Pointer `{shown(pointer)}` must be a string.")
    if not pointer.startswith("/"):
        raise InvalidError(f'Pointer `{pointer}` does not start with "/".')
    if "//" in pointer:
        raise InvalidError(f'Pointer `{pointer}` contains adjacent "/".')
    if pointer.endswith("/"):
        raise InvalidError(f'Pointer `{pointer}` end with "/".')
    if "~" in pointer.replace("~0", "").replace("~1", ""):
        raise InvalidError(f'Pointer `{pointer}` contains "~" not part of a recognized escape sequence.')
    return [part.replace("~1", "/").replace("~0", "~").strip() for part in pointer[1:].split("/")]


def apply(
    operations: list[Operation],
    image: Image,
    caller: Caller,
    is_member: bool,
    change_places: ChangePlaces | None = None,
) -> Image:
    """The image after the operations, in order. Raises ForbiddenError, ConflictError or InvalidError."""
    for operation in operations:
        if operation.root == "locations" and change_places is not None:
            access.change_locations(caller, image, is_member, operation.op)
            image = change_places(operation, image)
            continue
        image = _STEPS[operation.op](operation, image, caller, is_member)
    return image


def _replace(operation: Operation, image: Image, caller: Caller, is_member: bool) -> Image:
    _check_rights(operation, image, caller, is_member)
    if operation.root not in FIELDS and not _is_known(operation.root, image, caller):
        raise _absent(operation.root)
    return _set(operation, image, caller)


def _add(operation: Operation, image: Image, caller: Caller, is_member: bool) -> Image:
    _check_rights(operation, image, caller, is_member)
    is_there = operation.root in FIELDS or _is_known(operation.root, image, caller)
    if is_there and not operation.overwrites:
        raise ConflictError(f"Property {operation.root} already present.", Reason.ATTRIBUTE_CONFLICT)
    return _set(operation, image, caller)


def _remove(operation: Operation, image: Image, caller: Caller, is_member: bool) -> Image:
    _check_rights(operation, image, caller, is_member)
    if operation.root in FIELDS:
        raise ForbiddenError(f"Property {operation.root} may not be removed.", Reason.UNSUPPORTED)
    if not _is_known(operation.root, image, caller):
        raise _absent(operation.root)
    protection.require_delete(caller, operation.root)
    left = {name: value for name, value in image.properties.items() if name != operation.root}
    return msgspec.structs.replace(image, properties=left)


def _absent(name: str) -> ConflictError:
    return ConflictError(f"Property {name} does not exist.", Reason.ATTRIBUTE_CONFLICT)


_STEPS = {"replace": _replace, "add": _add, "remove": _remove}
_VERBS = {"replace": "update", "add": "add", "remove": "remove"}


def _check_rights(operation: Operation, image: Image, caller: Caller, is_member: bool) -> None:
    if operation.root == "owner" and operation.op != "remove" and not caller.is_admin:
        raise ForbiddenError("Owner can't be updated by non admin.")
    if operation.root == "visibility" and operation.op != "remove":
        access.change_visibility(caller, image, is_member, operation.value)
    access.modify_image(caller, image, is_member)
    if operation.root == "locations":
        if operation.op == "replace" and not operation.value:
            raise ForbiddenError("Cannot set locations to empty list.", Reason.UNSUPPORTED)
        raise ForbiddenError(
            f"It's not allowed to {_VERBS[operation.op]} locations if locations are invisible.",
            Reason.UNSUPPORTED,
        )


def _is_known(name: str, image: Image, caller: Caller) -> bool:
    """Whether the image has such a property, as far as the caller can see."""
    return name in image.properties and protection.may(caller, "read", name)


def _set(operation: Operation, image: Image, caller: Caller) -> Image:
    root, value = operation.root, operation.value
    check_storable(root, value)
    if root not in FIELDS:
        check_property_name(root)
        protection.require_set(caller, image.properties, root)
        return msgspec.structs.replace(image, properties={**image.properties, root: value})
    if root in ("disk_format", "container_format") and image.status != Status.QUEUED:
        raise ForbiddenError(
            f"Attribute {root} can be only replaced for a queued image.", Reason.IMAGE_NOT_READY
        )
    if root == "owner":
        value = value or None
    return msgspec.structs.replace(image, **{root: value})
