"""Of which account a login is an attempt, by which turns and failures are counted. Pure."""

from transom.domain.addresses import group_address
from transom.identity.directory import Directory, Reference
from transom.identity.logins import Attempt, mark_account


def attempt_at(client: str, account: bytes) -> Attempt:
    return Attempt(group_address(client), account)


def mark_user(directory: Directory, who: Reference) -> bytes:
    """One mark for a user however the client spells it: failures are counted by it. What stands beside an id
    is not looked at. Alike for users that do not exist."""
    if who.id is not None:
        return mark_account("user", who.id)
    domain = directory.find_domain(who.domain_id, who.domain_name)
    return mark_account("user", who.name, domain.id if domain else (who.domain_id, who.domain_name))


def mark_credential(
    directory: Directory, credential_id: str | None, name: str | None, owner: Reference | None
) -> bytes:
    if credential_id is not None:
        return mark_account("credential", credential_id)
    return mark_account("credential", name, mark_user(directory, owner) if owner else None)
