"""Work in threads that leaves nothing behind when the one who waits for it goes away."""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

_Values = TypeVarTuple("_Values")
_Result = TypeVar("_Result")


async def in_thread(function: Callable[[Unpack[_Values]], _Result], *values: *_Values) -> _Result:
    """`asyncio.to_thread`, but when cancelled it first waits for the thread: what it works on (a descriptor)
    is not closed, and its number not given to another file, under its hands."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *values))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
