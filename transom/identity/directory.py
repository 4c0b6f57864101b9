"""Who exists and what they may do: the records of the accounts file, and look-ups in them.

Pure: no files, no clock, no secrets made here. `Directory` is an index over one `Accounts`; `changes.py`
makes a new one. Start reading at `Accounts`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

from transom.domain.errors import NotFoundError
from transom.identity.access_rules import AccessRule

DEFAULT_DOMAIN_ID = "default"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Role(StrEnum):
    """What a user may be in a project. From most to least, then `service`, which stands apart."""

    ADMIN = "admin"
    MANAGER = "manager"
    MEMBER = "member"
    READER = "reader"
    SERVICE = "service"


_IMPLIES: dict[Role, Role] = {
    Role.ADMIN: Role.MANAGER,
    Role.MANAGER: Role.MEMBER,
    Role.MEMBER: Role.READER,
}


class AccountsError(Exception):
    """The accounts cannot be read: a file is missing or malformed. The text names the place."""


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Domain(_Record, frozen=True, kw_only=True):
    id: Name
    name: Name


class Project(_Record, frozen=True, kw_only=True):
    id: Name
    name: Name
    domain_id: str = DEFAULT_DOMAIN_ID
    description: str = ""


class User(_Record, frozen=True, kw_only=True):
    """`password_hash` is in argon2's own text form. `default_project_id`: the scope of a login that asks
    for none; None leaves such a login without a project."""

    id: Name
    name: Name
    password_hash: str
    domain_id: str = DEFAULT_DOMAIN_ID
    default_project_id: str | None = None


class Grant(_Record, frozen=True, kw_only=True):
    """The roles one user has in one project, without those they imply."""

    user_id: str
    project_id: str
    roles: Annotated[tuple[Role, ...], msgspec.Meta(min_length=1)]


class AccessKey(_Record, frozen=True, kw_only=True):
    """A key pair for signed requests. The secret is in clear: checking a signature needs it."""

    access: Name
    secret: Name
    user_id: str
    project_id: str


class UserAccessRule(AccessRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An access rule that a user has made; its application credentials refer to it by `id`."""

    id: Name
    user_id: str


class ApplicationCredential(_Record, frozen=True, kw_only=True):
    """A user's own secret for programs, in one project. `expires_at` None: never. `access_rules`: ids of the
    rules that limit its tokens; without any, only its roles do."""

    id: Name
    name: Name
    user_id: str
    project_id: str
    roles: tuple[Role, ...]
    secret_hash: str
    description: str = ""
    expires_at: Moment | None = None
    unrestricted: bool = False
    access_rules: tuple[str, ...] = ()


class Accounts(_Record, frozen=True, kw_only=True):
    """Everything in the accounts file."""

    domains: tuple[Domain, ...] = ()
    projects: tuple[Project, ...] = ()
    users: tuple[User, ...] = ()
    grants: tuple[Grant, ...] = ()
    access_keys: tuple[AccessKey, ...] = ()
    access_rules: tuple[UserAccessRule, ...] = ()
    application_credentials: tuple[ApplicationCredential, ...] = ()


_Identified = TypeVar("_Identified", Domain, Project, User, UserAccessRule, ApplicationCredential)


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """How a client names a user or a project: by id, or by name in a domain (the default one if unsaid)."""

    id: str | None = None
    name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None


class DomainReference(msgspec.Struct, frozen=True, kw_only=True):
    """How a client names a domain: by id, by name, or by both, which must agree."""

    id: str | None = None
    name: str | None = None


def imply_roles(roles: Iterable[Role]) -> tuple[Role, ...]:
    """The roles with all that they imply (admin ⊃ manager ⊃ member ⊃ reader), in the order of `Role`."""
    held = set()
    for role in roles:
        implied: Role | None = role
        while implied is not None:
            held.add(implied)
            implied = _IMPLIES.get(implied)
    return tuple(role for role in Role if role in held)


class Directory:
    """An index over one `Accounts`, never changed. AccountsError if its records contradict each other."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self.domains = _index(accounts.domains, "domains")
        self.projects = _index(accounts.projects, "projects")
        self.users = _index(accounts.users, "users")
        self.access_rules = _index(accounts.access_rules, "access_rules")
        self.credentials = _index(accounts.application_credentials, "application_credentials")
        self.access_keys = {key.access: key for key in accounts.access_keys}
        _check_references(self)
        _check_access_rules(self)
        self._project_ids = _index_names(accounts.projects, "projects")
        self._user_ids = _index_names(accounts.users, "users")
        self._roles = {(grant.user_id, grant.project_id): grant.roles for grant in accounts.grants}
        if len(self._roles) < len(accounts.grants):
            raise AccountsError("grants: two of them are for the same user and project")

    def find_user(self, who: Reference) -> User | None:
        return self.users.get(self._find_id(who, self._user_ids) or "")

    def find_project(self, which: Reference) -> Project | None:
        return self.projects.get(self._find_id(which, self._project_ids) or "")

    def find_domain(self, domain_id: str | None, name: str | None) -> Domain | None:
        """By id, else by name; the default one when neither is said."""
        if domain_id is None and name is not None:
            return next((domain for domain in self.domains.values() if domain.name == name), None)
        return self.domains.get(domain_id or DEFAULT_DOMAIN_ID)

    def find_credential(self, user_id: str, name: str) -> ApplicationCredential | None:
        return next((found for found in self.list_credentials(user_id) if found.name == name), None)

    def get_user(self, name: str) -> User:
        """The user of this name in the default domain; NotFoundError if there is none."""
        user = self.find_user(Reference(name=name))
        if user is None:
            raise NotFoundError(f"There is no user {name!r}.")
        return user

    def get_project(self, name: str) -> Project:
        """The project of this name in the default domain; NotFoundError if there is none."""
        project = self.find_project(Reference(name=name))
        if project is None:
            raise NotFoundError(f"There is no project {name!r}.")
        return project

    def list_projects(self, user_id: str) -> list[Project]:
        """The projects in which the user has a role."""
        return [self.projects[grant.project_id] for grant in self.accounts.grants if grant.user_id == user_id]

    def list_credentials(self, user_id: str) -> list[ApplicationCredential]:
        return [found for found in self.credentials.values() if found.user_id == user_id]

    def list_access_rules(self, user_id: str) -> list[UserAccessRule]:
        return [rule for rule in self.access_rules.values() if rule.user_id == user_id]

    def find_access_rules(self, credential: ApplicationCredential) -> tuple[UserAccessRule, ...] | None:
        """Those that limit the credential; None if nothing but its roles does."""
        if not credential.access_rules:
            return None
        found = map(self.access_rules.get, credential.access_rules)
        return tuple(rule for rule in found if rule is not None)

    def list_roles(self, user_id: str, project_id: str) -> tuple[Role, ...]:
        """The user's roles in the project with those they imply; empty without a grant."""
        return imply_roles(self._roles.get((user_id, project_id), ()))

    def _find_id(self, reference: Reference, ids: dict[tuple[str, str], str]) -> str | None:
        if reference.id is not None:
            return reference.id
        domain = self.find_domain(reference.domain_id, reference.domain_name)
        if domain is None or reference.name is None:
            return None
        return ids.get((domain.id, reference.name))


def _index(records: tuple[_Identified, ...], place: str) -> dict[str, _Identified]:
    found: dict[str, _Identified] = {}
    for position, record in enumerate(records):
        if record.id in found:
            raise AccountsError(f"{place}[{position}].id: {record.id!r} is there twice")
        found[record.id] = record
    return found


def _index_names(records: tuple[User | Project, ...], place: str) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for position, record in enumerate(records):
        key = (record.domain_id, record.name)
        if key in found:
            raise AccountsError(f"{place}[{position}].name: {record.name!r} is there twice in its domain")
        found[key] = record.id
    return found


def _check_references(directory: Directory) -> None:
    """Every id that a record names must exist: a dangling one would mean somebody else some day."""
    accounts = directory.accounts
    groups: tuple[tuple[str, tuple[msgspec.Struct, ...]], ...] = (
        ("projects", accounts.projects),
        ("users", accounts.users),
        ("grants", accounts.grants),
        ("access_keys", accounts.access_keys),
        ("access_rules", accounts.access_rules),
        ("application_credentials", accounts.application_credentials),
    )
    known: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("domain_id", directory.domains),
        ("user_id", directory.users),
        ("project_id", directory.projects),
        ("default_project_id", directory.projects),
    )
    for place, records in groups:
        for position, record in enumerate(records):
            for field, ids in known:
                named = getattr(record, field, None)
                if named is not None and named not in ids:
                    raise AccountsError(f"{place}[{position}].{field}: there is no {named!r}")


def _check_access_rules(directory: Directory) -> None:
    for position, credential in enumerate(directory.accounts.application_credentials):
        for rule_id in credential.access_rules:
            rule = directory.access_rules.get(rule_id)
            if rule is None or rule.user_id != credential.user_id:
                place = f"application_credentials[{position}].access_rules"
                raise AccountsError(f"{place}: its user has no access rule {rule_id!r}")


#: What is known before a file was read.
NOBODY = Directory(Accounts())
