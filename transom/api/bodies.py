"""What the bodies of requests may cost a worker: memory, for all that are held at once, and work, for each.

A body that is read whole is held while its request is answered. Bodies of image data are not: they go by.
"""

from typing import Any

import msgspec

from transom.domain.errors import BodyTooLargeError, InvalidError, Reason, UnavailableError

#: Most values in a JSON body, keys of objects included: to judge so many takes the event loop some 20 ms.
MOST_VALUES = 10_000
#: Most signs of values in a body beyond its values: those within texts. Beyond, to decode it takes too long.
_MOST_SIGNS = 200_000
_decode = msgspec.json.Decoder().decode

#: The part of the whole that bodies of one holder may take, so that nobody fills it for all others.
_SHARE = 4
#: Messages that a body may come in, however small it is; and how long the average one must be beyond these,
#: bytes. A message costs about as much work as a small request, and a TCP segment is rarely less than 512.
_HELD = (256, 512)
#: The same for image data, which programs write in lines, too.
_PASSING = (1024, 64)

_IN_CRUMBS = "The body comes in too many small pieces: send larger chunks."
_FULL = "The service holds too many request bodies at once. Try again in a few seconds."


class BodyMemory:
    """The bytes of bodies that one worker holds. `limit_bytes`: for all of them together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._of_holders: dict[str, int] = {}

    def take(self, holder: str, size_bytes: int) -> None:
        """Count what came for `holder`, an address or a project. UnavailableError when there is no room."""
        of_holder = self._of_holders.get(holder, 0) + size_bytes
        if self._held_bytes + size_bytes > self._limit_bytes or of_holder * _SHARE > self._limit_bytes:
            raise UnavailableError(_FULL)
        self._held_bytes += size_bytes
        self._of_holders[holder] = of_holder

    def give_back(self, holder: str, size_bytes: int) -> None:
        self._held_bytes -= size_bytes
        left = self._of_holders.pop(holder, 0) - size_bytes
        if left > 0:
            self._of_holders[holder] = left


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
    if signs > most_values + most_signs or (signs > most_values and _least_values(raw) > most_values):
        raise _too_many_values(most_values)
    try:
        value = _decode(raw)
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


def _least_values(raw: bytes) -> int:
    """How many values a JSON text has at least, without decoding it, which takes several times as long. Each
    stands behind a sign outside of texts; the sign before an empty array or object belongs to none."""
    if b"\\" in raw:
        raw = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    return count_signs(b"".join(raw.split(b'"')[::2])) // 2


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
