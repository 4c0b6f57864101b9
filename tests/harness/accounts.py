"""Accounts that one service made, for others to start with: hashing passwords is much of a first start.

Tokens of these accounts come along, which live for a day: checking a password costs a third of a start, and
each service would check those of all whom its test acts as.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.service import Cloud, Service

#: In the data folder: the accounts, and what their tokens are signed with.
FILES = ("clouds.yaml", "identity/accounts.yaml", "identity/signing_key")


class KeptAccounts:
    """The first accounts of the service that is started first, and further ones: (name, project, role).

    folder: an empty one to keep them in.
    """

    def __init__(self, folder: Path, further: Sequence[tuple[str, str, str]] = ()) -> None:
        self._folder = folder
        self._further = further
        self._clouds: dict[str, Cloud] = {}
        self._tokens: dict[str, str] = {}

    @contextmanager
    def given_to(self, service: Service) -> Iterator[None]:
        """Around a start of the service, which then knows these accounts; not if it has others already."""
        if service.settings.get("TRANSOM_IDENTITY") == "keystone" or (service.data_dir / FILES[0]).exists():
            yield
            return
        if self._clouds:
            _copy(self._folder, service.data_dir)
        yield
        if self._clouds:
            auth_url = service.clouds["admin"].auth_url
            service.use_clouds(
                {name: dataclasses.replace(cloud, auth_url=auth_url) for name, cloud in self._clouds.items()}
            )
        else:
            for name, project, role in self._further:
                service.add_user(name, project, role)
            _copy(service.data_dir, self._folder)
            self._clouds = dict(service.clouds)
        self._share_tokens(service)

    def _share_tokens(self, service: Service) -> None:
        """Not with one that starts with a module of the test's: its clock may be another."""
        if any(name.startswith("PYTHON") for name in service.settings):
            return
        if not self._tokens:
            if service.settings.get("TRANSOM_PUBLIC_ENDPOINT"):
                # Its accounts are told to log in at an address of the test's; the next service gives tokens.
                return
            self._tokens = {name: service.token(name) for name in self._clouds}
        service.use_tokens(self._tokens)


def _copy(source: Path, target: Path) -> None:
    for name in FILES:
        (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)
