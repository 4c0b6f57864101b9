"""All that one worker process needs to move image data, put together."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from transom.config import Settings
from transom.data.certificates import Certificates, KeyManager
from transom.data.reads import Reads
from transom.data.removal import Removal
from transom.data.uploads import UploadRules, Uploads
from transom.liveness import Liveness
from transom.ownership import Ownership
from transom.sql.db import Database
from transom.stores.cache import Cache
from transom.stores.registry import Stores


class Transfer:
    """`uploads` to a store, `reads` from one, and the `removal` of what no image owns."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        stores: Stores,
        liveness: Liveness,
        ownership: Ownership,
        cache: Cache | None = None,
    ) -> None:
        self.stores = stores
        self.ownership = ownership
        self.certificates = open_certificates(settings)
        # hashlib lets go of the interpreter lock: both hashes of a block run while the block is written.
        self._hashing = ThreadPoolExecutor(2 * (os.cpu_count() or 1), thread_name_prefix="hash")
        self.reads = Reads(stores, cache, self._hashing)
        self.removal = Removal(db, stores, ownership, liveness)
        self.uploads = Uploads(
            _rules_of(settings),
            db,
            stores,
            liveness,
            ownership,
            self.certificates,
            self.removal,
            self._hashing,
        )

    async def close(self) -> None:
        await self.removal.close()
        self._hashing.shutdown(wait=False)


def _rules_of(settings: Settings) -> UploadRules:
    return UploadRules(
        size_cap=settings.image_size_cap,
        project_quota=settings.user_storage_quota,
        lease_us=settings.upload_lease_s * 1_000_000,
        hashing_algorithm=settings.hashing_algorithm,
        must_match_format=settings.require_image_format_match,
        nonfatal_checks=settings.nonfatal_checks,
    )


def open_certificates(settings: Settings) -> Certificates:
    folder = settings.image_signature_certificates_dir
    key_manager = KeyManager(
        keystone_auth_url=settings.keystone_auth_url,
        keystone_cafile=settings.keystone_cafile,
        region=settings.region,
    )
    return Certificates(
        Path(folder) if folder else None, key_manager if settings.image_signature_barbican else None
    )
