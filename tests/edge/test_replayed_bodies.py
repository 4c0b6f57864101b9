"""A body that was read to check its signature is read once more by whoever handles the request.

The server, on the far side of `receive`, is scripted: no client can be made to hang up at a certain message.
"""

import asyncio
from typing import Any

import pytest

from transom.api.http import Request
from transom.domain.errors import ClientGoneError

CHUNKS = [b"one, ", b"two, ", b"three"]
WHOLE = b"".join(CHUNKS)
pytestmark = pytest.mark.anyio


class Server:
    """Says what is in `messages`, one for each question, and nothing after that until `hang_up`."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.questions = 0
        #: Set when somebody asks and there is nothing to say.
        self.is_waited_for = asyncio.Event()
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for number, chunk in enumerate(chunks, start=1):
            self._messages.put_nowait(
                {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
            )

    async def receive(self) -> dict[str, Any]:
        self.questions += 1
        if self._messages.empty():
            self.is_waited_for.set()
        return await self._messages.get()

    def hang_up(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


def make_request(server: Server) -> Request:
    scope = {
        "method": "PUT",
        "path": "/v2/images/1/file",
        "raw_path": b"/v2/images/1/file",
        "query_string": b"",
        "headers": [(b"transfer-encoding", b"chunked")],
        "client": None,
    }
    return Request(scope, server.receive, "req-1")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def server() -> Server:
    return Server(CHUNKS)


async def test_a_kept_body_is_read_as_it_came(server: Server) -> None:
    request = make_request(server)
    await request.hash_body(1000, keep=True)
    asked = server.questions

    read = [chunk async for chunk in request.stream()]

    assert read == CHUNKS
    assert (asked, server.questions) == (3, 3)


async def test_a_kept_body_is_read_whole(server: Server) -> None:
    request = make_request(server)
    first = await request.hash_body(1000, keep=True)

    assert await request.body(1000) == WHOLE
    assert first == await make_request(Server([WHOLE])).hash_body(1000, keep=False)


async def test_a_body_that_was_not_kept_is_at_its_end(server: Server) -> None:
    request = make_request(server)
    await request.hash_body(1000, keep=False)

    assert await request.body(1000) == b""
    assert server.questions == 3


async def test_an_empty_body_is_kept_as_one() -> None:
    request = make_request(Server([b""]))
    await request.hash_body(1000, keep=True)

    assert await request.body(1000) == b""


@pytest.mark.parametrize("reads", [True, False])
async def test_a_client_that_hangs_up_behind_a_kept_body_is_seen_to_go(server: Server, reads: bool) -> None:
    """Read or not, what was kept is no sign of the client, and the server alone knows when it has left."""
    request = make_request(server)
    await request.hash_body(1000, keep=True)
    if reads:
        await request.body(1000)

    leaving = asyncio.ensure_future(request.wait_until_gone())
    await server.is_waited_for.wait()
    was_gone = leaving.done()
    server.hang_up()
    await leaving

    assert was_gone is False


async def test_a_client_that_hangs_up_within_its_body_is_told_while_it_is_hashed() -> None:
    server = Server([])
    server.hang_up()

    with pytest.raises(ClientGoneError):
        await make_request(server).hash_body(1000, keep=True)


async def test_what_is_left_of_a_kept_body_is_thrown_away_without_a_question(server: Server) -> None:
    request = make_request(server)
    await request.hash_body(1000, keep=True)

    async for _chunk in request.stream():
        break
    await request.drain(1000, 5.0)

    assert await request.body(1000) == b""
    assert server.questions == 3


@pytest.mark.parametrize(("size", "count"), [(1, 5_000), (64 << 10, 50)])
async def test_a_client_that_sends_on_while_it_is_answered_is_not_listened_to_for_ever(
    size: int, count: int
) -> None:
    """In crumbs, or much: each message costs as much as a small request."""
    server = Server([b"x" * size] * count)

    async with asyncio.timeout(30):
        await make_request(server).wait_until_gone()

    assert server.questions < count


async def test_a_client_that_sent_no_more_than_its_body_is_listened_to_until_it_hangs_up(
    server: Server,
) -> None:
    waiting = asyncio.create_task(make_request(server).wait_until_gone())
    await server.is_waited_for.wait()

    assert not waiting.done()
    server.hang_up()
    await waiting
