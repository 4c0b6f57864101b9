"""A store of other people's servers: data that was given a URL instead of being uploaded. It is only read.

A key is a URL. What may be fetched at all, and from which addresses, is decided by `Fetch`, for the first URL
and for those that it redirects to.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from http import HTTPMethod, HTTPStatus
from typing import Protocol

from transom.domain.errors import InvalidError, NotFoundError, UnavailableError, UnusableSourceError


class Answer(Protocol):
    """What a server answered: all of the data (200), or the part that was asked for (206)."""

    @property
    def status(self) -> int: ...

    @property
    def size(self) -> int | None:
        """Bytes in the answer, None when the server does not say."""
        ...

    def chunks(self) -> AsyncIterator[bytes]: ...


class Fetch(Protocol):
    def open(
        self, url: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> AbstractAsyncContextManager[Answer]:
        """The answer to a request, redirects followed. InvalidError when one of the URLs may not be fetched,
        or the server refuses (4xx); UnavailableError when it cannot be reached, fails, or answers with
        something else than the data."""
        ...


class HttpStore:
    """Blobs anywhere on the web."""

    def __init__(self, name: str, fetch: Fetch) -> None:
        self.name = name
        self._fetch = fetch

    def url(self, key: str) -> str:
        return key

    def memory_for(self, expected_bytes: int | None) -> tuple[int, int]:
        return 0, 0

    async def put(
        self,
        key: str,
        chunks: AsyncIterator[bytes],
        expected_bytes: int | None = None,
        memory_bytes: int | None = None,
    ) -> int:
        raise UnavailableError(f"The store {self.name} takes no data.")

    async def get(self, key: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        if length == 0:
            return
        asked = {"Range": f"bytes={start}-{start + length - 1}"}
        try:
            async with self._fetch.open(key, asked) as answer:
                if answer.status == HTTPStatus.PARTIAL_CONTENT and answer.size not in (None, length):
                    raise UnavailableError(f"The data at {key} is not as large as it was.")
                # A server that knows no ranges sends all of it.
                skip = 0 if answer.status == HTTPStatus.PARTIAL_CONTENT else start
                async for chunk in answer.chunks():
                    part = chunk[skip : skip + length]
                    skip -= min(skip, len(chunk))
                    if part:
                        length -= len(part)
                        yield part
                    if length == 0:
                        return
        except InvalidError as error:
            raise NotFoundError(f"The data at {key} cannot be fetched: {error}") from None
        raise UnavailableError(f"The data at {key} is cut short.")

    async def size(self, key: str) -> int | None:
        """As the server says it: to a HEAD, or to a GET whose data is not waited for. What is wrong with the
        answer to a HEAD, which some servers answer carelessly, need not be wrong with the data."""
        for method in (HTTPMethod.HEAD, HTTPMethod.GET):
            try:
                async with self._fetch.open(key, method=method) as answer:
                    if answer.size is not None:
                        return answer.size
            except InvalidError:
                continue
            except UnusableSourceError:
                if method is HTTPMethod.GET:
                    raise
        return None

    async def delete(self, key: str) -> None:
        """The data is somebody else's: it stays where it is."""
