"""Which workers of this machine are alive: each holds a lock on a file of its own, which dies with it."""

import fcntl
import os
import time
import uuid
from pathlib import Path

from transom.threads import Threads

_SUFFIX = ".lock"
#: How long a worker that lives may take to renew a lease, seconds, where the length of leases is not known.
_PATIENCE_S = 30.0


class Liveness:
    """This worker's name, and whether another one's process still runs. Files lie in `folder`, on a disk that
    may hang: an event loop asks through `threads`."""

    def __init__(self, folder: Path, patience_s: float = _PATIENCE_S) -> None:
        """`patience_s`: see `may_renew`."""
        self._patience_s = patience_s
        self.threads = Threads("liveness", 1)
        #: When leases of living workers were first seen to have ended, by a clock that nobody sets.
        self._ended: dict[tuple[str, int], float] = {}
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

    def may_renew(self, name: str, ended_at: int) -> bool:
        """Whether a worker that lives on this machine may still renew its lease that has ended: a clock that
        is set forward, or a machine that slept, ends all of them at once. One that has not done so for
        `patience_s` since it was first asked for is stuck. `ended_at`: as the lease says."""
        if name != self.name and self.is_gone(name):
            return False
        now = time.monotonic()
        lease = name, ended_at
        if lease not in self._ended:
            kept = 10 * self._patience_s
            self._ended = {one: seen for one, seen in self._ended.items() if now - seen < kept}
        return now - self._ended.setdefault(lease, now) < self._patience_s

    def forget_dead(self) -> None:
        """Remove the lock files of workers that are gone. Call it when nothing is left of theirs."""
        for path in self._folder.glob("*" + _SUFFIX):
            if self.is_dead(path.stem):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        self.threads.close()
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
