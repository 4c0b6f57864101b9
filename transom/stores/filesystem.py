"""A store in a local folder: one file a blob, published by rename when it is complete and on disk."""

import asyncio
import errno
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path

from transom.disk import Room, open_file
from transom.domain.errors import NotFoundError, StoreFullError, UnavailableError
from transom.stores import MARK_BYTES, MARK_NAME
from transom.threads import Threads

_READ_BYTES = 256 << 10
#: Threads of a store. When its disk hangs, it is its own requests that wait for them.
_THREADS = 16
_PART = ".part"
#: Where blobs are set aside, below the store's folder. Folders of blobs have names of two characters.
_ASIDE = "aside"
_FOLDER_NAME = 2
#: Sync to disk this often while bytes still come, so that the fsync at the end has little left to do.
_SYNC_BYTES = 64 << 20
#: Look whether there is room this often.
_LOOK_BYTES = 4 << 20


class FilesystemStore:
    """Blobs in `folder`, spread over 256 folders by the first two characters of the key. `disk_reserve`:
    bytes that new blobs leave free on its disk (`Room`)."""

    def __init__(self, name: str, folder: Path, disk_reserve: int = 0) -> None:
        self.name = name
        self.room = Room(folder, disk_reserve)
        self.threads = Threads(f"store-{name}", _THREADS)
        self._folder = folder

    def path(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def url(self, key: str) -> str:
        return self.path(key).as_uri()

    def memory_for(self, expected_bytes: int | None) -> tuple[int, int]:
        return 0, 0

    async def put(
        self,
        key: str,
        chunks: AsyncIterator[bytes],
        expected_bytes: int | None = None,
        memory_bytes: int | None = None,
    ) -> int:
        final = self.path(key)
        part = final.with_name(key + _PART)
        try:
            await self._require_room(expected_bytes or 0)
            async with self.threads.opened(os.close, _open_part, part, self._folder) as descriptor:
                size = await self._copy(chunks, descriptor)
                await self.threads.finish(os.fsync, descriptor)
            await self.threads.finish(_publish, part, final)
        except BaseException as error:
            with suppress(OSError):
                await self.threads.finish(_remove, final)
            if isinstance(error, OSError):
                raise _renamed(error) from error
            raise
        return size

    async def _require_room(self, wanted_bytes: int = 0) -> None:
        await self.threads.finish(self.room.look)
        if self.room.lacks(wanted_bytes):
            raise StoreFullError(
                "Image storage media is full: what is left of it is kept for the service to go on."
            )

    async def _copy(self, chunks: AsyncIterator[bytes], descriptor: int) -> int:
        size = synced = looked = 0
        syncing: asyncio.Future[None] | None = None
        try:
            async for chunk in chunks:
                await self.threads.finish(_write_all, descriptor, chunk)
                size += len(chunk)
                if size - looked >= _LOOK_BYTES:
                    looked = size
                    await self._require_room()
                if size - synced >= _SYNC_BYTES and (syncing is None or syncing.done()):
                    if syncing is not None:
                        # Of pages that it lost the system tells once: the sync at the end would succeed.
                        syncing.result()
                    synced = size
                    syncing = self.threads.begin(os.fdatasync, descriptor)
        finally:
            if syncing is not None:  # The descriptor must stay open until nobody uses it.
                await asyncio.wait([syncing])
        if syncing is not None:
            syncing.result()
        return size

    async def get(self, key: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        try:
            async with self.threads.opened(os.close, open_file, self.path(key)) as descriptor:
                while length > 0:
                    chunk = await self.threads.finish(os.pread, descriptor, min(length, _READ_BYTES), start)
                    if not chunk:
                        raise UnavailableError(f"The blob {key} of store {self.name} is cut short.")
                    start += len(chunk)
                    length -= len(chunk)
                    yield chunk
        except FileNotFoundError:
            raise NotFoundError(f"The store {self.name} has no blob {key}.") from None
        except OSError as error:
            raise _renamed(error) from error

    async def size(self, key: str) -> int | None:
        try:
            return (await self.threads.finish(self.path(key).stat)).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _renamed(error) from error

    async def delete(self, key: str) -> None:
        try:
            await self.threads.finish(_remove, self.path(key))
        except OSError as error:
            raise _renamed(error) from error

    async def list_blobs(self) -> AsyncIterator[tuple[str, int]]:
        unread: OSError | None = None
        try:
            folders = await self.threads.finish(_list_folders, self._folder)
        except OSError as error:
            raise _renamed(error) from error
        for folder in folders:
            try:
                found = await self.threads.finish(_list_files, folder)
            except OSError as error:
                unread = error
                continue
            for key, size in found:
                yield key, size
        if unread is not None:
            raise _renamed(unread) from unread

    async def holds(self, key: str) -> bool:
        try:
            return await self.threads.finish(lambda: any(place.exists() for place in _places(self.path(key))))
        except OSError as error:
            raise _renamed(error) from error

    async def set_aside(self, key: str) -> str:
        try:
            return (await self.threads.finish(_set_aside, self.path(key), self._folder / _ASIDE)).as_uri()
        except FileNotFoundError:
            raise NotFoundError(f"The store {self.name} has no blob {key}.") from None
        except OSError as error:
            raise _renamed(error) from error

    async def read_mark(self) -> bytes | None:
        try:
            return await self.threads.finish(_read_mark, self._folder / MARK_NAME)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _renamed(error) from error

    async def write_mark(self, mark: bytes) -> None:
        try:
            await self.threads.finish(_write_mark, self._folder, mark)
        except OSError as error:
            raise _renamed(error) from error


def _open_part(part: Path, root: Path) -> int:
    if not part.parent.is_dir():
        part.parent.mkdir(parents=True, exist_ok=True)
        _sync_folder(root)
    return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _publish(part: Path, final: Path) -> None:
    part.rename(final)
    _sync_folder(final.parent)


def _read_mark(path: Path) -> bytes:
    """OSError for what is no file."""
    descriptor = open_file(path)
    try:
        return os.read(descriptor, MARK_BYTES)
    finally:
        os.close(descriptor)


def _write_mark(folder: Path, mark: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Several workers may be at it: each writes a file of its own.
    part = folder / f"{MARK_NAME}-{uuid.uuid4().hex}{_PART}"
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            _write_all(descriptor, mark)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _publish(part, folder / MARK_NAME)
    finally:
        part.unlink(missing_ok=True)


def _remove(final: Path) -> None:
    for place in reversed(_places(final)):
        place.unlink(missing_ok=True)


def _list_folders(root: Path) -> list[Path]:
    """Those that have blobs; none when there is no store yet."""
    if not root.is_dir():
        return []
    return sorted(found for found in root.iterdir() if len(found.name) == _FOLDER_NAME and found.is_dir())


def _list_files(folder: Path) -> list[tuple[str, int]]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                size = entry.stat().st_size
            except OSError as error:
                # Published, or removed, meanwhile; or a link that leads nowhere.
                if error.errno not in (errno.ENOENT, errno.ELOOP):
                    raise
                continue
            found.append((entry.name.removesuffix(_PART), size))
    return found


def _places(final: Path) -> tuple[Path, Path]:
    """Where a blob lies when it is whole, and before."""
    return final, final.with_name(final.name + _PART)


def _set_aside(final: Path, aside: Path) -> Path:
    aside.mkdir(exist_ok=True)
    whole, part = _places(final)
    source = whole if whole.exists() else part
    moved = source.rename(aside / source.name)
    _sync_folder(aside)
    _sync_folder(final.parent)
    return moved


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _renamed(error: OSError) -> StoreFullError | UnavailableError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFullError(f"Image storage media is full: {os.strerror(error.errno)}")
    return UnavailableError(f"The image store cannot be used now: {error.strerror}")
