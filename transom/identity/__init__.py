"""Credentials → `Caller`. The rest of the service sees only the protocol below."""

from typing import Protocol

import msgspec

from transom.domain.model import Caller, Policy
from transom.domain.organizations import Organizations
from transom.domain.recipients import MemberType
from transom.identity.signature import SignedRequest


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a request without a signature shows of who sends it, and what it is for: some tokens are good for
    some requests only. The tokens are the headers X-Auth-Token and X-Service-Token, None if absent;
    `raw_path` is still encoded, without the query."""

    token: str | None
    service_token: str | None = None
    method: str
    raw_path: bytes


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What people call a project, a domain or a user. Of projects and users the domain that they belong to as
    well, as far as that is known."""

    name: str
    domain_id: str | None = None
    domain_name: str | None = None


class NameSource(Protocol):
    """Knows what people call projects, domains and users. Names are for people to read, and nothing waits for
    them: None when there is none of this id, or its name cannot be found out soon. Who may be told a name is
    for those who ask to decide."""

    async def find_names(self, kind: MemberType, own_id: str) -> Names | None:
        """The names of a project or a domain."""
        ...

    async def find_user_names(self, user_id: str) -> Names | None:
        """The names of a user."""
        ...


class Identity(NameSource, Protocol):
    """Says who the caller is."""

    @property
    def is_reachable(self) -> bool:
        """Whether what it rests on gave an answer when it was last asked."""
        ...

    @property
    def answered_in_s(self) -> float | None:
        """How long what it rests on took to answer when it last did; None where nothing outside of the
        service was asked."""
        ...

    def use_policy(self, policy: Policy) -> None:
        """Give the callers of later requests this policy."""
        ...

    def use_organizations(self, organizations: Organizations) -> None:
        """Find the callers of later requests within these."""
        ...

    async def authenticate(self, request: TokenRequest) -> Caller:
        """The caller that the request's token stands for, with the roles of the service that vouches for it.

        Raises UnauthenticatedError for a token that is absent, malformed, expired, revoked or not good for
        this request, and for a service token that is not a service's; UnavailableError when that cannot be
        found out now.
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

    async def has_recipient(self, kind: MemberType, own_id: str) -> bool:
        """Whether there is a project, or a domain, of exactly this id, enabled or not. It knows no
        organisations, which are the operator's.

        Raises UnavailableError when that cannot be found out now.
        """
        ...
