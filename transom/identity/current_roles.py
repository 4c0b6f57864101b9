"""The roles, keys and names that the built-in identity has now, for work that goes on without tokens."""

from pathlib import Path

from transom.domain.errors import UnavailableError
from transom.domain.recipients import MemberType
from transom.identity import Names
from transom.identity.account_names import names_in, user_names_in
from transom.identity.accounts import AccountsFile
from transom.identity.directory import AccessKey, AccountsError, Directory
from transom.threads import Threads


class CurrentRoles:
    """Read in a thread from the accounts file, at the cost of one `stat` when that has not changed. Fills the
    protocol `NameSource`."""

    def __init__(self, data_dir: Path) -> None:
        self._accounts = AccountsFile(data_dir)
        self._threads = Threads("current roles", 1)

    @property
    def is_known(self) -> bool:
        """Whether this machine has the accounts."""
        return self._accounts.path.exists()

    async def roles_of(self, user_id: str, project_id: str | None) -> frozenset[str]:
        """The roles in the project with those they imply; empty for a user or a project that is gone.
        UnavailableError when the file cannot be read."""
        return frozenset(map(str, (await self._read()).list_roles(user_id, project_id or "")))

    async def find_key(self, user_id: str, project_id: str | None) -> AccessKey | None:
        """The user's oldest key pair in the project, None without any. UnavailableError as `roles_of`."""
        keys = (await self._read()).access_keys.values()
        return next((key for key in keys if (key.user_id, key.project_id) == (user_id, project_id)), None)

    async def find_names(self, kind: MemberType, own_id: str) -> Names | None:
        """See `NameSource`. UnavailableError as `roles_of`."""
        return names_in(await self._read(), kind, own_id)

    async def find_user_names(self, user_id: str) -> Names | None:
        """See `NameSource`. UnavailableError as `roles_of`."""
        return user_names_in(await self._read(), user_id)

    async def _read(self) -> Directory:
        try:
            return await self._threads.run(self._accounts.read)
        except AccountsError as error:
            raise UnavailableError(f"Who may do what cannot be found out: {error}") from None
