"""Image data from stores and the cache: which copy, its bytes, and whether they are those on record."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from transom.data.verification import recorded_hash, verify
from transom.domain.errors import ContentRefusedError, LostDataError, UnavailableError
from transom.domain.model import Image, Location
from transom.stores import LocalFiles
from transom.stores.cache import Cache
from transom.stores.registry import Stores
from transom.threads import Threads

_log = logging.getLogger(__name__)


class Reads:
    """Reads image data for one worker process. `threads`: for hashing."""

    def __init__(self, stores: Stores, cache: Cache | None, threads: Threads) -> None:
        self._stores = stores
        self._cache = cache
        self._hashing = threads

    async def find_copy(self, image: Image, preferred: Sequence[str] = ()) -> Location:
        """The first of the places of an image's data that has it as it was recorded, in the order of the
        stores' weights but for those that are `preferred`. UnavailableError when there is none now,
        LostDataError when there will be none: no place has any data."""
        is_lost = True
        for location in self._stores.ordered(image.locations, preferred):
            try:
                size = await self._stores.get(location.store).size(location.key)
            except UnavailableError as error:
                _log.warning("image %s cannot be read from store %s: %s", image.id, location.store, error)
                is_lost = False
                continue
            if size == image.size:
                return location
            is_lost = is_lost and size is None
            _log.error("image %s is not in store %s as it was recorded", image.id, location.store)
        raise (LostDataError if is_lost else UnavailableError)(
            f"The data of image {image.id} is not in the store as it was recorded."
        )

    def local_path(self, location: Location) -> str | None:
        """The file that holds these bytes, when the store keeps files of this machine."""
        store = self._stores.get(location.store)
        return str(store.path(location.key)) if isinstance(store, LocalFiles) else None

    async def read(self, location: Location, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """`length` bytes from offset `start` on. The first of them are there when it returns: what stands in
        the way (NotFoundError, UnavailableError) shows before an answer has begun."""
        chunks = self._stores.get(location.store).get(location.key, start, length)
        return _chain(await anext(chunks, b""), chunks)

    async def read_whole(self, image: Image, location: Location) -> AsyncGenerator[bytes, None]:
        """All bytes of an image, as `read` gives them. Those of a remote store are put into the cache on
        their way, and compared with the recorded hash: if they do not have it, the last of them are held
        back and ContentRefusedError is raised."""
        chunks = await self.read(location, 0, image.size or 0)
        if isinstance(self._stores.get(location.store), LocalFiles):
            return chunks
        verified = verify(image, chunks, self._cache, self._hashing)
        try:
            return _chain(await anext(verified, b""), verified)
        except ContentRefusedError as error:
            # It came in one piece, so nothing has been answered yet.
            raise UnavailableError(str(error)) from None

    async def find_cached(self, image: Image) -> str | None:
        """The file of the cache that holds an image's data, if any does."""
        if self._cache is None or image.size is None:
            return None
        path = await self._cache.find(image.id, image.size)
        return str(path) if path is not None else None

    async def bring(self, image: Image) -> None:
        """Put an image into the cache. UnavailableError when that cannot be done now, ContentRefusedError
        when the store's bytes are not those on record, or none are on record."""
        if recorded_hash(image) is None:
            raise ContentRefusedError(f"Image {image.id} has no hash that its data could be compared with.")
        location = await self.find_copy(image)
        chunks = await self.read(location, 0, image.size or 0)
        async with aclosing(verify(image, chunks, self._cache, self._hashing)) as verified:
            async for _chunk in verified:
                pass
        if self._cache is None or not await self._cache.holds(image.id):
            raise UnavailableError(f"Image {image.id} found no place in the cache.")

    async def forget(self, image: Image) -> None:
        """A deleted image is in the cache no more."""
        if self._cache is not None:
            try:
                await self._cache.remove(image.id)
            except UnavailableError as error:
                _log.warning("image %s stays in the cache: %s", image.id, error)


async def _chain(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        if first:
            yield first
        async for chunk in rest:
            yield chunk
