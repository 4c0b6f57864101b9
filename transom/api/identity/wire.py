"""JSON of the Keystone v3 API (Identity API v3.14): request bodies as structs, records as documents.

Unknown keys of a request are passed over, as Keystone does.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from transom.api.http import Request
from transom.domain.errors import InvalidError, UnauthenticatedError
from transom.identity.access_rules import AccessRule
from transom.identity.credentials import CredentialDraft
from transom.identity.directory import (
    ApplicationCredential,
    Directory,
    Domain,
    DomainReference,
    Name,
    Project,
    Reference,
    Role,
    User,
    UserAccessRule,
)
from transom.identity.passwords import REFUSED
from transom.identity.sessions import Scope, TokenSession

_Body = TypeVar("_Body")
#: Keystone's own limit; a hash takes longer the longer its input is.
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
UNSCOPED = "unscoped"


class DomainBody(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None


class ProjectBody(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None
    domain: DomainBody | None = None


class OwnerBody(ProjectBody, frozen=True):
    """A user, named as a project is."""


class UserBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str | None = None
    name: str | None = None
    domain: DomainBody | None = None
    password: Annotated[str, msgspec.Meta(max_length=4096)]


class PasswordBody(msgspec.Struct, frozen=True):
    user: UserBody


class TokenBody(msgspec.Struct, frozen=True):
    id: str


class CredentialLoginBody(msgspec.Struct, frozen=True, kw_only=True):
    secret: Annotated[str, msgspec.Meta(max_length=4096)]
    id: str | None = None
    name: str | None = None
    user: OwnerBody | None = None


class IdentityBody(msgspec.Struct, frozen=True, kw_only=True):
    methods: list[str]
    password: PasswordBody | None = None
    token: TokenBody | None = None
    application_credential: CredentialLoginBody | None = None


class ScopeBody(msgspec.Struct, frozen=True):
    """One of these. Nobody here has a role in the system, or a trust."""

    project: ProjectBody | UnsetType = UNSET
    domain: DomainBody | UnsetType = UNSET
    unscoped: Any = UNSET
    system: dict[str, Any] | UnsetType = UNSET
    trust: dict[str, Any] | UnsetType = msgspec.field(default=UNSET, name="OS-TRUST:trust")


class AuthBody(msgspec.Struct, frozen=True):
    identity: IdentityBody
    scope: ScopeBody | str | None = None


class AuthRequest(msgspec.Struct, frozen=True):
    auth: AuthBody


class RoleBody(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None


class AccessRuleBody(msgspec.Struct, frozen=True, kw_only=True):
    """A new rule, or by `id` one that the user has. The limits are those of Keystone's schema."""

    id: Name | None = None
    service: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9-]{1,64}\Z")] | None = None
    method: Literal["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"] | None = None
    path: Annotated[str, msgspec.Meta(max_length=225, pattern=r"\A/")] | None = None


class NewCredentialBody(msgspec.Struct, frozen=True, kw_only=True):
    name: Name
    secret: Secret | None = None
    description: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    roles: list[RoleBody] | None = None
    expires_at: str | None = None
    unrestricted: bool | None = None
    access_rules: list[AccessRuleBody] | None = None


class NewCredentialRequest(msgspec.Struct, frozen=True):
    application_credential: NewCredentialBody


class PasswordChangeBody(msgspec.Struct, frozen=True):
    password: Secret
    original_password: Annotated[str, msgspec.Meta(max_length=4096)]


class PasswordChangeRequest(msgspec.Struct, frozen=True):
    user: PasswordChangeBody


async def read_body(request: Request, limit_bytes: int, body_type: type[_Body]) -> _Body:
    """The JSON body in its struct. InvalidError names the field that does not fit."""
    try:
        return msgspec.convert(await request.json(limit_bytes), body_type)
    except msgspec.ValidationError as error:
        raise InvalidError(f"Invalid request body: {error}") from None


def read_reference(named: ProjectBody | UserBody, what: str) -> Reference:
    """InvalidError when neither id nor name is there. `what`: the field's name for that error."""
    if named.id is None and named.name is None:
        raise InvalidError(f"Invalid request body: {what} needs an id, or a name and a domain")
    domain = named.domain or DomainBody()
    return Reference(id=named.id, name=named.name, domain_id=domain.id, domain_name=domain.name)


def read_scope(scope: ScopeBody | str | None) -> Scope:
    """InvalidError for a scope that is none or several at once, UnauthenticatedError for one in which nobody
    has a role: system, trust."""
    if scope is None:
        return Scope()
    if isinstance(scope, str):
        if scope != UNSCOPED:
            raise InvalidError(f"Invalid request body: scope must be an object or {UNSCOPED!r}")
        return Scope(is_unscoped=True)
    kinds = (scope.project, scope.domain, scope.unscoped, scope.system, scope.trust)
    if sum(kind is not UNSET for kind in kinds) != 1:
        raise InvalidError(
            "Invalid request body: scope must have exactly one of project, domain, unscoped, system and "
            "OS-TRUST:trust"
        )
    if scope.project is not UNSET:
        return Scope(project=read_reference(scope.project, "scope.project"))
    if scope.domain is not UNSET:
        if scope.domain.id is None and scope.domain.name is None:
            raise InvalidError("Invalid request body: scope.domain needs an id or a name")
        return Scope(domain=DomainReference(id=scope.domain.id, name=scope.domain.name))
    if scope.unscoped is UNSET:
        raise UnauthenticatedError(REFUSED)
    return Scope(is_unscoped=True)


def read_credential_draft(body: NewCredentialBody, now: datetime) -> CredentialDraft:
    """InvalidError for an access rule that is incomplete, an unknown role, and an expiry that is malformed or
    past."""
    return CredentialDraft(
        name=body.name,
        secret=body.secret,
        description=body.description or "",
        roles=tuple(_read_role(role, position) for position, role in enumerate(body.roles or ())),
        expires_at=_read_expiry(body.expires_at, now),
        unrestricted=bool(body.unrestricted),
        access_rules=tuple(
            _read_access_rule(rule, position) for position, rule in enumerate(body.access_rules or ())
        ),
    )


def _read_access_rule(body: AccessRuleBody, position: int) -> AccessRule | str:
    if body.id is not None and body.service is body.method is body.path is None:
        return body.id
    if body.id is not None or body.service is None or body.method is None or body.path is None:
        raise InvalidError(
            f"Invalid request body: access_rules[{position}] must have service, method and path, or "
            "nothing but the id of an access rule"
        )
    return AccessRule(service=body.service, method=body.method, path=body.path)


def _read_role(role: RoleBody, position: int) -> Role:
    """A role's id is its name."""
    try:
        return Role(role.id if role.id is not None else role.name or "")
    except ValueError:
        raise InvalidError(
            f"Invalid request body: roles[{position}] must be one of {', '.join(Role)}"
        ) from None


def _read_expiry(text: str | None, now: datetime) -> datetime | None:
    """A time without a zone is UTC, as in Keystone."""
    if text is None:
        return None
    try:
        expiry = datetime.fromisoformat(text)
        expiry = expiry.replace(tzinfo=UTC) if expiry.tzinfo is None else expiry.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidError(
            "Invalid request body: expires_at must be a time as in 2027-01-31T00:00:00Z"
        ) from None
    if expiry <= now:
        raise InvalidError("Invalid request body: expires_at must be in the future")
    return expiry


def read_filters(request: Request) -> dict[str, str]:
    """The query's names and values. InvalidError for a name that is there twice: one of the schemes of
    signatures signs the first value only."""
    pairs = request.query_pairs()
    filters = dict(pairs)
    if len(filters) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise InvalidError(f"The query may have {repeated!r} once only.")
    return filters


def is_true(text: str) -> bool:
    """A flag in a query as Keystone reads it: present is true, except for these words."""
    return text.strip().lower() not in ("0", "false", "no", "off", "f", "n")


def format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def render_token(session: TokenSession, catalog: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The body that describes a token. `catalog` None: the client does not want it."""
    claims, directory = session.claims, session.directory
    token: dict[str, Any] = {
        "methods": claims.methods,
        "user": _render_owner(session.user, directory) | {"password_expires_at": None},
        "audit_ids": [audit_id for audit_id in (claims.audit_id, claims.parent_audit_id) if audit_id],
        "issued_at": format_time(datetime.fromtimestamp(claims.issued_at / 1_000_000, UTC)),
        "expires_at": format_time(datetime.fromtimestamp(claims.expires_at, UTC)),
    }
    if session.project is not None:
        token["project"] = _render_owner(session.project, directory)
        token["is_domain"] = False
    if session.domain is not None:
        token["domain"] = {"id": session.domain.id, "name": session.domain.name}
    if session.project is not None or session.domain is not None:
        token["roles"] = [render_role_name(role) for role in session.roles]
        if catalog is not None:
            token["catalog"] = catalog
    credential = directory.credentials.get(claims.credential_id or "")
    if credential is not None:
        token["application_credential"] = {
            "id": credential.id,
            "name": credential.name,
            "restricted": not credential.unrestricted,
            **_render_access_rules(directory, credential),
        }
    return {"token": token}


def _render_owner(named: User | Project, directory: Directory) -> dict[str, Any]:
    domain = directory.domains[named.domain_id]
    return {"id": named.id, "name": named.name, "domain": {"id": domain.id, "name": domain.name}}


def render_project(project: Project, root: str) -> dict[str, Any]:
    """`root`: the URL of the identity API, for links; the same below."""
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "parent_id": project.domain_id,
        "description": project.description,
        "enabled": True,
        "is_domain": False,
        "options": {},
        "tags": [],
        "links": {"self": f"{root}/projects/{project.id}"},
    }


def render_domain(domain: Domain, root: str) -> dict[str, Any]:
    return {
        "id": domain.id,
        "name": domain.name,
        "description": "",
        "enabled": True,
        "options": {},
        "tags": [],
        "links": {"self": f"{root}/domains/{domain.id}"},
    }


def render_user(user: User, root: str) -> dict[str, Any]:
    document = {
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": True,
        "options": {},
        "password_expires_at": None,
        "links": {"self": f"{root}/users/{user.id}"},
    }
    if user.default_project_id is not None:
        document["default_project_id"] = user.default_project_id
    return document


def render_role_name(role: Role) -> dict[str, str]:
    return {"id": role, "name": role}


def render_role(role: Role, root: str) -> dict[str, Any]:
    return {
        **render_role_name(role),
        "domain_id": None,
        "description": None,
        "options": {},
        "links": {"self": f"{root}/roles/{role}"},
    }


def render_credential(directory: Directory, credential: ApplicationCredential, root: str) -> dict[str, Any]:
    """Without the secret, which is not known here."""
    url = f"{root}/users/{credential.user_id}/application_credentials/{credential.id}"
    return {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "project_id": credential.project_id,
        "roles": [render_role_name(role) for role in credential.roles],
        "expires_at": format_time(credential.expires_at) if credential.expires_at else None,
        "unrestricted": credential.unrestricted,
        **_render_access_rules(directory, credential),
        "links": {"self": url},
    }


def _render_access_rules(directory: Directory, credential: ApplicationCredential) -> dict[str, Any]:
    """Nothing where there are none, as in Keystone."""
    rules = directory.find_access_rules(credential)
    return {} if rules is None else {"access_rules": [_describe_access_rule(rule) for rule in rules]}


def render_access_rule(rule: UserAccessRule, root: str) -> dict[str, Any]:
    url = f"{root}/users/{rule.user_id}/access_rules/{rule.id}"
    return {**_describe_access_rule(rule), "links": {"self": url}}


def _describe_access_rule(rule: UserAccessRule) -> dict[str, str]:
    return {"id": rule.id, "service": rule.service, "method": rule.method, "path": rule.path}


def render_list(key: str, documents: Sequence[dict[str, Any]], url: str) -> dict[str, Any]:
    """A whole collection: there is no paging. `url`: where it was asked for."""
    return {key: documents, "links": {"self": url, "next": None, "previous": None}}
