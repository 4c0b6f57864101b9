"""What the bodies of requests may cost a worker: memory, for all that are held at once, and work, for each.

A body that is read whole is held while its request is answered. Bodies of image data are not: they go by.
"""

from transom.domain.errors import InvalidError, UnavailableError

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
