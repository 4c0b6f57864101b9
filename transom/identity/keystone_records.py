"""What is looked at of projects, domains and users that Keystone has (Identity API v3)."""

import msgspec


class FoundProject(msgspec.Struct, frozen=True):
    """As much of a project as is looked at here."""

    id: str
    name: str
    domain_id: str | None = None
    #: Keystone keeps domains among the projects. They are none that a token could be for.
    is_domain: bool = False


class FoundDomain(msgspec.Struct, frozen=True):
    """As much of a domain as is looked at here."""

    id: str
    name: str


class FoundUser(msgspec.Struct, frozen=True):
    """As much of a user as is looked at here."""

    id: str
    name: str
    domain_id: str | None = None
