"""Chunks of a blob on their way to obstore, which pulls them and must not be cancelled.

Start reading at `Feed`. For uploads of `s3_bucket.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any


class TooManyPartsError(Exception):
    """There is more data than an upload can have parts for; `limit` bytes would fit."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class _BrokenOffError(Exception):
    """What ends an upload whose source is done for."""


class Feed:
    """Chunks on their way from a source to obstore, which pulls them. Between the two, because obstore must
    not be cancelled, and the source may be."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | _BrokenOffError | None] = asyncio.Queue(1)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._queue.get()) is not None:
            if isinstance(chunk, _BrokenOffError):
                raise chunk
            yield chunk

    async def give(self, chunk: bytes | None, sending: asyncio.Future[Any]) -> None:
        """Return when there is room for it (None: the end); raise what `sending` failed with meanwhile."""
        if self._queue.full():
            giving = asyncio.ensure_future(self._queue.put(chunk))
            try:
                await asyncio.wait([giving, sending], return_when=asyncio.FIRST_COMPLETED)
            finally:
                giving.cancel()
        else:
            self._queue.put_nowait(chunk)
        if sending.done():
            sending.result()

    def break_off(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(_BrokenOffError())


async def send_all(feed: Feed, sending: asyncio.Future[Any], chunks: AsyncIterator[bytes], limit: int) -> int:
    """Hand the chunks to the upload that is under way, and say that it is whole; its size."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooManyPartsError(limit)
        await feed.give(chunk, sending)
    await feed.give(None, sending)
    return size


async def take_first(chunks: AsyncIterator[bytes], size: int) -> tuple[list[bytes], bool]:
    """(the first chunks, until they have `size` bytes together, whether that is all there is)."""
    taken: list[bytes] = []
    async for chunk in chunks:
        taken.append(chunk)
        size -= len(chunk)
        if size <= 0:
            return taken, False
    return taken, True


async def chain(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All of them. The first are let go of as they pass."""
    first.reverse()
    while first:
        yield first.pop()
    async for chunk in rest:
        yield chunk


async def outlast(doing: Coroutine[Any, Any, None]) -> None:
    """Do it to its end, however often it is cancelled meanwhile; only then pass the cancelling on."""
    task = asyncio.ensure_future(doing)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
