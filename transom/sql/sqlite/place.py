"""The place of a database file, described so that no copy of the file has the same."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from transom.sql.db import Place

#: FS_IOC_GETVERSION of Linux: the generation of an inode, a random number on most file systems.
_GET_GENERATION = 0x80087601


def find_place(file: Path) -> Place:
    """The inodes of the file and of its folder: they stay when the folder is moved or the machine restarted,
    and are others after a copy, a restored backup or a move to another file system. OSError when it is gone.

    Inode numbers of two file systems may be the same, so the folder's generation is in it where the file
    system has one; not the file's, for to open and close it would drop SQLite's locks on it.
    """
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        folder = os.fstat(descriptor).st_ino
        generation = b""
        with suppress(OSError):
            generation = fcntl.ioctl(descriptor, _GET_GENERATION, bytes(8))
    finally:
        os.close(descriptor)
    number = int.from_bytes(generation, "little")
    return Place(f"sqlite/{folder}-{number}/{file.stat().st_ino}", file.resolve())
