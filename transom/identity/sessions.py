"""What a login asks for, and what it is worth in the accounts of a moment.

Pure: look-ups in a `Directory`, no files, no clock, no secrets. `builtin.py` finds out who asks; this module
says where they are and what they may do there. Start reading at `Session`.
"""

import msgspec

from transom.domain.errors import ForbiddenError, UnauthenticatedError
from transom.identity.directory import (
    Directory,
    Project,
    Reference,
    Role,
    User,
    UserAccessRule,
    imply_roles,
)
from transom.identity.passwords import REFUSED
from transom.identity.tokens import INVALID, Claims, mark_password


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a login asks for: a project; expressly none; or neither: the user's default project."""

    project: Reference | None = None
    is_unscoped: bool = False


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid token stands for in `directory`, the accounts of that moment. `roles` hold what they
    imply; without a project there are none. `access_rules`: the requests the token is good for, None: all."""

    directory: Directory
    claims: Claims
    user: User
    project: Project | None
    roles: tuple[Role, ...]
    access_rules: tuple[UserAccessRule, ...] | None = None

    @property
    def is_admin(self) -> bool:
        return Role.ADMIN in self.roles


def make_session(directory: Directory, claims: Claims) -> Session:
    """What the claims are worth in these accounts; UnauthenticatedError if nothing any more."""
    user = directory.users.get(claims.user_id)
    if user is None or mark_password(user.password_hash) != claims.password_mark:
        raise UnauthenticatedError(INVALID)
    if claims.project_id is None:
        return Session(directory=directory, claims=claims, user=user, project=None, roles=())
    project = directory.projects.get(claims.project_id)
    roles = _find_roles(directory, claims, claims.project_id)
    if project is None or not roles:
        raise UnauthenticatedError(INVALID)
    credential = directory.credentials.get(claims.credential_id or "")
    rules = directory.find_access_rules(credential) if credential else None
    return Session(
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


def resolve_scope(directory: Directory, user: User, scope: Scope) -> Project | None:
    """UnauthenticatedError for a project that is unknown, or in which the user has no role."""
    if scope.project is not None:
        project = directory.find_project(scope.project)
        if project is None or not directory.list_roles(user.id, project.id):
            raise UnauthenticatedError(REFUSED)
        return project
    if scope.is_unscoped or user.default_project_id is None:
        return None
    # Keystone too gives a token without a project when the user has lost the default one.
    has_roles = directory.list_roles(user.id, user.default_project_id)
    return directory.projects[user.default_project_id] if has_roles else None


def require_unrestricted(directory: Directory, session: Session) -> None:
    """A program's credential must not be able to make itself immortal by making another."""
    credential_id = session.claims.credential_id
    if credential_id is None:
        return
    credential = directory.credentials.get(credential_id)
    if credential is None or not credential.unrestricted:
        raise ForbiddenError("This application credential may not manage application credentials.")
