"""Long answers, made in pieces: requests of others have their turns in between."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from transom.api.http import encode_json

#: Items of a piece.
AT_ONCE = 20

Item = TypeVar("Item")


async def encode_each(
    items: Iterable[Item], show: Callable[[Item], Any], take_turn: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes, None]:
    """What is shown of each item, in JSON. `take_turn`: returns when the next piece may begin."""
    for number, item in enumerate(items, 1):
        yield encode_json(show(item))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
            await take_turn()
