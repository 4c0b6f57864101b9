"""The disk of the cache: asked in threads, and gone around as long as it does not answer.

Nobody needs the cache. While a call hangs every other one fails at once, so that images are read from their
stores and deletions are answered; when it has ended the cache is used again.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple, Unpack

from transom.domain.errors import UnavailableError
from transom.threads import Threads

_Values = TypeVarTuple("_Values")
_Result = TypeVar("_Result")

_log = logging.getLogger(__name__)

#: Longest that a call is waited for, seconds: no more than others who hold a lock for it take.
_PATIENCE_S = 5.0
_HANGS = "The disk of the cache does not answer."


class CacheDisk:
    """At most `limit` calls at once."""

    def __init__(self, limit: int) -> None:
        self._threads = Threads("cache", limit)
        #: Calls that nobody waits for any more, and that have not ended.
        self._overdue: set[asyncio.Task[Any]] = set()
        self._releasing: set[asyncio.Task[None]] = set()

    async def ask(
        self,
        function: Callable[[Unpack[_Values]], _Result],
        *values: *_Values,
        undo: Callable[[_Result], object] | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> _Result:
        """What the function returns. UnavailableError when the disk fails, or has no answer for so long, or
        none to somebody else. `undo`: called with a result that comes when nobody waits for it any more."""
        if self._overdue:
            raise UnavailableError(_HANGS)
        call = asyncio.create_task(self._threads.finish(function, *values, undo=undo))
        try:
            await asyncio.wait([call], timeout=patience_s)
        except asyncio.CancelledError:
            call.cancel()
            await asyncio.wait([call], timeout=patience_s)
            raise
        finally:
            if not call.done():
                self._give_up(call)
        if not call.done():
            raise UnavailableError(_HANGS)
        try:
            return call.result()
        except OSError as error:
            raise UnavailableError(f"The cache cannot be used now: {error.strerror}") from error

    async def release(self, function: Callable[[], object]) -> None:
        """Call the function when no other call is under way that may use what it releases: without anybody
        waiting for it, where the disk hangs."""
        releasing = asyncio.create_task(self._release(function))
        self._releasing.add(releasing)
        releasing.add_done_callback(self._releasing.discard)
        await asyncio.wait([releasing], timeout=_PATIENCE_S)

    async def _release(self, function: Callable[[], object]) -> None:
        while self._overdue:
            await asyncio.wait(self._overdue)
        with suppress(OSError, UnavailableError):
            await self._threads.run(function)

    def _give_up(self, call: asyncio.Task[Any]) -> None:
        if not self._overdue:
            _log.error("the disk of the cache does not answer: it is not used until it does")
        self._overdue.add(call)
        call.cancel()
        call.add_done_callback(self._end)

    def _end(self, call: asyncio.Task[Any]) -> None:
        self._overdue.discard(call)
        if not call.cancelled():
            call.exception()  # Nobody wants to know.
        if not self._overdue:
            _log.warning("the disk of the cache answers again")
