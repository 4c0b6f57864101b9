"""Small files that several processes read and write: one lock, durable replacement, a cheap test for change.

Knows files, not what is in them. A writer holds `lock_folder` and calls `replace_file`; a reader keeps a
`WatchedFile` and asks it before each use, behind a `ChangeCount` where asking must cost next to nothing.
"""

import fcntl
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transom.disk import Ballast, Room, is_full

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
#: A file changed less than this before it was read may change again without a new time stamp: the kernel's
#: file clock ticks every 1 to 10 ms. Git calls such a file "racily clean".
RACY_NS = 50_000_000
_COUNT_BYTES = 8
#: How late a change made with an editor may be seen, seconds.
_LOOK_EVERY_S = 0.25
#: Room for changes on a disk that others have filled, bytes, and what is left free when it is made.
_BALLAST_BYTES = 1 << 20
_RESERVE_BYTES = 16 << 20


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """One holder at a time, over all threads and processes; waits for it. Makes the folder if need be."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    # A file of its own: the ones it guards are replaced, and a lock on a replaced file locks nobody out.
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        _count_change(folder)
        _ballast(folder).keep()
    finally:
        os.close(descriptor)


def _count_change(folder: Path) -> None:
    """Tell every `ChangeCount`. After the change and under the lock, so that no count is given twice."""
    descriptor = _open_count(folder)
    try:
        count = int.from_bytes(os.pread(descriptor, _COUNT_BYTES, 0), "little")
        os.pwrite(descriptor, ((count + 1) % (1 << 64)).to_bytes(_COUNT_BYTES, "little"), 0)
    finally:
        os.close(descriptor)


def _open_count(folder: Path) -> int:
    descriptor = os.open(folder / ".changes", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    if os.fstat(descriptor).st_size < _COUNT_BYTES:
        os.ftruncate(descriptor, _COUNT_BYTES)
    return descriptor


class ChangeCount:
    """How often `lock_folder` was held, seen by every process of the machine at once, without a system call.

    An editor does not count; for what it changes, `may_have_changed` says yes once in `_LOOK_EVERY_S`.
    """

    __slots__ = ("_count", "_look_at", "_memory")

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        descriptor = _open_count(folder)
        try:
            self._memory = mmap.mmap(descriptor, _COUNT_BYTES, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        self._count = b""
        self._look_at = 0.0

    def may_have_changed(self) -> bool:
        """False when the files are as they were at the last call. Call it before looking at them."""
        count = self._memory[:_COUNT_BYTES]
        now = time.monotonic()
        if count == self._count and now < self._look_at:
            return False
        self._count = count
        self._look_at = now + _LOOK_EVERY_S
        return True


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` in place of the file at once: after a crash there is the old or the new, whole.

    The caller holds the folder's lock, so the temporary name can be a fixed one and a crash leaves at most
    one, which the next write takes over. Readable by the owner of the process only.
    """
    temporary = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC

    def write() -> None:
        with os.fdopen(os.open(temporary, flags, PRIVATE_FILE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    _with_room(path.parent, write)
    temporary.replace(path)
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Add a line and its end, durably. The caller holds the folder's lock; the file exists."""

    def write() -> None:
        with path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                # A crash, or a full disk, may have left half a line; ours must not become its other half.
                whole = line if file.read(1) == b"\n" else b"\n" + line
            else:
                whole = line
            file.write(whole + b"\n")
            file.flush()
            os.fsync(file.fileno())

    _with_room(path.parent, write)


def _with_room(folder: Path, write: Callable[[], None]) -> None:
    """To revoke a token, or to take an account away, must work on a full disk, too."""
    try:
        write()
    except OSError as error:
        if not is_full(error) or not _ballast(folder).release():
            raise
        write()


def _ballast(folder: Path) -> Ballast:
    return Ballast(folder / ".ballast", Room(folder, _RESERVE_BYTES), _BALLAST_BYTES)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class WatchedFile:
    """A file whose content is read again when it may have changed; the test costs one `stat` (1.5 µs)."""

    __slots__ = ("_content", "_inode", "_is_settled", "_mtime_ns", "_path", "_size")

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._content: bytes | None = None
        self._is_settled = False
        self._mtime_ns = self._inode = self._size = -1

    def read_if_changed(self) -> bytes | None:
        """The content if it is not what the last call saw, else None. OSError when it cannot be read."""
        if self._is_settled:
            # Path.stat costs half as much again, and this is on the path of every request.
            now = os.stat(self._path)  # noqa: PTH116
            if now.st_mtime_ns == self._mtime_ns and now.st_ino == self._inode and now.st_size == self._size:
                return None
        return self._read()

    def _read(self) -> bytes | None:
        with open(self._path, "rb") as file:  # noqa: PTH123
            # Both before the content: a change that comes while it is read is then seen as one next time.
            found = os.fstat(file.fileno())
            now_ns = time.time_ns()
            content = file.read()
        self._mtime_ns, self._inode, self._size = found.st_mtime_ns, found.st_ino, found.st_size
        self._is_settled = now_ns - found.st_mtime_ns >= RACY_NS
        if content == self._content:
            return None
        self._content = content
        return content


class GrowingFile:
    """A file of lines that processes append to, or replace whole. Only what is new is read.

    It is kept open: as long as it is, no other file can have its inode, and equal inodes mean the same file.
    """

    __slots__ = ("_descriptor", "_offset", "_path")

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._descriptor = -1
        self._offset = 0

    def __del__(self) -> None:
        self._close()

    def read_new(self) -> tuple[bytes, bool] | None:
        """(whole lines that the last call did not see, whether they are all there are); None if there are no
        new ones. What was half written is left for later. OSError when the file cannot be read."""
        found = os.stat(self._path)  # noqa: PTH116 (see `WatchedFile`)
        is_same = self._descriptor >= 0 and self._is_same(found)
        if is_same and found.st_size == self._offset:
            return None
        if not is_same:
            self._close()
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._offset = 0
        size = os.fstat(self._descriptor).st_size
        content = os.pread(self._descriptor, size - self._offset, self._offset)
        lines = content[: content.rfind(b"\n") + 1]
        self._offset += len(lines)
        return (lines, not is_same) if lines or not is_same else None

    def _is_same(self, found: os.stat_result) -> bool:
        ours = os.fstat(self._descriptor)
        return (ours.st_dev, ours.st_ino) == (found.st_dev, found.st_ino) and found.st_size >= self._offset

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
