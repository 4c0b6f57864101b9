"""Copies of the operator's files: one process makes them, workers (`transom/operator_files.py`) read them.

The parent copies the files, checks the copies, and puts them in force all at once or not at all: at the start
and whenever it is sent SIGHUP. Workers read the copies alone. So one that replaces another goes by the same
rules as the rest, and a mistake in a file that somebody edits harms nobody.
"""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transom.config.settings import Settings, SettingsError

#: The settings that name such a file.
OPERATOR_FILES = (
    "policy_file",
    "property_protection_file",
    "os_versions_file",
    "s3_credentials_file",
    "object_store_buckets_file",
    "organizations_file",
    "peers_file",
)
_IN_FORCE = "in_force"
_ORIGINALS = "originals.json"


class CopiedFiles:
    """Copies in `folder`, which only this process writes. `settings`: they name the operator's own files."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        named = {name: getattr(settings, name) for name in OPERATOR_FILES}
        self._originals = {name: Path(file).expanduser().absolute() for name, file in named.items() if file}
        self._taken = 0

    def take(self, check: Callable[[Settings], None]) -> None:
        """Put the files in force as they are now.

        `check` raises SettingsError for settings whose files cannot be used; so does this, with the paths of
        the operator's own, and the previous ones stay in force.
        """
        self._taken += 1
        draft = self._folder / str(self._taken)
        draft.mkdir(mode=0o700)
        try:
            self._copy_to(draft, check)
            self._check(draft, check)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        before = self._in_force.resolve() if self._in_force.exists() else None
        following = self._folder / "following"
        following.unlink(missing_ok=True)
        following.symlink_to(draft.name)
        following.replace(self._in_force)
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)

    def name_copies(self, settings: Settings) -> Settings:
        """The settings with the copies in the place of the operator's files, wherever these change to."""
        return dataclasses.replace(settings, **self._copies_in(self._in_force))

    def _copy_to(self, draft: Path, check: Callable[[Settings], None]) -> None:
        for name, original in self._originals.items():
            try:
                content = original.read_bytes()
            except OSError:
                # The check of the setting that names the file says best what is wrong with it. Without such a
                # check the file is not needed.
                check(self._settings)
                continue
            copy = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(copy, "wb") as file:
                file.write(content)
        originals = {name: str(path) for name, path in self._originals.items()}
        (draft / _ORIGINALS).write_text(json.dumps(originals))

    def _check(self, draft: Path, check: Callable[[Settings], None]) -> None:
        try:
            check(dataclasses.replace(self._settings, **self._copies_in(draft)))
        except SettingsError as error:
            text = str(error)
            for name in self._originals:
                text = text.replace(str(draft / name), getattr(self._settings, name))
            raise SettingsError(text) from None

    @property
    def _in_force(self) -> Path:
        return self._folder / _IN_FORCE

    def _copies_in(self, folder: Path) -> dict[str, Any]:
        return {name: str(folder / name) for name in self._originals}


def find_changed(settings: Settings) -> list[str]:
    """The settings whose file is another now than the copy in force that a worker's `settings` name. Empty
    in a process that reads the operator's files themselves."""
    return [
        name
        for name, original in _read_originals(settings).items()
        if _is_changed(original, Path(getattr(settings, name)))
    ]


def list_copied(settings: Settings) -> list[str]:
    """The settings whose files such a worker reads as copies."""
    return list(_read_originals(settings))


def _read_originals(settings: Settings) -> Mapping[str, Path]:
    for name in OPERATOR_FILES:
        file = Path(getattr(settings, name))
        if file.parent.name == _IN_FORCE:
            return {
                name: Path(path) for name, path in json.loads((file.parent / _ORIGINALS).read_text()).items()
            }
    return {}


def _is_changed(original: Path, copy: Path) -> bool:
    try:
        return original.read_bytes() != copy.read_bytes()
    except OSError:
        return True
