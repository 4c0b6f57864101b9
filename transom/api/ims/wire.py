"""Records → JSON shapes of the IMS API, where they differ from those of the Image API v2 (`api/wire.py`)."""

from typing import Any

from transom.api.wire import image_body, timestamp
from transom.domain.attributes import (
    ACTIVE_AT,
    WHOLE_IMAGE,
    derived_attributes,
    is_whole_image,
    shown_status,
    shown_visibility,
)
from transom.domain.model import Caller, Image
from transom.domain.protection import seen_image


def ims_image(image: Image, caller: Caller, has_recipients: bool) -> dict[str, Any]:
    """An image as the caller sees it, with its attributes, all of them text but for one switch."""
    image = seen_image(caller, image)
    visibility = shown_visibility(image, has_recipients)
    shown = {"status": shown_status(image.status), "visibility": visibility}
    body = image_body(image, caller) | shown | derived_attributes(image, visibility)
    if image.active_at is not None:
        body[ACTIVE_AT] = timestamp(image.active_at)
    else:
        # A property of that name, by an OpenStack client, is none of what this API means.
        body.pop(ACTIVE_AT, None)
    if WHOLE_IMAGE in image.properties:
        body[WHOLE_IMAGE] = is_whole_image(image.properties)
    return body
