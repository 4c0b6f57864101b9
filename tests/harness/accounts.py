"""Accounts that one service made, for others to start with: hashing passwords is much of a first start."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.service import Cloud, Service

#: In the data folder. The key that tokens are signed with is not among them: each service makes its own.
FILES = ("clouds.yaml", "identity/accounts.yaml")


class KeptAccounts:
    """The first accounts of the service that is started first, and further ones: (name, project, role).

    folder: an empty one to keep them in.
    """

    def __init__(self, folder: Path, further: Sequence[tuple[str, str, str]] = ()) -> None:
        self._folder = folder
        self._further = further
        self._clouds: dict[str, Cloud] = {}

    def start(self, service: Service) -> None:
        """Start a new service, which then knows these accounts."""
        if service.settings.get("TRANSOM_IDENTITY") == "keystone":
            service.start()
        elif self._clouds:
            _copy(self._folder, service.data_dir)
            service.start()
            auth_url = service.clouds["admin"].auth_url
            service.use_clouds(
                {name: dataclasses.replace(cloud, auth_url=auth_url) for name, cloud in self._clouds.items()}
            )
        else:
            service.start()
            for name, project, role in self._further:
                service.add_user(name, project, role)
            _copy(service.data_dir, self._folder)
            self._clouds = dict(service.clouds)


def _copy(source: Path, target: Path) -> None:
    for name in FILES:
        (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)
