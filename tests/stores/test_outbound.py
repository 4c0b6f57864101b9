"""Names that users choose are looked up a few at a time, whatever becomes of those who wait for them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from transom.domain.errors import InvalidError, UnusableSourceError
from transom.domain.outbound import OutboundRules
from transom.outbound import Outbound, keep_pace

pytestmark = pytest.mark.anyio

RULES = OutboundRules(allowed_schemes=frozenset({"http"}))
ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SlowNames:
    """Stands for the world's name servers: none answers before `answered` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.two_asked = asyncio.Event()
        self.answered = asyncio.Event()

    async def getaddrinfo(self, name: str, _port: int, **_kind: Any) -> list[Any]:
        self.asked.append(name)
        if len(self.asked) == 2:
            self.two_asked.set()
        await self.answered.wait()
        return [ADDRESS]


async def test_a_look_up_that_nobody_answers_keeps_its_place_when_its_caller_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names, outbound = SlowNames(), Outbound(RULES)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)
    checks = [asyncio.create_task(outbound.check(f"http://{name}.test/")) for name in "abc"]
    await names.two_asked.wait()

    checks[0].cancel()
    await asyncio.wait([checks[0]])

    assert names.asked == ["a.test.", "b.test."]
    names.answered.set()
    assert await asyncio.gather(*checks[1:]) == [None, None]
    assert names.asked == ["a.test.", "b.test.", "c.test."]


async def test_a_name_that_leads_nowhere_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_name: str, _port: int, **_kind: Any) -> list[Any]:
        raise socket.gaierror

    outbound = Outbound(RULES)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)

    for _ in range(5):
        with pytest.raises(InvalidError, match=r"'nowhere\.test' cannot be resolved"):
            await outbound.check("http://nowhere.test/")


async def _chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


async def test_a_source_that_drips_is_given_up() -> None:
    moments = iter(range(0, 10_000, 50))

    with pytest.raises(InvalidError, match="too slowly"):
        async for _chunk in keep_pace(_chunks(*[100] * 20), lambda: float(next(moments))):
            pass


async def test_a_source_that_keeps_pace_is_read_to_its_end() -> None:
    moments = iter(range(0, 10_000, 50))

    got = [chunk async for chunk in keep_pace(_chunks(*[1 << 20] * 20), lambda: float(next(moments)))]

    assert len(got) == 20


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_http_is_told_as_such(said: bytes) -> None:
    """Another try would meet the same, unlike one of a server that is away."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rules = OutboundRules(allowed_schemes=frozenset({"http"}), allowed_hosts=frozenset({"127.0.0.1"}))

    async with server:
        with pytest.raises(UnusableSourceError, match=r"'127\.0\.0\.1' gave an answer that cannot be read"):
            async with Outbound(rules).open(f"http://127.0.0.1:{port}/"):
                pass
