"""The accounts file, DATA/identity/accounts.yaml: read, changed, and made at the first start.

One YAML file that people can read and edit; the service and `transom accounts` may write it at the same time.
Start reading at `AccountsFile`; what is in the file is in `directory.py`.
"""

import os
import secrets
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import yaml

from transom.domain.errors import InvalidError
from transom.identity.changes import add_access_key, add_project, add_user, grant_roles
from transom.identity.clouds import Cloud, write_clouds
from transom.identity.directory import (
    DEFAULT_DOMAIN_ID,
    AccessKey,
    Accounts,
    AccountsError,
    Directory,
    Domain,
    Project,
    Role,
    User,
)
from transom.identity.durable import WatchedFile, lock_folder, replace_file
from transom.identity.passwords import hash_password, make_password

#: (user and project, role) of the accounts that the first start makes.
FIRST_ACCOUNTS = (
    ("admin", Role.ADMIN),
    ("publisher", Role.MEMBER),
    ("recipient", Role.MEMBER),
    ("other", Role.MEMBER),
)

_HEADER = """\
# Accounts of the built-in identity. Change them with `transom accounts`, or here: a running service sees it.
# Save a whole new file (as most editors do); comments are lost when a program writes.
"""

# libyaml reads a thousand users in 0.1 s, the parser in Python takes 0.5 s.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def identity_folder(data_dir: Path) -> Path:
    return data_dir / "identity"


class AccountsFile:
    """The accounts as they are in the file now, at the cost of one `stat` when nothing has changed."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = identity_folder(data_dir)
        self.path = self._folder / "accounts.yaml"
        self._file = WatchedFile(self.path)
        self._found: Directory | AccountsError = AccountsError(f"{self.path} was not read yet")

    def read(self) -> Directory:
        """The same object as last time unless the file changed. Raises AccountsError when it is missing or
        malformed: an old answer would hide that somebody was removed."""
        try:
            content = self._file.read_if_changed()
        except OSError as error:
            raise self._unreadable(error) from None
        if content is not None:
            self._found = self._parse(content)
        if isinstance(self._found, AccountsError):
            raise AccountsError(str(self._found))
        return self._found

    def change(self, change: Callable[[Accounts], Accounts]) -> Directory:
        """Apply a change to what is in the file, durably, with no other writer in between.

        May wait for a lock and for the disk. Raises AccountsError, InvalidError for a value that the file may
        not hold, and what `change` raises; then the file is as it was.
        """
        # Before the lock, which would make the folder: a mistyped path must leave nothing behind.
        self._load()
        with lock_folder(self._folder):
            # Not from `read`: this may run in a thread, and only one thread may use the cached answer.
            accounts = change(self._load().accounts)
            directory, content = Directory(accounts), _dump(accounts)
            replace_file(self.path, content)
        return directory

    def _load(self) -> Directory:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from None
        found = self._parse(content)
        if isinstance(found, AccountsError):
            raise found
        return found

    def _unreadable(self, error: OSError) -> AccountsError:
        hint = " (the first `transom serve` makes it)" if isinstance(error, FileNotFoundError) else ""
        return AccountsError(f"{self.path}: {error.strerror}{hint}")

    def _parse(self, content: bytes) -> Directory | AccountsError:
        try:
            # The loader is a safe one: it makes plain values only.
            values = yaml.load(content, Loader=_Loader)  # noqa: S506
            return Directory(msgspec.convert(values, Accounts))
        except (yaml.YAMLError, msgspec.ValidationError, AccountsError, ValueError, RecursionError) as error:
            return AccountsError(f"{self.path}: {error}")


def _dump(accounts: Accounts) -> bytes:
    """InvalidError for a value that could not be read back: such a file would stop every login."""
    values = msgspec.to_builtins(accounts)
    try:
        # A record made in code was not checked yet: msgspec checks what it converts, not what it is given.
        msgspec.convert(values, Accounts)
        text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        return (_HEADER + text).encode()
    except (msgspec.ValidationError, UnicodeError) as error:
        raise InvalidError(f"The accounts cannot hold this: {error}") from None


def new_project(name: str) -> Project:
    return Project(id=uuid.uuid4().hex, name=name)


def new_user(name: str, password: str, default_project_id: str | None = None) -> User:
    """Hashes the password, which takes a while."""
    return User(
        id=uuid.uuid4().hex,
        name=name,
        password_hash=hash_password(password),
        default_project_id=default_project_id,
    )


def new_access_key(user_id: str, project_id: str) -> AccessKey:
    return AccessKey(
        access=secrets.token_hex(10).upper(),
        secret=secrets.token_urlsafe(30),
        user_id=user_id,
        project_id=project_id,
    )


def create_first_accounts(data_dir: Path, auth_url: str, region: str) -> bool:
    """Make the first accounts, and a `clouds.yaml` with their random passwords, where there are none yet.

    Returns whether it did; does nothing where an accounts file exists, but raises AccountsError if that one
    is malformed. `auth_url`: http://HOST:PORT/identity/v3.
    """
    file = AccountsFile(data_dir)
    with lock_folder(identity_folder(data_dir)):
        if file.path.exists():
            file.read()
            return False
        # The hashes are most of a first start's work, and made without the interpreter lock.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            made = list(threads.map(_make_first_account, FIRST_ACCOUNTS))
        accounts = Accounts(domains=(Domain(id=DEFAULT_DOMAIN_ID, name="Default"),))
        for account in made:
            accounts = _add_account(accounts, account)
        clouds = {account.user.name: _cloud_of(account, auth_url, region) for account in made}
        # The passwords first: accounts without them would be of no use to anybody after a crash in between.
        write_clouds(data_dir, clouds)
        replace_file(file.path, _dump(accounts))
        return True


class _FirstAccount(msgspec.Struct, frozen=True, kw_only=True):
    user: User
    password: str
    project: Project
    role: Role
    key: AccessKey


def _make_first_account(name_and_role: tuple[str, Role]) -> _FirstAccount:
    name, role = name_and_role
    password = make_password()
    project = new_project(name)
    user = new_user(name, password, project.id)
    key = new_access_key(user.id, project.id)
    return _FirstAccount(user=user, password=password, project=project, role=role, key=key)


def _add_account(accounts: Accounts, made: _FirstAccount) -> Accounts:
    accounts = add_user(add_project(accounts, made.project), made.user)
    accounts = grant_roles(accounts, made.user.id, made.project.id, [made.role])
    return add_access_key(accounts, made.key)


def _cloud_of(made: _FirstAccount, auth_url: str, region: str) -> Cloud:
    return Cloud(
        auth_url=auth_url,
        region=region,
        username=made.user.name,
        password=made.password,
        project_name=made.project.name,
        project_id=made.project.id,
        access=made.key.access,
        secret=made.key.secret,
    )
