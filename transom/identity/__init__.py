"""Credentials → `Caller`. The rest of the service sees only the protocol below."""

from typing import Protocol

from transom.domain.model import Caller


class Identity(Protocol):
    """Says who the caller is."""

    async def authenticate(self, token: str | None) -> Caller:
        """The caller that the `X-Auth-Token` value stands for.

        Raises UnauthenticatedError for a token that is absent, malformed, expired or revoked, and
        UnavailableError when that cannot be found out now.
        """
        ...
