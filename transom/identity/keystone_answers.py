"""What Keystone v3 answers with, as far as the service reads it (Identity API v3)."""

from datetime import datetime
from typing import Any

import msgspec

from transom.identity.access_rules import AccessRule
from transom.identity.keystone_records import FoundDomain, FoundProject, FoundUser


class _Domain(msgspec.Struct, frozen=True):
    #: None for that of a project which is a domain itself.
    id: str | None


class _User(msgspec.Struct, frozen=True):
    id: str
    domain: _Domain | None = None


class _Project(msgspec.Struct, frozen=True):
    id: str
    domain: _Domain | None = None


class _Role(msgspec.Struct, frozen=True):
    name: str


class _ApplicationCredential(msgspec.Struct, frozen=True):
    access_rules: tuple[AccessRule, ...] | None = None


class TokenBody(msgspec.Struct, frozen=True):
    """What Keystone says of a token (Identity API v3, "Validate and show information for token")."""

    user: _User
    issued_at: datetime
    expires_at: datetime
    project: _Project | None = None
    system: dict[str, Any] | None = None
    roles: tuple[_Role, ...] = ()
    application_credential: _ApplicationCredential | None = None

    @property
    def life_s(self) -> float:
        """From issue to expiry, by Keystone's clock alone."""
        return (self.expires_at - self.issued_at).total_seconds()


class TokenAnswer(msgspec.Struct, frozen=True):
    token: TokenBody


class _Credential(msgspec.Struct, frozen=True):
    type: str
    blob: str


class CredentialAnswer(msgspec.Struct, frozen=True):
    credential: _Credential


class ProjectAnswer(msgspec.Struct, frozen=True):
    project: FoundProject


class DomainAnswer(msgspec.Struct, frozen=True):
    domain: FoundDomain


class UserAnswer(msgspec.Struct, frozen=True):
    user: FoundUser
