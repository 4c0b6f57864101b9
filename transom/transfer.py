"""Bytes between a client and a store: count, hash, inspect, limit; then location and status.

For the API and for background work alike; knows no HTTP. The order that keeps an image's bytes and its row in
step, whatever dies when: the blob's row (held by this worker), the bytes, their publication, then in one
transaction the blob is no longer loose and the image is `active` with its location. `recover` undoes what
stopped on the way.
"""

import asyncio
import hashlib
import logging
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from transom.clock import now_us
from transom.config import Settings
from transom.domain.errors import (
    ConflictError,
    ContentRefusedError,
    InvalidError,
    LimitExceededError,
    TransomError,
    UnavailableError,
    VanishedError,
)
from transom.domain.model import Content, Image, Location, Status
from transom.domain.status import advance
from transom.liveness import Liveness
from transom.sql import blobs
from transom.sql.blobs import LooseBlob
from transom.sql.db import Database
from transom.sql.images import used_storage
from transom.stores import LocalFiles
from transom.stores.registry import Stores

if TYPE_CHECKING:
    from transom.inspection import Inspection

_log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20
#: Blocks received ahead of the one that is being hashed and stored.
_BLOCKS_AHEAD = 3


class Transfer:
    """Moves image data for one worker process."""

    def __init__(self, settings: Settings, db: Database, stores: Stores, liveness: Liveness) -> None:
        self._settings = settings
        self._db = db
        self._stores = stores
        self._liveness = liveness
        self._lease_us = settings.upload_lease_s * 1_000_000
        # hashlib lets go of the interpreter lock: both hashes of a block run while the block is written.
        self._hashing = ThreadPoolExecutor(2 * (os.cpu_count() or 1), thread_name_prefix="hash")

    @property
    def stores(self) -> Stores:
        return self._stores

    async def receive(
        self,
        image: Image,
        chunks: AsyncIterator[bytes],
        announced: int | None,
        expected_checksum: str | None = None,
        store_id: str | None = None,
    ) -> None:
        """Take the data of a `queued` image and make it `active`. `announced`: its size in bytes, if said;
        `expected_checksum`: the MD5 it must have; `store_id`: where to, None for the default store.

        After an error the image is `queued` as before and nothing is left in the store. Raises ConflictError
        when the image is not `queued`, InvalidError when the size is not the announced one,
        LimitExceededError, ContentRefusedError, StoreFullError, ClientGoneError, and VanishedError when the
        image was deleted meanwhile.
        """
        advance(image.status, Status.SAVING)
        _require_formats(image)
        bounds = await self._bounds(image, announced)
        blob = LooseBlob(
            key=f"{image.id}-{uuid.uuid4().hex}",
            store=store_id or self._stores.default.id,
            image_id=image.id,
            holder=self._liveness.name,
            held_until=now_us() + self._lease_us,
        )
        if not await blobs.start_upload(self._db, blob, now_us()):
            raise ConflictError(
                f"Image status transition from {Status.SAVING} to {Status.SAVING} is not allowed"
            )
        try:
            async with self._holding(blob):
                content = await self._store_content(image, blob, chunks, bounds)
                if expected_checksum not in (None, content.checksum):
                    raise ContentRefusedError("The data is not that of the image it was taken from.")
                finished = await blobs.finish_upload(self._db, blob, content, now_us())
            if not finished:
                raise VanishedError(
                    f"Image {image.id} could not be found after upload, or the upload was given up for dead."
                )
        except BaseException:
            await asyncio.shield(self._give_up(blob))
            raise

    async def remove(self, locations: tuple[Location, ...]) -> None:
        """Remove bytes that an image has given up. What fails now is done by a later `recover`."""
        for location in locations:
            if not location.is_foreign:
                await self._try_to_remove(location.store, location.key)

    # ---- from a store

    async def find_copy(self, image: Image, preferred: Sequence[str] = ()) -> Location:
        """The first of the places of an image's data that has it as it was recorded, in the order of the
        stores' weights but for those that are `preferred`. UnavailableError when there is none now."""
        for location in self._stores.ordered(image.locations, preferred):
            try:
                size = await self._stores.get(location.store).size(location.key)
            except UnavailableError as error:
                _log.warning("image %s cannot be read from store %s: %s", image.id, location.store, error)
                continue
            if size == image.size:
                return location
            _log.error("image %s is not in store %s as it was recorded", image.id, location.store)
        raise UnavailableError(f"The data of image {image.id} is not in the store as it was recorded.")

    def local_path(self, location: Location) -> str | None:
        """The file that holds these bytes, when the store keeps files of this machine."""
        store = self._stores.get(location.store)
        return str(store.path(location.key)) if isinstance(store, LocalFiles) else None

    async def read(self, location: Location, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from offset `start` on. The first of them are there when it returns: what stands in
        the way (NotFoundError, UnavailableError) shows before an answer has begun."""
        chunks = self._stores.get(location.store).get(location.key, start, length)
        return _chain(await anext(chunks, b""), chunks)

    async def recover(self) -> int:
        """Undo uploads whose worker died and finish removals that were cut short; how many there were."""
        recovered = 0
        for blob in await blobs.list_blobs(self._db):
            if blob.holder is not None:
                lapsed = blob.held_until < now_us()
                if not lapsed and not self._liveness.is_dead(blob.holder):
                    continue
                if not await blobs.take_upload(self._db, blob, now_us()):
                    continue
            recovered += await self._try_to_remove(blob.store, blob.key)
        return recovered

    async def close(self) -> None:
        self._hashing.shutdown(wait=False)

    # ---- an upload, step by step

    async def _bounds(self, image: Image, announced: int | None) -> "_Bounds":
        cap, quota = self._settings.image_size_cap, self._settings.user_storage_quota
        too_much = f"The incoming image is too large: more than {cap} bytes."
        if quota:
            left = max(quota - await used_storage(self._db, image.owner), 0)
            if left < cap:
                cap, too_much = left, f"Image exceeds the storage quota: {quota} bytes a project."
        if announced is not None and announced > cap:
            raise LimitExceededError(too_much)
        return _Bounds(most=cap, too_much=too_much, announced=announced)

    @asynccontextmanager
    async def _holding(self, blob: LooseBlob) -> AsyncIterator[None]:
        """Tell the others, three times a lease, that this worker is still at it."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(self._lease_us / 3e6)
                try:
                    if not await blobs.hold_blob(self._db, blob, now_us() + self._lease_us):
                        _log.warning("upload %s was taken for dead", blob.key)
                        return
                except TransomError as error:
                    _log.warning("upload %s could not be held: %s", blob.key, error)

        keeping = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeping.cancel()

    async def _store_content(
        self, image: Image, blob: LooseBlob, chunks: AsyncIterator[bytes], bounds: "_Bounds"
    ) -> Content:
        algorithm = self._settings.hashing_algorithm
        digests = _Digests(algorithm, self._hashing)
        measure = _Measure(bounds, self._inspection(image), digests)
        try:
            async with aclosing(measure.blocks(chunks)) as blocks:
                size = await self._stores.get(blob.store).put(blob.key, blocks)
        finally:
            await digests.settle()
        return Content(
            size=size,
            virtual_size=measure.virtual_size,
            checksum=digests.checksum,
            os_hash_algo=algorithm,
            os_hash_value=digests.value,
        )

    def _inspection(self, image: Image) -> "Inspection | None":
        """Only bare images are looked into: in any other container the disk is not at the start."""
        if image.container_format != "bare" or image.disk_format is None:
            return None
        # Imported with the first upload: the library brings several MiB of its own.
        from transom.inspection import Inspection

        nonfatal = frozenset(filter(None, self._settings.gpt_safety_checks_nonfatal.split(",")))
        return Inspection(image.disk_format, self._settings.require_image_format_match, nonfatal)

    async def _give_up(self, blob: LooseBlob) -> None:
        try:
            if await blobs.abandon_upload(self._db, blob, now_us()):
                await self._try_to_remove(blob.store, blob.key)
        except TransomError as error:
            # The lease runs out by itself, and then `recover` does it.
            _log.warning("upload %s waits for recovery: %s", blob.key, error)

    async def _try_to_remove(self, store_id: str, key: str) -> bool:
        """False when the bytes stay for a later `recover`."""
        try:
            await self._stores.get(store_id).delete(key)
            await blobs.forget_blob(self._db, key)
        except TransomError as error:
            _log.warning("blob %s stays for a later clean-up: %s", key, error)
            return False
        return True


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk


def _require_formats(image: Image) -> None:
    missing = [name for name in ("disk_format", "container_format") if getattr(image, name) is None]
    if len(missing) == 2:
        raise InvalidError(f"Properties {', '.join(missing)} must be set prior to saving data.")
    if missing:
        raise InvalidError(f"Property {missing[0]} must be set prior to saving data.")


class _Bounds(NamedTuple):
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


class _Digests:
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


class _Measure:
    """Sees an upload's blocks go by on their way to the store, and raises before a bad one is published."""

    def __init__(self, bounds: _Bounds, inspection: "Inspection | None", digests: _Digests) -> None:
        self._bounds = bounds
        self._inspection = inspection
        self._digests = digests
        self.virtual_size: int | None = None

    async def blocks(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        received = 0
        async with aclosing(_read_ahead(chunks)) as blocks:
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


async def _read_ahead(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
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
