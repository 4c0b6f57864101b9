"""What every identity handler begins with: the built-in identity, the caller's session, and the API's URL."""

from transom.api.http import Request
from transom.api.services import Services
from transom.api.signing import has_signature, signed_request
from transom.api.versions import base_url
from transom.domain.errors import NotFoundError
from transom.identity import rules
from transom.identity.access_rules import IDENTITY, require_allowed
from transom.identity.builtin import BuiltinIdentity
from transom.identity.sessions import Session, TokenSession


def builtin_identity(services: Services) -> BuiltinIdentity:
    """NotFoundError where another identity service is in use: then there is nothing under /identity."""
    if not isinstance(services.identity, BuiltinIdentity):
        raise NotFoundError("The built-in identity is not in use here.")
    return services.identity


async def open_session(services: Services, request: Request) -> Session:
    """Who asks, by signature if there is one, else by `X-Auth-Token`. UnauthenticatedError if that is absent,
    not valid, or not good for this request by its access rules; what `authenticate_signed` raises."""
    identity = builtin_identity(services)
    session: Session
    if has_signature(request):
        session = await identity.open_signed_session(signed_request(services, request))
    else:
        session = await identity.open_session(request.header(b"x-auth-token"))
    require_allowed(session.access_rules, IDENTITY, request.method, request.raw_path)
    return session


async def open_token_session(services: Services, request: Request) -> TokenSession:
    """As `open_session`, for what only the holder of a token may do. ForbiddenError for a signed request."""
    return rules.hold_token(await open_session(services, request))


def identity_url(services: Services, request: Request) -> str:
    """Where the identity API is, as links and the catalog say it."""
    return f"{base_url(services, request)}/identity/v3"
