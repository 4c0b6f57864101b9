"""Which segments of routes a path stands for: decoded, its version by one name, and where it names none."""

import re

from transom.api import routes
from transom.api.heads import UNDECODABLE
from transom.api.http import Request
from transom.api.router import Match
from transom.api.signing import has_signature
from transom.domain.errors import InvalidError
from transom.domain.escapes import unescape

#: The root of the Identity API.
IDENTITY = "identity"
_KNOWN_ROOTS = frozenset({route.path.split("/")[1] for route in (*routes.ROUTES, *routes.IMS_ROUTES)})
#: Of these the roots of versions that the Image API had once.
_OLD_VERSIONS = frozenset({"v1", "v1.1"})
_VERSION = re.compile(r"v[0-9]+(\.[0-9]+)?")
_VERSION_IN_ACCEPT = re.compile(r"application/vnd\.openstack\.images-(v[0-9.]+)")


def read_segments(request: Request) -> list[str]:
    """The path's segments, decoded one by one. InvalidError for bytes that are no UTF-8, and for NUL."""
    raw = request.raw_path
    if b"%" not in raw and raw.isascii():
        return request.path.split("/")[1:] or [""]
    try:
        decoded = unescape(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidError(UNDECODABLE) from None
    if "\0" in decoded:
        raise InvalidError("The URL can't contain NUL characters.")
    # An encoded slash counts as one, as it does for Glance: no segment ever holds a slash.
    return decoded.split("/")[1:] or [""]


def name_version(request: Request, segments: list[str], served: frozenset[str]) -> list[str]:
    """The segments with the version as `v2`, whichever name the path or, where the path starts with none,
    the Accept header gave it. Slashes before and behind it count as one: an endpoint may end with one."""
    join_slashes(segments, behind=0)
    if segments[0] in served:
        segments[0] = "v2"
        join_slashes(segments, behind=1)
    elif segments[0] not in _KNOWN_ROOTS:
        named = _VERSION_IN_ACCEPT.search(request.header(b"accept") or "")
        if named and named[1] in served:
            return ["v2", *segments]
    return segments


def join_slashes(segments: list[str], *, behind: int) -> None:
    """Take out the empty segments behind so many, but for one at the end."""
    last = len(segments) - 1
    if behind < last and not segments[behind]:  # Hardly ever; each request asks twice.
        following = next((at for at in range(behind, last) if segments[at]), last)
        # At once: to take them out one by one would move all others each time.
        del segments[behind:following]


def below_identity(segments: list[str]) -> list[str]:
    """`/v3/…` as `/identity/v3/…`: of the URL of an identity service Huawei's SDK for Python keeps scheme and
    host only. `/v3` alone asks for versions."""
    return [IDENTITY, *segments] if any(segments[1:]) else segments


def names_no_version(request: Request, segments: list[str], found: Match | None) -> bool:
    """Whether to answer with the list of versions, as Glance does for paths that it does not know. A request
    with a token or a signature does not look for versions, and gets 404: its client would take the list for
    what it asked for."""
    first = segments[0]
    if first not in _KNOWN_ROOTS:
        return not _has_credentials(request) or _looks_up_version(request, segments)
    return first in _OLD_VERSIONS and found is None and not request.prefix and not _has_credentials(request)


def _has_credentials(request: Request) -> bool:
    """Whether there are any, be they good or not."""
    return b"x-auth-token" in request.headers or has_signature(request)


def _looks_up_version(request: Request, segments: list[str]) -> bool:
    """Whether it asks for a version, as clients do with their token, too: the path names one and nothing
    below it, or the Accept header does."""
    if request.method not in ("GET", "HEAD"):
        return False
    is_bare = not any(segments[1:]) and _VERSION.fullmatch(segments[0]) is not None
    return is_bare or _VERSION_IN_ACCEPT.search(request.header(b"accept") or "") is not None
