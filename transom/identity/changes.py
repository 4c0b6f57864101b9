"""How accounts change: functions from an `Accounts` to a new one. Pure; `AccountsFile.change` applies them.

They raise ConflictError for what exists already and NotFoundError for what does not, so that whoever changes
the file decides on what is in it at that moment, not on what was read before.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from transom.domain.errors import ConflictError, ForbiddenError, NotFoundError
from transom.identity.directory import (
    AccessKey,
    Accounts,
    ApplicationCredential,
    Grant,
    Project,
    Role,
    User,
    UserAccessRule,
)

#: A user can make these alone, and each makes the file longer that every login reads.
CREDENTIALS_PER_USER = 100
#: They outlive the credentials they were made for, as in Keystone.
ACCESS_RULES_PER_USER = 200
#: Each request with a token of the credential is compared with all of them.
ACCESS_RULES_PER_CREDENTIAL = 40


def add_project(accounts: Accounts, project: Project) -> Accounts:
    if any(_is_same_name(project, existing) for existing in accounts.projects):
        raise ConflictError(f"There is a project {project.name!r} already.")
    return replace(accounts, projects=(*accounts.projects, project))


def add_user(accounts: Accounts, user: User) -> Accounts:
    if any(_is_same_name(user, existing) for existing in accounts.users):
        raise ConflictError(f"There is a user {user.name!r} already.")
    return replace(accounts, users=(*accounts.users, user))


def remove_user(accounts: Accounts, user_id: str) -> Accounts:
    """Without the user and all that is the user's. Its projects stay: they own images."""
    if all(user.id != user_id for user in accounts.users):
        raise NotFoundError(f"There is no user {user_id!r}.")
    accounts = remove_secrets(accounts, user_id)
    return replace(
        accounts,
        users=tuple(user for user in accounts.users if user.id != user_id),
        grants=tuple(grant for grant in accounts.grants if grant.user_id != user_id),
        access_rules=tuple(rule for rule in accounts.access_rules if rule.user_id != user_id),
    )


def set_password(
    accounts: Accounts, user_id: str, password_hash: str, *, instead_of: str | None = None
) -> Accounts:
    """`instead_of`: the hash that must still be there, ConflictError if not; None: whatever it is."""
    user = next((user for user in accounts.users if user.id == user_id), None)
    if user is None:
        raise NotFoundError(f"There is no user {user_id!r}.")
    if instead_of is not None and user.password_hash != instead_of:
        raise ConflictError("The password was changed by somebody else just now.")
    changed = replace(user, password_hash=password_hash)
    return replace(
        accounts,
        users=tuple(changed if existing.id == user_id else existing for existing in accounts.users),
    )


def grant_roles(accounts: Accounts, user_id: str, project_id: str, roles: Iterable[Role]) -> Accounts:
    """With these roles beside those the user has in the project."""
    held = {*_roles_of(accounts, user_id, project_id), *roles}
    return _with_roles(accounts, user_id, project_id, held)


def revoke_roles(accounts: Accounts, user_id: str, project_id: str, roles: Iterable[Role]) -> Accounts:
    """Without these roles; NotFoundError for one the user does not have in the project.

    With the last role the user's access keys and application credentials of the project go too, as they do
    in Keystone: otherwise a later grant would give life to secrets that were thought dead.
    """
    held = set(_roles_of(accounts, user_id, project_id))
    revoked = set(roles)
    for role in Role:
        if role in revoked - held:
            raise NotFoundError(f"The user does not have the role {str(role)!r} in the project.")
    accounts = _with_roles(accounts, user_id, project_id, held - revoked)
    return accounts if held - revoked else _without_secrets(accounts, user_id, project_id)


def add_access_key(accounts: Accounts, key: AccessKey) -> Accounts:
    return replace(accounts, access_keys=(*accounts.access_keys, key))


def remove_access_key(accounts: Accounts, access: str) -> Accounts:
    kept = tuple(key for key in accounts.access_keys if key.access != access)
    if len(kept) == len(accounts.access_keys):
        raise NotFoundError(f"There is no access key {access!r}.")
    return replace(accounts, access_keys=kept)


def remove_secrets(accounts: Accounts, user_id: str) -> Accounts:
    """Without all that the user's programs log in by: access keys and application credentials."""
    return replace(
        accounts,
        access_keys=tuple(key for key in accounts.access_keys if key.user_id != user_id),
        application_credentials=tuple(
            found for found in accounts.application_credentials if found.user_id != user_id
        ),
    )


def add_credential(
    accounts: Accounts, credential: ApplicationCredential, rules: Sequence[UserAccessRule | str] = ()
) -> Accounts:
    """With the credential, limited to these access rules, if any: new ones, or the ids of rules that its user
    has. A new rule that says what an old one says is that one."""
    own = [found for found in accounts.application_credentials if found.user_id == credential.user_id]
    if any(found.name == credential.name for found in own):
        raise ConflictError(f"There is an application credential {credential.name!r} already.")
    if len(own) >= CREDENTIALS_PER_USER:
        raise ForbiddenError(f"A user may have {CREDENTIALS_PER_USER} application credentials, not more.")
    if not _roles_of(accounts, credential.user_id, credential.project_id):
        raise ForbiddenError("The user has no role in the project any more.")
    if len(rules) > ACCESS_RULES_PER_CREDENTIAL:
        raise ForbiddenError(
            f"An application credential may have {ACCESS_RULES_PER_CREDENTIAL} access rules, not more."
        )
    for rule in rules:
        accounts, rule_id = _with_rule(accounts, credential.user_id, rule)
        if rule_id not in credential.access_rules:
            credential = replace(credential, access_rules=(*credential.access_rules, rule_id))
    return replace(accounts, application_credentials=(*accounts.application_credentials, credential))


def _with_rule(accounts: Accounts, user_id: str, rule: UserAccessRule | str) -> tuple[Accounts, str]:
    """(the accounts with the rule among those of the user, its id there)"""
    own = [found for found in accounts.access_rules if found.user_id == user_id]
    if isinstance(rule, str):
        if all(found.id != rule for found in own):
            raise NotFoundError(f"Could not find access rule: {rule}.")
        return accounts, rule
    for found in own:
        if (found.service, found.method, found.path) == (rule.service, rule.method, rule.path):
            return accounts, found.id
    if len(own) >= ACCESS_RULES_PER_USER:
        raise ForbiddenError(f"A user may have {ACCESS_RULES_PER_USER} access rules, not more.")
    return replace(accounts, access_rules=(*accounts.access_rules, rule)), rule.id


def remove_access_rule(accounts: Accounts, user_id: str, rule_id: str) -> Accounts:
    """ForbiddenError for one that an application credential refers to, as in Keystone."""
    kept = tuple(rule for rule in accounts.access_rules if (rule.id, rule.user_id) != (rule_id, user_id))
    if len(kept) == len(accounts.access_rules):
        raise NotFoundError(f"Could not find access rule: {rule_id}.")
    if any(rule_id in credential.access_rules for credential in accounts.application_credentials):
        raise ForbiddenError("An application credential uses this access rule. Delete the credential first.")
    return replace(accounts, access_rules=kept)


def remove_credential(accounts: Accounts, user_id: str, credential_id: str) -> Accounts:
    kept = tuple(
        found
        for found in accounts.application_credentials
        if (found.id, found.user_id) != (credential_id, user_id)
    )
    if len(kept) == len(accounts.application_credentials):
        raise NotFoundError(f"Could not find application credential: {credential_id}.")
    return replace(accounts, application_credentials=kept)


def _is_same_name(one: User | Project, other: User | Project) -> bool:
    return (one.domain_id, one.name) == (other.domain_id, other.name)


def _roles_of(accounts: Accounts, user_id: str, project_id: str) -> tuple[Role, ...]:
    for grant in accounts.grants:
        if (grant.user_id, grant.project_id) == (user_id, project_id):
            return grant.roles
    return ()


def _with_roles(accounts: Accounts, user_id: str, project_id: str, roles: set[Role]) -> Accounts:
    grants = [
        grant for grant in accounts.grants if (grant.user_id, grant.project_id) != (user_id, project_id)
    ]
    if roles:
        ordered = tuple(role for role in Role if role in roles)
        grants.append(Grant(user_id=user_id, project_id=project_id, roles=ordered))
    return replace(accounts, grants=tuple(grants))


def _without_secrets(accounts: Accounts, user_id: str, project_id: str) -> Accounts:
    return replace(
        accounts,
        access_keys=tuple(
            key for key in accounts.access_keys if (key.user_id, key.project_id) != (user_id, project_id)
        ),
        application_credentials=tuple(
            found
            for found in accounts.application_credentials
            if (found.user_id, found.project_id) != (user_id, project_id)
        ),
    )
