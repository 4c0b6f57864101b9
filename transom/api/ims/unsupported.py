"""Calls of the IMS API about what is not here: servers, volumes, backups, other regions."""

from typing import Any

from transom.api.http import Request, Response
from transom.api.parts import Parts
from transom.domain.errors import InvalidError, Reason

_ONLY_OBJECTS = "this service makes images of objects (image_url)"
_OTHER_WAY = "Create an image by POST /v2/images and send its data by PUT /v2/images/{image_id}/file."


async def refuse_whole_image(_parts: Parts, _request: Request) -> Response:
    """Images of whole servers, by themselves or from their backups."""
    text = f"This service makes no images of whole servers or of backups. {_OTHER_WAY}"
    raise InvalidError(text, Reason.UNSUPPORTED)


async def refuse_other_region(_parts: Parts, _request: Request) -> Response:
    """Copies to other regions."""
    text = (
        "This service copies no images to other regions. Download the image here, and upload it there; or "
        "import it there by the method glance-download or web-download."
    )
    raise InvalidError(text, Reason.UNSUPPORTED)


async def refuse_source(given: dict[str, Any]) -> Response:
    """Images of what the body names beside objects, or of nothing."""
    for name in ("instance_id", "volume_id", "backup_id"):
        if given.get(name) is not None:
            what = name.partition("_")[0]
            text = f"{name}: {_ONLY_OBJECTS}, of no {what}. {_OTHER_WAY}"
            raise InvalidError(text, Reason.UNSUPPORTED)
    if given.get("data_images") is not None:
        text = f"data_images: {_ONLY_OBJECTS}, of no volumes. {_OTHER_WAY}"
        raise InvalidError(text, Reason.UNSUPPORTED)
    raise InvalidError("image_url: is missing.", Reason.SOURCE_UNKNOWN)
