"""What is left of the Image API v1: a list, an image as headers, deletion (IMS API, "v1.1", deprecated).

Deletion is that of `images.py`. Shapes are those of Glance's v1 (glance/api/v1, gone since Rocky).
"""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from transom.api.http import Headers, Request, Response, json_response
from transom.api.images import see_image
from transom.api.ims.queries import parse_ims_list_query
from transom.api.services import Services
from transom.domain.attributes import shown_status
from transom.domain.listing import ims_ranges
from transom.domain.model import Caller, Image, Visibility
from transom.domain.protection import readable
from transom.domain.times import SECOND_US
from transom.images.lists import find_images

_FILTERS = frozenset(
    {
        *("name", "container_format", "disk_format", "status", "size_min", "size_max", "changes-since"),
        *("limit", "marker", "sort_key", "sort_dir"),
    }
)
#: What a header's name is made of (RFC 9110, 5.6.2).
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Everything a header's value may hold as it is, but for the sign that marks what was encoded.
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


async def list_images(services: Services, request: Request) -> Response:
    """The default list of the caller. Parameters that v1 does not know mean nothing."""
    pairs = [(name, value) for name, value in request.query_pairs() if name in _FILTERS]
    query = parse_ims_list_query(pairs, services.lists, services.lists.limit_param_default)
    found = await find_images(services.db, request.caller, ims_ranges, query)
    return json_response({"images": [_v1_image(image, request.caller) for image in found.images]})


async def show_metadata(services: Services, request: Request) -> Response:
    image = (await see_image(services, request)).image
    headers: Headers = [(b"content-type", b"text/html; charset=UTF-8")]
    metadata = _v1_image(image, request.caller)
    properties: dict[str, str] = metadata.pop("properties")
    headers += [_header(name, value) for name, value in metadata.items() if value is not None]
    # A property whose name no header can have is left out.
    headers += [
        _header(f"property-{name}", value) for name, value in properties.items() if _TOKEN.fullmatch(name)
    ]
    if image.checksum is not None:
        headers.append((b"etag", image.checksum.encode()))
    return Response(HTTPStatus.OK, headers=headers)


def _header(name: str, value: Any) -> tuple[bytes, bytes]:
    """Text that no header can hold is percent-encoded (UTF-8)."""
    return f"x-image-meta-{name}".lower().encode(), quote(str(value), safe=_PLAIN).strip().encode()


def _v1_image(image: Image, caller: Caller) -> dict[str, Any]:
    return {
        "id": image.id,
        "name": image.name,
        "status": shown_status(image.status),
        "is_public": image.visibility == Visibility.PUBLIC,
        "owner": image.owner,
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "protected": image.protected,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "checksum": image.checksum,
        "deleted": False,
        "deleted_at": None,
        "created_at": _moment(image.created_at),
        "updated_at": _moment(image.updated_at),
        "properties": readable(caller, image.properties),
    }


def _moment(microseconds: int) -> str:
    """`2016-05-22T06:04:20.425843`, UTC without saying so."""
    seconds, rest = divmod(microseconds, SECOND_US)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest, tzinfo=None)
    return moment.isoformat(timespec="microseconds")
