"""Entity tags of the share API, and the conditions of its writes.

A tag covers what somebody decided, never what moves by itself (usage, counts): two reads between which nobody
decided anything have the same one.
"""

from hashlib import sha256
from http import HTTPStatus
from typing import Any

from transom.api import conditions
from transom.api.http import JSON, Headers, Request, Response, encode_json
from transom.api.share.problems import ProblemError

#: The tag of what is not there yet, where a write may make it.
NOTHING = '"0"'


def tag_of(*decided: Any) -> str:
    """The strong entity tag of these values, which JSON must be able to hold."""
    return f'"{sha256(encode_json(decided)).hexdigest()[:32]}"'


def tagged_response(
    request: Request, value: Any, tag: str, status: int = HTTPStatus.OK, headers: Headers | None = None
) -> Response:
    """The value as JSON with its tag; 304 for a read whose client knows it already."""
    etag = (b"etag", tag.encode())
    if request.method in ("GET", "HEAD") and conditions.is_not_modified(request, tag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=[etag])
    return Response(status, encode_json(value), [(b"content-type", JSON), etag, *(headers or ())])


def require_condition(request: Request) -> None:
    """ProblemError (428) unless the request names what it would replace."""
    if not conditions.has_condition(request):
        raise ProblemError("precondition-required", "If-Match must name the ETag of what this replaces.")


def require_if_match(request: Request) -> None:
    """As `require_condition`, of what is there from the beginning, such as a set: any other condition would
    hold for each of its versions but one, and so replace it blindly."""
    if b"if-match" not in request.headers:
        raise ProblemError(
            "precondition-required", "If-Match must name the ETag of the set that this replaces."
        )


def require_tag(request: Request, tag: str) -> None:
    """HttpError (412) when the request's conditions, if it has any, do not hold for what has this tag."""
    conditions.require(request, tag, is_there=tag != NOTHING)
