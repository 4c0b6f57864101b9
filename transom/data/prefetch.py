"""Bring the images that somebody asked for into the cache, one after the other.

Every worker process of a machine looks; the cache lets one of them bring an image.
"""

import asyncio
import logging
from contextlib import suppress

from transom.data.transfer import Transfer
from transom.domain.errors import ContentRefusedError, TransomError
from transom.domain.model import Image, Status
from transom.sql import images
from transom.sql.db import Database
from transom.sql.member_ids import NOBODY
from transom.stores.cache import Cache

_log = logging.getLogger(__name__)

#: Pause between two looks for what other workers were asked for, or could not bring, seconds.
_PAUSE_S = 10.0
#: Between two cleanings there are so many looks.
_LOOKS = 360


class Prefetch:
    """Works off the cache's queue in one worker process. `wake` it when there is something new."""

    def __init__(self, db: Database, transfer: Transfer, cache: Cache) -> None:
        self._db = db
        self._transfer = transfer
        self._cache = cache
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def serve(self) -> None:
        """Until cancelled."""
        looks = 0
        while True:
            try:
                if looks % _LOOKS == 0:
                    await self.clean()
                await self._bring_all()
            except TransomError as error:
                _log.warning("images cannot be brought into the cache now: %s", error)
            except Exception:  # noqa: BLE001 (it must never stop for good)
                _log.exception("looking for images to cache failed")
            looks += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _PAUSE_S)
            self._woken.clear()

    async def clean(self) -> None:
        """Remove what dead processes left, and the images that were deleted by another machine."""
        await self._cache.clean()
        for entry in await self._cache.list_entries():
            image = (await images.find_image(self._db, entry.image_id, NOBODY)).image
            if image is None:
                await self._cache.remove(entry.image_id)

    async def _bring_all(self) -> None:
        for image_id in await self._cache.list_queue():
            if not await self._cache.is_queued(image_id):
                continue
            image = (await images.find_image(self._db, image_id, NOBODY)).image
            try:
                if image is not None and await self._is_wanted(image):
                    await self._transfer.reads.bring(image)
            except ContentRefusedError as error:
                _log.error("image %s is not cached: %s", image_id, error)
            except TransomError as error:
                # It stays in the queue.
                _log.warning("image %s is not cached yet: %s", image_id, error)
                continue
            await self._cache.unqueue(image_id)

    async def _is_wanted(self, image: Image) -> bool:
        if await self._cache.holds(image.id):
            return False
        if image.status != Status.ACTIVE or image.size is None or not self._cache.could_hold(image.size):
            _log.warning(
                "image %s is %s and has %s bytes: it is not cached", image.id, image.status, image.size
            )
            return False
        return True
