"""The body of a PATCH of an image → its operations, whose shape is judged here without the image.

`images/patching.py` applies them. The order of checks and the texts follow Glance (glance/api/v2/images.py,
RequestDeserializer).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from transom.domain.errors import InvalidError
from transom.domain.fields import (
    FIELDS,
    check_field,
    check_not_reserved,
    quoted,
    read_only,
)

#: Each makes a new image; together they must not hold up everybody else.
MOST_OPERATIONS = 1000
OPERATIONS = ("add", "remove", "replace")
#: Twice as long as that of a property whose name is as long as it may be, and escaped.
_LONGEST_POINTER = 1000


class Operation(msgspec.Struct, frozen=True):
    """`root`: the field or property. `overwrites`: whether `add` may meet one that is there (v2.1 only).
    `position`: which of the locations, or where among them; None for all."""

    op: str
    root: str
    value: Any = None
    overwrites: bool = True
    position: str | None = None


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
    return op[:80] if isinstance(op, str) else quoted(op)


def _parse_pointer(pointer: Any) -> list[str]:
    """The segments of a JSON pointer (RFC 6901), blanks around each taken off."""
    if not isinstance(pointer, str):
        raise InvalidError(f"Pointer `{quoted(pointer)}` must be a string.")
    if len(pointer) > _LONGEST_POINTER:
        raise InvalidError(f"Pointer {quoted(pointer)} is longer than {_LONGEST_POINTER} characters.")
    if not pointer.startswith("/"):
        raise InvalidError(f'Pointer `{pointer}` does not start with "/".')
    if "//" in pointer:
        raise InvalidError(f'Pointer `{pointer}` contains adjacent "/".')
    if pointer.endswith("/"):
        raise InvalidError(f'Pointer `{pointer}` end with "/".')
    if "~" in pointer.replace("~0", "").replace("~1", ""):
        raise InvalidError(f'Pointer `{pointer}` contains "~" not part of a recognized escape sequence.')
    return [part.replace("~1", "/").replace("~0", "~").strip() for part in pointer[1:].split("/")]
