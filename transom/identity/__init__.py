"""Credentials → `Caller`. The rest of the service sees only the protocol below."""

from typing import Protocol

from transom.domain.model import Caller
from transom.identity.signature import SignedRequest


class Identity(Protocol):
    """Says who the caller is."""

    async def authenticate(self, token: str | None) -> Caller:
        """The caller that the `X-Auth-Token` value stands for.

        Raises UnauthenticatedError for a token that is absent, malformed, expired or revoked, and
        UnavailableError when that cannot be found out now.
        """
        ...

    async def authenticate_signed(self, signed: SignedRequest) -> Caller:
        """The caller whose access key signed the request, in the project that it names.

        Reads the body, by `signed.hash_body`, where the signature covers it. Raises UnauthenticatedError for
        a signature that is malformed, out of date, of an unknown key or not of this very request, and for a
        project in which the key may not act; UnavailableError when that cannot be found out now; and what
        `hash_body` raises.
        """
        ...
