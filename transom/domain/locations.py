"""Places of data that somebody else keeps, as an image's own: what may be named, and what the image becomes.

Image API v2, "Locations". A task holds the image while the data there is hashed.
"""

import re
from typing import Any

import msgspec

from transom.domain.errors import ConflictError, InvalidError
from transom.domain.fields import shown
from transom.domain.imports import TASK, check_texts
from transom.domain.model import Content, Image, Location, Status
from transom.domain.status import advance

#: Hex digits that each algorithm makes.
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_MOST_DIGITS = 128
_HEX = re.compile(r"[0-9a-fA-F]*")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says of the data at `url`; None, None: nothing."""

    url: str
    os_hash_algo: str | None
    os_hash_value: str | None


def parse_claim(body: Any) -> Claim:
    """The body of a request; InvalidError for the wrong shape. `check_digits` looks at the value."""
    if not isinstance(body, dict) or not isinstance(body.get("url"), str):
        raise InvalidError("url: is missing, or not a string.")
    check_texts(body)
    if unknown := set(body) - {"url", "validation_data"}:
        raise InvalidError(f"{shown(min(unknown))}: is not known here.")
    given = body.get("validation_data")
    if given is None:
        given = {}
    if not isinstance(given, dict) or set(given) not in (set(), {"os_hash_algo", "os_hash_value"}):
        raise InvalidError("validation_data: needs os_hash_algo and os_hash_value, and nothing else.")
    algorithm, value = given.get("os_hash_algo"), given.get("os_hash_value")
    if algorithm is not None or value is not None:
        if algorithm not in tuple(_DIGITS):
            raise InvalidError(f"os_hash_algo: {shown(algorithm)} is not one of {', '.join(_DIGITS)}.")
        if not isinstance(value, str) or len(value) > _MOST_DIGITS:
            raise InvalidError(f"os_hash_value: must be a string of at most {_MOST_DIGITS} characters.")
    return Claim(url=body["url"], os_hash_algo=algorithm, os_hash_value=value)


def check_digits(claim: Claim) -> None:
    """InvalidError when the value cannot be one of its algorithm."""
    if claim.os_hash_algo is None or claim.os_hash_value is None:
        return
    digits = _DIGITS[claim.os_hash_algo]
    if not _HEX.fullmatch(claim.os_hash_value) or len(claim.os_hash_value) != digits:
        raise InvalidError(f"os_hash_value: {claim.os_hash_algo} has {digits} hex digits.")


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
