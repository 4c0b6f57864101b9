"""The roles that users of the built-in identity have now, for work that goes on without their tokens."""

from pathlib import Path

from transom.domain.errors import UnavailableError
from transom.identity.accounts import AccountsFile
from transom.identity.directory import AccountsError


class CurrentRoles:
    """Read from the accounts file, at the cost of one `stat` when that has not changed."""

    def __init__(self, data_dir: Path) -> None:
        self._accounts = AccountsFile(data_dir)

    @property
    def is_known(self) -> bool:
        """Whether this machine has the accounts."""
        return self._accounts.path.exists()

    def roles_of(self, user_id: str, project_id: str | None) -> frozenset[str]:
        """The roles in the project with those they imply; empty for a user or a project that is gone.
        UnavailableError when the file cannot be read."""
        try:
            directory = self._accounts.read()
        except AccountsError as error:
            raise UnavailableError(f"Who may do what cannot be found out: {error}") from None
        return frozenset(map(str, directory.list_roles(user_id, project_id or "")))
