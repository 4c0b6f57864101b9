"""The states of an image and the moves between them. The same table feeds the guards of the SQL."""

from transom.domain.errors import ConflictError, InvalidError
from transom.domain.model import Image, Status

#: from → to. Deleting is not a state here: a deleted image is gone.
TRANSITIONS: dict[str, frozenset[str]] = {
    Status.QUEUED: frozenset({Status.SAVING, Status.UPLOADING, Status.IMPORTING, Status.ACTIVE}),
    Status.SAVING: frozenset({Status.ACTIVE, Status.QUEUED}),
    Status.UPLOADING: frozenset({Status.IMPORTING, Status.QUEUED}),
    Status.IMPORTING: frozenset({Status.ACTIVE, Status.QUEUED}),
    Status.ACTIVE: frozenset({Status.DEACTIVATED}),
    Status.DEACTIVATED: frozenset({Status.ACTIVE}),
}

#: The states in which an image has data to download.
WITH_DATA = frozenset({Status.ACTIVE, Status.DEACTIVATED})

#: The states in which an image gets its data without anybody's doing, and leaves it by itself. What is staged
#: (`uploading`) may wait for ever, and is not one of them.
IN_CREATION = frozenset({Status.SAVING, Status.IMPORTING})


def advance(current: str, to: str) -> str:
    """The new state, or ConflictError when the table has no such move."""
    if to not in TRANSITIONS.get(current, frozenset()):
        raise ConflictError(f"Image status transition from {current} to {to} is not allowed")
    return to


def sources(to: str) -> tuple[str, ...]:
    """The states from which `to` can be reached: what a guarded UPDATE may start from."""
    return tuple(sorted(state for state, targets in TRANSITIONS.items() if to in targets))


def require_formats(image: Image) -> None:
    """InvalidError unless the image has all that must be known of it before it takes data."""
    missing = [name for name in ("disk_format", "container_format") if getattr(image, name) is None]
    if len(missing) == 2:
        raise InvalidError(f"Properties {', '.join(missing)} must be set prior to saving data.")
    if missing:
        raise InvalidError(f"Property {missing[0]} must be set prior to saving data.")
