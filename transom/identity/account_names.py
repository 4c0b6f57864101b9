"""What people call those whom the accounts file has."""

from transom.domain.recipients import MemberType
from transom.identity import Names
from transom.identity.directory import Directory


def names_in(directory: Directory, kind: MemberType, own_id: str) -> Names | None:
    """The names of a project or a domain; None when there is none of this id."""
    if kind is MemberType.DOMAIN:
        found = directory.domains.get(own_id)
        return Names(name=found.name) if found is not None else None
    project = directory.projects.get(own_id)
    return _with_domain(directory, project.name, project.domain_id) if project is not None else None


def user_names_in(directory: Directory, user_id: str) -> Names | None:
    """The names of a user; None when there is none of this id."""
    user = directory.users.get(user_id)
    return _with_domain(directory, user.name, user.domain_id) if user is not None else None


def _with_domain(directory: Directory, name: str, domain_id: str) -> Names:
    return Names(name=name, domain_id=domain_id, domain_name=directory.domains[domain_id].name)
