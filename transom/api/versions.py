"""Which versions of the Image API are served, and where clients reach the service."""

from transom.api.http import Request
from transom.api.services import Services

#: Newest first. Each is a name for the same `/v2`.
VERSIONS = tuple(f"v2.{minor}" for minor in range(18, -1, -1))
#: Those that promise the calls of the cache.
_OF_CACHE = ("v2.18", "v2.16", "v2.14")


def served_versions(services: Services) -> tuple[str, ...]:
    """The names of the versions there are, newest first."""
    if services.cache is not None:
        return VERSIONS
    return tuple(version for version in VERSIONS if version not in _OF_CACHE)


def base_url(services: Services, request: Request) -> str:
    """Where clients reach the service, without a closing slash."""
    return (services.site.public_endpoint or request.origin.url).rstrip("/")
