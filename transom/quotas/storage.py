"""`user_storage_quota`: how many bytes of image data a project may own, data on its way included."""

from transom.domain.errors import LimitExceededError, Reason
from transom.domain.model import Image
from transom.domain.status import WITH_DATA
from transom.sql import blobs
from transom.sql.blobs import LooseBlob
from transom.sql.db import Database
from transom.sql.images import used_storage


class StorageQuota:
    """`limit`: bytes a project may own; 0: no limit, and nothing is asked of the database."""

    def __init__(self, db: Database, limit: int) -> None:
        self._db = db
        self._limit = limit

    @property
    def text(self) -> str:
        """What is said of data beyond it."""
        return f"Image exceeds the storage quota: {self._limit} bytes a project."

    async def room_for(self, image: Image) -> int | None:
        """How many bytes the image's data may have now; None: any number."""
        if not self._limit:
            return None
        used = await used_storage(self._db, image.owner)
        return max(self._limit - used + _counted(image), 0)

    async def reserve(self, image: Image, blob: LooseBlob, size: int) -> None:
        """Keep room for the image's data, which the blob's holder brings, until the image has it or it is
        given up. LimitExceededError when there is not so much."""
        if not self._limit:
            return
        growth = max(size - _counted(image), 0)
        if not await blobs.reserve_room(self._db, blob, image.owner, growth, self._limit):
            raise LimitExceededError(self.text, Reason.IMAGE_QUOTA)


def _counted(image: Image) -> int:
    """Of data that comes, the bytes that count already: those staged for the image are these very bytes."""
    return 0 if image.status in WITH_DATA else image.size or 0
