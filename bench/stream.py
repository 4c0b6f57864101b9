"""A steady stream of small requests, each of them timed, while now and then a large one is under way.

Open loop: a request is due at its time whether or not the ones before it were answered, and its latency
counts from then. One event loop sends both, so that no second thread of ours takes the interpreter from it.
"""

import asyncio
import dataclasses
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus

import uvloop

from bench.processes import BenchError

#: Of the stream, requests a second. A connection's next request is due 160 ms after its last: when an answer
#: takes longer, the wait counts for both.
CONNECTIONS = 32
RATE = 200
_HOST = "127.0.0.1"
_GRACE_S = 60.0
_STATUS = slice(9, 12)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_BODY_LIMIT = 1 << 26


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """A request that was answered; times are seconds of perf_counter. `kind` is what the sender called it."""

    kind: str
    began: float
    ended: float
    status: int
    body: bytes

    @property
    def latency_ms(self) -> float:
        return (self.ended - self.began) * 1e3

    @property
    def is_error(self) -> bool:
        return self.status >= HTTPStatus.BAD_REQUEST

    def overlaps(self, other: "Call") -> bool:
        return self.began < other.ended and other.began < self.ended


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    small: list[Call]
    large: list[Call]

    def during(self, large: Sequence[Call]) -> list[Call]:
        """The small ones that were in flight while one of these was."""
        return [one for one in self.small if any(one.overlaps(other) for other in large)]


def run_stream(
    port: int, small: Iterator[bytes], seconds: float, large: Iterator[tuple[str, bytes]] | None = None
) -> Stream:
    """Send the small requests at RATE for so long, and the large ones (kind, request) one after the other."""
    return uvloop.run(asyncio.wait_for(_run(port, small, seconds, large), seconds + _GRACE_S))


def run_in_turn(port: int, requests: Sequence[bytes]) -> list[Call]:
    """Send the requests on one connection, each when the one before it was answered."""
    return uvloop.run(_run_in_turn(port, requests))


def p99_ms(calls: Sequence[Call]) -> float:
    """The latency that one of a hundred exceeds."""
    if len(calls) < 100:
        raise BenchError(f"{len(calls)} requests are too few for a p99")
    return statistics.quantiles([call.latency_ms for call in calls], n=100)[98]


async def _run(
    port: int, small: Iterator[bytes], seconds: float, large: Iterator[tuple[str, bytes]] | None
) -> Stream:
    stream = Stream(small=[], large=[])
    over = asyncio.Event()
    senders = [
        asyncio.create_task(_send_steadily(port, small, number / RATE, over, stream.small))
        for number in range(CONNECTIONS)
    ]
    until = time.perf_counter() + seconds
    if large is None:
        await asyncio.sleep(seconds)
    else:
        await _send_one_after_other(port, large, until, stream.large)
    over.set()
    await asyncio.gather(*senders)
    return stream


async def _send_steadily(
    port: int, requests: Iterator[bytes], first_s: float, over: asyncio.Event, calls: list[Call]
) -> None:
    connection = await _Connection.open(port)
    due = time.perf_counter() + first_s
    while True:
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        if over.is_set():
            break
        calls.append(await connection.call("", next(requests), due))
        due += CONNECTIONS / RATE
    connection.close()


async def _send_one_after_other(
    port: int, requests: Iterator[tuple[str, bytes]], until: float, calls: list[Call]
) -> None:
    connection = await _Connection.open(port)
    while time.perf_counter() < until:
        kind, request = next(requests)
        calls.append(await connection.call(kind, request, time.perf_counter()))
    connection.close()


async def _run_in_turn(port: int, requests: Sequence[bytes]) -> list[Call]:
    connection = await _Connection.open(port)
    calls = [await connection.call("", request, time.perf_counter()) for request in requests]
    connection.close()
    return calls


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "_Connection":
        return cls(*await asyncio.open_connection(_HOST, port, limit=_BODY_LIMIT))

    def close(self) -> None:
        self._writer.close()

    async def call(self, kind: str, request: bytes, began: float) -> Call:
        self._writer.write(request)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await self._reader.readexactly(int(length[1])) if length else b""
        except asyncio.IncompleteReadError as error:
            raise BenchError("the service closed a connection in the middle of a request") from error
        ended = time.perf_counter()
        return Call(kind=kind, began=began, ended=ended, status=int(head[_STATUS]), body=body)
