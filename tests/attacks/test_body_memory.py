"""The memory for bodies, shared by requests whose bodies come piece by piece at the same time."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from transom.api.bodies import BodyMemory
from transom.api.clients import ClientConnection
from transom.api.http import Request
from transom.domain.errors import UnavailableError

_KIB = 1 << 10


def test_a_body_that_is_refused_leaves_its_room_to_the_next_at_once() -> None:
    """Eight of 100 KiB, in halves, for one project that may hold 400 KiB: when all first halves have come,
    the next one of each finds no room. The first is refused; its half is free before the others ask."""

    async def send_all() -> list[bool]:
        memory = BodyMemory(4 * 400 * _KIB)
        seconds = asyncio.Event()
        asked = [asyncio.create_task(_read(memory, seconds)) for _ in range(8)]
        await asyncio.sleep(0)
        seconds.set()
        return await asyncio.gather(*asked)

    are_read = asyncio.run(send_all())

    assert are_read == [False, True] * 4


async def _read(memory: BodyMemory, may_go_on: asyncio.Event) -> bool:
    pieces = [b"x" * 50 * _KIB] * 2

    async def receive() -> MutableMapping[str, Any]:
        piece = pieces.pop()
        if not pieces:
            await may_go_on.wait()
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {"method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
    request = Request(scope, receive, "req", ClientConnection(memory))
    try:
        await request.body(1 << 20)
    except UnavailableError:
        # Answered later, as all refusals are.
        await asyncio.sleep(0.01)
        return False
    else:
        await asyncio.sleep(0.01)
        return True
    finally:
        request.finish()
