"""One bucket of a service that speaks S3, through obstore (Rust's object_store crate), with its own errors.

For the store of image data (`s3.py`) and for what users keep in buckets of theirs (`objects.py`), which put
the errors into words of their own: `ERRORS`, and FileNotFoundError of an absent object.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from transom.domain.stores import PARTS_AT_ONCE, RETRY_S
from transom.stores.s3_credentials import Keys
from transom.stores.s3_feed import Feed, chain, outlast, send_all, take_first
from transom.stores.s3_requests import Bucket as Signed
from transom.stores.s3_requests import RefusedError, abort_uploads, list_objects
from transom.threads import Threads

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import (
        BackoffConfig,
        ClientConfig,
        RetryConfig,
        S3Config,
        S3Credential,
        S3CredentialProvider,
    )

_log = logging.getLogger(__name__)

_READ_BYTES = 256 << 10
#: S3 takes no upload of more parts.
_MOST_PARTS = 10_000
#: Parts of one upload that are on their way at once hold at most so much memory, unless one part does.
_AT_ONCE_BYTES = 64 << 20
#: A request other than a download, with its answer.
_TIMEOUT = timedelta(seconds=300)
#: A download, which goes on as long as bytes come: how slow the client is must not end it.
_DOWNLOAD_TIMEOUT = timedelta(days=30)
_SILENCE_TIMEOUT = timedelta(seconds=60)
#: For `_READ_BYTES` of a download, seconds: some 4 KiB a second. What drips is never silent.
_PIECE_S = 60.0
_CONNECT_TIMEOUT = timedelta(seconds=5)
#: A short fault is retried; a service that stays unreachable is reported after these.
_RETRIES: "RetryConfig" = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}
#: An upload is worth more patience: who sends it cannot send it again in a moment. Each pause is drawn from
#: 0.1 s to `base` times the one before.
_PAUSES: "BackoffConfig" = {
    "init_backoff": timedelta(milliseconds=100),
    "max_backoff": timedelta(seconds=5),
    "base": 3,
}
#: No number ends them, but the time.
_MANY_RETRIES = 10_000
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
ERRORS = (BaseError, OSError)

#: Requests that we sign ourselves, at a time.
_SIGNED_AT_ONCE = 4


class NotKeptError(OSError):
    """The service has taken an object, and has not what was sent."""


class Found(NamedTuple):
    """An object that is there: its size in bytes, and what it is recognised by while it stays as it is."""

    size: int
    etag: str | None


class S3Bucket:
    """`endpoint`, `region` None: AWS, and what the environment says. `keys` None: those of the environment
    (AWS_ACCESS_KEY_ID and so on), or of the machine's own role. `retry_s`: for how long a request of an
    upload is tried again, seconds."""

    def __init__(
        self,
        name: str,
        endpoint: str | None,
        region: str | None,
        keys: Keys | None,
        retry_s: int = RETRY_S,
    ) -> None:
        self.name = name
        config: S3Config = {"virtual_hosted_style_request": endpoint is None}
        if endpoint is not None:
            config["endpoint"] = endpoint
        if region is not None:
            config["region"] = region
        signed_for = region or os.environ.get("AWS_REGION", "us-east-1")
        signing = keys or _keys_of_environment()
        self._signed = _signed_by(name, endpoint, signed_for, signing) if signing is not None else None
        # Not as a part of `config`: beside that, obstore takes a token from the environment, of other keys.
        provider = _provider_of(keys) if keys is not None else None

        def open_bucket(timeout: timedelta, retries: "RetryConfig" = _RETRIES) -> Bucket:
            client: ClientConfig = {
                "allow_http": (endpoint or "").startswith("http://"),
                "connect_timeout": _CONNECT_TIMEOUT,
                "read_timeout": _SILENCE_TIMEOUT,
                "timeout": timeout,
            }
            return Bucket(
                name,
                config=config,
                client_options=client,
                retry_config=retries,
                credential_provider=provider,
            )

        self._bucket = open_bucket(_TIMEOUT)
        self._threads = Threads("s3-requests", _SIGNED_AT_ONCE)
        self._downloads = open_bucket(_DOWNLOAD_TIMEOUT)
        patient: RetryConfig = {
            "max_retries": _MANY_RETRIES,
            "retry_timeout": timedelta(seconds=retry_s),
            "backoff": _PAUSES,
        }
        self._for_uploads = open_bucket(_TIMEOUT, patient)

    async def put(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        part_bytes: int,
        expected_bytes: int | None = None,
        attributes: Mapping[str, str] | None = None,
        memory_bytes: int | None = None,
    ) -> int:
        """Write the object, in parts of at least `part_bytes` if it is larger than one; its size, which the
        service confirms. `memory_bytes`: what these may hold, though it is two of them at least; None: as
        `memory_for` says. Nobody sees it before it is whole, and after an error nothing of it is left."""
        part_bytes = _part_bytes(part_bytes, expected_bytes)
        parts_at_once = _parts_at_once(part_bytes)
        if memory_bytes is not None:
            # The one that comes in is beside them.
            parts_at_once = max(1, min(parts_at_once, memory_bytes // part_bytes - 1))
        first, has_ended = await take_first(chunks, part_bytes)
        feed = Feed()
        sending = asyncio.ensure_future(
            obstore.put_async(
                self._for_uploads,
                path,
                b"".join(first) if has_ended else feed.chunks(),
                attributes=dict(attributes) if attributes else None,
                chunk_size=part_bytes,
                max_concurrency=parts_at_once,
            )
        )
        try:
            size = sum(len(chunk) for chunk in first)
            if not has_ended:
                size = await send_all(feed, sending, chain(first, chunks), part_bytes * _MOST_PARTS)
            await asyncio.shield(sending)
            await self._require_kept(path, size)
        except BaseException:
            await outlast(self._undo(path, feed, sending))
            raise
        return size

    async def write(self, path: str, data: bytes) -> None:
        """Write a small object by one request."""
        await obstore.put_async(self._bucket, path, data, use_multipart=False)

    async def read(self, path: str, limit: int) -> bytes:
        """A small object; of a larger one the first `limit` bytes."""
        content = b""
        async for chunk in (await obstore.get_async(self._bucket, path)).stream():
            content += bytes(chunk)
            if len(content) >= limit:
                break
        return content[:limit]

    async def get(
        self, path: str, start: int, length: int, etag: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """`length` bytes, more than 0, from offset `start` on, or fewer where the object ends before. `etag`:
        the object must still be the one that had this. TimeoutError when the service drips; how slow the
        reader is does not count."""
        options: GetOptions = {"range": (start, start + length)}
        if etag is not None:
            options["if_match"] = etag
        found = await obstore.get_async(self._downloads, path, options=options)
        chunks = aiter(found.stream(min_chunk_size=_READ_BYTES))
        while True:
            try:
                async with asyncio.timeout(_PIECE_S):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise TimeoutError(f"object {path} of bucket {self.name} drips") from None
            if chunk is None:
                return
            yield bytes(chunk)

    async def find(self, path: str) -> Found | None:
        """None when there is no such object."""
        try:
            found = await obstore.head_async(self._bucket, path)
        except FileNotFoundError:
            return None
        return Found(found["size"], found["e_tag"])

    async def _require_kept(self, path: str, size: int) -> None:
        """NotKeptError unless the object has this size: of parts that were all answered for, a service may
        have lost one."""
        found = await self.find(path)
        if found is None or found.size != size:
            kept = "nothing" if found is None else f"{found.size} bytes"
            raise NotKeptError(
                f"object {path} of bucket {self.name}: {size} bytes were taken, {kept} are there"
            )

    async def list_folder(self, folder: str) -> AsyncIterator[tuple[str, int]]:
        """(name, size in bytes) of each object whose path is `folder` and a name without a slash. `folder`:
        "", or its path and a slash. With keys that are lent it ends with an error at an object, anywhere
        below, whose path obstore cannot spell."""
        if self._signed is None:
            async for page in obstore.list(self._bucket, folder or None):
                for found in page:
                    name = found["path"].removeprefix(folder)
                    if "/" not in name:
                        yield name, found["size"]
            return
        continuation, is_end = "", False
        while not is_end:
            sizes, continuation = await self._threads.run(list_objects, self._signed, folder, continuation)
            for name, size in sizes.items():
                yield name, size
            is_end = not continuation

    async def move(self, path: str, to: str) -> None:
        """FileNotFoundError when there is no such object, NotKeptError when the service does not keep it."""
        found = await self.find(path)
        if found is None:
            raise FileNotFoundError(path)
        await obstore.copy_async(self._bucket, path, to)
        await self._require_kept(to, found.size)
        await obstore.delete_async(self._bucket, path)

    async def attributes(self, path: str) -> Mapping[str, str]:
        """What was given to `put` beside the data."""
        found = await obstore.get_async(self._bucket, path, options={"head": True})
        return {str(name): value for name, value in found.attributes.items()}

    async def delete(self, path: str) -> None:
        """Remove the object, and what uploads that were killed left of it. Deleting twice is fine."""
        await self.abort_uploads(path)
        try:
            await obstore.delete_async(self._bucket, path)
        except FileNotFoundError:
            return

    async def abort_uploads(self, path: str) -> None:
        """Whatever a killed process had begun. Where the service does not let us, its own rule for unfinished
        uploads has to (docs/stores.md), and the object goes all the same."""
        if self._signed is None:
            return
        try:
            ended = await self._threads.run(abort_uploads, self._signed, path)
        except RefusedError as error:
            _log.warning("bucket %s: unfinished uploads stay: %s", self.name, error)
        else:
            if ended:
                _log.info("bucket %s: %d unfinished uploads of %s ended", self.name, ended, path)

    async def _undo(self, path: str, feed: Feed, sending: asyncio.Future[Any]) -> None:
        """Have the upload fail, which makes obstore abort it at the service, and wait for that: one that is
        cancelled leaves its parts there. If it came to its end before, remove what it made."""
        feed.break_off()
        await asyncio.wait([sending])
        if sending.cancelled() or sending.exception() is not None:
            return
        try:
            await self.delete(path)
        except ERRORS as error:
            _log.warning("object %s of bucket %s stays: %s", path, self.name, failure_text(error))


def memory_for(part_bytes: int, expected_bytes: int | None) -> tuple[int, int]:
    """(least, most) bytes of an object that `put` holds: of a small one all, else the part that comes in and
    those on their way."""
    part_bytes = _part_bytes(part_bytes, expected_bytes)
    if expected_bytes is not None and expected_bytes <= part_bytes:
        return expected_bytes, expected_bytes
    return 2 * part_bytes, (_parts_at_once(part_bytes) + 1) * part_bytes


def _part_bytes(least: int, expected_bytes: int | None) -> int:
    return max(least, -(-(expected_bytes or 0) // _MOST_PARTS))


def _parts_at_once(part_bytes: int) -> int:
    return max(1, min(PARTS_AT_ONCE, _AT_ONCE_BYTES // part_bytes))


def failure_text(error: BaseException) -> str:
    """The text of a failure, of the service or on the way there, without the library's details."""
    return str(error).partition("Debug source")[0].partition("\n")[0]


def is_full(error: BaseException) -> bool:
    """Whether the service says that there is no room."""
    return any(word in str(error).partition("Debug source")[0] for word in _FULL)


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


def _signed_by(bucket: str, endpoint: str | None, region: str, keys: Keys) -> Signed | None:
    """None with keys that are lent: the requests of `s3_requests` carry no token."""
    if keys.token is not None:
        return None
    origin, path = f"https://{bucket}.s3.{region}.amazonaws.com", ""
    if endpoint is not None:
        origin, path = endpoint.rstrip("/"), f"/{bucket}"
    return Signed(origin, path, region, keys.access_key, keys.secret_key)
