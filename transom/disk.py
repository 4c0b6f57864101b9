"""Room on a disk: what new data must leave free, and a file that gives room back when there is none left.

On a disk without room nothing can be deleted either: a deletion is a write as well. So whatever makes things
grow stops at a reserve, and what frees room goes on. When others fill the disk all the same, a ballast file
is removed, and there is room for deletions again.
"""

import errno
import logging
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)

#: A reserve is at most this part of its disk: 5 %.
_PART_OF_DISK = 20
#: A ballast is at most this part of its disk's reserve, so that its room is never taken for new data.
_PART_OF_RESERVE = 4
#: What a deletion needs at the least, for its pages in a log.
_LITTLE_BYTES = 64 << 10
#: How old an answer about free room may be, seconds.
_LOOK_EVERY_S = 1.0

#: What is taken to be free where nobody can tell, bytes.
_PLENTY = 1 << 62

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: OSError) -> bool:
    """Whether there was no room on the disk, or in the user's quota of it."""
    return error.errno in _FULL


def open_file(path: Path) -> int:
    """A descriptor to read the file by. OSError for a pipe, whose writer would be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", str(path))
    return descriptor


class Room:
    """The disk below `folder`, which need not exist yet. `reserve_bytes`: what new data leaves free of it,
    though no more than 5 % of the disk; 0: nothing."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self.folder = folder
        self._wanted = reserve_bytes
        self._look_at = 0.0
        self._free = _PLENTY
        self._reserve = 0

    @property
    def free_bytes(self) -> int:
        """What this process may still write, as it was last seen."""
        return self._free

    @property
    def reserve_bytes(self) -> int:
        self._look_if_due()
        return self._reserve

    def is_short(self, wanted_bytes: int = 0) -> bool:
        """Whether so many bytes would not leave the reserve free. That they would may be a second old; that
        they would not is seen now."""
        self._look_if_due()
        if not self.lacks(wanted_bytes):
            return False
        self.look()
        return self.lacks(wanted_bytes)

    def is_at_its_end(self) -> bool:
        """Whether no more of the reserve is left than a ballast has."""
        return self.is_short(self.reserve_bytes // _PART_OF_RESERVE - self.reserve_bytes)

    def lacks(self, wanted_bytes: int = 0) -> bool:
        """The same, as it was last seen: of a disk that may hang, looked at beside the event loop."""
        return bool(self._wanted) and self._free - wanted_bytes < self._reserve

    def _look_if_due(self) -> None:
        if time.monotonic() >= self._look_at:
            self.look()

    def has_room_again(self) -> bool:
        """Whether there is some room, now: enough for what removes something."""
        self.look()
        return self._free >= _LITTLE_BYTES

    def look(self) -> None:
        """Ask anew; where nobody can tell, there is room."""
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        try:
            found = os.statvfs(_existing(self.folder))
        except OSError:
            found = None
        if found is None or not found.f_blocks:  # File systems in user space may not tell.
            self._free, self._reserve = _PLENTY, 0
            return
        self._free = found.f_bavail * found.f_frsize
        self._reserve = min(self._wanted, found.f_blocks * found.f_frsize // _PART_OF_DISK)


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


class Ballast:
    """A file whose removal makes room. Processes that share it may all keep and release it."""

    def __init__(self, path: Path, room: Room, most_bytes: int) -> None:
        self._path = path
        self._room = room
        self._limit = most_bytes

    def keep(self) -> None:
        """Make it, if it is not there and there is plenty of room."""
        size = min(self._limit, self._room.reserve_bytes // _PART_OF_RESERVE)
        if not size or self._path.exists() or self._room.is_short(2 * size):
            return
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
            new.rename(self._path)
        except OSError as error:
            _log.warning(
                "the file %s, room for changes on a full disk, could not be made: %s", self._path, error
            )
            with suppress(OSError):
                new.unlink()

    def release(self) -> bool:
        """Remove it; False when it was not there."""
        try:
            self._path.unlink()
        except OSError:
            return False
        self._room.look()
        _log.error("the disk is full: %s was removed to make room for deletions", self._path)
        return True
