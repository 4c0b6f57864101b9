"""What another service answered, kept for a while, and asked for once however many wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: Asks for a value; the answer is the value, None if there is none, and how long it may be kept, seconds.
Ask = Callable[[], Awaitable[tuple[T | None, float]]]


class Answers(Generic[T]):
    """Answers by key, used by one event loop. A key is worth as much as its value: give a hash of a secret.

    Hits and misses ("there is none") have separate FIFO caches of `limit` entries, so that many made-up keys
    do not evict the values of real ones.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: dict[bytes, tuple[T, float]] = {}
        self._absent: dict[bytes, tuple[None, float]] = {}
        self._asking: dict[bytes, asyncio.Task[T | None]] = {}

    def find(self, key: bytes) -> T | None:
        """The value if it is known now."""
        kept = self._values.get(key)
        return kept[0] if kept is not None and time.monotonic() < kept[1] else None

    async def get(self, key: bytes, ask: Ask[T]) -> T | None:
        """The value, None if there is none; `ask` is called unless that is known or being asked. Raises what
        `ask` raises, to all who wait for it; that is not kept."""
        now = time.monotonic()
        for kept in (self._values.get(key), self._absent.get(key)):
            if kept is not None and now < kept[1]:
                return kept[0]
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, ask))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        # The request that began it may be cancelled while others still wait for the answer.
        return await asyncio.shield(task)

    async def _ask(self, key: bytes, ask: Ask[T]) -> T | None:
        value, keep_s = await ask()
        until = time.monotonic() + keep_s
        self._values.pop(key, None)
        self._absent.pop(key, None)
        if keep_s > 0:
            if value is None:
                self._make_room(self._absent)
                self._absent[key] = (None, until)
            else:
                self._make_room(self._values)
                self._values[key] = (value, until)
        return value

    def _make_room(self, kept: dict[bytes, tuple[T, float]] | dict[bytes, tuple[None, float]]) -> None:
        if len(kept) >= self._limit:
            del kept[next(iter(kept))]

    def _finish(self, key: bytes, done: asyncio.Task[T | None]) -> None:
        del self._asking[key]
        if not done.cancelled():
            # Seen, even where nobody waits for it any more.
            done.exception()
