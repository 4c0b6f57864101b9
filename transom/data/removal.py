"""Removes blobs from stores: of deleted images, of uploads that failed, of workers that died.

Each has a row (`sql/blobs.py`) until it is gone, so nothing is lost when this is cut short: the next round
takes it up. A store that hangs holds up nobody but its own removals.
"""

import asyncio
import logging
import random
from collections.abc import Iterable
from typing import Any, NamedTuple

from transom.clock import now_us
from transom.data.recovery import give_up_dead
from transom.domain.errors import NotOwnedError, TransomError
from transom.domain.model import Location
from transom.liveness import Liveness
from transom.ownership import Ownership
from transom.sql import blobs
from transom.sql.blobs import LooseBlob
from transom.sql.db import Database
from transom.stores import LocalFiles
from transom.stores.registry import Stores

_log = logging.getLogger(__name__)

#: Removals in one store at a time.
_AT_ONCE = 4
#: After so many failures in a row the rest of a store's removals is left for the next round.
_PATIENCE = 3


class Blob(NamedTuple):
    store: str
    key: str


class Removal:
    """One per process."""

    def __init__(self, db: Database, stores: Stores, ownership: Ownership, liveness: Liveness) -> None:
        self._db = db
        self._stores = stores
        self._ownership = ownership
        self._liveness = liveness
        self._under_way: set[asyncio.Task[Any]] = set()
        #: Stores in which a round of the clean-up is at work.
        self._cleaning: set[str] = set()
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def remove(self, locations: tuple[Location, ...]) -> None:
        """Remove bytes that an image has given up: files of this machine at once, those of remote stores soon
        after. What fails is done by a later `clean_up`."""
        own = (location for location in locations if not location.is_foreign)
        await self.start(Blob(location.store, location.key) for location in own)

    async def give_up(self, blob: LooseBlob) -> None:
        """Undo an upload of this worker."""
        try:
            if await blobs.abandon_upload(self._db, blob, now_us()):
                await self.start([Blob(blob.store, blob.key)])
        except TransomError as error:
            # The lease runs out by itself, and then `clean_up` does it.
            _log.warning("upload %s waits for recovery: %s", blob.key, error)

    async def clean_up(self) -> list[asyncio.Task[None]]:
        """Undo uploads whose worker died, and remove all bytes that wait for it, save in stores that are
        still at what an earlier call has found. Returns when the rows are right, with the removals that it
        began, one for each store: one that hangs must hold up neither a start nor the end of a job."""
        waiting = [Blob(blob.store, blob.key) for blob in await give_up_dead(self._db, self._liveness)]
        begun = []
        for store_id, keys in _by_store(waiting).items():
            if store_id not in self._cleaning:
                self._cleaning.add(store_id)
                begun.append(asyncio.create_task(self._clean(store_id, keys)))
                self._keep(begun[-1])
        return begun

    async def start(self, waiting: Iterable[Blob]) -> None:
        """Remove files of this machine before it returns, and the rest beside whatever comes next."""
        for store_id, keys in _by_store(waiting).items():
            task = asyncio.create_task(self._remove_from(store_id, keys))
            self._keep(task)
            if self._is_local(store_id):
                await asyncio.shield(task)

    async def close(self) -> None:
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _is_local(self, store_id: str) -> bool:
        """Also true of a store that the settings have no more: there is nothing to wait for."""
        return store_id not in self._stores or isinstance(self._stores.get(store_id), LocalFiles)

    async def _clean(self, store_id: str, keys: list[str]) -> None:
        try:
            if removed := await self._remove_from(store_id, keys):
                _log.info("cleaned up after %d uploads or removals that were cut short", removed)
        except Exception:  # noqa: BLE001 (nobody waits for it)
            _log.exception("clean-up of store %s failed", store_id)
        finally:
            self._cleaning.discard(store_id)

    async def _remove_from(self, store_id: str, keys: list[str]) -> int:
        # One that always fails must not stand before the others each time.
        random.shuffle(keys)
        failures = removed = 0

        async def work() -> None:
            nonlocal failures, removed
            while keys and failures < _PATIENCE:
                if await self._remove(store_id, keys.pop()):
                    removed, failures = removed + 1, 0
                else:
                    failures += 1

        await asyncio.gather(*(work() for _ in range(min(_AT_ONCE, len(keys)))))
        return removed

    async def _remove(self, store_id: str, key: str) -> bool:
        """False when the bytes stay for another round."""
        turns = self._turns.setdefault(store_id, asyncio.Semaphore(_AT_ONCE))
        try:
            async with turns:
                # Each time anew: what is removed by mistake is gone.
                await self._ownership.require(store_id)
                await self._stores.get(store_id).delete(key)
                await blobs.forget_blob(self._db, key)
        except NotOwnedError:  # Which was told when it was found out.
            return False
        except TransomError as error:
            _log.warning("blob %s stays for a later clean-up: %s", key, error)
            return False
        return True


def _by_store(waiting: Iterable[Blob]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for blob in waiting:
        found.setdefault(blob.store, []).append(blob.key)
    return found
