"""Locations that users add, of data that somebody else keeps: what may be named, and what the image becomes.

Image API v2, "Locations". A task holds the image while the data there is hashed.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from transom.domain import digests
from transom.domain.errors import ConflictError, ForbiddenError, InvalidError, LimitExceededError
from transom.domain.fields import quoted
from transom.domain.imports import TASK, check_texts
from transom.domain.model import Content, Image, Location, Status
from transom.domain.patch import Operation
from transom.domain.status import advance

#: Of a digest that may be claimed.
_ALGORITHMS = ("md5", "sha1", "sha256", "sha512")
_MOST_DIGITS = 128


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says of the data at `url`; None, None: nothing."""

    url: str
    os_hash_algo: str | None
    os_hash_value: str | None


def parse_claim(body: Any) -> Claim:
    """The body of a request, in which what is not known says nothing; InvalidError for the wrong shape.
    `check_digits` looks at the value."""
    if not isinstance(body, dict) or not isinstance(body.get("url"), str):
        raise InvalidError("url: is missing, or not a string.")
    check_texts(body)
    given = body.get("validation_data")
    if given is None:
        given = {}
    if not isinstance(given, dict) or set(given) not in (set(), {"os_hash_algo", "os_hash_value"}):
        raise InvalidError("validation_data: needs os_hash_algo and os_hash_value, and nothing else.")
    algorithm, value = given.get("os_hash_algo"), given.get("os_hash_value")
    if given:
        if algorithm not in _ALGORITHMS:
            raise InvalidError(f"os_hash_algo: {quoted(algorithm)} is not one of {', '.join(_ALGORITHMS)}.")
        if not isinstance(value, str) or len(value) > _MOST_DIGITS:
            raise InvalidError(f"os_hash_value: must be a string of at most {_MOST_DIGITS} characters.")
    return Claim(url=body["url"], os_hash_algo=algorithm, os_hash_value=value)


def check_digits(claim: Claim) -> None:
    """InvalidError when the value cannot be one of its algorithm."""
    if claim.os_hash_algo is not None and claim.os_hash_value is not None:
        digests.check_digits(claim.os_hash_algo, claim.os_hash_value)


def check_queued(image: Image) -> None:
    if image.status != Status.QUEUED:
        raise ConflictError(f"It's not allowed to add locations if image status is {image.status}.")


# ---- what an image becomes


def hold(image: Image, task_id: str, *, waits: bool) -> Image:
    """The task holds the image. `waits`: it cannot be used before the data was compared with the claim."""
    status = advance(image.status, Status.IMPORTING) if waits else image.status
    return msgspec.structs.replace(image, status=status, properties={**image.properties, TASK: task_id})


def attach(image: Image, location: Location, size: int) -> Image:
    """The data there is the image's."""
    if location in image.locations:
        return msgspec.structs.replace(image, size=size)
    return msgspec.structs.replace(image, size=size, locations=(*image.locations, location))


def activate(image: Image, algorithm: str | None, value: str | None, checksum: str | None) -> Image:
    """The image can be used; what is not known of its data may still be found out."""
    status = image.status if image.status == Status.ACTIVE else advance(image.status, Status.ACTIVE)
    return msgspec.structs.replace(
        image, status=status, os_hash_algo=algorithm, os_hash_value=value, checksum=checksum
    )


def describe(image: Image, content: Content) -> Image:
    """What was found out of the data."""
    return msgspec.structs.replace(
        image,
        os_hash_algo=content.os_hash_algo,
        os_hash_value=content.os_hash_value,
        checksum=content.checksum,
    )


def release(image: Image) -> Image:
    """The task is over."""
    left = {name: value for name, value in image.properties.items() if name != TASK}
    return msgspec.structs.replace(image, properties=left)


def give_up(image: Image) -> Image:
    """The task has failed. An image in use stays so. Another one is `queued` again; the place stays with it,
    as in Glance, for its data is not ours to remove."""
    free = release(image)
    if free.status not in (Status.QUEUED, Status.IMPORTING):
        return free if free.os_hash_value else msgspec.structs.replace(free, os_hash_algo=None)
    return msgspec.structs.replace(
        free, status=Status.QUEUED, size=None, os_hash_algo=None, os_hash_value=None, checksum=None
    )


# ---- places named by PATCH


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place as a client names it, with what it says of the data."""

    url: str
    metadata: dict[str, Any]
    claimed: dict[str, str]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out before a PATCH is decided on. `found`: URL → the store that reads it and the size of
    the data there; `url_of`: of a place that the image has; `limit`: negative for no limit."""

    found: dict[str, tuple[str, int]]
    url_of: Callable[[Location], str]
    algorithm: str
    limit: int


def parse_place(value: Any) -> Place:
    if not isinstance(value, dict) or not isinstance(value.get("url"), str) or len(value["url"]) > 255:
        raise InvalidError("locations: each needs a url of at most 255 characters.")
    if not isinstance(value.get("metadata"), dict):
        raise InvalidError("locations: each needs metadata, an object.")
    claimed = value.get("validation_data", {})
    allowed = {"checksum", "os_hash_algo", "os_hash_value"}
    if not isinstance(claimed, dict) or not all(isinstance(one, str) for one in claimed.values()):
        raise InvalidError("validation_data: must be an object of strings.")
    if claimed and not {"os_hash_algo", "os_hash_value"} <= set(claimed) <= allowed:
        raise InvalidError("validation_data: needs os_hash_algo and os_hash_value, and may have checksum.")
    check_texts(value)
    return Place(url=value["url"], metadata=value["metadata"], claimed=claimed)


def change_places(operation: Operation, image: Image, known: Known) -> Image:
    """The image after one operation of a PATCH on its locations."""
    if operation.op == "remove":
        return _remove_place(image, str(operation.position))
    if image.status not in (Status.ACTIVE, Status.QUEUED):
        raise ConflictError(
            f"It's not allowed to {operation.op} locations if image status is {image.status}."
        )
    if operation.op == "add":
        return _add_place(image, parse_place(operation.value), str(operation.position), known)
    places = [parse_place(value) for value in operation.value]
    if not places:
        raise ForbiddenError("Cannot set locations to empty list.")
    if image.locations:
        return _arrange(image, places, known)
    for place in places:
        image = _add_place(image, place, "-", known)
    return image


def _add_place(image: Image, place: Place, position: str, known: Known) -> Image:
    count = len(image.locations)
    if position != "-" and not (position.isascii() and position.isdigit() and int(position) <= count):
        raise InvalidError(f"Invalid position for adding a location: {quoted(position)}")
    if 0 <= known.limit <= count:
        raise LimitExceededError(
            "The limit has been exceeded on the number of allowed image locations. "
            f"Attempted: {count + 1}, Maximum: {known.limit}"
        )
    store, size = known.found[place.url]
    location = Location(store=store, key=place.url, metadata=_own_metadata(place))
    if location in image.locations:
        raise InvalidError(f"Duplicate location: {place.url}")
    image = _believe(image, place.claimed, known.algorithm)
    at = count if position == "-" else int(position)
    locations = (*image.locations[:at], location, *image.locations[at:])
    if image.status == Status.QUEUED:
        for name in ("disk_format", "container_format"):
            if getattr(image, name) is None:
                raise InvalidError(f"Property {name} must be set prior to saving data.")
        image = msgspec.structs.replace(image, status=advance(image.status, Status.ACTIVE), size=size)
    return msgspec.structs.replace(image, locations=locations)


def _own_metadata(place: Place) -> dict[str, Any]:
    return {name: value for name, value in place.metadata.items() if name != "store"}


def _believe(image: Image, claimed: dict[str, str], algorithm: str) -> Image:
    """The image with what was said of its data, which must not contradict what is known of it."""
    if not claimed:
        return image
    if claimed["os_hash_algo"] != algorithm:
        raise ConflictError(f"os_hash_algo must be {algorithm}, not {quoted(claimed['os_hash_algo'])}")
    algorithms = {"os_hash_value": algorithm, "checksum": "md5"}
    for name, value in claimed.items():
        if name in algorithms and not digests.is_digest(algorithms[name], value):
            raise ConflictError(f"{name} is not a hex value of the right length")
        if getattr(image, name) not in (None, value):
            raise ConflictError(f"{name} is already set with a different value")
        if getattr(image, name) is None and image.status != Status.QUEUED:
            raise ConflictError(f"{name} can only be set on a queued image")
    return msgspec.structs.replace(image, **claimed)


def _arrange(image: Image, places: list[Place], known: Known) -> Image:
    """The places that an image has may be put in another order, and be said other things of."""
    had = {known.url_of(location): location for location in image.locations}
    # Each as often as it is there: a place of our own that was named twice would be given up twice.
    if sorted(map(known.url_of, image.locations)) != sorted(place.url for place in places):
        raise InvalidError(f"Original locations is not empty: {sorted(had)}")
    for place in places:
        image = _believe(image, place.claimed, known.algorithm)
    arranged = tuple(
        msgspec.structs.replace(had[place.url], metadata=_own_metadata(place)) for place in places
    )
    return msgspec.structs.replace(image, locations=arranged)


def _remove_place(image: Image, position: str) -> Image:
    if image.status != Status.ACTIVE:
        raise ConflictError(f"It's not allowed to remove locations if image status is {image.status}.")
    if not (position.isascii() and position.isdigit() and int(position) < len(image.locations)):
        raise InvalidError(f"Invalid position for removing a location: {quoted(position)}")
    if len(image.locations) == 1:
        raise ForbiddenError("Cannot remove last location in the image.")
    at = int(position)
    return msgspec.structs.replace(image, locations=(*image.locations[:at], *image.locations[at + 1 :]))
