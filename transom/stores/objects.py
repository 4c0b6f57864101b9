"""Objects in users' buckets: looked at, read in pieces that belong together, written whole or not at all.

As whom the service is asked, and whether it is asked at all, `object_access.py` decides. A client learns no
more of a bucket than that an object cannot be read: that it is absent, hidden and forbidden look alike.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from obstore.exceptions import (
    AlreadyExistsError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from transom.domain.errors import (
    ConflictError,
    InvalidError,
    Reason,
    StoreFullError,
    TransomError,
    UnavailableError,
)
from transom.domain.objects import ObjectRef
from transom.domain.outbound import FetchLimits
from transom.outbound import keep_pace
from transom.stores.s3_bucket import (
    ERRORS,
    Found,
    S3Bucket,
    failure_text,
    is_full,
)
from transom.stores.s3_credentials import Keys
from transom.stores.s3_feed import TooManyPartsError

_log = logging.getLogger(__name__)

#: Of an export: how it is cut. Four parts are on their way at once, and a worker's memory is to stay below
#: 120 MB.
_PART_BYTES = 6 << 20
#: A read that broke off is taken up again so often without a byte in between.
_TRIES = 5
_PAUSE_S = 0.2
#: At an exported object: the job that wrote it, by which a worker that takes the job over knows its own.
_WRITTEN_BY = "transom-job"
#: What services answer to a request that they do not let through, as far as the library does not tell.
_FORBIDDEN = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403 Forbidden", "NoSuchBucket")


class ObjectClient:
    """The object `ref` at the service, asked with these keys."""

    def __init__(self, ref: ObjectRef, endpoint: str, region: str, keys: Keys, limits: FetchLimits) -> None:
        self._ref = ref
        self._limits = limits
        self._bucket = S3Bucket(ref.bucket, endpoint, region, keys)

    async def find(self) -> Found:
        """The object as it is now. InvalidError when it cannot be read, or is empty; UnavailableError when
        the service does not answer."""
        try:
            found = await self._bucket.find(self._ref.key)
        except ERRORS as error:
            raise self._renamed(error) from None
        if found is None:
            raise self._unreadable()
        if found.size == 0:
            raise InvalidError(f"The object {self._ref} is empty.", Reason.OBJECT_UNUSABLE)
        return found

    async def read(
        self, found: Found, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Bytes of the object that was `found`, all of them by default: taken up again where the service
        broke off. InvalidError when it has been changed or removed since."""
        end = found.size if length is None else min(found.size, start + length)
        failures = 0
        while start < end:
            try:
                async with aclosing(
                    self._bucket.get(self._ref.key, start, end - start, found.etag)
                ) as chunks:
                    async for chunk in keep_pace(chunks, self._limits, time.monotonic):
                        start, failures = start + len(chunk), 0
                        yield chunk
                if start < end:
                    # Fewer bytes than were said, without an error: another try would have the same answer.
                    raise InvalidError(
                        f"The object {self._ref} has fewer bytes than the service said.",
                        Reason.OBJECT_UNUSABLE,
                    )
            except ERRORS as error:
                failures += 1
                renamed = self._renamed(error)
                if not isinstance(renamed, UnavailableError) or failures >= _TRIES:
                    raise renamed from None
                await asyncio.sleep(_PAUSE_S * 2**failures)

    async def require_free(self, job_id: str) -> bool:
        """Whether the object is there, written by this very job; False when there is none. ConflictError when
        it is another's."""
        try:
            if await self._bucket.find(self._ref.key) is None:
                return False
            written_by = (await self._bucket.attributes(self._ref.key)).get(_WRITTEN_BY)
        except FileNotFoundError:
            return False
        except ERRORS as error:
            raise self._renamed(error) from None
        if written_by != job_id:
            raise ConflictError(f"The object {self._ref} is there already.", Reason.OBJECT_EXISTS)
        return True

    async def write(self, chunks: AsyncIterator[bytes], expected_bytes: int, job_id: str) -> None:
        """Write the object for a job, whole or not at all. Parts that an earlier attempt left go first."""
        try:
            await self._bucket.abort_uploads(self._ref.key)
            await self._bucket.put(self._ref.key, chunks, _PART_BYTES, expected_bytes, {_WRITTEN_BY: job_id})
        except TooManyPartsError as error:
            text = f"The object store takes no object of more than {error.limit} bytes."
            raise StoreFullError(text) from None
        except ERRORS as error:
            # When the answer to the last request is lost, the next try of it finds no upload to complete.
            if not await self.require_free(job_id):
                raise self._renamed(error) from None

    async def abort(self) -> None:
        """End unfinished uploads of the object, whoever began them."""
        try:
            await self._bucket.abort_uploads(self._ref.key)
        except ERRORS as error:
            raise self._renamed(error) from None

    def _unreadable(self) -> InvalidError:
        return InvalidError(
            f"The object {self._ref} is not there, or may not be used.", Reason.OBJECT_UNUSABLE
        )

    def _renamed(self, error: BaseException) -> TransomError:
        """Our error for this one, whose text stays in the log."""
        text = failure_text(error)
        _log.warning("object %s: %s", self._ref, text)
        if isinstance(error, PreconditionError):
            return InvalidError(
                f"The object {self._ref} was changed while it was read.", Reason.OBJECT_UNUSABLE
            )
        if isinstance(error, FileNotFoundError | PermissionDeniedError | UnauthenticatedError):
            return self._unreadable()
        if isinstance(error, NotSupportedError | AlreadyExistsError) or any(
            word in text for word in _FORBIDDEN
        ):
            return self._unreadable()
        if is_full(error):
            return StoreFullError(f"The bucket {self._ref.bucket} has no room for the object.")
        return UnavailableError(
            "The object store cannot be reached, or does not work now.", Reason.BUCKET_UNREACHABLE
        )
