"""JSON patch on an Image → a new Image. All operations or none: any error leaves the old one as it was.

The order of checks and the texts follow Glance (glance/api/v2/images.py, ImagesController.update).
"""

from collections.abc import Callable

import msgspec

from transom.domain import protection
from transom.domain.access import image_target
from transom.domain.errors import ConflictError, ForbiddenError, Reason
from transom.domain.fields import FIELDS, check_property_name, check_storable
from transom.domain.model import Caller, Image, ImageTarget, Status
from transom.domain.patch import Operation
from transom.images import rules

#: Changes the locations of an image by one operation; given where these can be seen.
ChangePlaces = Callable[[Operation, Image], Image]


def apply(
    operations: list[Operation],
    target: ImageTarget,
    caller: Caller,
    change_places: ChangePlaces | None = None,
) -> Image:
    """The image after the operations, in order. Raises ForbiddenError, ConflictError or InvalidError. Each is
    judged on what those before it made of the image."""
    for operation in operations:
        if operation.root == "locations" and change_places is not None:
            rules.change_locations(caller, target, operation.op)
            image = change_places(operation, target.image)
        else:
            image = _STEPS[operation.op](operation, target, caller)
        target = image_target(image, is_member=target.is_member)
    return target.image


def _replace(operation: Operation, target: ImageTarget, caller: Caller) -> Image:
    image = target.image
    _check_rights(operation, target, caller)
    if operation.root not in FIELDS and not _is_known(operation.root, image, caller):
        raise _absent(operation.root)
    return _set(operation, image, caller)


def _add(operation: Operation, target: ImageTarget, caller: Caller) -> Image:
    image = target.image
    _check_rights(operation, target, caller)
    is_there = operation.root in FIELDS or _is_known(operation.root, image, caller)
    if is_there and not operation.overwrites:
        raise ConflictError(f"Property {operation.root} already present.", Reason.ATTRIBUTE_CONFLICT)
    return _set(operation, image, caller)


def _remove(operation: Operation, target: ImageTarget, caller: Caller) -> Image:
    image = target.image
    _check_rights(operation, target, caller)
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


def _check_rights(operation: Operation, target: ImageTarget, caller: Caller) -> None:
    if operation.root == "owner" and operation.op != "remove":
        rules.change_owner(caller)
    if operation.root == "visibility" and operation.op != "remove":
        rules.set_visibility(caller, target, operation.value)
    rules.modify_image(caller, target)
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
