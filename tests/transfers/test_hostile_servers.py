"""Answers made to keep whoever fetches them busy: the data is what an answer has to be, nearly all of it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from transom.domain.errors import UnusableSourceError
from transom.domain.outbound import OutboundRules
from transom.outbound import Outbound

_MOST_SENT = 16 << 20
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_RULES = OutboundRules(allowed_schemes=frozenset({"http"}), allowed_hosts=frozenset({"127.0.0.1"}))


class _Sender:
    """Answers one request with `start` and then `more` again and again. `sent`: bytes."""

    def __init__(self, start: bytes, more: bytes) -> None:
        self._answer = start, more * (1 + (64 << 10) // len(more))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.sent = 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        start, more = self._answer
        connection, _ = self._listener.accept()
        with self._listener, connection, suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(start)
            while self.sent < _MOST_SENT:
                connection.sendall(more)
                self.sent += len(more)


@contextmanager
def sending(start: bytes, more: bytes) -> Iterator[_Sender]:
    sender = _Sender(start, more)
    yield sender
    sender.thread.join(30)


async def _fetch(url: str) -> int:
    async with Outbound(_RULES).open(url) as answer:
        return sum([len(chunk) async for chunk in answer.chunks()])


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n" + b"Link: <a>\r\n" * 100 + b"\r\n"),
        (_CHUNKED, b"1\r\nx\r\n"),
        (_CHUNKED, b"10\r\n0123456789abcdef\r\n"),
        (_CHUNKED, b"1;" + b"a" * 4000 + b"\r\nx\r\n"),
        (_CHUNKED + b"1;", b"a"),
    ],
    ids=["100 Continue", "103 Early Hints", "single bytes", "16 bytes", "extensions", "an endless one"],
)
def test_an_answer_that_is_hardly_data_is_broken_off(start: bytes, more: bytes) -> None:
    with sending(start, more) as sender, pytest.raises(UnusableSourceError, match="little else"):
        asyncio.run(_fetch(sender.url))

    assert sender.sent < _MOST_SENT


@pytest.mark.parametrize("piece_bytes", [1 << 10, 1 << 16])
def test_data_in_pieces_comes_whole(piece_bytes: int) -> None:
    start = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + _CHUNKED
    more = b"%x\r\n" % piece_bytes + bytes(piece_bytes) + b"\r\n"

    with sending(start, more) as sender, pytest.raises(Exception, match="broke off"):
        asyncio.run(_fetch(sender.url))

    assert sender.sent >= _MOST_SENT
