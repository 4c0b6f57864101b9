"""Copies of whole images on a disk of this machine, so that a remote store is asked for each of them once.

All worker processes of a machine share one folder, and speak to each other by nothing but its files:

    entries/<image>/   data, how often it was used (a byte each; the last one's time is the file's), checksum
    parts/<image>/     the same while it is filled, its data as large as it will be
    locks/<image>      held by the process that fills it; the kernel takes it back from a dead one
    queue/<image>      what somebody wants to have here
    evicting           held by whoever makes room

An entry appears whole, by a rename, and its bytes have the recorded hash (`Filling` is told when they have).
It goes whole, by a rename, and whoever reads it then reads on. Entries and parts together never have more
bytes than the cache may have. What a crash leaves is found by its lock, which nobody holds.
"""

import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from transom.domain.errors import UnavailableError
from transom.stores.cache_disk import CacheDisk

_DATA, _HITS, _CHECKSUM = "data", "hits", "checksum"
#: An entry used a moment ago is not evicted: a server that was told its path may still have to open it.
_GRACE_S = 5.0
_GONE = ".gone-"
_THREADS = 16
#: Longest that a large image may take to be on the disk, seconds.
_PUBLISH_S = 120.0
_IMAGE_ID = re.compile(r"[0-9A-Fa-f-]{36}")


class Entry(NamedTuple):
    """A cached image. Times in seconds since the epoch, `size` in bytes; `number` is unlike any other's."""

    image_id: str
    number: int
    size: int
    hits: int
    last_accessed: float
    last_modified: float
    checksum: str


class Cache:
    """At most `size_bytes` of images in `folder`, which need not be there yet. UnavailableError when its disk
    fails, or does not answer."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder = folder
        self._size_bytes = size_bytes
        self._entries = folder / "entries"
        self._parts = folder / "parts"
        self._locks = folder / "locks"
        self._queue = folder / "queue"
        self._disk = CacheDisk(_THREADS)

    # ---- what is here

    async def find(self, image_id: str, size: int) -> Path | None:
        """The file with an image's `size` bytes, which counts as a use of it; None when it is not here, or
        the disk does not say."""
        try:
            return await self._disk.ask(self._find, image_id, size)
        except UnavailableError:
            return None

    def _find(self, image_id: str, size: int) -> Path | None:
        entry = self._entries / image_id
        data = entry / _DATA
        try:
            if data.stat().st_size != size:
                return None
            _count_hit(entry / _HITS)
        except OSError:
            return None
        return data

    async def holds(self, image_id: str) -> bool:
        return await self._disk.ask(self._holds, image_id)

    def _holds(self, image_id: str) -> bool:
        return _is_id(image_id) and (self._entries / image_id / _DATA).exists()

    async def list_entries(self) -> list[Entry]:
        """What is cached, by image id."""
        return await self._disk.ask(self._list_entries)

    async def remove(self, image_id: str) -> None:
        """Let go of an image, and of the wish to have it. Fine when there is neither."""
        if _is_id(image_id):
            await self._disk.ask(self._remove, image_id)
            await self.unqueue(image_id)

    async def clear(self) -> None:
        """Let go of all images. Those on their way in still come."""
        for entry in await self.list_entries():
            await self._disk.ask(self._remove, entry.image_id)

    async def prune(self) -> tuple[int, int]:
        """Evict what is too much, which is so when the cache was made smaller; (images, bytes)."""
        return await self._disk.ask(self._prune)

    async def clean(self) -> None:
        """Remove what dead processes left."""
        await self._disk.ask(self._clean)

    # ---- what is wanted here

    async def queue(self, image_id: str) -> None:
        """Note that the image is to be fetched. `list_queue` names it until `unqueue`."""
        await self._disk.ask(self._make_folders)
        await self._disk.ask((self._queue / image_id).touch)

    async def unqueue(self, image_id: str) -> None:
        if _is_id(image_id):
            await self._disk.ask(_unlink, self._queue / image_id)

    async def list_queue(self) -> list[str]:
        """The images that are wanted, those that have waited longest first."""
        return await self._disk.ask(self._list_queue)

    async def is_queued(self, image_id: str) -> bool:
        return _is_id(image_id) and await self._disk.ask((self._queue / image_id).exists)

    # ---- on its way in

    def could_hold(self, size: int) -> bool:
        return size <= self._size_bytes

    async def begin(self, image_id: str, size: int) -> "Filling | None":
        """A place for the `size` bytes of an image; None when it is cached, when another process is fetching
        it, or when no room can be made now."""
        return await self._disk.ask(self._begin, image_id, size, undo=_discard)

    def _begin(self, image_id: str, size: int) -> "Filling | None":
        if not self.could_hold(size):
            return None
        self._make_folders()
        lock = _try_lock(self._locks / image_id)
        if lock is None:
            return None
        try:
            if not self._holds(image_id) and (part := self._make_part(image_id, size)) is not None:
                return Filling(part, self._entries / image_id, lock, self._disk)
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
        return None

    def _make_part(self, image_id: str, size: int) -> Path | None:
        part = self._parts / image_id
        shutil.rmtree(part, ignore_errors=True)
        with self._evicting():
            self._drop_dead_parts(but=image_id)
            if self._evict(self._size_bytes - size)[2] + size > self._size_bytes:
                return None
            part.mkdir()
            with (part / _DATA).open("xb") as data:
                data.truncate(size)
        return part

    # ---- room

    def _evict(self, limit: int) -> tuple[int, int, int]:
        """Let go of the images that nobody has used for longest until at most `limit` bytes are in use;
        (images, bytes) let go of, and bytes in use then. Only under `_evicting`."""
        # Before the entries: an image that is published between the two looks is then seen by one of them.
        # The other way round neither would count it, and one image too many would find room.
        parts = {part.name: _data_size(part) for part in _subfolders(self._parts)}
        entries = self._list_entries()
        for entry in entries:
            parts.pop(entry.image_id, None)
        used = sum(entry.size for entry in entries) + sum(parts.values())
        images = freed = 0
        safe_since = time.time() - _GRACE_S
        for entry in sorted(entries, key=lambda entry: entry.last_accessed):
            if used <= limit or entry.last_accessed > safe_since:
                break
            self._remove(entry.image_id)
            used -= entry.size
            freed += entry.size
            images += 1
        return images, freed, used

    @contextmanager
    def _evicting(self) -> Iterator[None]:
        """One process at a time; the others wait in their threads."""
        with (self._folder / "evicting").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _prune(self) -> tuple[int, int]:
        if not self._folder.is_dir():
            return 0, 0
        with self._evicting():
            images, freed, _used = self._evict(self._size_bytes)
        return images, freed

    def _clean(self) -> None:
        if not self._folder.is_dir():
            return
        self._make_folders()
        with self._evicting():
            self._drop_dead_parts(but=None)

    def _drop_dead_parts(self, but: str | None) -> None:
        for part in _subfolders(self._parts):
            if part.name.startswith(_GONE):
                shutil.rmtree(part, ignore_errors=True)
            elif part.name != but and (lock := _try_lock(self._locks / part.name)) is not None:
                shutil.rmtree(part, ignore_errors=True)
                os.close(lock)

    def _remove(self, image_id: str) -> None:
        gone = self._parts / f"{_GONE}{uuid.uuid4().hex}"
        try:
            (self._entries / image_id).rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)

    # ---- files

    def _make_folders(self) -> None:
        for folder in (self._entries, self._parts, self._locks, self._queue):
            folder.mkdir(parents=True, exist_ok=True)

    def _list_entries(self) -> list[Entry]:
        entries = []
        for folder in _subfolders(self._entries):
            with suppress(OSError):  # It may go at any moment.
                data, hits = (folder / _DATA).stat(), (folder / _HITS).stat()
                entries.append(
                    Entry(
                        image_id=folder.name,
                        number=data.st_ino,
                        size=data.st_size,
                        hits=hits.st_size,
                        last_accessed=hits.st_mtime,
                        last_modified=data.st_mtime,
                        checksum=(folder / _CHECKSUM).read_text(),
                    )
                )
        return sorted(entries)

    def _list_queue(self) -> list[str]:
        waiting = []
        with suppress(FileNotFoundError):
            for entry in os.scandir(self._queue):
                with suppress(OSError):
                    waiting.append((entry.stat().st_mtime, entry.name))
        return [image_id for _since, image_id in sorted(waiting)]


class Filling:
    """An image on its way into the cache. Either `publish` or `discard` ends it."""

    def __init__(self, part: Path, entry: Path, lock: int, disk: CacheDisk) -> None:
        self._disk = disk
        self._part = part
        self._entry = entry
        self._lock = lock
        self._data = os.open(part / _DATA, os.O_WRONLY | os.O_CLOEXEC)

    async def write(self, chunk: bytes) -> None:
        """The next bytes. UnavailableError when there is no room on the disk."""
        await self._disk.ask(_write_all, self._data, chunk)

    async def publish(self, checksum: str) -> None:
        """All bytes were written, and have the hash that is on record: from now on the image is here."""
        try:
            await self._disk.ask(self._publish, checksum, patience_s=_PUBLISH_S)
        finally:
            await self.discard()

    async def discard(self) -> None:
        """Remove what was written, unless it was published."""
        await self._disk.release(self.drop)

    def drop(self) -> None:
        """As `discard`, in the thread of the caller."""
        shutil.rmtree(self._part, ignore_errors=True)
        os.close(self._data)
        os.close(self._lock)

    def _publish(self, checksum: str) -> None:
        (self._part / _CHECKSUM).write_text(checksum)
        (self._part / _HITS).touch()
        # Or after a power failure the file might have its size, and zeros for its bytes.
        os.fsync(self._data)
        shutil.rmtree(self._entry, ignore_errors=True)
        self._part.rename(self._entry)


def _discard(filling: Filling | None) -> None:
    if filling is not None:
        filling.drop()


def _is_id(image_id: str) -> bool:
    """Whether it may be the name of a file here: what is asked for need not be an image's id."""
    return _IMAGE_ID.fullmatch(image_id) is not None


def _count_hit(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(descriptor, b".")
    finally:
        os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock, None when another process or task has it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _data_size(folder: Path) -> int:
    try:
        return (folder / _DATA).stat().st_size
    except OSError:
        return 0


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
