"""Calls of the IMS API about what is not here: servers, volumes, backups, an object store, other regions."""

from transom.api.http import Request, Response
from transom.api.parts import Parts
from transom.domain.errors import InvalidError, Reason


async def refuse(_parts: Parts, _request: Request) -> Response:
    """Making images of servers, volumes, backups and files of an object store; exporting to one; copying to
    another region."""
    raise InvalidError(
        "This service knows no servers, volumes, backups, object store and other regions. Create an image by "
        "POST /v2/images and send its data by PUT /v2/images/{image_id}/file.",
        Reason.UNSUPPORTED,
    )
