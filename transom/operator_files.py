"""The operator's files in a worker: read at the start, and again after SIGHUP. What it reads are copies
(`config/copied_files.py`)."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from transom.config import Settings, SettingsError
from transom.config.copied_files import find_changed
from transom.config.object_buckets import read_buckets
from transom.config.organizations import read_organizations
from transom.config.os_versions import read_os_versions
from transom.config.peers import read_peers
from transom.config.stores import store_options
from transom.domain.model import Policy
from transom.domain.objects import BucketTable
from transom.domain.organizations import Organizations
from transom.domain.os_versions import OsVersions
from transom.policy import PolicyFileError, read_policy
from transom.stores.registry import Stores, check_stores, use_keys
from transom.stores.s3_credentials import credentials_file
from transom.threads import Threads

_log = logging.getLogger(__name__)

#: How long a look whether files have changed is waited for, seconds.
_LOOK_S = 1.0


def name_files(settings: Settings) -> Settings:
    """The settings with the file of keys to S3 stores named, if stores need one and nobody named it."""
    if not any("profile" in info.options for info in settings.store_infos):
        return settings
    return dataclasses.replace(settings, s3_credentials_file=credentials_file(settings.s3_credentials_file))


def check_files(settings: Settings) -> None:
    """Raises SettingsError unless all files that `settings` names can be used. Opens no store that has
    threads: the process that forks the workers calls this, too."""
    read_policy_files(settings)
    read_os_versions(settings.os_versions_file)
    read_buckets(settings.object_store_buckets_file)
    read_organizations(settings.organizations_file)
    read_peers(settings.peers_file)
    check_stores(store_options(settings))


def read_policy_files(settings: Settings) -> Policy:
    """Raises SettingsError for a file that cannot be understood."""
    file, protection_format = settings.property_protection_file, settings.property_protection_rule_format
    try:
        return read_policy(settings.policy_file, file, protection_format)
    except PolicyFileError as error:
        raise SettingsError(str(error)) from None


class Reloads:
    """Says that other files are in force, be it before anybody goes by them: a process that starts has read
    them early, and goes by them late."""

    def __init__(self) -> None:
        self._read_again: Callable[[], None] | None = None
        self._is_due = False

    def say(self) -> None:
        """Other files are in force."""
        self._is_due = self._read_again is None
        if self._read_again is not None:
            self._read_again()

    def follow(self, read_again: Callable[[], None]) -> None:
        """Have `read_again` called whenever others are, and now if some are that nobody has read."""
        self._read_again = read_again
        if self._is_due:
            self.say()


class GoesByOrganizations(Protocol):
    def use_organizations(self, organizations: Organizations) -> None: ...


class OperatorFilesInForce:
    """One per process. `os_versions` and `organizations` are asked for by each request that needs them."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        use_policy: Sequence[Callable[[Policy], None]],
        use_buckets: Callable[[BucketTable], None],
    ) -> None:
        """`use_policy`, `use_buckets`: called with new rules, by which they judge. Raises SettingsError."""
        self._use_buckets = use_buckets
        self._settings = settings
        self._stores = stores
        self._use_policy = use_policy
        self._followers: tuple[GoesByOrganizations, ...] = ()
        self._threads = Threads("operator files", 1)
        self._looking: asyncio.Future[list[str]] | None = None
        #: What `find_changed` found last.
        self.changed: list[str] = []
        self.os_versions: OsVersions = read_os_versions(settings.os_versions_file)
        self.organizations = read_organizations(settings.organizations_file)

    def hand_organizations_to(self, *followers: GoesByOrganizations) -> None:
        """Tell these of the organisations now and whenever there are others."""
        self._followers = followers
        for one in followers:
            one.use_organizations(self.organizations)

    async def find_changed(self) -> list[str]:
        """The settings whose file is another now than the one in force; see `find_changed`. While a disk does
        not answer, as they were seen last."""
        if self._looking is None or self._looking.done():
            self._looking = self._threads.begin(find_changed, self._settings)
        await asyncio.wait([self._looking], timeout=_LOOK_S)
        if self._looking.done():
            self.changed = self._looking.result()
        return self.changed

    def read_again(self) -> None:
        """Go by the files as they are now, by all of them or, if one cannot be used, by none."""
        try:
            policy = read_policy_files(self._settings)
            os_versions = read_os_versions(self._settings.os_versions_file)
            buckets = read_buckets(self._settings.object_store_buckets_file)
            organizations = read_organizations(self._settings.organizations_file)
            # Only checked: it is read again for each request to a peer.
            read_peers(self._settings.peers_file)
            use_keys(self._stores, store_options(self._settings))
        except SettingsError as error:
            _log.error("the operator's files stay as they were: %s", error)
            return
        for use in self._use_policy:
            use(policy)
        self._use_buckets(buckets)
        self.os_versions = os_versions
        self.organizations = organizations
        self.hand_organizations_to(*self._followers)
        _log.info("the operator's files were read again")
