"""Property protections: who may create, read, update and delete which custom properties of images.

They come with the caller's policy; None there means that the operator set none, and every property is free.
What the caller may not read does not exist for it: it is in no body, no filter finds it and no patch meets
it. The service itself is not bound: what it derives and copies keeps all properties, and a copy in another
region those that its requester may read. What an import takes over from another service is another's word,
and judged as if the one who asked for it had said it.
"""

from collections.abc import Iterable, Mapping

import msgspec

from transom.domain.errors import ForbiddenError, Reason
from transom.domain.fields import RESERVED_PREFIXES
from transom.domain.listing import ABOUT_PROPERTIES, Condition, ListQuery, Op
from transom.domain.model import Caller, Image, Target

ACTIONS = ("create", "read", "update", "delete")
#: A protection asks about the caller alone.
_NOTHING = Target(None, "")


def may(caller: Caller, action: str, name: str) -> bool:
    """The first protection whose pattern matches the name decides; properties that match none are denied.
    What the service keeps for its own work is allowed (Glance's file has a hidden section for it)."""
    protections = caller.policy.protections
    if protections is None or name.startswith(RESERVED_PREFIXES):
        return True
    for protection in protections:
        if protection.pattern.search(name):
            return protection.rights[action](caller, _NOTHING)
    return False


def readable(caller: Caller, properties: dict[str, str]) -> dict[str, str]:
    """Those of the properties that the caller may read."""
    if caller.policy.protections is None:
        return properties
    return {name: value for name, value in properties.items() if may(caller, "read", name)}


def seen_image(caller: Caller, image: Image) -> Image:
    """The image with the properties that the caller may read."""
    if caller.policy.protections is None:
        return image
    return msgspec.structs.replace(image, properties=readable(caller, image.properties))


def require_create(caller: Caller, names: Iterable[str]) -> None:
    if caller.policy.protections is not None:
        for name in names:
            _require(caller, "create", name)


def require_set(caller: Caller, properties: Mapping[str, str], name: str) -> None:
    """May the caller give the property a value? `properties`: those there are, readable or not."""
    if caller.policy.protections is None:
        return
    if name not in properties or not may(caller, "read", name):
        _require(caller, "create", name)
    if name in properties:
        # Also of one that the caller cannot know of: creating it anew would overwrite it.
        _require(caller, "update", name)


def require_delete(caller: Caller, name: str) -> None:
    _require(caller, "delete", name)


def _require(caller: Caller, action: str, name: str) -> None:
    if not may(caller, action, name):
        raise ForbiddenError(f"Attribute '{name}' is reserved.", Reason.UNSUPPORTED)


def visible_query(caller: Caller, query: ListQuery) -> ListQuery | None:
    """The query without its conditions on properties that the caller may not read, as if no image had them;
    None when no image can match it."""
    if caller.policy.protections is None:
        return query
    kept = []
    for condition in query.conditions:
        seen = _as_seen(caller, condition)
        if isinstance(seen, Condition):
            kept.append(seen)
        elif not seen:
            return None
    return msgspec.structs.replace(query, conditions=tuple(kept))


def _as_seen(caller: Caller, condition: Condition) -> Condition | bool:
    """The condition as if no image had properties that the caller may not read; True or False where it then
    holds for all images or for none."""
    if condition.op not in ABOUT_PROPERTIES:
        return condition
    is_readable = may(caller, "read", condition.field)
    if condition.where_absent is None:
        return condition if is_readable else condition.op is not Op.PROPERTY
    absent = _as_seen(caller, condition.where_absent)
    if not is_readable:
        return absent
    if absent is True:
        return Condition(condition.field, Op.PROPERTY_OR_ABSENT, condition.values)
    return msgspec.structs.replace(condition, where_absent=absent or None)
