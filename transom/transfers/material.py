"""What a plugin of an import, or a conversion, has to work with."""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from transom.data.transfer import Transfer
from transom.disk import Room
from transom.domain.errors import StoreFullError
from transom.domain.model import Image, Location
from transom.transfers.options import PluginOptions, TransferOptions
from transom.transfers.work_folders import WORK_THREADS, open_work_folder

_BLOCK_BYTES = 1 << 20
#: Pause between two looks whether there is room, while files are written. A disk takes less than a reserve
#: (256 MiB) in that time.
_LOOK_S = 0.1


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin has to work with.

    `read`: all bytes; `as_file`: the same as a file of this machine, for as long as the context lasts;
    `roles`: of the requester; `most_bytes`: that may be made of it; `room`: for the files that are made.
    """

    options: PluginOptions
    image: Image
    roles: frozenset[str]
    read: Callable[[], AsyncGenerator[bytes, None]]
    as_file: Callable[[], AbstractAsyncContextManager[Path]]
    open_folder: Callable[[], AbstractAsyncContextManager[Path]]
    most_bytes: int
    room: "WorkRoom"


class WorkRoom:
    """Room on this machine's disk for the files of transfers."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def require(self, size: int = 0) -> None:
        """StoreFullError when there is none for so many bytes, beside the reserve."""
        await WORK_THREADS.run(self._room.look)
        if self._room.lacks(size):
            raise StoreFullError("This machine has no room for the files of a conversion.")

    async def fill(self, writing: Coroutine[Any, Any, None]) -> None:
        """Have the files written, to the end; broken off, with StoreFullError, when the reserve begins: what
        there was room for at the start may have been taken by others meanwhile."""
        task = asyncio.ensure_future(writing)
        try:
            while not task.done():
                await self.require()
                await asyncio.wait([task], timeout=_LOOK_S)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        await task


class Materials:
    """Makes materials for the worker `holder`. `open_folder` opens a folder of its own."""

    def __init__(self, options: TransferOptions, transfer: Transfer, holder: str) -> None:
        self._options = options.plugins
        self._transfer = transfer
        self._room = WorkRoom(Room(options.work_folder, options.disk_reserve))
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
            await self._room.require(size)
            async with self.open_folder() as folder:
                path = folder / "data"
                await self._room.fill(write_file(path, read()))
                yield path

        return Material(
            options=self._options,
            image=image,
            roles=roles,
            read=read,
            as_file=as_file,
            open_folder=self.open_folder,
            most_bytes=most_bytes,
            room=self._room,
        )


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
