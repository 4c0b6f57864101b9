"""Which workers of this machine are alive: each holds a lock on a file of its own, which dies with it."""

import fcntl
import os
import uuid
from pathlib import Path

_SUFFIX = ".lock"


class Liveness:
    """This worker's name, and whether another one's process still runs. Files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._path = folder / (self.name + _SUFFIX)
        # Locked before it has its name, so that nobody ever finds it unlocked while we live.
        nameless = folder / (self.name + ".new")
        self._descriptor = os.open(nameless, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        nameless.rename(self._path)

    def is_dead(self, name: str) -> bool:
        """True when the worker ran on this machine and does so no more; False when alive, or not ours."""
        if name == self.name:
            return False
        # Not there, or not to be known now: then its lease decides.
        return _is_left(self._folder / (name + _SUFFIX))

    def is_gone(self, name: str) -> bool:
        """True when no worker of this machine has the name, any more or ever."""
        return not (self._folder / (name + _SUFFIX)).exists() or self.is_dead(name)

    def forget_dead(self) -> None:
        """Remove the lock files of workers that are gone. Call it when nothing is left of theirs."""
        for path in self._folder.glob("*" + _SUFFIX):
            if self.is_dead(path.stem):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_abandoned(folder: Path) -> bool:
    """Whether processes of this machine had the folder for theirs (`Liveness`), and all of them are gone."""
    locks = list(folder.glob("*" + _SUFFIX))
    return bool(locks) and all(map(_is_left, locks))


def _is_left(path: Path) -> bool:
    """Whether the lock file is there, and nobody holds it. False when that is not to be known."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
