"""gzip data → what is in it, never much of it at once. Start reading at `gunzip`.

A file may have any number of members (RFC 1952, 2.2), and the library gives back what lies behind the end of
one as a copy. Data of very many small members would be copied once for each of them: so a member is fed by
small pieces first, and by ever larger ones as it turns out to be large. What is copied is then never many
times what was read.
"""

import re
import zlib
from collections.abc import AsyncIterator
from typing import Any

from transom.domain.errors import ContentRefusedError
from transom.transfers.work_folders import WORK_THREADS

_BLOCK_BYTES = 1 << 20
_FIRST_BYTES = 256
_NO_PADDING = re.compile(rb"[^\0]")


async def gunzip(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The members of gzip data one after another, in blocks of at most 1 MiB. Zeros between and behind them
    are passed over, as gzip does. ContentRefusedError when the data is damaged or cut short."""
    members = _Members()
    async for chunk in chunks:
        at = 0
        while at < len(chunk):
            try:
                block, at = await WORK_THREADS.run(members.unpack, chunk, at)
            except zlib.error as error:
                raise ContentRefusedError("The gzip data is damaged.") from error
            if block:
                yield block
    if members.is_within_one:
        raise ContentRefusedError("The gzip data is cut short.")


class _Members:
    """Where in the members the reader stands."""

    def __init__(self) -> None:
        self._member: Any = None
        self._piece_bytes = 0

    @property
    def is_within_one(self) -> bool:
        return self._member is not None

    def unpack(self, chunk: bytes, at: int) -> tuple[bytes, int]:
        """(a block of what the chunk holds from `at` on, where in the chunk to go on)."""
        view = memoryview(chunk)
        found: list[bytes] = []
        room = _BLOCK_BYTES
        while room and (at := self._begin(chunk, at)) < len(chunk):
            piece = view[at : at + self._piece_bytes]
            found.append(self._member.decompress(piece, room))
            room -= len(found[-1])
            at += len(piece) - self._unused_bytes()
        return b"".join(found), at

    def _begin(self, chunk: bytes, at: int) -> int:
        """Be within a member, unless the chunk has no more of them; where to go on."""
        if self._member is None:
            begins = _NO_PADDING.search(chunk, at)
            if begins is None:
                return len(chunk)
            at = begins.start()
            self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            self._piece_bytes = _FIRST_BYTES
        return at

    def _unused_bytes(self) -> int:
        """How much of the last piece is still to be read."""
        if self._member.eof:
            unused = len(self._member.unused_data)
            self._member = None
            return unused
        unused = len(self._member.unconsumed_tail)
        if not unused:
            self._piece_bytes = min(2 * self._piece_bytes, _BLOCK_BYTES)
        return unused
