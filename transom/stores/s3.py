"""A store in a bucket of a service that speaks S3, through obstore (Rust's object_store crate).

Only imported when the settings name such a store. One blob is one object. Keys are never used twice, so
nothing here depends on conditional writes, which services support to various degrees.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from transom.domain.errors import NotFoundError, StoreFullError, TransomError, UnavailableError
from transom.domain.stores import PART_SIZE_MIB, PARTS_AT_ONCE, StoreInfo
from transom.stores import MARK_NAME
from transom.stores.s3_credentials import Keys
from transom.stores.s3_uploads import Bucket as UploadsOf
from transom.stores.s3_uploads import RefusedError, abort_uploads

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential, S3CredentialProvider

_log = logging.getLogger(__name__)

_READ_BYTES = 1 << 20
#: S3 takes no upload of more parts.
_MOST_PARTS = 10_000
#: Parts of one upload that are on their way at once hold at most so much memory, unless one part does.
_AT_ONCE_BYTES = 64 << 20
#: A request other than a download, with its answer.
_TIMEOUT = timedelta(seconds=300)
#: A download, which goes on as long as bytes come: how slow the client is must not end it.
_DOWNLOAD_TIMEOUT = timedelta(days=30)
_SILENCE_TIMEOUT = timedelta(seconds=60)
_CONNECT_TIMEOUT = timedelta(seconds=5)
#: A service that is away is told so within this time, and a passing fault is not.
_RETRIES: "RetryConfig" = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}
#: What services say when there is no room; there is no one word for it.
_FULL = (
    "QuotaExceeded",
    "EntityTooLarge",
    "StorageFull",
    "InsufficientStorage",
    "507 Insufficient Storage",
    "413 ",
)
#: What obstore raises: an absent object is Python's own error.
_ERRORS = (BaseError, OSError)


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
        self.use_keys(keys)

    def use_keys(self, keys: Keys | None) -> None:
        """See `Keyed`. What is under way goes on with the former."""
        region = self._region or os.environ.get("AWS_REGION", "us-east-1")
        signing = keys or _keys_of_environment()
        bucket, endpoint = self._bucket_name, self._endpoint
        self._uploads = _uploads_of(bucket, endpoint, region, signing) if signing is not None else None
        self._bucket = self._open_bucket(keys, _TIMEOUT)
        self._downloads = self._open_bucket(keys, _DOWNLOAD_TIMEOUT)

    def _open_bucket(self, keys: Keys | None, timeout: timedelta) -> Bucket:
        config: S3Config = {"virtual_hosted_style_request": self._endpoint is None}
        if self._endpoint is not None:
            config["endpoint"] = self._endpoint
        if self._region is not None:
            config["region"] = self._region
        client: ClientConfig = {
            "allow_http": (self._endpoint or "").startswith("http://"),
            "connect_timeout": _CONNECT_TIMEOUT,
            "read_timeout": _SILENCE_TIMEOUT,
            "timeout": timeout,
        }
        return Bucket(
            self._bucket_name,
            config=config,
            client_options=client,
            retry_config=_RETRIES,
            # Not in `config`: beside that, obstore takes a token of other keys from the environment.
            credential_provider=_provider_of(keys) if keys is not None else None,
        )

    def url(self, key: str) -> str:
        return f"s3://{self._address}/{key}"

    async def put(self, key: str, chunks: AsyncIterator[bytes], expected_bytes: int | None = None) -> int:
        part_bytes = max(self._part_bytes, -(-(expected_bytes or 0) // _MOST_PARTS))
        first, has_ended = await _take(chunks, part_bytes)
        feed = _Feed()
        sending = asyncio.ensure_future(
            obstore.put_async(
                self._bucket,
                self._path(key),
                b"".join(first) if has_ended else feed.chunks(),
                chunk_size=part_bytes,
                max_concurrency=max(1, min(PARTS_AT_ONCE, _AT_ONCE_BYTES // part_bytes)),
            )
        )
        try:
            size = sum(len(chunk) for chunk in first)
            if not has_ended:
                size = await self._feed(feed, sending, _chain(first, chunks), part_bytes * _MOST_PARTS)
            await asyncio.shield(sending)
        except BaseException as error:
            await _outlast(self._undo(key, feed, sending))
            if isinstance(error, _ERRORS):
                raise self._renamed(error) from None
            raise
        return size

    async def get(self, key: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        if length == 0:
            return
        try:
            found = await obstore.get_async(
                self._downloads, self._path(key), options={"range": (start, start + length)}
            )
            async for chunk in found.stream(min_chunk_size=_READ_BYTES):
                length -= len(chunk)
                yield bytes(chunk)
        except FileNotFoundError:
            raise NotFoundError(f"The store {self.name} has no blob {key}.") from None
        except _ERRORS as error:
            raise self._renamed(error) from None
        if length > 0:
            raise UnavailableError(f"The blob {key} of store {self.name} is cut short.")

    async def size(self, key: str) -> int | None:
        try:
            return (await obstore.head_async(self._bucket, self._path(key)))["size"]
        except FileNotFoundError:
            return None
        except _ERRORS as error:
            raise self._renamed(error) from None

    async def delete(self, key: str) -> None:
        await self._abort_uploads(key)
        try:
            await obstore.delete_async(self._bucket, self._path(key))
        except FileNotFoundError:
            return
        except _ERRORS as error:
            raise self._renamed(error) from None

    async def read_mark(self) -> bytes | None:
        try:
            found = await obstore.get_async(self._bucket, self._path(MARK_NAME))
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except _ERRORS as error:
            raise self._renamed(error) from None

    async def write_mark(self, mark: bytes) -> None:
        try:
            await obstore.put_async(self._bucket, self._path(MARK_NAME), mark, use_multipart=False)
        except _ERRORS as error:
            raise self._renamed(error) from None

    async def _abort_uploads(self, key: str) -> None:
        """Whatever a killed process had begun. Where the service does not let us, its own rule for unfinished
        uploads has to (docs/stores.md), and the object goes all the same."""
        if self._uploads is None:
            return
        try:
            ended = await asyncio.to_thread(abort_uploads, self._uploads, self._path(key))
        except OSError as error:
            raise self._renamed(error) from None
        except RefusedError as error:
            _log.warning("store %s: unfinished uploads stay: %s", self.name, error)
        else:
            if ended:
                _log.info("store %s: %d unfinished uploads of %s ended", self.name, ended, key)

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    async def _feed(
        self, feed: "_Feed", sending: asyncio.Future[Any], chunks: AsyncIterator[bytes], most: int
    ) -> int:
        """Hand the chunks to the upload that is under way, and say that it is whole; its size."""
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise StoreFullError(f"The store {self.name} takes no blob of more than {most} bytes.")
            await feed.give(chunk, sending)
        await feed.give(None, sending)
        return size

    async def _undo(self, key: str, feed: "_Feed", sending: asyncio.Future[Any]) -> None:
        """Have the upload fail, which makes obstore abort it at the service, and wait for that: one that is
        cancelled leaves its parts there. If it came to its end before, remove what it made."""
        feed.break_off()
        await asyncio.wait([sending])
        if sending.cancelled() or sending.exception() is not None:
            return
        try:
            await self.delete(key)
        except TransomError as error:
            _log.warning("blob %s of store %s stays for a later clean-up: %s", key, self.name, error)

    def _renamed(self, error: BaseException) -> StoreFullError | UnavailableError:
        """Ours for what the service or the way there said, which stays in the log."""
        said = str(error).partition("Debug source")[0]
        _log.warning("store %s: %s", self.name, said.partition("\n")[0])
        if any(word in said for word in _FULL):
            return StoreFullError("Image storage media is full.")
        return UnavailableError(f"The image store {self.name} cannot be used now.")


def _keys_of_environment() -> Keys | None:
    """As obstore finds them, but for those that the machine's role gives it and that change by the hour."""
    access_key, secret_key, token = (
        os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
    )
    if access_key and secret_key:
        return Keys(access_key=access_key, secret_key=secret_key, token=token)
    return None


def _provider_of(keys: Keys) -> "S3CredentialProvider":
    def provide() -> "S3Credential":
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": None,
        }

    return provide


def _uploads_of(bucket: str, endpoint: str | None, region: str, keys: Keys) -> UploadsOf | None:
    """None with keys that are lent: the requests of `s3_uploads` carry no token."""
    if keys.token is not None:
        return None
    origin, path = f"https://{bucket}.s3.{region}.amazonaws.com", ""
    if endpoint is not None:
        origin, path = endpoint.rstrip("/"), f"/{bucket}"
    return UploadsOf(origin, path, region, keys.access_key, keys.secret_key)


class _BrokenOffError(Exception):
    """What ends an upload whose source is done for."""


class _Feed:
    """Chunks on their way from a source to obstore, which pulls them. Between the two, because obstore must
    not be cancelled, and the source may be."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | _BrokenOffError | None] = asyncio.Queue(1)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._queue.get()) is not None:
            if isinstance(chunk, _BrokenOffError):
                raise chunk
            yield chunk

    async def give(self, chunk: bytes | None, sending: asyncio.Future[Any]) -> None:
        """Return when there is room for it (None: the end); raise what `sending` failed with meanwhile."""
        if self._queue.full():
            giving = asyncio.ensure_future(self._queue.put(chunk))
            try:
                await asyncio.wait([giving, sending], return_when=asyncio.FIRST_COMPLETED)
            finally:
                giving.cancel()
        else:
            self._queue.put_nowait(chunk)
        if sending.done():
            sending.result()

    def break_off(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(_BrokenOffError())


async def _take(chunks: AsyncIterator[bytes], size: int) -> tuple[list[bytes], bool]:
    """(the first chunks, until they have `size` bytes together, whether that is all there is)."""
    taken: list[bytes] = []
    async for chunk in chunks:
        taken.append(chunk)
        size -= len(chunk)
        if size <= 0:
            return taken, False
    return taken, True


async def _chain(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All of them. The first are let go of as they pass."""
    first.reverse()
    while first:
        yield first.pop()
    async for chunk in rest:
        yield chunk


async def _outlast(doing: Coroutine[Any, Any, None]) -> None:
    """Do it to its end, however often it is cancelled meanwhile; only then pass the cancelling on."""
    task = asyncio.ensure_future(doing)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
