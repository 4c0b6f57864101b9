"""Signing in: a name and a password → a token of the user, and one for each project that is chosen.

The built-in identity and Keystone get the same documents (Identity API v3); only how they are reached
differs.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from transom.domain.errors import TransomError, UnauthenticatedError, UnavailableError

#: Status, what `X-Subject-Token` says, body.
IdentityAnswer = tuple[int, str | None, Any]
#: (method, path below /v3, token, document) → answer. Raises UnavailableError.
AskIdentity = Callable[[str, str, str | None, Any], Awaitable[IdentityAnswer]]

UNSCOPED = "unscoped"


class Project(msgspec.Struct, frozen=True):
    id: str
    name: str
    domain_id: str = ""


class Token(NamedTuple):
    """`expires_at` in microseconds since the epoch; the project's names are None in an unscoped one."""

    value: str
    user_id: str
    user_name: str
    project_id: str | None
    project_name: str | None
    domain_name: str | None
    roles: tuple[str, ...]
    expires_at: int


class SecondFactorError(UnauthenticatedError):
    """The password is right, and the account needs more than that."""


async def log_in(ask: AskIdentity, user: str, password: str, domain: str) -> Token:
    """An unscoped token. UnauthenticatedError when anything of it is wrong, UnavailableError when identity is
    away or asked to wait."""
    who = {"name": user, "password": password, "domain": {"name": domain}}
    identity = {"methods": ["password"], "password": {"user": who}}
    return await _get_token(ask, {"identity": identity, "scope": UNSCOPED})


async def enter_project(ask: AskIdentity, unscoped: str, project_id: str) -> Token:
    """A token for the project. UnauthenticatedError when the user may not enter it (any more)."""
    identity = {"methods": ["token"], "token": {"id": unscoped}}
    return await _get_token(ask, {"identity": identity, "scope": {"project": {"id": project_id}}})


async def list_projects(ask: AskIdentity, unscoped: str) -> Sequence[Project]:
    """Those that the user may enter, by name."""
    status, _, body = await ask("GET", "/auth/projects", unscoped, None)
    if status != 200:
        raise _refuse(status, body)
    found = msgspec.convert(body.get("projects", []), list[Project])
    return sorted(found, key=lambda one: (one.name.casefold(), one.id))


async def find_default_project(ask: AskIdentity, token: Token) -> str | None:
    """The id of the user's own choice, None where there is none or it is not told."""
    status, _, body = await ask("GET", f"/users/{quote(token.user_id, safe='')}", token.value, None)
    return body["user"].get("default_project_id") if status == 200 else None


async def find_projects(ask: AskIdentity, token: str, name: str, domain_id: str) -> Sequence[Project]:
    """Those of the name that the user may look up; "" is any domain. None where looking up is not allowed."""
    query = urlencode({"name": name, **({"domain_id": domain_id} if domain_id else {})})
    status, _, body = await ask("GET", f"/projects?{query}", token, None)
    return msgspec.convert(body["projects"], list[Project]) if status == 200 else []


async def find_domain_id(ask: AskIdentity, token: str, name: str) -> str | None:
    status, _, body = await ask("GET", f"/domains?{urlencode({'name': name})}", token, None)
    found = body["domains"] if status == 200 else []
    return str(found[0]["id"]) if found else None


async def revoke(ask: AskIdentity, token: str) -> None:
    """End a token's life. One that is over already is as well."""
    await ask("DELETE", "/auth/tokens", token, None)


async def _get_token(ask: AskIdentity, auth: dict[str, Any]) -> Token:
    status, token, answer = await ask("POST", "/auth/tokens", None, {"auth": auth})
    if status != 201 or not token:
        raise _refuse(status, answer)
    body = answer["token"]
    project = body.get("project") or {}
    return Token(
        value=token,
        user_id=body["user"]["id"],
        user_name=body["user"]["name"],
        project_id=project.get("id"),
        project_name=project.get("name"),
        domain_name=(project.get("domain") or {}).get("name"),
        roles=tuple(sorted(role["name"] for role in body.get("roles", []))),
        expires_at=int(datetime.fromisoformat(body["expires_at"]).timestamp() * 1_000_000),
    )


def _refuse(status: int, body: Any) -> TransomError:
    if status not in (400, 401, 403, 404):
        error = body.get("error", {}) if isinstance(body, dict) else {}
        return UnavailableError(str(error.get("message") or "The identity service does not answer now."))
    if isinstance(body, dict) and "receipt" in body:
        return SecondFactorError("This account needs a second factor.")
    return UnauthenticatedError("Name, password or domain is wrong.")
