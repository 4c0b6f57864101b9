"""Long answers, made in pieces: requests of others have their turns in between. Or beside the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from itertools import islice
from typing import Any, TypeVar, TypeVarTuple, Unpack

import msgspec

from transom.api.http import encode_json
from transom.threads import Threads

#: Items of a piece.
AT_ONCE = 20
#: The same of members, which are small: some half a millisecond.
MEMBERS_AT_ONCE = 250
#: Characters of a page of HTML: some 3 ms.
CHARACTERS_AT_ONCE = 128 << 10

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
    items: Iterable[Item], show: Callable[[Item], Any], take_turn: TakeTurn, at_once: int = AT_ONCE
) -> msgspec.Raw:
    """All of them as one list in JSON, to be part of an answer. `at_once`: more for items that are small."""
    rest, pieces = iter(items), list[bytes]()
    while piece := [show(item) for item in islice(rest, at_once)]:
        pieces.append(encode_json(piece)[1:-1])
        if len(piece) == at_once:
            await asyncio.sleep(0)
            await take_turn()
    return msgspec.Raw(b"[%b]" % b",".join(pieces))


async def join_texts(parts: Iterable[str], take_turn: TakeTurn) -> str:
    """All of them as one; each is made as it is asked for."""
    joined, size = list[str](), 0
    for part in parts:
        joined.append(part)
        size += len(part)
        if size >= CHARACTERS_AT_ONCE:
            size = 0
            await asyncio.sleep(0)
            await take_turn()
    return "".join(joined)
