"""Long answers, made in pieces: requests of others have their turns in between. Or beside the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, TypeVar, TypeVarTuple, Unpack

import msgspec

from transom.api.http import encode_json
from transom.threads import Threads

#: Items of a piece.
AT_ONCE = 20

Item = TypeVar("Item")
TakeTurn = Callable[[], Awaitable[None]]

_Values = TypeVarTuple("_Values")
_threads = Threads("answers", 2)


async def make_beside(make: Callable[[Unpack[_Values]], Item], *values: *_Values) -> Item:
    """What `make` returns, of what cannot be made in pieces, and is not made often."""
    return await _threads.run(make, *values)


async def encode_each(
    items: Iterable[Item], show: Callable[[Item], Any], take_turn: TakeTurn
) -> AsyncGenerator[bytes, None]:
    """What is shown of each item, in JSON. `take_turn`: returns when the next piece may begin."""
    for number, item in enumerate(items, 1):
        yield encode_json(show(item))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
            await take_turn()


async def encode_all(
    items: Iterable[Item], show: Callable[[Item], Any], take_turn: TakeTurn
) -> list[msgspec.Raw]:
    """As `encode_each`, all of them, to be part of an answer."""
    return [msgspec.Raw(text) async for text in encode_each(items, show, take_turn)]
