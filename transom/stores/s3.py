"""A store in a bucket of a service that speaks S3 (`s3_bucket.py`).

Only imported when the settings name such a store. One blob is one object. Keys are never used twice, so
nothing here depends on conditional writes, which services support to various degrees.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from transom.domain.errors import NotFoundError, StoreFullError, UnavailableError
from transom.domain.stores import PART_SIZE_MIB, RETRY_S, StoreInfo
from transom.stores import MARK_BYTES, MARK_NAME
from transom.stores.s3_bucket import ERRORS, S3Bucket, failure_text, is_full, memory_for
from transom.stores.s3_credentials import Keys
from transom.stores.s3_feed import TooManyPartsError

_log = logging.getLogger(__name__)

#: Where blobs are set aside, below the store's prefix.
_ASIDE = "aside"


class S3Store:
    """Blobs in the bucket, and below the prefix, that `info` names. Without keys of its own they are taken
    from the environment (AWS_ACCESS_KEY_ID and so on), or from the machine's own role."""

    def __init__(self, info: StoreInfo, keys: Keys | None) -> None:
        self.name = info.id
        self._address = info.address
        self._bucket_name, _slash, self._prefix = info.address.partition("/")
        self._part_bytes = int(info.options.get("part_size_mib", PART_SIZE_MIB)) << 20
        self._endpoint = info.options.get("endpoint")
        self._region = info.options.get("region")
        self._retry_s = int(info.options.get("retry_s", RETRY_S))
        self.use_keys(keys)

    def use_keys(self, keys: Keys | None) -> None:
        """See `Keyed`. Requests under way go on with the old keys."""
        self._bucket = S3Bucket(self._bucket_name, self._endpoint, self._region, keys, self._retry_s)

    def url(self, key: str) -> str:
        return f"s3://{self._address}/{key}"

    def memory_for(self, expected_bytes: int | None) -> tuple[int, int]:
        return memory_for(self._part_bytes, expected_bytes)

    async def put(
        self,
        key: str,
        chunks: AsyncIterator[bytes],
        expected_bytes: int | None = None,
        memory_bytes: int | None = None,
    ) -> int:
        try:
            return await self._bucket.put(
                self._path(key), chunks, self._part_bytes, expected_bytes, memory_bytes=memory_bytes
            )
        except TooManyPartsError as error:
            text = f"The store {self.name} takes no blob of more than {error.limit} bytes."
            raise StoreFullError(text) from None
        except ERRORS as error:
            raise self._renamed(error) from None

    async def get(self, key: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        if length == 0:
            return
        try:
            async with aclosing(self._bucket.get(self._path(key), start, length)) as chunks:
                async for chunk in chunks:
                    length -= len(chunk)
                    yield chunk
        except FileNotFoundError:
            raise NotFoundError(f"The store {self.name} has no blob {key}.") from None
        except ERRORS as error:
            raise self._renamed(error) from None
        if length > 0:
            raise UnavailableError(f"The blob {key} of store {self.name} is cut short.")

    async def size(self, key: str) -> int | None:
        try:
            found = await self._bucket.find(self._path(key))
        except ERRORS as error:
            raise self._renamed(error) from None
        return found.size if found is not None else None

    async def delete(self, key: str) -> None:
        try:
            await self._bucket.delete(self._path(key))
        except ERRORS as error:
            raise self._renamed(error) from None

    async def list_blobs(self) -> AsyncIterator[tuple[str, int]]:
        try:
            async for key, size in self._bucket.list_folder(self._path("")):
                if key != MARK_NAME:
                    yield key, size
        except ERRORS as error:
            raise self._renamed(error) from None

    async def holds(self, key: str) -> bool:
        return await self.size(key) is not None

    async def set_aside(self, key: str) -> str:
        aside = f"{_ASIDE}/{key}"
        try:
            await self._bucket.move(self._path(key), self._path(aside))
        except FileNotFoundError:
            raise NotFoundError(f"The store {self.name} has no blob {key}.") from None
        except ERRORS as error:
            raise self._renamed(error) from None
        return self.url(aside)

    async def read_mark(self) -> bytes | None:
        try:
            return await self._bucket.read(self._path(MARK_NAME), MARK_BYTES)
        except FileNotFoundError:
            return None
        except ERRORS as error:
            raise self._renamed(error) from None

    async def write_mark(self, mark: bytes) -> None:
        try:
            await self._bucket.write(self._path(MARK_NAME), mark)
        except ERRORS as error:
            raise self._renamed(error) from None

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _renamed(self, error: BaseException) -> StoreFullError | UnavailableError:
        """Our error for this one, whose text stays in the log."""
        _log.warning("store %s: %s", self.name, failure_text(error))
        if is_full(error):
            return StoreFullError("Image storage media is full.")
        return UnavailableError(f"The image store {self.name} cannot be used now.")
