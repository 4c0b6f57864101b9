"""Queries and pages of the share API.

A page is asked for by `limit` and `after`, an opaque cursor that the page before gave. Unknown parameters are
refused, like unknown keys of a body: a misspelt filter must not become a list of everything.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from zlib import crc32

import msgspec

from transom.api.http import JSON, Headers, Request, Response, encode_json
from transom.api.pieces import encode_each
from transom.domain.errors import InvalidError
from transom.domain.fields import MAX_NAME, quoted
from transom.domain.json_text import decode_json
from transom.domain.model import NEVER

LIMIT_DEFAULT = 25
LIMIT_MOST = 1000
#: The parameters of every list.
PAGING = frozenset({"limit", "after"})

Cursor = TypeVar("Cursor")
Item = TypeVar("Item")


def wrong_parameter(name: str, why: str) -> InvalidError:
    return InvalidError(f"{name}: {why}", parameter=name)


def read_query(request: Request, known: Collection[str]) -> dict[str, str]:
    """The parameters by name. InvalidError for one that is not `known`, or is there twice."""
    found: dict[str, str] = {}
    for name, value in request.query_pairs():
        if name not in known:
            raise InvalidError(f"The query has an unknown parameter {quoted(name)}.", parameter=name[:80])
        if name in found:
            raise wrong_parameter(name, "is there twice.")
        if "\0" in value:
            raise wrong_parameter(name, "can't contain NUL characters.")
        found[name] = value
    return found


def read_choice(query: Mapping[str, str], name: str, choices: Iterable[str], default: str) -> str:
    """The parameter, one of the `choices`; `default` when there is none."""
    if name not in query:
        return default
    value, known = query[name], tuple(choices)
    if value not in known:
        raise wrong_parameter(name, f"must be one of {', '.join(known)}.")
    return value


def read_limit(query: Mapping[str, str]) -> int:
    """How many entries a page may have: 1 to LIMIT_MOST."""
    value = query.get("limit", str(LIMIT_DEFAULT))
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= LIMIT_MOST):
        raise wrong_parameter("limit", f"must be a whole number from 1 to {LIMIT_MOST}.")
    return int(value)


def read_id(query: Mapping[str, str], name: str) -> str | None:
    """The parameter, the id of a project, an image or the like; None when there is none."""
    value = query.get(name)
    if value is not None and not 0 < len(value) <= MAX_NAME:
        raise wrong_parameter(name, f"must be an id of 1 to {MAX_NAME} characters.")
    return value


def encode_cursor(kind: str, position: tuple[Any, ...]) -> str:
    """An opaque text for a position in lists of this kind."""
    text = encode_json([kind, *position])
    return urlsafe_b64encode(crc32(text).to_bytes(4, "big") + text).decode().rstrip("=")


def read_cursor(query: Mapping[str, str], kind: str, shape: type[Cursor]) -> Cursor | None:
    """The position that `after` names, of this shape (a tuple type); None when there is none. InvalidError
    for what no list of this kind gave."""
    value = query.get("after")
    if value is None:
        return None
    forged = wrong_parameter("after", "is not a cursor that this list gave.")
    try:
        raw = urlsafe_b64decode(value.encode("ascii") + b"=" * (-len(value) % 4))
        named, *position = msgspec.convert(decode_json(raw[4:]), list[Any])
        found = msgspec.convert(tuple(position), shape)
    except (UnicodeError, binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        raise forged from None
    if (
        named != kind
        or not all(map(_is_of_a_list, position))
        or encode_cursor(kind, tuple(position)) != value
    ):
        raise forged
    return found


def _is_of_a_list(value: object) -> bool:
    """Whether a list has such a number (a time, a count, NEVER) or such a text. Others no database takes."""
    if isinstance(value, str):
        return "\0" not in value
    return isinstance(value, int) and 0 <= value <= NEVER


async def cut_to_size(
    request: Request, page: Sequence[Item], show: Callable[[Item], Any], size_limit: int
) -> list[msgspec.Raw]:
    """The items of a page in JSON, up to the one that reaches the size limit, bytes; of a page of at most
    LIMIT_DEFAULT all of them, however long."""
    shown: list[msgspec.Raw] = []
    size = 0
    async with aclosing(encode_each(page, show, request.take_turn)) as texts:
        async for text in texts:
            shown.append(msgspec.Raw(text))
            size += len(text)
            if size >= size_limit and len(page) > LIMIT_DEFAULT:
                break
    return shown


async def cut_page_response(
    request: Request,
    page: Sequence[Item],
    show: Callable[[Item], Any],
    cursor_of: Callable[[Item], str],
    following: str | None,
    size_limit: int,
    headers: Headers | None = None,
) -> Response:
    """A page of a list whose items may be long: it ends at `size_limit` (`cut_to_size`). `following`: as of
    `page_response`, for a page that does not."""
    items = await cut_to_size(request, page, show, size_limit)
    if len(items) < len(page):
        following = cursor_of(page[len(items) - 1])
    return page_response(request, items, following, headers)


def page_response(
    request: Request, items: Sequence[Any], following: str | None, headers: Headers | None = None
) -> Response:
    """A page of a list. `following`: the cursor of the next page, None when this is the last."""
    link = None
    more: Headers = list(headers or ())
    if following is not None:
        kept = [pair for pair in request.query_pairs() if pair[0] != "after"]
        path = quote(request.raw_path, safe="/%")
        link = f"{path}?{urlencode([*kept, ('after', following)])}"
        more.append((b"link", f'<{link}>; rel="next"'.encode("ascii")))
    return Response(
        HTTPStatus.OK, encode_json({"items": items, "next": link}), [(b"content-type", JSON), *more]
    )
