"""What a login asks for, and which rights it gives by the accounts as they are now.

Pure: look-ups in a `Directory`, no files, no clock, no secrets. `builtin.py` finds out who asks; this module
says where they are and what they may do there. Start reading at `Session`.
"""

import msgspec

from transom.domain.errors import ForbiddenError, UnauthenticatedError
from transom.identity.directory import (
    AccessKey,
    Directory,
    Domain,
    DomainReference,
    Project,
    Reference,
    Role,
    User,
    UserAccessRule,
    imply_roles,
)
from transom.identity.passwords import REFUSED
from transom.identity.signature import Signature
from transom.identity.tokens import INVALID, Claims, mark_password

_ROLES_IN_DOMAIN = (Role.READER,)


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a login asks for: a project; a domain; expressly neither; or nothing, which means the user's
    default project."""

    project: Reference | None = None
    domain: DomainReference | None = None
    is_unscoped: bool = False


#: Where a token is good. None: nowhere, it only says who somebody is.
Place = Project | Domain | None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid token or an access key stands for in `directory`, the accounts of that moment. At most one
    of `project` and `domain` is there. `roles` hold what they imply; in a domain a user is a reader, without
    either nothing. `access_rules`: the requests it is good for, None: all."""

    directory: Directory
    user: User
    project: Project | None = None
    domain: Domain | None = None
    roles: tuple[Role, ...] = ()
    access_rules: tuple[UserAccessRule, ...] | None = None

    @property
    def is_admin(self) -> bool:
        return Role.ADMIN in self.roles


class TokenSession(Session, frozen=True, kw_only=True):
    """That of a token. Only such a session can change anything in the accounts: a signature is good for
    as long as it is fresh, and nobody can end it."""

    claims: Claims


def make_key_session(directory: Directory, key: AccessKey, signature: Signature) -> Session:
    """The session of the key that made the (verified) signature: its user's roles in the project that the
    request names, else in the key's own. UnauthenticatedError for a domain or a project in which the
    key may not act."""
    user = directory.users[key.user_id]
    if signature.domain_id not in (None, user.domain_id):
        raise UnauthenticatedError("The access key may not act in this domain.")
    project_id = key.project_id if signature.project_id is None else signature.project_id
    roles = directory.list_roles(user.id, project_id)
    if not roles:
        raise UnauthenticatedError("The access key may not act in this project.")
    return Session(directory=directory, user=user, project=directory.projects[project_id], roles=roles)


def make_token_session(directory: Directory, claims: Claims) -> TokenSession:
    """What the claims are worth in these accounts; UnauthenticatedError if nothing any more."""
    user = directory.users.get(claims.user_id)
    if user is None or mark_password(user.password_hash) != claims.password_mark:
        raise UnauthenticatedError(INVALID)
    if claims.domain_id is not None:
        domain = _find_own_domain(directory, user, DomainReference(id=claims.domain_id))
        if domain is None:
            raise UnauthenticatedError(INVALID)
        return TokenSession(
            directory=directory, claims=claims, user=user, domain=domain, roles=_ROLES_IN_DOMAIN
        )
    if claims.project_id is None:
        return TokenSession(directory=directory, claims=claims, user=user)
    project = directory.projects.get(claims.project_id)
    roles = _find_roles(directory, claims, claims.project_id)
    if project is None or not roles:
        raise UnauthenticatedError(INVALID)
    credential = directory.credentials.get(claims.credential_id or "")
    rules = directory.find_access_rules(credential) if credential else None
    return TokenSession(
        directory=directory, claims=claims, user=user, project=project, roles=roles, access_rules=rules
    )


def _find_roles(directory: Directory, claims: Claims, project_id: str) -> tuple[Role, ...]:
    roles = directory.list_roles(claims.user_id, project_id)
    if claims.credential_id is None:
        return roles
    credential = directory.credentials.get(claims.credential_id)
    if credential is None:
        return ()
    return tuple(role for role in imply_roles(credential.roles) if role in roles)


def resolve_scope(directory: Directory, user: User, scope: Scope, region: str | None) -> Place:
    """UnauthenticatedError for a project that is unknown, or in which the user has no role, and for a domain
    other than the user's. `region`: the name by which clients of Huawei Cloud name the user's default
    project, None: none."""
    if scope.is_unscoped:
        return None
    if scope.domain is not None:
        place: Place = _find_own_domain(directory, user, scope.domain)
    elif scope.project is not None:
        project = directory.find_project(scope.project)
        if project is None:
            project = _find_region_project(directory, user, scope.project, region)
        # One that exists is meant: a user who lost its roles there must not write elsewhere unawares.
        place = project if project is not None and directory.list_roles(user.id, project.id) else None
    else:
        # Keystone too gives a token without a project when the user has lost the default one.
        return _find_default_project(directory, user)
    if place is None:
        raise UnauthenticatedError(REFUSED)
    return place


def _find_own_domain(directory: Directory, user: User, named: DomainReference) -> Domain | None:
    """The user's domain, if that is the one named. There are no roles in domains here: whose domain it is
    may look around in it, and do nothing more."""
    own = directory.domains[user.domain_id]
    return own if named.id in (None, own.id) and named.name in (None, own.name) else None


def _find_region_project(
    directory: Directory, user: User, named: Reference, region: str | None
) -> Project | None:
    """The default project where `named` has the region's name and the project's domain."""
    default = _find_default_project(directory, user)
    if default is None or region is None or named.id is not None or named.name != region:
        return None
    domain = directory.find_domain(named.domain_id, named.domain_name)
    return default if domain is not None and domain.id == default.domain_id else None


def _find_default_project(directory: Directory, user: User) -> Project | None:
    """None if there is none, or the user has lost its roles there."""
    project_id = user.default_project_id
    if project_id is None or not directory.list_roles(user.id, project_id):
        return None
    return directory.projects[project_id]


def require_unrestricted(directory: Directory, session: TokenSession) -> None:
    """A program's credential must not be able to make itself immortal by making another."""
    credential_id = session.claims.credential_id
    if credential_id is None:
        return
    credential = directory.credentials.get(credential_id)
    if credential is None or not credential.unrestricted:
        raise ForbiddenError("This application credential may not manage application credentials.")
