"""Keystone's tokens and keys → `Caller`.

A token that is known costs a hash and a dictionary look-up. One that is not is asked for at Keystone, once
however many requests carry it, and then known for `cache_s` at most: for so long may a revoked token, or one
of a disabled user, still pass. Keystone away means UnavailableError for what is not known, and never that
somebody passes, or is told that a good token is bad.

`keystone_client.py` makes the calls, `access_rules.py` judges by an application credential's rules.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from transom.domain.errors import UnauthenticatedError, UnavailableError
from transom.domain.model import Caller, Policy
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations
from transom.domain.recipients import MemberType
from transom.identity import Names, TokenRequest
from transom.identity.access_rules import IMAGE, AccessRule, require_allowed
from transom.identity.answers import Answers
from transom.identity.keystone_answers import TokenBody
from transom.identity.keystone_client import KeyPair, KeystoneClient, in_time
from transom.identity.keystone_records import FoundDomain, FoundProject, FoundUser
from transom.identity.signature import SignedRequest, is_genuine, read_signature

#: Tokens that a worker knows, and as many that it knows to be bad; about 1 KiB each of the former.
KNOWN_TOKENS = 4096
KNOWN_KEYS = 1024
#: Projects and domains that a worker knows to exist, and as many that it knows not to: more than a batch has.
KNOWN_RECIPIENTS = 16384
KNOWN_NAMES = 4096
#: How long a name is kept, and how long one request waits for one, seconds.
NAMES_KEPT_S = 300.0
NAMES_PATIENCE_S = 2.0
#: How long a bad token is known to be bad, if not shorter for `cache_s`.
REFUSED_S = 10.0
#: The role that makes a token a service's, which may vouch for an expired token of a user.
SERVICE_ROLE = "service"

# Fernet tokens have some 200 characters, JWS tokens some 1000.
_TOKEN = re.compile(r"[!-~]{1,4096}")
_REFUSED = "The token is not valid: it is malformed, expired or revoked."
_KEY_REFUSED = "The access key or the signature is not valid."

_Named = FoundProject | FoundDomain | FoundUser


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """Who is behind a token or a key. `access_rules`: None where there are none to hold it to."""

    caller: Caller
    access_rules: tuple[AccessRule, ...] | None


class KeystoneIdentity:
    """Fills the `Identity` protocol. One per worker process, used by its event loop only."""

    def __init__(
        self, client: KeystoneClient, cache_s: float, policy: Policy, *, has_strict_signatures: bool = False
    ) -> None:
        """`has_strict_signatures`: see `read_signature`."""
        self._client = client
        self._policy = policy
        self._organizations = NO_ORGANIZATIONS
        self._has_strict_signatures = has_strict_signatures
        self._cache_s = cache_s
        self._tokens: Answers[_Known] = Answers(KNOWN_TOKENS)
        self._keys: Answers[KeyPair] = Answers(KNOWN_KEYS)
        self._key_users: Answers[_Known] = Answers(KNOWN_KEYS)
        self._recipients: Answers[bool] = Answers(KNOWN_RECIPIENTS)
        self._names: Answers[Names] = Answers(KNOWN_NAMES)

    @property
    def is_reachable(self) -> bool:
        """See `Identity`."""
        return self._client.is_reachable

    @property
    def answered_in_s(self) -> float | None:
        """See `Identity`."""
        return self._client.answered_in_s

    def use_policy(self, policy: Policy) -> None:
        """See `Identity`."""
        self._policy = policy
        self._forget_callers()

    def use_organizations(self, organizations: Organizations) -> None:
        """See `Identity`."""
        self._organizations = organizations
        self._forget_callers()

    def _forget_callers(self) -> None:
        """Empty the caches of callers: their entries have the old policy and organisations."""
        self._tokens = Answers(KNOWN_TOKENS)
        self._key_users = Answers(KNOWN_KEYS)

    async def authenticate(self, request: TokenRequest) -> Caller:
        """See `Identity`."""
        if request.service_token is not None:
            return await self._authenticate_chain(request, request.service_token)
        known = await self._find_token(request.token, allow_expired=False)
        require_allowed(known.access_rules, IMAGE, request.method, request.raw_path)
        return known.caller

    async def _authenticate_chain(self, request: TokenRequest, service_token: str) -> Caller:
        """A service passes on what a user asked it for. It may take longer than the user's token lives, and
        the access rules held for what the user asked, not for what the service needs for it."""
        service = await self._find_token(service_token, allow_expired=False)
        if SERVICE_ROLE not in service.caller.roles:
            raise UnauthenticatedError("The service token lacks the role service.")
        known = await self._find_token(request.token, allow_expired=True)
        return msgspec.structs.replace(known.caller, service_roles=service.caller.roles)

    async def authenticate_signed(self, signed: SignedRequest) -> Caller:
        """See `Identity`. A key may act in its own project only, as Keystone has it."""
        signature = read_signature(signed, time.time(), is_strict=self._has_strict_signatures)
        # The body of an unknown key is hashed, too: the time of the answer must not tell which keys exist.
        key = await self._find_key(signature.access)
        body_hash = await signed.hash_body(keep=key is not None) if signature.needs_body_hash else None
        genuine = is_genuine(signed, signature, key.secret if key else "", body_hash)
        if key is None or not genuine:
            raise UnauthenticatedError(_KEY_REFUSED)
        known = await self._find_key_user(key)
        if signature.project_id not in (None, known.caller.project_id):
            raise UnauthenticatedError("The access key may not act in this project.")
        if signature.domain_id not in (None, known.caller.domain_id):
            raise UnauthenticatedError("The access key may not act in this domain.")
        require_allowed(known.access_rules, IMAGE, signed.method, signed.raw_path)
        return known.caller

    async def has_recipient(self, kind: MemberType, own_id: str) -> bool:
        """See `Identity`."""

        async def ask() -> tuple[bool | None, float]:
            if await in_time(self._find_record(kind, own_id)) is not None:
                return True, self._cache_s
            return None, min(REFUSED_S, self._cache_s)

        return await self._recipients.get(f"{kind} {own_id}".encode(), ask) is not None

    async def find_names(self, kind: MemberType, own_id: str) -> Names | None:
        """See `Identity`. What Keystone does not say now is asked again in some seconds."""
        return await self._find_names(f"{kind} {own_id}", partial(self._find_record, kind, own_id))

    async def find_user_names(self, user_id: str) -> Names | None:
        """See `Identity` and `find_names`."""
        return await self._find_names(f"user {user_id}", partial(self._client.find_user, user_id))

    async def _find_names(
        self, key: str, find_record: Callable[[], Awaitable[_Named | None]]
    ) -> Names | None:
        async def ask() -> tuple[Names | None, float]:
            try:
                async with asyncio.timeout(NAMES_PATIENCE_S):
                    record = await find_record()
            except (TimeoutError, UnavailableError):
                record = None
            if record is None:
                return None, REFUSED_S
            domain_id = getattr(record, "domain_id", None)
            domain = await self.find_names(MemberType.DOMAIN, domain_id) if domain_id else None
            domain_name = domain.name if domain is not None else None
            names = Names(name=record.name, domain_id=domain_id, domain_name=domain_name)
            return names, max(NAMES_KEPT_S, self._cache_s)

        return await self._names.get(key.encode(), ask)

    async def _find_record(self, kind: MemberType, own_id: str) -> FoundProject | FoundDomain | None:
        if kind is MemberType.DOMAIN:
            return await self._client.find_domain(own_id)
        return await self._client.find_project(own_id)

    async def _find_token(self, token: str | None, *, allow_expired: bool) -> _Known:
        """UnauthenticatedError when it is absent or not valid."""
        if token is None or not _TOKEN.fullmatch(token := token.strip()):
            raise UnauthenticatedError(_REFUSED)
        hashed = hashlib.sha256(token.encode()).digest()
        known = self._tokens.find(hashed)
        if known is not None:
            return known
        # An expired token must not be known to those who may not use it.
        key = hashed + b"expired" if allow_expired else hashed

        async def ask() -> tuple[_Known | None, float]:
            body = await in_time(self._client.find_token(token, allow_expired=allow_expired))
            return self._judge(body, may_be_expired=allow_expired)

        found = await self._tokens.get(key, ask)
        if found is None:
            raise UnauthenticatedError(_REFUSED)
        return found

    async def _find_key(self, access: str) -> KeyPair | None:
        async def ask() -> tuple[KeyPair | None, float]:
            key = await in_time(self._client.find_key(access))
            return key, self._cache_s if key is not None else min(REFUSED_S, self._cache_s)

        return await self._keys.get(access.encode(), ask)

    async def _find_key_user(self, key: KeyPair) -> _Known:
        async def ask() -> tuple[_Known | None, float]:
            body = await in_time(self._client.log_in_with_key(key))
            return self._judge(body, may_be_expired=False)

        known = await self._key_users.get(f"{key.access} {key.secret}".encode(), ask)
        if known is None:
            raise UnauthenticatedError(_KEY_REFUSED)
        return known

    def _judge(self, body: TokenBody | None, *, may_be_expired: bool) -> tuple[_Known | None, float]:
        """(who is behind it, how long that may be kept)"""
        if body is None:
            return None, min(REFUSED_S, self._cache_s)
        left_s = body.expires_at.timestamp() - time.time()
        keep_s = self._cache_s if may_be_expired else min(self._cache_s, left_s)
        credential = body.application_credential
        known = _Known(
            caller=_make_caller(body, self._policy, self._organizations),
            access_rules=credential.access_rules if credential is not None else None,
        )
        return known, keep_s


def _make_caller(body: TokenBody, policy: Policy, organizations: Organizations) -> Caller:
    """Keystone has added the roles that others imply. Unscoped, or scoped to a domain or the system: no
    project, and so no right on any image."""
    project = body.project
    project_id = project.id if project is not None else None
    domain_id = project.domain.id if project is not None and project.domain is not None else None
    return Caller(
        user_id=body.user.id,
        project_id=project_id,
        roles=frozenset(role.name.lower() for role in body.roles),
        policy=policy,
        domain_id=domain_id,
        organizations=organizations.keys_of(project_id, domain_id),
        user_domain_id=body.user.domain.id if body.user.domain is not None else None,
        system_scope="all" if body.system is not None else None,
    )
