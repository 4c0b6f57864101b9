"""Which requests a browser may send to the console, and the headers that every answer carries.

A cookie goes with requests of other origins of the same site, too (SameSite tells sites apart, not origins).
So what changes something, and whatever a script asks, must say that it comes from a page of the console.
"""

from urllib.parse import urlsplit

from transom.api.http import Headers, Request
from transom.domain.errors import ForbiddenError

_SAFE = frozenset({"GET", "HEAD"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types transom"
)
#: Of each answer below /console.
HEADERS: Headers = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    # Not no-referrer: some browsers would then send `Origin: null` with the console's own forms.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
#: An image may be an HTML file: a browser is to save it, and to run nothing of it.
DATA_HEADERS: Headers = [
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    *HEADERS[1:],
]
#: Sent by the console's script only: a page of another origin would have to ask beforehand, in vain.
PROJECT_HEADER = b"x-transom-project"
USER_HEADER = b"x-transom-user"


def require_own_page(request: Request, base_url: str, *, is_for_script: bool, has_cookie: bool) -> None:
    """Raises ForbiddenError for a request that another origin's page may have sent. `base_url`: where
    browsers reach the service."""
    is_safe = request.method in _SAFE
    if is_safe and not is_for_script:
        return
    site = request.header(b"sec-fetch-site")
    if site is not None:
        if site == "same-origin" or (site == "none" and is_safe):
            return
        raise ForbiddenError("This request came from a page of another site.")
    origin = request.header(b"origin")
    if origin is not None:
        if origin == origin_of(base_url):
            return
        raise ForbiddenError("This request came from a page of another site.")
    if has_cookie and not (is_safe and PROJECT_HEADER in request.headers):
        raise ForbiddenError("This request does not say which page it came from.")


def origin_of(url: str) -> str:
    """Scheme, host and port as browsers write them: in lower case, without the port that goes without
    saying."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{host.removesuffix(default) if default else host}"
