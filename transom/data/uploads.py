"""Bytes from a client or a source to a store: count, hash, inspect, limit; then location and status.

For the API and for background work alike; knows no HTTP. The order that keeps an image's bytes and its row in
step, whatever dies when: the blob's row (leased to this worker), the bytes, their publication, then in one
transaction the blob is no longer loose and the image is `active` with its location. `Removal.clean_up` undoes
what stopped on the way.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from transom.clock import now_us
from transom.data.certificates import Certificates
from transom.data.measure import AHEAD_BYTES, Bounds, Consume, DigestCheck, Digests, Measure, count
from transom.data.removal import Removal
from transom.data.upload_memory import UploadMemory
from transom.domain.errors import (
    ConflictError,
    ContentRefusedError,
    LimitExceededError,
    Reason,
    VanishedError,
)
from transom.domain.model import Content, Image, Status
from transom.domain.project_quotas import Limit, require_room
from transom.domain.status import advance, require_formats
from transom.fair_semaphore import Need
from transom.lease import renewed
from transom.liveness import Liveness
from transom.ownership import Ownership
from transom.quotas.storage import StorageQuota
from transom.sql import blobs
from transom.sql.blobs import UNGUARDED, LooseBlob, UploadGuard
from transom.sql.db import Database
from transom.sql.images import count_uploading
from transom.stores.registry import Stores
from transom.threads import Threads

if TYPE_CHECKING:
    from transom.data.inspection import Inspection

Claimed = TypeVar("Claimed")

_GIVEN_UP = "The upload was aborted: the server could not renew its lease on it in time."
_OTHER_DATA = "The data is not that of the image it was taken from."


async def _forbid_nothing() -> None:
    """For uploads whose rights are checked elsewhere."""


class UploadRules(msgspec.Struct, frozen=True, kw_only=True):
    """What every upload has to keep to. Bytes; `project_quota`: 0, no limit; `upload_memory`: of all uploads
    at once; `nonfatal_checks`: those of a disk's partition table that refuse nothing."""

    size_cap: int
    project_quota: int
    upload_memory: int
    lease_us: int
    hashing_algorithm: str
    must_match_format: bool
    nonfatal_checks: frozenset[str]


class Uploads:
    """Stores image data for one worker process. `threads`: for hashing."""

    def __init__(
        self,
        rules: UploadRules,
        db: Database,
        stores: Stores,
        liveness: Liveness,
        ownership: Ownership,
        certificates: Certificates,
        removal: Removal,
        threads: Threads,
    ) -> None:
        self._rules = rules
        self._db = db
        self._stores = stores
        self._ownership = ownership
        self._certificates = certificates
        self._removal = removal
        self._liveness = liveness
        self._quota = StorageQuota(db, rules.project_quota)
        self._memory = UploadMemory(rules.upload_memory)
        self._hashing = threads

    async def receive(
        self,
        image: Image,
        chunks: AsyncIterator[bytes],
        announced: int | None,
        expected_checksum: str | None = None,
        store_id: str | None = None,
        guard: UploadGuard = UNGUARDED,
        checks: Sequence[DigestCheck] = (),
        token: str | None = None,
        before_publish: Callable[[], Awaitable[None]] = _forbid_nothing,
    ) -> None:
        """Take the data of a `queued` image and make it `active`. `announced`: its size in bytes, if said;
        `expected_checksum`: its MD5; `store_id`: None for the default store; `guard`: how many uploads its
        owner may have; `checks`: what the data must pass besides; `token`: the user's, for the certificate of
        a signed image; `before_publish`: called with all bytes stored, may raise what forbids to publish.

        After an error the image is `queued` as before and nothing is left in the store. ConflictError: the
        image is not `queued`; InvalidError: another size, a failed check; further LimitExceededError,
        ContentRefusedError, StoreFullError, ClientGoneError; VanishedError: the image was deleted.
        """
        advance(image.status, Status.SAVING)
        require_formats(image)
        bounds = await self._bounds(image, announced)
        blob = await self._new_blob(image, store_id, image.id)
        if not await self._claim(blob, blobs.start_upload(self._db, image, blob, now_us(), guard)):
            await self._require_room(guard)
            raise ConflictError(
                f"Image status transition from {Status.SAVING} to {Status.SAVING} is not allowed"
            )

        async def fill() -> bool:
            # A copy is what its source is, by its checksum.
            signed = () if expected_checksum else await self._certificates.checks_of(image, token)
            content = await self._measured(
                image, chunks, bounds, (*checks, *signed), self._put_to(image, blob, bounds)
            )
            if expected_checksum not in (None, content.checksum):
                raise ContentRefusedError(_OTHER_DATA)
            await before_publish()
            return await blobs.finish_upload(self._db, blob, content, now_us())

        await self._publish(blob, fill, f"Image {image.id}")

    async def stage(
        self,
        image: Image,
        chunks: AsyncIterator[bytes],
        announced: int | None,
        guard: UploadGuard = UNGUARDED,
        checks: Sequence[DigestCheck] = (),
        before_publish: Callable[[], Awaitable[None]] = _forbid_nothing,
    ) -> None:
        """Take the data of a `queued` image to be imported later, as it is, and make it `uploading`. `guard`,
        `checks`, `before_publish` and errors as of `receive`."""
        advance(image.status, Status.UPLOADING)
        bounds = await self._bounds(image, announced)
        blob = await self._new_blob(image, None, image.id)
        if not await self._claim(blob, blobs.start_staging(self._db, blob, now_us(), guard)):
            await self._require_room(guard)
            text = f"Image status transition from {Status.UPLOADING} to {Status.UPLOADING} is not allowed"
            raise ConflictError(text)

        async def fill() -> bool:
            size = await self._put_bounded(image, blob, chunks, bounds, checks)
            await before_publish()
            return await blobs.finish_staging(self._db, blob, size, now_us())

        await self._publish(blob, fill, f"Image {image.id}")

    async def put_aside(
        self,
        image: Image,
        chunks: AsyncIterator[bytes],
        announced: int | None,
        publish: Callable[[LooseBlob, int], Awaitable[bool]],
        checks: Sequence[DigestCheck] = (),
    ) -> None:
        """Store bytes for an import as they are. `publish`: gives the blob of that size an owner in one
        transaction, or returns False. After an error nothing is left; `checks` and errors as of `receive`."""
        bounds = await self._bounds(image, announced)
        blob = await self._new_blob(image, None, None)
        await self._claim(blob, blobs.claim_blob(self._db, blob))

        async def fill() -> bool:
            return await publish(blob, await self._put_bounded(image, blob, chunks, bounds, checks))

        await self._publish(blob, fill, f"Image {image.id}")

    async def put_copy(
        self,
        image: Image,
        chunks: AsyncIterator[bytes],
        size: int,
        store_id: str,
        publish: Callable[[LooseBlob, Content], Awaitable[bool]],
        checks: Sequence[DigestCheck] = (),
    ) -> None:
        """As `put_aside`, for the data of the image itself: hashed, and looked into as an upload's is."""
        bounds = await self._bounds(image, size)
        blob = await self._new_blob(image, store_id, None)
        await self._claim(blob, blobs.claim_blob(self._db, blob))

        async def fill() -> bool:
            return await publish(
                blob, await self._measured(image, chunks, bounds, checks, self._put_to(image, blob, bounds))
            )

        await self._publish(blob, fill, f"Image {image.id}")

    async def digest(self, chunks: AsyncIterator[bytes], size: int, algorithm: str) -> Content:
        """The hashes of data that somebody else keeps. Its format is not looked at."""
        bounds = Bounds(limit=size, too_much="The data is larger than it was said to be.", announced=size)
        return await self._hashed(chunks, bounds, None, algorithm, (), count)

    async def room(self, image: Image) -> int:
        """How many bytes the image's data may have now."""
        return (await self._bounds(image, None)).limit

    async def examine(
        self, image: Image, chunks: AsyncIterator[bytes], size: int, checks: Sequence[DigestCheck] = ()
    ) -> Content:
        """What there is to know of bytes that are in a store already. Errors as of `receive`."""
        bounds = await self._bounds(image, size)
        return await self._measured(image, chunks, bounds, checks, count)

    # ---- an upload, step by step

    async def _new_blob(self, image: Image, store_id: str | None, image_id: str | None) -> LooseBlob:
        """`store_id` None: the default store. `image_id`: the image whose status these bytes decide.
        NotOwnedError when the store takes none of ours."""
        store_id = store_id or self._stores.default.id
        await self._ownership.require(store_id)
        return LooseBlob(
            key=f"{image.id}-{uuid.uuid4().hex}",
            store=store_id,
            image_id=image_id,
            holder=self._liveness.name,
            held_until=now_us() + self._rules.lease_us,
        )

    async def _require_room(self, guard: UploadGuard) -> None:
        """LimitExceededError when it is the guard that stood in the way of an upload."""
        if guard.limit >= 0:
            used = await count_uploading(self._db, guard.owner)
            require_room(guard.owner, Limit.UPLOADING, guard.limit, used, 1)

    async def _claim(self, blob: LooseBlob, claim: Awaitable[Claimed]) -> Claimed:
        """What `claim` returns. After an error it may have been written all the same: then it is undone."""
        try:
            return await claim
        except BaseException:
            await asyncio.shield(self._removal.give_up(blob))
            raise

    async def _publish(self, blob: LooseBlob, fill: Callable[[], Awaitable[bool]], whose: str) -> None:
        """Hold the claimed blob while `fill` stores its bytes and gives them an owner. VanishedError if it
        returns False: they have none. After any error the bytes are removed, those of an upload that was cut
        off as well; if the worker dies, `Removal.clean_up` does that later."""

        async def renew_once() -> bool:
            return await blobs.hold_blob(self._db, blob, now_us() + self._rules.lease_us)

        try:
            async with renewed(renew_once, self._rules.lease_us, f"Upload {blob.key}", _GIVEN_UP):
                is_owned = await fill()
            if not is_owned:
                raise VanishedError(
                    f"{whose} could not be found after upload, or the upload was given up for dead."
                )
        except BaseException:
            await asyncio.shield(self._removal.give_up(blob))
            raise

    async def _bounds(self, image: Image, announced: int | None) -> Bounds:
        cap = self._rules.size_cap
        too_much, reason = f"The incoming image is too large: more than {cap} bytes.", Reason.OBJECT_TOO_LARGE
        left = await self._quota.room_for(image)
        if left is not None and left < cap:
            cap, too_much, reason = left, self._quota.text, Reason.IMAGE_QUOTA
        if announced is not None and announced > cap:
            raise LimitExceededError(too_much, reason)
        return Bounds(limit=cap, too_much=too_much, announced=announced, reason=reason)

    async def _put_bounded(
        self,
        image: Image,
        blob: LooseBlob,
        chunks: AsyncIterator[bytes],
        bounds: Bounds,
        checks: Sequence[DigestCheck],
    ) -> int:
        digests = Digests({check.algorithm for check in checks}, self._hashing)
        measure = Measure(bounds, None, digests, checks)
        return await measure.consume(chunks, self._put_to(image, blob, bounds))

    def _put_to(self, image: Image, blob: LooseBlob, bounds: Bounds) -> Consume:
        """Returns a function that stores the bytes and reserves quota for them: before the transfer if the
        size is known, else after it and before the image gets them."""

        async def put(chunks: AsyncIterator[bytes]) -> int:
            announced = bounds.announced
            if announced is not None:
                await self._quota.reserve(image, blob, announced)
            store = self._stores.get(blob.store)
            ahead = AHEAD_BYTES if announced is None else min(announced, AHEAD_BYTES)
            least, most = store.memory_for(announced)
            # Nothing is read of the chunks before.
            async with self._memory.hold(image.owner, Need(ahead + least, ahead + most)) as held:
                size = await store.put(blob.key, held.watch(chunks), announced, held.size - ahead)
            if announced is None:
                await self._quota.reserve(image, blob, size)
            return size

        return put

    async def _measured(
        self,
        image: Image,
        chunks: AsyncIterator[bytes],
        bounds: Bounds,
        checks: Sequence[DigestCheck],
        consume: Consume,
    ) -> Content:
        inspection, algorithm = self._inspection(image), self._rules.hashing_algorithm
        return await self._hashed(chunks, bounds, inspection, algorithm, checks, consume)

    async def _hashed(
        self,
        chunks: AsyncIterator[bytes],
        bounds: Bounds,
        inspection: "Inspection | None",
        algorithm: str,
        checks: Sequence[DigestCheck],
        consume: Consume,
    ) -> Content:
        """A digest that a check needs costs its time only where it is not one of the two on record."""
        digests = Digests({"md5", algorithm, *(check.algorithm for check in checks)}, self._hashing)
        measure = Measure(bounds, inspection, digests, checks)
        size = await measure.consume(chunks, consume)
        return Content(
            size=size,
            virtual_size=measure.virtual_size,
            checksum=digests.hexdigest("md5"),
            os_hash_algo=algorithm,
            os_hash_value=digests.hexdigest(algorithm),
        )

    def _inspection(self, image: Image) -> "Inspection | None":
        """Only bare images are looked into: in any other container the disk is not at the start."""
        if image.container_format != "bare" or image.disk_format is None:
            return None
        # Imported with the first upload: the library brings several MiB of its own.
        from transom.data.inspection import Inspection

        return Inspection(image.disk_format, self._rules.must_match_format, self._rules.nonfatal_checks)
