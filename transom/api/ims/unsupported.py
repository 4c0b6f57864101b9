"""Calls of the IMS API about what is not here: other regions."""

from transom.api.http import Request, Response
from transom.api.parts import Parts
from transom.domain.errors import InvalidError, Reason


async def refuse_other_region(_parts: Parts, _request: Request) -> Response:
    """Copies to other regions."""
    text = (
        "This service copies no images to other regions. Download the image here, and upload it there; or "
        "import it there by the method glance-download or web-download."
    )
    raise InvalidError(text, Reason.UNSUPPORTED)
