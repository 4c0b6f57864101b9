"""A worker's hold on an upload: its lease is renewed for as long as the worker is at it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from transom.domain.errors import TransomError, UnavailableError
from transom.sql import blobs
from transom.sql.blobs import LooseBlob
from transom.sql.db import Database

_log = logging.getLogger(__name__)


@asynccontextmanager
async def holding(db: Database, blob: LooseBlob, lease_us: int) -> AsyncIterator[None]:
    """Tell the others, three times a lease, that this worker is still at it. When it comes too late, the
    block is broken off: what it would still receive is nobody's. UnavailableError then."""
    is_lost = False

    async def keep() -> None:
        while True:
            await asyncio.sleep(lease_us / 3e6)
            try:
                if not await blobs.hold_blob(db, blob, db.now_us() + lease_us):
                    _log.warning("upload %s was taken for dead", blob.key)
                    nonlocal is_lost
                    is_lost = True
                    scope.reschedule(asyncio.get_running_loop().time())
                    return
            except TransomError as error:
                _log.warning("upload %s could not be held: %s", blob.key, error)

    try:
        async with asyncio.timeout(None) as scope:
            keeping = asyncio.create_task(keep())
            try:
                yield
            finally:
                keeping.cancel()
    except TimeoutError:
        if not is_lost:
            raise
        raise UnavailableError(
            "The upload was given up: the server could not tell the database in time that it was at work."
        ) from None
