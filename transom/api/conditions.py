"""Conditions of a request (RFC 9110, 13): is it still the version that the client knows?

An entity tag is its version and its body: two callers may be shown different bodies of one version, and one
body may be that of several versions, for times are shown in seconds. A write asks here for what it has just
seen, and its statement repeats that: after a write conflict it looks, and asks, again.
"""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from zlib import crc32

from transom.api.http import JSON, Headers, HttpError, Request, Response, encode_json
from transom.domain.errors import InvalidError
from transom.domain.model import Image

_IF_MATCH, _IF_NONE_MATCH = b"if-match", b"if-none-match"
_SHOWN = {_IF_MATCH: "If-Match", _IF_NONE_MATCH: "If-None-Match"}
#: To read some thousand elements of a list takes the event loop a while.
_MOST_ELEMENTS = 1_000
#: An entity tag or nothing, up to the next comma or the end (RFC 9110, 8.8.3 and 5.6.1). What has matched is
#: not given back: a long header of blanks would be tried in every division of them.
_NEXT_TAG = re.compile(r'[ \t]*+(?:((?:W/)?"[\x21\x23-\x7e\x80-\xff]*+")[ \t]*+)?(?:,|$)')

#: Raises HttpError 412 unless the request's conditions hold for the image as it was seen.
Guard = Callable[[Image], Awaitable[None]]


def has_condition(request: Request) -> bool:
    return _IF_MATCH in request.headers or _IF_NONE_MATCH in request.headers


def is_not_modified(request: Request, tag: str | None, *, is_there: bool = True) -> bool:
    """Whether a read is answered with 304. HttpError 412 when If-Match does not hold. `tag`: of what there
    is, None if it has none; `is_there`: whether there is anything."""
    return has_condition(request) and not _holds(request, tag, is_there=is_there)


def require(request: Request, tag: str | None, *, is_there: bool = True) -> None:
    """HttpError 412 unless the conditions of a write hold; `tag` and `is_there` as above."""
    if has_condition(request) and not _holds(request, tag, is_there=is_there):
        raise _failed("If-None-Match")


def _holds(request: Request, tag: str | None, *, is_there: bool) -> bool:
    """Whether If-None-Match holds, if it is there. In the order of RFC 9110, 13.2.2."""
    wanted = _read(request, _IF_MATCH)
    unwanted = _read(request, _IF_NONE_MATCH)
    if wanted is not None and not _is_among(tag, wanted, is_there=is_there, is_strong=True):
        raise _failed("If-Match")
    return unwanted is None or not _is_among(tag, unwanted, is_there=is_there, is_strong=False)


def _failed(name: str) -> HttpError:
    return HttpError(HTTPStatus.PRECONDITION_FAILED, f"{name}: does not hold for what is there now.")


def _read(request: Request, name: bytes) -> list[str] | None:
    """The entity tags of the header, `["*"]` for any; None when it was not sent."""
    if name not in request.headers:
        return None
    text = request.joined(name).strip(" \t")
    if text == "*":
        return ["*"]
    tags: list[str] = []
    at = 0
    for _ in range(_MOST_ELEMENTS):
        if at >= len(text):
            return tags
        found = _NEXT_TAG.match(text, at)
        if found is None:
            raise InvalidError(f"{_SHOWN[name]}: must be * or a list of entity tags.")
        if found[1]:
            tags.append(found[1])
        at = found.end()
    raise InvalidError(f"{_SHOWN[name]}: takes fewer than {_MOST_ELEMENTS} entity tags.")


def _is_among(tag: str | None, named: list[str], *, is_there: bool, is_strong: bool) -> bool:
    """Ours are strong: those that the client marks as weak are equal only where weak ones may be."""
    if named == ["*"]:
        return is_there
    return tag is not None and tag in (named if is_strong else [one.removeprefix("W/") for one in named])


# ---- things that have a version


def _tag_of(version: int, body: bytes) -> bytes:
    """The entity tag of a body that is shown of this version."""
    return b'"%x-%x"' % (version, crc32(body))


def versioned_response(
    request: Request, version: int, value: Any, status: int = HTTPStatus.OK, headers: Headers | None = None
) -> Response:
    """The value as JSON with its entity tag; 304 for a read whose client knows it already."""
    body = encode_json(value)
    tag = _tag_of(version, body)
    if request.method == "GET" and has_condition(request) and is_not_modified(request, tag.decode()):
        return Response(HTTPStatus.NOT_MODIFIED, headers=[(b"etag", tag)])
    named = [(b"content-type", JSON), (b"etag", tag)]
    return Response(status, body, named + headers if headers else named)


def guard_of(request: Request, show: Callable[[Image], Awaitable[Any]]) -> Guard | None:
    """The guard of a write of an image; None when the request has no condition. `show`: the image's body, as
    its read shows it to the caller."""
    if not has_condition(request):
        return None

    async def guard(image: Image) -> None:
        tag = _tag_of(image.updated_at, encode_json(await show(image)))
        require(request, tag.decode())

    return guard
