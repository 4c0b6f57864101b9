"""Long answers, made in pieces: requests of others have their turns in between."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

import msgspec

from transom.api.http import encode_json

#: Items of a piece.
AT_ONCE = 20

Item = TypeVar("Item")
TakeTurn = Callable[[], Awaitable[None]]


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
