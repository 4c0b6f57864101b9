"""What several calls of the IMS API ask of a request alike: fields of a body, the project in a path."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from transom.api.http import Request
from transom.api.services import Services
from transom.domain import access
from transom.domain.errors import InvalidError, Reason
from transom.domain.fields import MAX_NAME, UUID, check_characters, check_id_text, quoted, unique_ids

#: Most values in a body that are no batch's: one names many images and recipients, and has its own limit.
_MOST_VALUES = 20_000


async def read_object(services: Services, request: Request) -> dict[str, Any]:
    """The body as a JSON object; InvalidError for anything else."""
    most_values = _MOST_VALUES + 2 * services.ims_limits.ims_batch_limit
    body = await request.json(services.bodies.json_body_limit, most_values)
    if not isinstance(body, dict):
        raise InvalidError("The body must be a JSON object.")
    return body


def require_project(request: Request) -> str:
    """The caller's project, which the path must name where it names one (IMG.0030)."""
    own = access.require_project(request.caller)
    named = request.params.get("project_id", own)
    if named != own:
        raise InvalidError(
            f"project_id: {quoted(named)} is not the project of the credentials.", Reason.OTHER_PROJECT
        )
    return own


def ids(body: dict[str, Any], name: str) -> list[str]:
    """A list of ids of projects and the like, each once, in the order given; empty when the field is absent
    or null."""
    return _ids(body, name, check_id)


def _ids(body: dict[str, Any], name: str, check: Callable[[str, Any], str]) -> list[str]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidError(f"{name}: must be a list of ids.")
    return unique_ids(value, lambda position, one: check(f"{name}[{position}]", one))


def texts(body: dict[str, Any], name: str) -> list[str]:
    """A list of texts of a field; empty when it is absent or null."""
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidError(f"{name}: must be a list of texts.")
    return list(value)


def image_ids(body: dict[str, Any], name: str) -> list[str]:
    """As `ids`, of images. What is not a UUID is no image's id: a mistake in the request, refused (IMG.0066)
    before anything is looked up."""
    found = _ids(body, name, _require_id)
    if not all(map(UUID.fullmatch, found)):
        wrong = next(one for one in found if not UUID.fullmatch(one))
        raise InvalidError(f"{name}: {quoted(wrong)} is not a UUID.", Reason.IMAGE_ID_MALFORMED)
    return found


def check_id(name: str, value: Any) -> str:
    """The value as an id of a project or the like; InvalidError naming the field."""
    found = _require_id(name, value)
    check_id_text(name, found)
    return found


def _require_id(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidError(f"{name}: must be an id.")
    if len(value) > MAX_NAME:
        raise InvalidError(f"{name}: must not be longer than {MAX_NAME} characters.")
    if "/" in value:
        raise InvalidError(f"{name}: an id has no slash.")
    check_characters(name, value)
    return value


def text(body: dict[str, Any], name: str, limit: int = MAX_NAME) -> str | None:
    """An optional text; "" and null count as absent."""
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidError(f"{name}: must be a string.")
    if len(value) > limit:
        raise InvalidError(f"{name}: must not be longer than {limit} characters.")
    check_characters(name, value)
    return value


def switch(body: dict[str, Any], name: str) -> bool:
    """An optional switch; null counts as absent, which is off."""
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise InvalidError(f"{name}: must be true or false.")


def query_values(request: Request) -> dict[str, str]:
    """The query's parameters; the last one counts. InvalidError (IMG.0017) for what no text can hold."""
    pairs = dict(request.query_pairs())
    if any("\0" in name or "\0" in value for name, value in pairs.items()):
        raise InvalidError("Query parameters can't contain NUL characters.", Reason.BAD_URL)
    return pairs


def page_limit(pairs: dict[str, str], default: int, largest: int) -> int:
    """`limit` of a list: 1 to `largest`."""
    given = pairs.get("limit")
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= largest):
        raise InvalidError(f"limit: must be a whole number from 1 to {largest}.", Reason.BAD_URL)
    return int(given)


def encode_marker(value: str) -> str:
    """Opaque to clients: where the next page starts, in base64."""
    return urlsafe_b64encode(value.encode()).decode()


def decode_marker(value: str) -> str:
    """What `encode_marker` was given; InvalidError for a text that it never gives."""
    try:
        marked = urlsafe_b64decode(value.encode("ascii")).decode()
    except (UnicodeError, binascii.Error):
        marked = ""
    if encode_marker(marked) != value or "\0" in marked:
        raise InvalidError("marker: is not one that a page of this list gave.", Reason.BAD_URL)
    return marked
