"""Measures image data while it streams: its size, its hashes, whether it is what it claims to be.

Knows neither stores nor images: `uploads.py` says what the bytes are to be, and where they go.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple, Protocol

from transom.domain.errors import InvalidError, LimitExceededError, Reason
from transom.threads import Threads

if TYPE_CHECKING:
    from transom.data.inspection import Inspection

#: Takes bytes, and says how many there were.
Consume = Callable[[AsyncIterator[bytes]], Awaitable[int]]

_BLOCK_BYTES = 1 << 20
#: Blocks received ahead of the one that is being hashed and stored.
_BLOCKS_AHEAD = 3
#: What that makes in memory, with the one that comes in and the one that is worked on.
AHEAD_BYTES = (_BLOCKS_AHEAD + 2) * _BLOCK_BYTES


class Bounds(NamedTuple):
    """How large the data may be (bytes), what to say of more, and how large the client said it is."""

    limit: int
    too_much: str
    announced: int | None
    reason: Reason | None = None

    def check(self, received: int) -> None:
        if received > self.limit:
            raise LimitExceededError(self.too_much, self.reason)
        if self.announced is not None and received > self.announced:
            raise InvalidError(f"The data is larger than the {self.announced} bytes that were announced.")

    def check_end(self, received: int) -> None:
        if self.announced is not None and received != self.announced:
            raise InvalidError(f"The data has {received} bytes, {self.announced} were announced.")


class DigestCheck(Protocol):
    """What the data has to pass once all of it is known, by its digest: an expected value, a signature."""

    @property
    def algorithm(self) -> str:
        """As `hashlib` names it."""
        ...

    def check(self, digest: bytes) -> None:
        """InvalidError unless data of this digest passes."""
        ...


class Digests:
    """Digests of the same blocks by several algorithms, each in a thread of its own."""

    def __init__(self, algorithms: Iterable[str], threads: Threads) -> None:
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._threads = threads
        self._running: list[asyncio.Future[None]] = []

    async def update(self, block: bytes) -> None:
        """Wait for the block before, then start on this one and return."""
        await self.settle()
        self._running = [self._threads.begin(one.update, block) for one in self._hashes.values()]

    async def settle(self) -> None:
        """Return when no hash is at work any more."""
        for running in self._running:
            await running
        self._running = []

    def hexdigest(self, algorithm: str) -> str:
        return self._hashes[algorithm].hexdigest()

    async def require(self, checks: Sequence[DigestCheck]) -> None:
        """InvalidError unless what has gone by passes all of them."""
        await self.settle()
        for one in checks:
            one.check(self._hashes[one.algorithm].digest())


class Measure:
    """Sees an upload's blocks go by on their way to the store, and raises before a bad one is published.
    `digests`: of the algorithms of all `checks` at least."""

    def __init__(
        self,
        bounds: Bounds,
        inspection: "Inspection | None",
        digests: Digests,
        checks: Sequence[DigestCheck] = (),
    ) -> None:
        self._bounds = bounds
        self._inspection = inspection
        self._digests = digests
        self._checks = checks
        self.virtual_size: int | None = None

    async def consume(self, chunks: AsyncIterator[bytes], consume: Consume) -> int:
        """What `consume` returns, which is given the chunks as they go by here. No hash is at work then."""
        try:
            async with aclosing(self._blocks(chunks)) as blocks:
                return await consume(blocks)
        finally:
            await self._digests.settle()

    async def _blocks(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
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
        await self._digests.require(self._checks)
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


async def count(chunks: AsyncIterator[bytes]) -> int:
    """How many bytes there are."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
    return size
