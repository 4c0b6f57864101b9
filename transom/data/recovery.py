"""Recovery of uploads after a crash: it corrects the rows, and touches no store.

So this may run in the process that forks the workers: a library that reaches a store has threads of its own,
and threads do not survive a fork. The bytes are removed by the workers (`Removal.clean_up`).
"""

import logging

from transom.clock import now_us
from transom.lease import is_over
from transom.liveness import Liveness
from transom.sql import blobs
from transom.sql.blobs import LooseBlob
from transom.sql.db import Database

_log = logging.getLogger(__name__)


async def give_up_dead(db: Database, liveness: Liveness) -> list[LooseBlob]:
    """Give up the uploads whose worker died; all blobs that only wait for removal by now."""
    waiting = []
    for blob in await blobs.list_blobs(db):
        if blob.holder is not None:
            if not await is_over(db, liveness, blob):
                continue
            if not await blobs.take_upload(db, blob, now_us()):
                continue
            _log.info("upload %s was cut short and is given up", blob.key)
        waiting.append(blob)
    return waiting
