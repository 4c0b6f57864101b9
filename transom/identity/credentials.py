"""Application credentials: what is asked for when one is made, what limits its maker, and which one is meant.

Pure but for the clock. `builtin.py` makes and uses them, `changes.py` puts them into the accounts.
"""

import time
import uuid
from collections.abc import Sequence
from datetime import datetime

import msgspec

from transom.domain.errors import ForbiddenError
from transom.identity.access_rules import AccessRule
from transom.identity.directory import ApplicationCredential, Directory, Reference, Role, UserAccessRule


class CredentialDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An application credential as its owner asks for it. `secret` None: make one. `roles` empty: all that
    the session has. `expires_at` None: never. `access_rules`: rules, or ids of rules that the owner has; if
    empty, only the roles limit it."""

    name: str
    secret: str | None = None
    description: str = ""
    roles: tuple[Role, ...] = ()
    expires_at: datetime | None = None
    unrestricted: bool = False
    access_rules: tuple[AccessRule | str, ...] = ()


def find_credential(
    directory: Directory, credential_id: str | None, name: str | None, owner: Reference | None
) -> ApplicationCredential | None:
    if credential_id is not None:
        return directory.credentials.get(credential_id)
    user = directory.find_user(owner) if owner else None
    return directory.find_credential(user.id, name) if user and name is not None else None


def has_expired(credential: ApplicationCredential) -> bool:
    return credential.expires_at is not None and credential.expires_at.timestamp() <= time.time()


def require_own_rules(own: Sequence[UserAccessRule] | None, rules: Sequence[AccessRule | str]) -> None:
    """`own`: the rules that limit the maker, None: there are none. ForbiddenError unless `rules` are some of
    them: otherwise a credential that is limited by rules could make one that is not."""
    if own is None:
        return
    known = {rule.id for rule in own}
    known_rules = {(rule.service, rule.method, rule.path) for rule in own}
    is_own = [
        rule in known if isinstance(rule, str) else (rule.service, rule.method, rule.path) in known_rules
        for rule in rules
    ]
    if not is_own or not all(is_own):
        raise ForbiddenError("An application credential cannot have access rules that its maker lacks.")


def add_owner(rule: AccessRule | str, user_id: str) -> UserAccessRule | str:
    if isinstance(rule, str):
        return rule
    return UserAccessRule(
        id=uuid.uuid4().hex, user_id=user_id, service=rule.service, method=rule.method, path=rule.path
    )
