"""Connections to servers that may mean harm: of an answer almost everything has to be data.

The library's parser works off what has come in one go, in the event loop. A server that sends one answer
`100 Continue` behind the other, or its data in pieces of a byte, would hold the loop for seconds.

The library offers no public way to stand before its parser: `tests/surface/test_private_names.py` tells when
a new version has the private names no more by which it is done here.
"""

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from transom.domain.errors import UnusableSourceError

#: Bytes that the parser is given at a time.
_SLICE_BYTES = 16 << 10
#: Bytes of heads and of what is around pieces of data: the most at once, and how much data makes room for one
#: more. Servers send pieces of some KiB with eight bytes around each.
_MOST_OVERHEAD = 32 << 10
_DATA_FOR_OVERHEAD = 32


def guarded_connector(resolver: Any) -> aiohttp.TCPConnector:
    """For one request. `resolver`: as of the library."""
    connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
    connector._factory = partial(_Guarded, loop=asyncio.get_running_loop())  # type: ignore[assignment]
    return connector


class _Guarded(ResponseHandler):
    """Breaks off with UnusableSourceError when the answer has too much beside its data."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._room: float = _MOST_OVERHEAD
        self._is_broken_off = False

    def data_received(self, data: bytes) -> None:
        if not data:  # The library goes on with what it has.
            super().data_received(data)
        for start in range(0, len(data), _SLICE_BYTES):
            if self._is_broken_off:
                return
            self._take(data[start : start + _SLICE_BYTES])

    def _take(self, piece: bytes) -> None:
        payload = self._payload
        before = payload.total_bytes if payload is not None else 0
        super().data_received(piece)
        if self._payload is None:
            gained = 0
        else:
            gained = self._payload.total_bytes - (before if self._payload is payload else 0)
        self._room = min(_MOST_OVERHEAD, self._room + gained / _DATA_FOR_OVERHEAD) - (len(piece) - gained)
        if self._room < 0:
            self._break_off()

    def _break_off(self) -> None:
        self._is_broken_off = True
        error = UnusableSourceError("The server sends little else than headers, or its data in crumbs.")
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
