"""Compare the database with the stores: data that is missing, is not as recorded, or belongs to no image.

Runs beside a service at work. What may have changed since it was looked at is looked at again before it is
told.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from enum import Enum

import msgspec

from transom.clock import now_us
from transom.data.verification import recorded_hash, verify
from transom.domain.errors import ContentRefusedError, NotFoundError, TransomError, UnavailableError
from transom.domain.events import CLOCK
from transom.domain.model import Image, Location, Status
from transom.domain.status import WITH_DATA
from transom.ownership import Ownership
from transom.sql.checks import PAGE, Key, all_images, find_known
from transom.sql.db import Database
from transom.sql.images import find_image, moved_on, update_image
from transom.stores import Listable
from transom.stores.registry import Stores
from transom.threads import Threads

#: A key as uploads make them. What else lies there is not the service's.
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9a-f]{32}")
#: The property that tells the owner why an image was deactivated.
REASON = "os_data_check"


class Fault(Enum):
    """What is wrong with data. The text is shown, and kept as `REASON`."""

    MISSING = "missing"
    WRONG_SIZE = "wrong size"
    WRONG_HASH = "wrong hash"
    #: In a store, and of no image.
    ORPHAN = "orphan"
    #: The store, or the server, could not be asked.
    UNKNOWN = "not checked"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`image`: None of orphans, whose `key` says which image it was made for. `key` None: a whole store.
    `size`: bytes that are there, None where there are none. `repair`: what was done about it."""

    fault: Fault
    store: str
    key: str | None = None
    image: Image | None = None
    size: int | None = None
    repair: str | None = None


class Check:
    """One run. `is_deep`: read all data and compare its hash, at most at `pace` bytes a second (None: as fast
    as it comes). `repairs`: set orphans aside, and deactivate images without any good copy of their data."""

    def __init__(
        self,
        db: Database,
        stores: Stores,
        ownership: Ownership,
        *,
        is_deep: bool = False,
        pace: int | None = None,
        repairs: bool = False,
    ) -> None:
        self._db = db
        self._stores = stores
        self._ownership = ownership
        self._is_deep = is_deep
        self._pace = Pace(pace) if pace is not None else None
        self._repairs = repairs
        self._hashing = Threads("hash", 1)
        #: How many images were looked at.
        self.images = 0

    def close(self) -> None:
        self._hashing.close()

    async def find_all(self) -> AsyncIterator[Finding]:
        """The faults of images, then the orphans in the stores."""
        async for image in all_images(self._db):
            for finding in await self.check_image(image):
                yield finding
            self.images += 1
        async for finding in self.find_orphans():
            yield finding

    async def find_orphans(self) -> AsyncIterator[Finding]:
        """The blobs in the stores that no image owns."""
        for info in self._stores.writable:
            store = self._stores.get(info.id)
            if isinstance(store, Listable):
                async for finding in self._find_orphans_in(info.id, store):
                    yield finding

    # ---- the data of one image

    async def check_image(self, image: Image) -> list[Finding]:
        """What is wrong with each copy of the image's data; nothing of an image without data, or that was
        changed or removed meanwhile."""
        if image.status not in WITH_DATA:
            return []
        own = [place for place in image.locations if not place.is_foreign]
        faults = [(place, await self._judge(image, place)) for place in own]
        found = [(place, fault) for place, fault in faults if fault is not None]
        if not found or not await self._is_as_seen(image):
            return []
        repair = None
        is_lost = len(found) == len(image.locations) and all(fault is not Fault.UNKNOWN for _, fault in found)
        if self._repairs and is_lost and image.status == Status.ACTIVE:
            repair = await self._deactivate(image, found[0][1])
        return [
            Finding(fault=fault, store=place.store, key=place.key, image=image, repair=repair)
            for place, fault in found
        ]

    async def _judge(self, image: Image, place: Location) -> Fault | None:
        try:
            fault = await self._look_at(image, place)
            if fault is not None:
                # What is missing in a folder that is not mounted, or in another machine's, is not lost.
                await self._ownership.require(place.store)
        except TransomError:
            return Fault.UNKNOWN
        return fault

    async def _look_at(self, image: Image, place: Location) -> Fault | None:
        try:
            size = await self._stores.get(place.store).size(place.key)
            if size is None:
                return Fault.MISSING
            if size != image.size:
                return Fault.WRONG_SIZE
            return await self._judge_bytes(image, place) if self._is_deep else None
        except NotFoundError:
            return Fault.MISSING

    async def _judge_bytes(self, image: Image, place: Location) -> Fault | None:
        if recorded_hash(image) is None:
            return None
        chunks = self._stores.get(place.store).get(place.key, 0, image.size or 0)
        try:
            async with aclosing(verify(image, chunks, None, self._hashing)) as verified:
                async for chunk in verified:
                    if self._pace is not None:
                        await self._pace.wait(len(chunk))
        except ContentRefusedError:
            return Fault.WRONG_HASH
        return None

    async def _is_as_seen(self, image: Image) -> bool:
        now = (await find_image(self._db, image.id, (None, None))).image
        return now is not None and (now.updated_at, now.locations) == (image.updated_at, image.locations)

    async def _deactivate(self, image: Image, fault: Fault) -> str | None:
        """Deactivate the image, so that nobody is given the data as if it were whole. None after a write
        conflict."""
        new = msgspec.structs.replace(
            image,
            status=Status.DEACTIVATED,
            properties={**image.properties, REASON: fault.value},
            updated_at=moved_on(image, now_us()),
        )
        return "deactivated" if await update_image(self._db, image, new, CLOCK) else None

    # ---- orphans

    async def _find_orphans_in(self, store_id: str, store: Listable) -> AsyncIterator[Finding]:
        try:
            # In a store of another database everything is somebody else's.
            await self._ownership.require(store_id)
            async for page in _pages_of(store_id, store):
                for finding in await self._judge_page(page, store):
                    yield finding
        except TransomError:
            yield Finding(fault=Fault.UNKNOWN, store=store_id)

    async def _judge_page(self, page: dict[Key, int], store: Listable) -> list[Finding]:
        ours = {key: size for key, size in page.items() if _KEY.fullmatch(key.key)}
        known = await find_known(self._db, ours) if ours else set()
        return [
            await self._judge_orphan(key, size, store)
            for key, size in ours.items()
            # It may have been removed since it was listed.
            if key not in known and await store.holds(key.key)
        ]

    async def _judge_orphan(self, key: Key, size: int, store: Listable) -> Finding:
        repair = None
        if self._repairs:
            try:
                repair = f"moved to {await store.set_aside(key.key)}"
            except (NotFoundError, UnavailableError) as error:
                repair = f"failed: {error}"
        return Finding(fault=Fault.ORPHAN, store=key.store, key=key.key, size=size, repair=repair)


async def _pages_of(store_id: str, store: Listable) -> AsyncIterator[dict[Key, int]]:
    """The keys and sizes in the store, many at a time. UnavailableError after what could be listed."""
    page: dict[Key, int] = {}
    try:
        async for key, size in store.list_blobs():
            page[Key(store_id, key)] = size
            if len(page) >= PAGE:
                yield page
                page = {}
    except UnavailableError:
        yield page
        raise
    yield page


class Pace:
    """Limits how fast bytes are moved: so many a second, on average over a few seconds."""

    #: A burst after a pause is at most what so many seconds allow.
    _BURST_S = 1.0

    def __init__(self, bytes_s: int) -> None:
        self._bytes_s = bytes_s
        self._free_at = time.monotonic()

    async def wait(self, moved: int) -> None:
        """Return when `moved` more bytes fit."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now - self._BURST_S) + moved / self._bytes_s
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
