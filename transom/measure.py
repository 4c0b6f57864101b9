"""What is learnt of image data while it goes by: its size, its hashes, whether it is what it claims to be.

Knows neither stores nor images: `transfer.py` says what the bytes are to be, and where they go.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from transom.domain.errors import InvalidError, LimitExceededError

if TYPE_CHECKING:
    from transom.inspection import Inspection

_BLOCK_BYTES = 1 << 20
#: Blocks received ahead of the one that is being hashed and stored.
_BLOCKS_AHEAD = 3


class Bounds(NamedTuple):
    """How large the data may be (bytes), what to say of more, and how large the client said it is."""

    most: int
    too_much: str
    announced: int | None

    def check(self, received: int) -> None:
        if received > self.most:
            raise LimitExceededError(self.too_much)
        if self.announced is not None and received > self.announced:
            raise InvalidError(f"The data is larger than the {self.announced} bytes that were announced.")

    def check_end(self, received: int) -> None:
        if self.announced is not None and received != self.announced:
            raise InvalidError(f"The data has {received} bytes, {self.announced} were announced.")


class Digests:
    """MD5 (the `checksum`) and the configured hash of the same blocks, each in a thread of its own."""

    def __init__(self, algorithm: str, threads: ThreadPoolExecutor) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._strong = hashlib.new(algorithm)
        self._threads = threads
        self._running: list[asyncio.Future[None]] = []

    async def update(self, block: bytes) -> None:
        """Wait for the block before, then start on this one and return."""
        await self.settle()
        loop = asyncio.get_running_loop()
        self._running = [
            loop.run_in_executor(self._threads, digest.update, block) for digest in (self._md5, self._strong)
        ]

    async def settle(self) -> None:
        """Return when no hash is at work any more."""
        for running in self._running:
            await running
        self._running = []

    @property
    def checksum(self) -> str:
        return self._md5.hexdigest()

    @property
    def value(self) -> str:
        return self._strong.hexdigest()


class Measure:
    """Sees an upload's blocks go by on their way to the store, and raises before a bad one is published."""

    def __init__(self, bounds: Bounds, inspection: "Inspection | None", digests: Digests) -> None:
        self._bounds = bounds
        self._inspection = inspection
        self._digests = digests
        self.virtual_size: int | None = None

    async def blocks(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        received = 0
        async with aclosing(read_ahead(chunks)) as blocks:
            async for block in blocks:
                received += len(block)
                self._bounds.check(received)
                if self._inspection is not None:
                    self._inspection.feed(block)
                await self._digests.update(block)
                yield block
        self._bounds.check_end(received)
        if self._inspection is not None:
            self.virtual_size = self._inspection.finish(received)


async def read_ahead(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The same bytes in blocks of about 1 MiB, received while the ones before are worked on."""
    ahead: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(_BLOCKS_AHEAD)

    async def receive() -> None:
        try:
            async for block in _in_blocks(chunks):
                await ahead.put(block)
            await ahead.put(None)
        except Exception as error:  # noqa: BLE001 (raised again by the reader)
            await ahead.put(error)

    receiving = asyncio.create_task(receive())
    try:
        while (item := await ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        receiving.cancel()
        await asyncio.wait([receiving])


async def _in_blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= _BLOCK_BYTES:
            yield parts[0] if len(parts) == 1 else b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


async def bounded(chunks: AsyncIterator[bytes], bounds: Bounds) -> AsyncGenerator[bytes, None]:
    """The same bytes, as long as they keep within the bounds."""
    received = 0
    async with aclosing(read_ahead(chunks)) as blocks:
        async for block in blocks:
            received += len(block)
            bounds.check(received)
            yield block
    bounds.check_end(received)


async def count(chunks: AsyncIterator[bytes]) -> int:
    """How many bytes there are."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
    return size
