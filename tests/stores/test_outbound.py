"""Names that users choose are looked up a few at a time, whatever becomes of those who wait for them."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import uvloop
from harness.loopback import Handler, LoopbackServer

from transom.domain.errors import InvalidError, UnusableSourceError
from transom.domain.outbound import FetchLimits, HookRules, OutboundRules
from transom.outbound import MOST_LOOK_UPS, Outbound, Poster, is_own_address, keep_pace

pytestmark = pytest.mark.anyio

RULES = OutboundRules(allowed_schemes=frozenset({"http"}))
PATIENCE_S = 10.0
ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 80))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SlowNames:
    """Stands for the world's name servers: none answers before `answered` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.answered = threading.Event()
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def _getaddrinfo(self, name: str, port: int, *more: Any, **kind: Any) -> list[Any]:
        if not name.endswith(".test."):
            return list(self._real(name, port, *more, **kind))
        self.asked.append(name)
        self.answered.wait(PATIENCE_S)
        return [ADDRESS]

    async def until_asked(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.asked) < count:  # noqa: ASYNC110 (they are asked in threads)
                await asyncio.sleep(0.01)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNames]:
    names = SlowNames(monkeypatch)
    yield names
    names.answered.set()


#: As many names as are looked up at once.
FULL = [f"name-{number}" for number in range(MOST_LOOK_UPS)]


def check(outbound: Outbound, name: str) -> "asyncio.Task[None]":
    return asyncio.create_task(outbound.check(f"http://{name}.test/"))


async def test_a_look_up_that_nobody_answers_keeps_its_place_when_its_caller_is_gone(
    names: SlowNames,
) -> None:
    outbound = Outbound(RULES)
    checks = [check(outbound, name) for name in (*FULL, "more")]
    await names.until_asked(len(FULL))

    checks[0].cancel()
    await asyncio.wait([checks[0]])

    assert sorted(names.asked) == sorted(f"{name}.test." for name in FULL)
    names.answered.set()
    assert await asyncio.gather(*checks[1:]) == [None] * len(FULL)
    assert names.asked[len(FULL) :] == ["more.test."]


async def test_a_projects_names_that_nobody_answers_for_hold_up_its_own_alone(names: SlowNames) -> None:
    outbound = Outbound(RULES)
    first, second = outbound.asked_by("first"), outbound.asked_by("second")
    checks = [
        check(of_project, name)
        for name, of_project in zip("abcd", (first, first, outbound.asked_by("first"), second), strict=True)
    ]

    await names.until_asked(2)

    assert sorted(names.asked) == ["a.test.", "d.test."]
    names.answered.set()
    assert await asyncio.gather(*checks) == [None] * 4
    assert sorted(names.asked) == ["a.test.", "b.test.", "c.test.", "d.test."]


async def test_a_look_up_that_is_given_up_in_the_line_gives_its_turn_back(names: SlowNames) -> None:
    outbound = Outbound(RULES)
    busy = [check(outbound, name) for name in FULL]
    await names.until_asked(len(FULL))
    waiting = check(outbound.asked_by("first"), "c")
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait([waiting])

    names.answered.set()
    await asyncio.gather(*busy)
    async with asyncio.timeout(5):
        await outbound.asked_by("first").check("http://d.test/")
    assert names.asked[len(FULL) :] == ["d.test."]


def test_names_of_users_that_nobody_answers_for_take_no_thread_that_others_need(names: SlowNames) -> None:
    """Those of the event loop look up the service's own hosts, and check passwords."""

    async def attack() -> bool:
        outbound, poster = Outbound(RULES), Poster(HookRules(schemes=frozenset({"https"})), PATIENCE_S)
        waiting = [check(outbound, name) for name in FULL]
        waiting += [asyncio.create_task(poster.post(f"https://{one}.test/", b"", {})) for one in FULL]  # type: ignore[arg-type]
        await names.until_asked(len(waiting))
        async with asyncio.timeout(PATIENCE_S / 2):
            found = await asyncio.get_running_loop().getaddrinfo("localhost", 80)
            is_done = await asyncio.to_thread(lambda: bool(found))
        for one in waiting:
            one.cancel()
        return is_done

    assert uvloop.run(attack())


async def test_a_name_that_leads_nowhere_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_name: Any, **_kind: Any) -> list[Any]:
        raise socket.gaierror

    outbound = Outbound(RULES)
    monkeypatch.setattr(socket, "getaddrinfo", fail)

    for _ in range(MOST_LOOK_UPS + 1):
        with pytest.raises(InvalidError, match=r"'nowhere\.test' leads to no address that may"):
            await outbound.check("http://nowhere.test/")


async def test_names_that_are_inside_and_names_of_nothing_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service may ask name servers that its users cannot."""

    def look_up(name: str, port: int, **_kind: Any) -> list[Any]:
        if name != "inside.test.":
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    poster = Poster(HookRules(schemes=frozenset({"https"})), 5)
    said = set()

    for name in ("inside", "nowhere"):
        with pytest.raises(InvalidError) as refused:
            await poster.post(f"https://{name}.test/", b"{}", {})
        said.add(str(refused.value).replace(name, "NAME"))

    assert said == {"The host 'NAME.test' leads to no address that may be connected to."}


@pytest.mark.parametrize(
    "name", ["xn--a.test", "xn--80ak6aa92e.test"], ids=["of no other name", "of another"]
)
async def test_a_host_is_asked_by_the_name_that_it_is_spelled_by(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    def lead_here(_name: str, port: int, **_kind: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(socket, "getaddrinfo", lead_here)
    rules = HookRules(schemes=frozenset({"http"}), hosts=frozenset({name}))

    async with server:
        reply = await Poster(rules, 5).post(f"http://{name}:{port}/", b"{}", {})

    assert reply.status == 204
    assert f"Host: {name}:{port}\r\n".encode() in asked[0]


def own_addresses() -> list[str]:
    """The loopback addresses, and those that packets to other machines leave from, if there is a route."""
    found = ["127.0.0.1", "::1"]
    for family, far in ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect((far, 80))
            found.append(probe.getsockname()[0])
    return found


@pytest.mark.parametrize("address", own_addresses())
async def test_this_machines_addresses_are_known_and_refused(address: str) -> None:
    whole_world = OutboundRules(
        allowed_schemes=frozenset({"http"}),
        allowed_networks=frozenset({ip_network("0.0.0.0/0"), ip_network("::/0")}),
    )
    host = f"[{address}]" if ":" in address else address

    assert is_own_address(ip_address(address))
    with pytest.raises(InvalidError, match="no address that may be connected to"):
        await Outbound(whole_world).check(f"http://{host}/")


@pytest.mark.parametrize("address", ["198.51.100.1", "8.8.8.8", "2001:db8::1"])
async def test_addresses_of_other_machines_are_known_as_such(address: str) -> None:
    assert not is_own_address(ip_address(address))


async def _chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


LIMITS = FetchLimits(least_bytes_s=1000, window_s=60, total_s=600)


def _clock(*waits: float) -> Callable[[], float]:
    """Tells the time before and after each wait for the next bytes; between them an hour goes by."""
    moments = [(number * 3600.0, number * 3600.0 + wait) for number, wait in enumerate(waits)]
    told = iter([moment for pair in moments for moment in pair] + [1e9])
    return lambda: next(told)


async def test_a_source_that_drips_is_given_up() -> None:
    with pytest.raises(UnusableSourceError, match="less than 1000 bytes a second"):
        async for _chunk in keep_pace(_chunks(100, 100, 100), LIMITS, _clock(20, 20, 20)):
            pass


async def test_a_source_that_stops_after_much_at_once_is_given_up() -> None:
    with pytest.raises(UnusableSourceError, match="less than 1000 bytes a second"):
        async for _chunk in keep_pace(_chunks(1 << 20, 1, 1), LIMITS, _clock(0, 60, 60)):
            pass


async def test_a_source_that_keeps_pace_and_never_ends_is_given_up() -> None:
    with pytest.raises(UnusableSourceError, match="in 600 seconds"):
        async for _chunk in keep_pace(_chunks(*[1 << 20] * 11), LIMITS, _clock(*[60] * 11)):
            pass


async def test_a_source_that_keeps_pace_is_read_to_its_end_however_slow_the_reader() -> None:
    got = [chunk async for chunk in keep_pace(_chunks(*[60_000] * 10), LIMITS, _clock(*[60] * 10))]

    assert len(got) == 10


async def test_without_limits_any_source_is_read_to_its_end() -> None:
    limits = FetchLimits(least_bytes_s=0, window_s=60, total_s=0)

    got = [chunk async for chunk in keep_pace(_chunks(1, 1), limits, _clock(1e6, 1e6))]

    assert len(got) == 2


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


async def test_a_redirect_to_another_server_takes_no_token_along() -> None:
    """Nor does one to another port of the same host."""
    tokens: list[str | None] = []

    class Other(Handler):
        def respond(self) -> None:
            tokens.append(self.headers.get("X-Auth-Token"))
            self.answer(200, b"data")

    with LoopbackServer(Other) as other:

        class Redirecting(Handler):
            def respond(self) -> None:
                self.answer(302, b"", {"Location": f"{other.origin}/"})

        with LoopbackServer(Redirecting) as first:
            rules = OutboundRules(allowed_schemes=frozenset({"http"}), allowed_hosts=frozenset({"127.0.0.1"}))
            async with Outbound(rules).open(f"{first.origin}/", {"X-Auth-Token": "secret"}) as answer:
                assert await answer.read(10) == b"data"

    assert tokens == [None]
