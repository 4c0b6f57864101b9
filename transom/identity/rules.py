"""Who may see and change accounts by the built-in identity's API. One function an action, pure.

They judge the session of an account, which works without a project too; `*/rules.py` of images and sharing
judge callers, of whichever identity.
"""

from collections.abc import Iterable

from transom.domain.errors import ForbiddenError, NotFoundError
from transom.identity.directory import Role, User
from transom.identity.sessions import Session, TokenSession


def absent(what: str, own_id: str) -> NotFoundError:
    """As Keystone says it, of what is hidden as well."""
    return NotFoundError(f"Could not find {what}: {own_id}.")


def hold_token(session: Session) -> TokenSession:
    """The session if it is that of a token. ForbiddenError for a signed request."""
    if not isinstance(session, TokenSession):
        raise ForbiddenError("A signed request may only look around here: this takes a token.")
    return session


def act_on_token(session: Session, subject: Session, *, revokes: bool) -> None:
    """May the holder of one token look at another, or revoke it? A service may look at any."""
    is_service = Role.SERVICE in session.roles and not revokes
    if subject.user.id != session.user.id and not session.is_admin and not is_service:
        raise ForbiddenError("You are not authorized to perform the requested action on this token.")


def see_user(session: Session, user_id: str) -> None:
    """May it see, or act for, this user? Others look absent, so that nobody can try out ids or names."""
    if not session.is_admin:
        act_for_oneself(session, user_id)


def act_for_oneself(session: Session, user_id: str) -> None:
    """What not even an admin does for others."""
    if user_id != session.user.id:
        raise absent("user", user_id)


def list_users(session: Session) -> Iterable[User]:
    """The users that it sees."""
    return session.directory.users.values() if session.is_admin else [session.user]


def lists_every_project(session: Session, name: str | None) -> bool:
    """Whether a list may name projects that its user is not in. By its exact name (None: no name is given)
    anybody finds a project, because sharing an image by name needs that."""
    return name is not None or session.is_admin


def list_role_assignments(session: Session) -> None:
    if not session.is_admin:
        raise ForbiddenError(
            "You are not authorized to perform the requested action: the role admin is needed."
        )
