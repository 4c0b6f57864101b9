"""Who sends a request: by its signature, or by its token."""

import time
from collections.abc import Awaitable, Callable

from transom.api.heads import require_few_parameters
from transom.api.http import Request
from transom.api.services import Services
from transom.domain.model import Caller
from transom.identity import TokenRequest
from transom.identity.signature import SignedRequest, is_signed

#: How long a caller is believed while a body comes, seconds.
JUST_DONE_S = 0.1


def has_signature(request: Request) -> bool:
    """Whether it is authenticated by a signature, be that malformed: a token beside it never stands in."""
    return b"authorization" in request.headers and is_signed(request.raw_headers)


def signed_request(services: Services, request: Request) -> SignedRequest:
    """What `identity/signature.py` verifies. `hash_body` reads the body: only when the signature covers
    it. InvalidError for a query of too many parameters: it would parse and sort them before anybody is
    known."""
    require_few_parameters(request.query)

    async def hash_body(*, keep: bool) -> str:
        return await request.hash_body(services.bodies.signed_body_limit, keep=keep)

    return SignedRequest(
        method=request.method,
        # What the client signed: a proxy may have taken the prefix off, and put a Host of its own.
        raw_path=request.origin.prefix.encode("ascii") + request.raw_path,
        query=request.query,
        headers=request.signed_headers,
        hash_body=hash_body,
    )


def authenticate(services: Services, request: Request) -> Awaitable[Caller]:
    """By signature if there is one, be it malformed: a token beside it never stands in. Else by token."""
    if has_signature(request):
        return services.identity.authenticate_signed(signed_request(services, request))
    return services.identity.authenticate(
        TokenRequest(
            token=request.header(b"x-auth-token"),
            service_token=request.header(b"x-service-token"),
            method=request.method,
            raw_path=request.raw_path,
        )
    )


def confirm_later(services: Services, request: Request) -> Callable[[], Awaitable[None]]:
    """What authenticates the caller once more, unless that was just done: a body may take minutes to come, in
    which the right to what it asks for may end. Raises what `authenticate` does."""
    known_at = time.monotonic()

    async def confirm() -> None:
        if time.monotonic() - known_at > JUST_DONE_S:
            request.caller = await authenticate(services, request)

    return confirm


def own_token(request: Request) -> str | None:
    """The token that the caller was known by, to ask other services in its name; None for a signed request: a
    token beside the signature was never looked at, and anybody may have put it there."""
    return None if has_signature(request) else request.header(b"x-auth-token")
