"""How much an image may carry. A negative limit is no limit (Glance's `image_*_quota` options)."""

import re
from typing import NamedTuple

from transom.domain.errors import LimitExceededError, Reason
from transom.domain.fields import RESERVED_PREFIXES
from transom.domain.model import Image

#: What JSON has only as `\u` and four digits, five bytes longer: an answer with many of them would be six
#: times as long as what is counted here.
_SPELT_OUT = re.compile(r"[\x00-\x07\x0b\x0e-\x1f]")
_LONGER_BYTES = 5


class ImageQuotas(NamedTuple):
    """How many tags and properties an image may have, and how many bytes these may take together."""

    tags: int
    properties: int
    metadata_bytes: int


def check_change(old: Image, new: Image, quotas: ImageQuotas) -> None:
    """LimitExceededError when a change goes beyond one of them."""
    if new.tags != old.tags:
        check_tags(old, new, quotas.tags)
    if new.properties != old.properties:
        check_properties(old, new, quotas.properties)
        check_metadata(old, new, quotas.metadata_bytes)


def too_many_images(limit: int) -> LimitExceededError:
    text = f"The project owns {limit} images, as many as it may."
    return LimitExceededError(text, Reason.IMAGE_QUOTA)


def check_properties(old: Image | None, new: Image, limit: int) -> None:
    """Only a change that adds a property is refused: an image over its quota can still be edited."""
    if old is not None and new.properties.keys() <= old.properties.keys():
        return
    _check("properties", sum(not name.startswith(RESERVED_PREFIXES) for name in new.properties), limit)


def check_metadata(old: Image | None, new: Image, limit_bytes: int) -> None:
    """How large an image's properties may be together, but for what the service itself says there; one that
    is over may still be made smaller."""
    size = _metadata_size(new)
    if size > limit_bytes and (old is None or size > _metadata_size(old)):
        raise LimitExceededError(
            "The limit has been exceeded on the size of image properties. "
            f"Attempted: {size} bytes, Maximum: {limit_bytes}"
        )


def _metadata_size(image: Image) -> int:
    return sum(
        _size(name) + _size(value)
        for name, value in image.properties.items()
        if not name.startswith(RESERVED_PREFIXES)
    )


def _size(text: str) -> int:
    size = len(text.encode())
    return size if text.isprintable() else size + _LONGER_BYTES * len(_SPELT_OUT.findall(text))


def check_tags(old: Image | None, new: Image, limit: int) -> None:
    if old is not None and set(new.tags) <= set(old.tags):
        return
    _check("tags", len(new.tags), limit)


def _check(what: str, attempted: int, limit: int) -> None:
    if 0 <= limit < attempted:
        raise LimitExceededError(
            f"The limit has been exceeded on the number of allowed image {what}. "
            f"Attempted: {attempted}, Maximum: {limit}"
        )
