"""What bodies may cost a worker: memory, for all that are held at once, and work, for each of a request.

A body of a request that is read whole is held while it is answered, and a long answer while the client takes
it. Bodies of image data are not: they go by.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from enum import Enum, auto
from typing import Any, TypeVar

import msgspec

from transom.domain.errors import BodyTooLargeError, InvalidError, Reason, UnavailableError
from transom.domain.json_text import LongNumberError, decode_json

#: Most values in a JSON body, keys of objects included: to judge so many takes the event loop some 20 ms.
MOST_VALUES = 10_000
#: Most signs of values in a body beyond its values: those within texts. Beyond, to decode it takes too long.
_MOST_SIGNS = 200_000
_T = TypeVar("_T")

#: The part of the whole that bodies of one holder may take, so that nobody fills it for all others.
_SHARE = 4
#: Messages that a body may come in, however small it is; and how long the average one must be beyond these,
#: bytes. A message costs about as much work as a small request, and a TCP segment is rarely less than 512.
_HELD = (256, 512)
#: The same for image data, which programs write in lines, too.
_PASSING = (1024, 64)

_IN_CRUMBS = "The body comes in too many small pieces: send larger chunks."
_FULL = "The service holds too many request bodies at once. Try again in a few seconds."


class BodyState(Enum):
    """How much of a request's body was read. COMING: not all of it, the rest may still be on its way. KEPT:
    all of it, and it can be read once more. READ: all of it, or the client is gone."""

    COMING = auto()
    KEPT = auto()
    READ = auto()


# To look a member up costs as much as a call, and it is compared several times for each request.
COMING, KEPT, READ = BodyState


class BodyMemory:
    """The bytes of bodies that one worker holds. `limit_bytes`: for all of them together.

    When it is full, bodies that wait for their clients make room for those of whoever holds less: the holder
    with the most loses the one that waits longest. So nobody keeps others out by sending or reading slowly.

    Not a `FairSemaphore`, which makes requests wait: a body asks for more while it holds some already, and
    bodies that wait for each other's memory would all wait in vain.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._of_holders: dict[str, int] = {}
        #: Those that wait for their clients, since when they do.
        self._waiting: dict[Holding, None] = {}

    def take(self, holding: "Holding", size_bytes: int) -> None:
        """UnavailableError when there is no room."""
        of_holder = self._of_holders.get(holding.holder, 0) + size_bytes
        if of_holder * _SHARE > self._limit_bytes:
            raise UnavailableError(_FULL)
        while self._held_bytes + size_bytes > self._limit_bytes:
            self._make_room(of_holder)
        self._held_bytes += size_bytes
        self._of_holders[holding.holder] = of_holder

    def give_back(self, holding: "Holding", size_bytes: int) -> None:
        self._held_bytes -= size_bytes
        left = self._of_holders.pop(holding.holder, 0) - size_bytes
        if left > 0:
            self._of_holders[holding.holder] = left

    def _make_room(self, of_holder: int) -> None:
        """Drop a waiting body, for a holder that would hold so much. UnavailableError when no holder with a
        waiting body holds more."""
        heaviest = max(self._waiting, key=lambda one: self._of_holders[one.holder], default=None)
        if heaviest is None or self._of_holders[heaviest.holder] <= of_holder:
            raise UnavailableError(_FULL)
        heaviest.drop()

    def enter_waiting(self, holding: "Holding") -> None:
        self._waiting[holding] = None

    def leave_waiting(self, holding: "Holding") -> None:
        self._waiting.pop(holding, None)


class Holding:
    """What one request holds of that memory. `holder`: its project, or the address it came from."""

    __slots__ = ("_memory", "_size_bytes", "_task", "_was_dropped", "holder")

    def __init__(self, memory: BodyMemory, holder: str) -> None:
        self.holder = holder
        self._memory = memory
        self._size_bytes = 0
        #: That which waits for the client.
        self._task: asyncio.Task[Any] | None = None
        self._was_dropped = False

    def take(self, size_bytes: int) -> None:
        """UnavailableError when there is no room; then all is given back, and its room is free before any
        other body asks for more: not all are refused that come together."""
        try:
            self._memory.take(self, size_bytes)
        except UnavailableError:
            self.give_back()
            raise
        self._size_bytes += size_bytes

    def give_back(self) -> None:
        if self._size_bytes:
            self._memory.give_back(self, self._size_bytes)
            self._size_bytes = 0

    def drop(self) -> None:
        """Give it back for others, while the client is waited for."""
        self.give_back()
        self._memory.leave_waiting(self)
        self._was_dropped = True
        if self._task is not None:
            self._task.cancel()

    async def wait(self, on_client: Awaitable[_T]) -> _T:
        """What comes of it once the client has done its part. UnavailableError when others needed the room
        meanwhile."""
        task = self._task = asyncio.current_task()
        if self._size_bytes:
            self._memory.enter_waiting(self)
        try:
            return await on_client
        except asyncio.CancelledError:
            if task is None or not self._was_dropped or task.uncancel():
                raise
            self._was_dropped = False
            raise UnavailableError(_FULL) from None
        finally:
            self._memory.leave_waiting(self)
            self._task = None


def require_large_pieces(messages: int, size_bytes: int, *, is_held: bool) -> None:
    """InvalidError for a body that has come in too many messages for its size. `is_held`: it is kept until
    it is whole; image data is not."""
    free, least_bytes = _HELD if is_held else _PASSING
    if messages > free + size_bytes // least_bytes:
        raise InvalidError(_IN_CRUMBS)


def decode_body(raw: bytes, most_values: int, most_signs: int = _MOST_SIGNS) -> dict[str, Any] | list[Any]:
    """A body as the JSON object or array that it is. InvalidError for anything else (reference, 1.7),
    BodyTooLargeError beyond `most_values`, before anybody looks at a value. `most_signs`: that may stand in
    its texts."""
    if not raw:
        raise InvalidError("Body expected in request.", Reason.BODY_EMPTY)
    # Each is a byte of it: those of most bodies need not be counted.
    signs = count_signs(raw) if len(raw) > most_values else 0
    if signs > most_values + most_signs or (
        signs > most_values and _least_values(raw, most_values) > most_values
    ):
        raise _too_many_values(most_values)
    try:
        value = decode_json(raw)
    except LongNumberError as error:
        raise InvalidError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidError("Malformed JSON in request body.") from None
    if not isinstance(value, dict | list):
        raise InvalidError("Unexpected body type. Expected list/dict.")
    if signs > most_values and _has_more_values(value, most_values):
        raise _too_many_values(most_values)
    return value


def count_signs(raw: bytes) -> int:
    """Signs of values in a JSON text: each value but the first stands behind one of them. They may stand in
    texts as well."""
    return sum(map(raw.count, (b",", b"[", b"{", b":")))


def _least_values(raw: bytes, enough: int) -> int:
    """How many values a JSON text has at least, without decoding it, which takes several times as long; no
    longer counted than to more than `enough`. Each text is one. Each value stands behind a sign outside of
    texts; the sign before an empty array or object belongs to none."""
    if b"\\" in raw:
        raw = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    texts = raw.count(b'"') // 2
    # To cut a body into its texts takes much longer than to count them.
    return texts if texts > enough else max(texts, count_signs(b"".join(raw.split(b'"')[::2])) // 2)


def _too_many_values(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The request body has more than {limit} values.")


def _has_more_values(value: dict[str, Any] | list[Any], limit: int) -> bool:
    count = 0
    pending: list[dict[str, Any] | list[Any]] = [value]
    while pending and count <= limit:
        outer = pending.pop()
        count += len(outer) * (2 if isinstance(outer, dict) else 1)
        inner = outer.values() if isinstance(outer, dict) else outer
        # What holds more than is left to be counted need not be looked into.
        if count <= limit:
            pending += [one for one in inner if isinstance(one, dict | list)]
    return count > limit


def announces_body(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request with these headers has a body, on whatever method it is (RFC 9112, 6.3)."""
    length = headers.get(b"content-length")
    if length is not None:
        return length.strip() not in (b"", b"0")
    return b"transfer-encoding" in headers


def body_too_large(limit_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The request body is larger than {limit_bytes} bytes.")
