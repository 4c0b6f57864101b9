"""Where the bytes lie. A store knows names and bytes, never images."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from transom.disk import Room
from transom.stores.s3_credentials import Keys
from transom.threads import Threads

#: The most that is read of a mark, bytes; one has some two hundred.
MARK_BYTES = 1 << 16
#: What a store's mark is called. No blob has that name: there is no dot in a key.
MARK_NAME = "transom-store.json"


class Store(Protocol):
    """Keeps blobs under keys (letters, digits, `-`), each written once and never changed."""

    name: str

    async def put(
        self,
        key: str,
        chunks: AsyncIterator[bytes],
        expected_bytes: int | None = None,
        memory_bytes: int | None = None,
    ) -> int:
        """Store what `chunks` yields (any sizes, none empty) and return its size in bytes, which should be
        `expected_bytes`, if that is known: a hint for how to cut it, nothing that is checked. `memory_bytes`:
        what it may hold of that in memory, None for as much as makes it fastest.

        When it returns, the blob is durable and complete. After an error, whoever raised it (`chunks`
        included), nothing of it can be got. Raises StoreFullError when there is no room, UnavailableError
        when the store cannot be reached. `key` has not been used before.
        """
        ...

    def memory_for(self, expected_bytes: int | None) -> tuple[int, int]:
        """(least, most) bytes that `put` holds in memory of such a blob, for as long as its source and the
        store take; (0, 0) where each chunk is written as it comes."""
        ...

    def get(self, key: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """`length` bytes from offset `start` on, which lie within the blob. NotFoundError when absent."""
        ...

    async def size(self, key: str) -> int | None:
        """Size of the blob in bytes; None when there is none."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the blob and whatever an interrupted `put` left of it. Fine when there is none."""
        ...

    def url(self, key: str) -> str:
        """Where the blob lies, for an operator's eyes. Nothing that gives access to it is in there."""
        ...


@runtime_checkable
class LocalFiles(Protocol):
    """What a store can do as well when its blobs are files of this machine."""

    #: The disk they lie on.
    room: Room
    #: For whatever looks at these files.
    threads: Threads

    def path(self, key: str) -> Path:
        """The file that holds the blob, for a server that sends files by itself."""
        ...


@runtime_checkable
class Markable(Protocol):
    """A store that can be written has room for a mark, which says whose it is. No key is its name."""

    async def read_mark(self) -> bytes | None:
        """The mark, at most `MARK_BYTES` of it; None when there is none. UnavailableError when that cannot be
        known now."""
        ...

    async def write_mark(self, mark: bytes) -> None:
        """Put the mark, in the place of another one. Durable when it returns; errors as of `put`."""
        ...


@runtime_checkable
class Keyed(Protocol):
    """A store that signs its requests with keys."""

    def use_keys(self, keys: Keys | None) -> None:
        """Sign with these from now on; None: with those of the environment or of the machine's role."""
        ...


@runtime_checkable
class Listable(Protocol):
    """A store that can say what it holds."""

    def list_blobs(self) -> AsyncIterator[tuple[str, int]]:
        """(key, size in bytes) of each blob, in any order, and of what interrupted `put`s have left, under
        their keys. What is stored or removed meanwhile may be in there or not. UnavailableError, where it can
        be after all that can be listed."""
        ...

    async def holds(self, key: str) -> bool:
        """Whether `list_blobs` would name the key now."""
        ...

    async def set_aside(self, key: str) -> str:
        """Move the blob to where no key leads and `list_blobs` does not look; its new URL. NotFoundError when
        there is none, else errors as of `put`."""
        ...
