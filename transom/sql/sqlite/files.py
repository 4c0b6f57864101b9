"""Whether the files of a database are still where its connections have opened them."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from transom.domain.errors import UnavailableError

_log = logging.getLogger(__name__)

_REFUSAL = (
    "The files of the database were removed or replaced while the service runs: nothing more is written "
    "until they are back, or the service is started again."
)


class OpenFiles:
    """The database file, its write-ahead log and that log's index, as they are when this is made: while a
    connection that has read is open, SQLite itself neither removes nor replaces any of them.

    A file without its name is as durable as the process: whatever is written to it is gone with the last
    connection. So is what one process adds to a log that others, who open the file now, do not find.
    """

    def __init__(self, path: Path) -> None:
        self._paths = tuple(f"{path}{suffix}" for suffix in ("", "-wal", "-shm"))
        self._opened = self._look()
        #: Whether a file was missing, or another one, when that was looked at last.
        self.is_displaced = False

    def require(self) -> None:
        """UnavailableError unless all are in their places now."""
        was_displaced, self.is_displaced = self.is_displaced, self._look() != self._opened
        if self.is_displaced and not was_displaced:
            _log.critical("%s: %s", self._paths[0], _REFUSAL)
        if self.is_displaced:
            raise UnavailableError(_REFUSAL)

    def _look(self) -> list[tuple[int, int]]:
        """(device, inode) of each that is there."""
        found = []
        for path in self._paths:
            with suppress(OSError):
                seen = os.stat(path)  # noqa: PTH116 (behind each commit, and a Path takes twice as long)
                found.append((seen.st_dev, seen.st_ino))
        return found
