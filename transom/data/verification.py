"""Bytes of a remote store on their way out: compared with the recorded hash, and kept in the cache.

A store on this machine wrote what it holds itself; of what comes over a network, be it our own store or a
stranger's server, nobody knows before it is read. The last bytes are held back until all are known to be
right, so that nobody is ever given a whole image that is not the one on record.
"""

import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from transom.domain.errors import ContentRefusedError, UnavailableError, describe
from transom.domain.model import Image
from transom.stores.cache import Cache, Filling
from transom.threads import Threads

_log = logging.getLogger(__name__)


def recorded_hash(image: Image) -> tuple[str, str] | None:
    """(algorithm, hex digest) of an image's data, the strongest on record; None when there is none."""
    if image.os_hash_algo is not None and image.os_hash_value is not None:
        return image.os_hash_algo, image.os_hash_value
    return ("md5", image.checksum) if image.checksum is not None else None


async def verify(
    image: Image, chunks: AsyncGenerator[bytes, None], cache: Cache | None, threads: Threads
) -> AsyncGenerator[bytes, None]:
    """The same chunks, all of an image's data, which is in the cache when it has passed whole, if there is
    one with room. ContentRefusedError in place of the last chunk if they do not have the recorded hash."""
    recorded = recorded_hash(image)
    if recorded is None:
        # No hash to compare with, so the data is not cached: cached copies must be known to be correct.
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk
        return
    digest = hashlib.new(recorded[0], usedforsecurity=False)
    held = b""
    async with aclosing(chunks), _keeping(image, cache) as kept:
        async for chunk in chunks:
            if held:
                yield held
            held = chunk
            await threads.run(digest.update, chunk)
            await kept.write(chunk)
        if digest.hexdigest() != recorded[1]:
            raise ContentRefusedError(f"The data of image {image.id} is not the one on record.")
        await kept.publish(image.checksum or "")
        if held:
            yield held


@asynccontextmanager
async def _keeping(image: Image, cache: Cache | None) -> AsyncIterator["_Kept"]:
    """A place in the cache, if there is one to be had; else what is written to it goes nowhere."""
    filling = None
    if cache is not None and image.size is not None:
        try:
            filling = await cache.begin(image.id, image.size)
        except UnavailableError as error:
            _log.warning("image %s is not cached: %s", image.id, describe(error))
    kept = _Kept(image.id, filling)
    try:
        yield kept
    finally:
        await kept.discard()


class _Kept:
    """Writes to the cache that never delay the download of the same bytes."""

    def __init__(self, image_id: str, filling: Filling | None) -> None:
        self._image_id = image_id
        self._filling = filling

    async def write(self, chunk: bytes) -> None:
        if self._filling is not None:
            try:
                await self._filling.write(chunk)
            except UnavailableError as error:
                await self._give_up(error)

    async def publish(self, checksum: str) -> None:
        filling, self._filling = self._filling, None
        if filling is not None:
            try:
                await filling.publish(checksum)
            except UnavailableError as error:
                await self._give_up(error)

    async def discard(self) -> None:
        filling, self._filling = self._filling, None
        if filling is not None:
            await filling.discard()

    async def _give_up(self, error: UnavailableError) -> None:
        _log.warning("image %s is not cached: %s", self._image_id, describe(error))
        await self.discard()
