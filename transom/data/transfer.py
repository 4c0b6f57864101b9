"""All that one worker process needs to move image data, put together."""

import os

from transom.data.certificates import Certificates
from transom.data.reads import Reads
from transom.data.removal import Removal
from transom.data.uploads import UploadRules, Uploads
from transom.liveness import Liveness
from transom.ownership import Ownership
from transom.sql.db import Database
from transom.stores.cache import Cache
from transom.stores.registry import Stores
from transom.threads import Threads


class Transfer:
    """`uploads` to a store, `reads` from one, and the `removal` of what no image owns."""

    def __init__(
        self,
        rules: UploadRules,
        certificates: Certificates,
        db: Database,
        stores: Stores,
        liveness: Liveness,
        ownership: Ownership,
        cache: Cache | None = None,
    ) -> None:
        self.stores = stores
        self.ownership = ownership
        self.certificates = certificates
        # hashlib lets go of the interpreter lock: both hashes of a block run while the block is written.
        self._hashing = Threads("hash", 2 * (os.cpu_count() or 1))
        self.reads = Reads(stores, cache, self._hashing)
        self.removal = Removal(db, stores, ownership, liveness)
        self.uploads = Uploads(
            rules,
            db,
            stores,
            liveness,
            ownership,
            certificates,
            self.removal,
            self._hashing,
        )

    async def close(self) -> None:
        await self.removal.close()
        self._hashing.close()
