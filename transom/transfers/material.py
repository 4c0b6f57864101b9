"""What a plugin of an import, or a conversion, has to work with."""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec

from transom.data.transfer import Transfer
from transom.disk import Room
from transom.domain.errors import StoreFullError
from transom.domain.model import Image, Location
from transom.transfers.options import PluginOptions, TransferOptions
from transom.transfers.work_folders import WORK_THREADS, open_work_folder

_BLOCK_BYTES = 1 << 20


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin has to work with.

    `read`: all bytes; `as_file`: the same as a file of this machine, for as long as the context lasts;
    `roles`: of the requester; `most_bytes`: that may be made of it; `require_room`: raises StoreFullError
    when this machine's disk has no room for so many bytes.
    """

    options: PluginOptions
    image: Image
    roles: frozenset[str]
    read: Callable[[], AsyncGenerator[bytes, None]]
    as_file: Callable[[], AbstractAsyncContextManager[Path]]
    open_folder: Callable[[], AbstractAsyncContextManager[Path]]
    most_bytes: int
    require_room: Callable[[int], None]


class Materials:
    """Makes materials for the worker `holder`. `open_folder` opens a folder of its own."""

    def __init__(self, options: TransferOptions, transfer: Transfer, holder: str) -> None:
        self._options = options.plugins
        self._transfer = transfer
        self._room = Room(options.work_folder, options.disk_reserve)
        self.open_folder = partial(open_work_folder, options.work_folder, holder)

    def make(
        self,
        image: Image,
        location: Location,
        size: int,
        most_bytes: int,
        roles: frozenset[str] = frozenset(),
    ) -> Material:
        """Of the `size` bytes at the location."""
        read = partial(self._transfer.stores.get(location.store).get, location.key, 0, size)

        @asynccontextmanager
        async def as_file() -> AsyncIterator[Path]:
            local = self._transfer.reads.local_path(location)
            if local is not None:
                yield Path(local)
                return
            self._require_room(size)
            async with self.open_folder() as folder:
                path = folder / "data"
                await write_file(path, read())
                yield path

        return Material(
            options=self._options,
            image=image,
            roles=roles,
            read=read,
            as_file=as_file,
            open_folder=self.open_folder,
            most_bytes=most_bytes,
            require_room=self._require_room,
        )

    def _require_room(self, size: int) -> None:
        if self._room.is_short(size):
            raise StoreFullError("This machine has no room for the files of a conversion.")


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """All of its bytes."""
    async with WORK_THREADS.opened(io.FileIO.close, io.FileIO, path) as file:
        while block := await WORK_THREADS.finish(file.read, _BLOCK_BYTES):
            yield block


async def write_file(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """Write a new file, which need not outlive a crash."""
    async with WORK_THREADS.opened(io.BufferedWriter.close, _open_new, path) as file:
        async for chunk in chunks:
            await WORK_THREADS.finish(file.write, chunk)


def _open_new(path: Path) -> io.BufferedWriter:
    return path.open("xb")
