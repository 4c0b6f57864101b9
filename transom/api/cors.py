"""Which pages of other origins may use the API from a browser (the Fetch standard, CORS; as oslo.middleware).

Pure: headers of a request in, headers for its answer out. Start reading at `Cors`.
"""

from transom.api.http import Headers, Request
from transom.api.options import CorsOptions
from transom.config.settings import listed

#: oslo.middleware permits these whatever is set. Most of them are what a browser may always send.
_ALWAYS_ALLOWED = (
    "Accept",
    "Accept-Language",
    "Cache-Control",
    "Content-Language",
    "Content-Type",
    "Expires",
    "Last-Modified",
    "Pragma",
)
_ANY = "*"
#: What an answer looks like depends on who asks: no cache may give one page's answer to another's.
_VARY = (b"vary", b"Origin")


class Cors:
    """The rules of the settings `cors_…`."""

    def __init__(self, options: CorsOptions) -> None:
        self._origins = frozenset(listed(options.cors_allowed_origins))
        self._methods = frozenset(listed(options.cors_allowed_methods))
        allowed = (*_ALWAYS_ALLOWED, *listed(options.cors_allowed_headers))
        self._headers = frozenset(name.lower() for name in allowed)
        self._exposed = ",".join(listed(options.cors_expose_headers)).encode()
        self._max_age = str(options.cors_max_age_s).encode() if options.cors_max_age_s else b""
        self._allows_credentials = options.cors_allow_credentials

    def headers_for(self, request: Request) -> Headers:
        """What to add to the answer of a request, errors included. By OPTIONS a browser asks beforehand."""
        origin = self._find_origin(request)
        if origin is None:
            return [_VARY]
        if request.method != "OPTIONS":
            headers = self._common(origin)
            if self._exposed:
                headers.append((b"access-control-expose-headers", self._exposed))
            return headers
        return self._answer_preflight(request, origin)

    def _answer_preflight(self, request: Request, origin: bytes) -> Headers:
        method = request.header(b"access-control-request-method")
        asked = [name.strip() for name in request.joined(b"access-control-request-headers").split(",")]
        names = [name for name in asked if name]
        if method not in self._methods or any(name.lower() not in self._headers for name in names):
            return [_VARY]
        headers = self._common(origin)
        if self._max_age:
            headers.append((b"access-control-max-age", self._max_age))
        headers.append((b"access-control-allow-methods", method.encode()))
        if names:
            headers.append((b"access-control-allow-headers", ",".join(names).encode()))
        return headers

    def _find_origin(self, request: Request) -> bytes | None:
        """The origin to allow: the one that asks, or any; None if there is none that may."""
        origin = request.header(b"origin")
        if origin is None:
            return None
        if origin in self._origins:
            return origin.encode()
        return _ANY.encode() if _ANY in self._origins else None

    def _common(self, origin: bytes) -> Headers:
        headers: Headers = [_VARY, (b"access-control-allow-origin", origin)]
        if self._allows_credentials:
            headers.append((b"access-control-allow-credentials", b"true"))
        return headers
