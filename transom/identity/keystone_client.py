"""The calls of Keystone v3 that the service makes, with an account of its own.

It knows HTTP and Keystone's JSON; what the answers mean for a caller is `keystone.py`'s business. Whatever
keeps it from a clear answer is an UnavailableError. Start reading at `KeystoneClient`.
"""

import asyncio
import hashlib
import logging
import ssl
import time
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from transom.domain.errors import UnavailableError
from transom.domain.json_text import decode_json
from transom.identity.ec2 import sign_for_ec2
from transom.identity.keystone_answers import (
    CredentialAnswer,
    DomainAnswer,
    ProjectAnswer,
    TokenAnswer,
    TokenBody,
    UserAnswer,
)
from transom.identity.keystone_records import FoundDomain, FoundProject, FoundUser

T = TypeVar("T")
_log = logging.getLogger(__name__)

#: For one answer, connecting included. Keystone needs some ten milliseconds; a proxy in front of a dead one
#: may hold a request for as long as we let it.
ANSWER_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 2.0
#: For everything that has to be asked for one request.
PATIENCE_S = 20.0
#: Requests to Keystone under way at a time, of one worker; the others wait.
CONNECTIONS = 16
#: After it refused our account, Keystone is not asked again for so long: it may lock accounts out.
REFUSED_PAUSE_S = 10.0
#: The part of its life after which the own token is renewed.
RENEW_AT = 0.8
#: Longest body read of an answer. A token with a hundred roles and a catalog has some 50 KiB.
LONGEST_ANSWER = 1 << 20
#: Keystone's columns for ids take no more characters.
LONGEST_ID = 64

UNAVAILABLE = "The identity service cannot be reached or does not work now."
#: A path loses such segments on its way, and would lead elsewhere; so would a slash, encoded or not.
_DOTS = frozenset({".", ".."})
_TAKES_ACCESS_RULES = {"OpenStack-Identity-Access-Rules": "1.0"}


class ServiceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """As whom the service speaks to Keystone; the domains by id."""

    username: str
    password: str
    project_name: str
    user_domain: str
    project_domain: str

    def __repr__(self) -> str:
        return f"<ServiceAccount {self.username}>"


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    access: str
    secret: str

    def __repr__(self) -> str:
        return f"<KeyPair {self.access}>"


class _Answer(msgspec.Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes


class KeystoneClient:
    """One per worker process, used by its event loop only."""

    def __init__(self, auth_url: str, account: ServiceAccount, tls: ssl.SSLContext | None) -> None:
        """`tls`: None for the system's certificates. Starts nothing."""
        self._root = _versioned(auth_url)
        self._account = account
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=tls if tls is not None else True),
            timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "transom", "Accept": "application/json"},
        )
        project = {"name": account.project_name, "domain": {"id": account.project_domain}}
        self._in_project = _OwnToken(self, {"project": project})
        self._in_system = _OwnToken(self, {"system": {"all": True}})
        #: By collection, the scope in which our account could read it when it was last tried.
        self._reads_with: dict[str, _OwnToken] = {}
        #: Whether the last call got an answer.
        self.is_reachable = True
        #: How long the last answer took.
        self.answered_in_s: float | None = None

    async def close(self) -> None:
        self._in_project.close()
        self._in_system.close()
        await self._session.close()

    async def log_in(self) -> None:
        """Get a token of our own unless there is one."""
        await self._in_project.get()

    async def find_token(self, token: str, *, allow_expired: bool) -> TokenBody | None:
        """What a token stands for; None when it is not valid. `allow_expired`: nor too long expired."""
        query = "?nocatalog&allow_expired=1" if allow_expired else "?nocatalog"
        answer = await self._ask(
            self._in_project, "GET", f"/auth/tokens{query}", {"X-Subject-Token": token, **_TAKES_ACCESS_RULES}
        )
        if _is_not_found(answer):
            return None
        return _decode(self._expect(answer, "validate a token"), TokenAnswer).token

    async def find_key(self, access: str) -> KeyPair | None:
        """An `ec2` credential by its access key; None when there is none."""
        answer = await self._ask_for_record("credentials", hashlib.sha256(access.encode()).hexdigest())
        if _is_not_found(answer):
            return None
        credential = _decode(self._expect(answer, "read a credential"), CredentialAnswer).credential
        if credential.type != "ec2":
            return None
        try:
            key = msgspec.json.decode(credential.blob, type=KeyPair)
        except msgspec.DecodeError:
            return None
        return key if key.access == access else None

    async def find_project(self, project_id: str) -> FoundProject | None:
        """The project of exactly this id, enabled or not."""
        answer = await self._find_record("projects", project_id, "look up a project", ProjectAnswer)
        # Some databases compare without regard to case; tokens name the id as Keystone keeps it.
        is_it = answer is not None and answer.project.id == project_id and not answer.project.is_domain
        return answer.project if answer is not None and is_it else None

    async def find_domain(self, domain_id: str) -> FoundDomain | None:
        """The domain of exactly this id, enabled or not."""
        answer = await self._find_record("domains", domain_id, "look up a domain", DomainAnswer)
        return answer.domain if answer is not None and answer.domain.id == domain_id else None

    async def find_user(self, user_id: str) -> FoundUser | None:
        """The user of exactly this id, enabled or not."""
        answer = await self._find_record("users", user_id, "look up a user", UserAnswer)
        return answer.user if answer is not None and answer.user.id == user_id else None

    async def log_in_with_key(self, key: KeyPair) -> TokenBody | None:
        """What a token that the key gives stands for; None when Keystone gives none (the user or project is
        disabled, the role is gone, what the key was derived from is revoked).

        Keystone judges, not we: a key may be bound to an application credential or a trust.
        """
        credentials = sign_for_ec2(key.access, key.secret, datetime.now(UTC))
        answer = await self._ask(
            self._in_project, "POST", "/ec2tokens", _TAKES_ACCESS_RULES, {"credentials": credentials}
        )
        # 401 may also say that our own token is not valid; then `_ask` has got another one and asked again.
        if answer.status == 401 or _is_not_found(answer):
            return None
        return _decode(self._expect(answer, "log in with a key"), TokenAnswer).token

    async def read(self, path: str, answer: type[T], what: str) -> T:
        """What Keystone has at a path, for those who have a role on the system. `what` it is, for the log."""
        found = await self._ask(self._in_system, "GET", path)
        return _decode(self._expect(found, f"read {what}"), answer)

    async def ask_for_user(
        self, method: str, path: str, token: str | None, document: Any
    ) -> tuple[int, str | None, Any]:
        """Pass on what a user asks with its own credentials: (status, X-Subject-Token, decoded body)."""
        headers = {} if token is None else {"X-Auth-Token": token}
        if token is not None and method == "DELETE":
            headers["X-Subject-Token"] = token
        answer = await self._send(method, path, headers, document)
        try:
            body = decode_json(answer.body) if answer.body else None
        except msgspec.DecodeError:
            raise UnavailableError(UNAVAILABLE) from None
        return answer.status, answer.headers.get("X-Subject-Token"), body

    async def request_token(self, scope: Mapping[str, Any]) -> tuple[str, float]:
        """A token of our account and its life in seconds. PermissionError when Keystone gives us none."""
        account = self._account
        user = {"name": account.username, "domain": {"id": account.user_domain}, "password": account.password}
        identity = {"methods": ["password"], "password": {"user": user}}
        answer = await self._send(
            "POST", "/auth/tokens?nocatalog", {}, {"auth": {"identity": identity, "scope": scope}}
        )
        if answer.status == 401:
            raise PermissionError
        token = answer.headers.get("X-Subject-Token")
        if answer.status != 201 or not token:
            raise self._fail(answer, "log in")
        return token, _decode(answer.body, TokenAnswer).token.life_s

    async def _find_record(self, collection: str, record_id: str, what: str, form: type[T]) -> T | None:
        """None when there is none of this id. `what` we do, for the log."""
        if not 0 < len(record_id) <= LONGEST_ID or "/" in record_id or record_id in _DOTS:
            return None
        answer = await self._ask_for_record(collection, quote(record_id, safe=""))
        return None if _is_not_found(answer) else _decode(self._expect(answer, what), form)

    async def _ask_for_record(self, collection: str, name: str) -> _Answer:
        """Where our project's roles do not suffice to read others' records, those on the system may."""
        path = f"/{collection}/{name}"
        own = self._reads_with.get(collection, self._in_project)
        answer = await self._ask(own, "GET", path)
        if answer.status == 403 and own is self._in_project:
            answer = await self._ask(self._in_system, "GET", path)
            if answer.status != 403:
                self._reads_with[collection] = self._in_system
        return answer

    async def _ask(
        self,
        own: "_OwnToken",
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        document: Any = None,
    ) -> _Answer:
        """With a token of our own; with a new one if Keystone does not take it (any more)."""
        token = await own.get()
        answer = await self._send(method, path, {**(headers or {}), "X-Auth-Token": token}, document)
        if answer.status == 401:
            own.drop(token)
            token = await own.get()
            answer = await self._send(method, path, {**(headers or {}), "X-Auth-Token": token}, document)
        return answer

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], document: Any = None
    ) -> _Answer:
        body = None if document is None else msgspec.json.encode(document)
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        try:
            answer = await self._exchange(method, path, headers, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._record(is_reachable=False, why=f"{type(error).__name__}: {error}")
            raise UnavailableError(UNAVAILABLE) from error
        if answer.status >= 500:
            self._record(is_reachable=False, why=f"{method} {path.partition('?')[0]}: {answer.status}")
            raise UnavailableError(UNAVAILABLE)
        self._record(is_reachable=True)
        return answer

    async def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> _Answer:
        try:
            return await self._exchange_once(method, path, headers, body)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            # Keystone may close an idle connection at the very moment we use it. Nothing we ask for does
            # harm when it is asked twice.
            return await self._exchange_once(method, path, headers, body)

    async def _exchange_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> _Answer:
        started = time.monotonic()
        # No redirects: they would carry our token to wherever they point.
        async with self._session.request(
            method, self._root + path, headers=headers, data=body, allow_redirects=False
        ) as response:
            chunks = []
            left = LONGEST_ANSWER
            async for chunk in response.content.iter_any():
                left -= len(chunk)
                if left < 0:
                    raise aiohttp.ClientPayloadError("the answer is too long")
                chunks.append(chunk)
            self.answered_in_s = time.monotonic() - started
            return _Answer(response.status, response.headers, b"".join(chunks))

    def _expect(self, answer: _Answer, what: str) -> bytes:
        if answer.status != 200:
            raise self._fail(answer, what)
        return answer.body

    def _fail(self, answer: _Answer, what: str) -> UnavailableError:
        _log.error(
            "Keystone does not let us %s: %d %s",
            what,
            answer.status,
            answer.body[:300].decode(errors="replace"),
        )
        return UnavailableError(UNAVAILABLE)

    def _record(self, *, is_reachable: bool, why: str = "") -> None:
        """Once when it changes, not with every request that meets it."""
        if is_reachable != self.is_reachable:
            if is_reachable:
                _log.warning("Keystone answers again")
            else:
                _log.error("Keystone at %s cannot be reached or does not work: %s", self._root, why)
        self.is_reachable = is_reachable


class _OwnToken:
    """A token of the service's account in one scope, renewed ahead of its expiry."""

    def __init__(self, client: KeystoneClient, scope: Mapping[str, Any]) -> None:
        self._client = client
        self._scope = scope
        self._token = ""
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._refused_until = 0.0
        self._renewing: asyncio.Task[None] | None = None

    def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()

    async def get(self) -> str:
        """A valid token. One request to Keystone serves all that wait for it; while the old token is still
        good nobody waits. Raises UnavailableError."""
        now = time.monotonic()
        if now >= self._renew_at and self._renewing is None and now >= self._refused_until:
            self._renewing = asyncio.create_task(self._renew())
            self._renewing.add_done_callback(self._finish)
        if now < self._expires_at:
            return self._token
        if self._renewing is None:
            raise UnavailableError(UNAVAILABLE)
        await asyncio.shield(self._renewing)
        return self._token

    def drop(self, token: str) -> None:
        """Keystone does not take it; it may be another one by now."""
        if token == self._token:
            self._renew_at = self._expires_at = 0.0

    async def _renew(self) -> None:
        asked_at = time.monotonic()
        try:
            token, life_s = await self._client.request_token(self._scope)
        except PermissionError:
            self._refused_until = time.monotonic() + REFUSED_PAUSE_S
            _log.critical(
                "Keystone refuses the service's own account in the scope %s: see the settings "
                "keystone_…, and docs/identity.md for the roles it needs",
                msgspec.json.encode(self._scope).decode(),
            )
            raise UnavailableError(UNAVAILABLE) from None
        self._token = token
        self._renew_at = asked_at + life_s * RENEW_AT
        self._expires_at = asked_at + life_s

    def _finish(self, done: asyncio.Task[None]) -> None:
        self._renewing = None
        if not done.cancelled():
            # Seen, even where nobody waited for it.
            done.exception()


async def in_time(asked: Awaitable[T]) -> T:
    """What was asked for, or UnavailableError when it takes too long."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await asked
    except TimeoutError:
        raise UnavailableError(UNAVAILABLE) from None


def _versioned(auth_url: str) -> str:
    root = auth_url.rstrip("/")
    return root if root.endswith("/v3") else f"{root}/v3"


def _is_not_found(answer: _Answer) -> bool:
    """As Keystone says it, in its JSON: a proxy that has lost its Keystone may say 404, too."""
    if answer.status != 404:
        return False
    try:
        document = decode_json(answer.body)
    except msgspec.DecodeError:
        return False
    return isinstance(document, dict) and "error" in document


def _decode(body: bytes, answer: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=answer)
    except msgspec.DecodeError as error:
        _log.error("Keystone's answer is not understood: %s", error)
        raise UnavailableError(UNAVAILABLE) from error
