"""Blocking work that waits for machines of others, in threads that nobody else needs.

The threads that asyncio and its event loops keep are few: they check passwords, write files, and look up the
service's own hosts. libuv looks up two names at a time. What hangs there holds up everybody.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar, TypeVarTuple, Unpack

_Values = TypeVarTuple("_Values")
_Result = TypeVar("_Result")


async def in_own_thread(function: Callable[[Unpack[_Values]], _Result], *values: *_Values) -> _Result:
    """What the function returns or raises. Whoever calls it bounds how many run. A thread that hangs is
    waited for neither by who is cancelled nor by the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def tell(outcome: Callable[[], None]) -> None:
        if not done.done():
            outcome()

    def run() -> None:
        outcome: Callable[[], None]
        try:
            outcome = partial(done.set_result, function(*values))
        except Exception as error:  # noqa: BLE001 (it is raised where it is waited for)
            outcome = partial(done.set_exception, error)
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(tell, outcome)

    threading.Thread(target=run, daemon=True, name="own-thread").start()
    return await done
