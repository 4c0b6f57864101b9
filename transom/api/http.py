"""A request and a response over ASGI, and the few errors that exist only in HTTP.

This module knows bytes, headers and limits; it knows nothing of images.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from transom.api.bodies import (
    COMING,
    KEPT,
    MOST_VALUES,
    READ,
    Holding,
    announces_body,
    body_too_large,
    decode_body,
    require_large_pieces,
)
from transom.api.clients import UNWATCHED, ClientConnection, ClientCounts
from transom.api.dialect import Dialect
from transom.api.forwarded import IsTrusted
from transom.api.heads import parse_query
from transom.api.origin import Origin, read_origin
from transom.domain.addresses import group_address
from transom.domain.errors import ClientGoneError, InvalidError, UnavailableError
from transom.domain.escapes import unescape
from transom.domain.model import Caller

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
_T = TypeVar("_T")

JSON = b"application/json"
encode_json = msgspec.json.Encoder().encode

#: A body beyond which it takes the loop a while to decode, bytes.
_LONG_BODY = 16 << 10
#: Of a body that nobody reads while the answer goes out, bytes.
_MOST_UNASKED = 1 << 20


class HttpError(Exception):
    """A refusal that only HTTP has a word for: method, media type, range, header size."""

    def __init__(self, status: int, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or []


class Request:
    """One request. `params` are the path's variables; `caller` is there on paths that need a token, once the
    dispatcher has authenticated; `prefix` is what stands before the version in the path ("" or "/ims"), for
    links. `raw_path` is the path as sent, without its query: `path` has lost which bytes were not UTF-8.
    `origin` is the address that the client reached us by, once `find_origin` has found it; until then
    `client_address` is that of whoever opened the connection, be it a proxy ("": a local socket)."""

    __slots__ = (
        "_announces_body",
        "_asked",
        "_body",
        "_confirm_caller",
        "_connection",
        "_counted",
        "_holding",
        "_is_poll",
        "_is_transfer",
        "_receive",
        "_take_own_turn",
        "_turns_of",
        "caller",
        "client_address",
        "dialect",
        "headers",
        "method",
        "origin",
        "params",
        "path",
        "prefix",
        "query",
        "raw_path",
        "request_id",
        "scope",
    )

    def __init__(
        self, scope: Scope, receive: Receive, request_id: str, connection: ClientConnection = UNWATCHED
    ) -> None:
        """Call `finish` when it has been answered."""
        connection.active += 1
        connection.served += 1
        self._connection = connection
        self.scope = scope
        self._receive = receive
        self._body = COMING
        self._confirm_caller: Callable[[], Awaitable[None]] | None = None
        self._is_transfer = False
        self._is_poll = False
        self._holding: Holding | None = None
        self._counted: tuple[ClientCounts, str] | None = None
        self._asked: asyncio.Future[MutableMapping[str, Any]] | None = None
        self._take_own_turn: Callable[[str], Awaitable[None]] | None = None
        self._turns_of = ""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.raw_path: bytes = scope["raw_path"].partition(b"?")[0]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._announces_body = announces_body(self.headers)
        self.origin: Origin
        peer = scope.get("client")
        self.client_address: str = peer[0] if peer else ""
        self.params: Mapping[str, str] = {}
        self.request_id = request_id
        self.dialect = Dialect.OPENSTACK
        self.prefix = ""
        self.caller: Caller

    @property
    def found_caller(self) -> Caller | None:
        """The caller; None until it is authenticated, and for calls that need no token."""
        return getattr(self, "caller", None)

    @property
    def raw_headers(self) -> Headers:
        """All headers as sent, repeated ones too, names in lower case."""
        headers: Headers = self.scope["headers"]
        return headers

    @property
    def signed_headers(self) -> Headers:
        """All headers as the client sent them, where a proxy says by which Host it was reached."""
        host = self.origin.signed_host
        if host is None:
            return self.raw_headers
        return [*(pair for pair in self.raw_headers if pair[0] != b"host"), (b"host", host.encode("ascii"))]

    @property
    def server_sends_files(self) -> bool:
        """Whether the server takes a file's path for a body (ASGI extension `http.response.pathsend`)."""
        return "http.response.pathsend" in self.scope.get("extensions", ())

    def redirect(self, raw_path: bytes, headers: Headers) -> None:
        """Make it a request of another path, ASCII and without a query, and of other headers."""
        self.scope = {
            **self.scope,
            "raw_path": raw_path,
            "path": unescape(raw_path).decode(errors="replace"),
            "headers": headers,
        }
        self.path, self.raw_path, self.headers = self.scope["path"], raw_path, dict(headers)
        self._announces_body = announces_body(self.headers)

    def header(self, name: bytes) -> str | None:
        """The header's value, None if absent. `name` is in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def joined(self, name: bytes) -> str:
        """The values of a header that may be sent in several lines, as one list (RFC 9110, 5.3)."""
        return b", ".join(value for given, value in self.raw_headers if given == name).decode("latin-1")

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; "" if none was sent."""
        return (self.header(b"content-type") or "").partition(";")[0].strip().lower()

    def find_origin(self, is_trusted: IsTrusted | None) -> None:
        """Set `origin` and `client_address`. `is_trusted`: which proxies are believed, None for none. Raises
        what `read_origin` does."""
        self.origin = read_origin(self.scope, self.client_address, is_trusted)
        self.client_address = self.origin.client

    def count_client(self, clients: ClientCounts) -> None:
        """Count it for its client until it is answered. UnavailableError when that has too many already."""
        client = group_address(self.client_address)
        clients.enter(client)
        self._counted = clients, client

    def join_turns(self, take: Callable[[str], Awaitable[None]], who: str) -> Awaitable[None]:
        """Have its work take turns by `take`, as that of this project or address; wait for the first."""
        self._take_own_turn, self._turns_of = take, who
        return take(who)

    async def take_turn(self) -> None:
        """Go on when it is the request's turn: to be awaited before each long piece of work."""
        if self._take_own_turn is not None:
            await self._take_own_turn(self._turns_of)

    def query_pairs(self) -> list[tuple[str, str]]:
        """The query's (name, value) pairs, decoded. InvalidError when it is not UTF-8, or has too many."""
        if not self.query:
            return []
        return parse_query(self.query)

    @property
    def has_body(self) -> bool:
        """Whether the request announces a body (reference: Content-Length above 0, or chunked on a method
        that may carry one)."""
        return self._announces_body and (
            b"content-length" in self.headers or self.method in ("POST", "PUT", "PATCH")
        )

    @property
    def has_unread_body(self) -> bool:
        """Whether there may be more of it to come, on whatever method it is."""
        return self._announces_body and self._body is not READ

    @property
    def must_close(self) -> bool:
        """Whether the connection has to end with the answer, since the rest of the body is in the way of
        another request. Over HTTP/2 it is not."""
        # Asked twice for each request: not by way of `has_unread_body`.
        return self._announces_body and self._body is not READ and self.scope.get("http_version") != "2"

    @property
    def awaits_body(self) -> bool:
        """Whether a body that nobody has read yet may still be on its way."""
        return self._announces_body and self._body is COMING

    def confirm_with(self, confirm_caller: Callable[[], Awaitable[None]]) -> None:
        """Await `confirm_caller` once a body that is no image data is whole, and raise what it does."""
        self._confirm_caller = confirm_caller

    def finish(self, *, sends_data: bool = False) -> None:
        """It has been answered. `sends_data`: by image data, which may still be on its way."""
        connection = self._connection
        if self.must_close:
            connection.ends = True
        connection.active -= 1
        connection.transfers -= self._is_transfer
        connection.polls -= self._is_poll
        connection.sends_data = sends_data
        if self._counted is not None:
            clients, client = self._counted
            clients.leave(client)
        if self._holding is not None:
            self._holding.give_back()

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body, at most `limit_bytes`; BodyTooLargeError beyond, read no further. UnavailableError
        while other bodies leave no room for it. A long one is returned in the project's turn, for it is then
        decoded."""
        self._check_announced(limit_bytes)
        parts: list[bytes] = []
        size = held = 0
        self._connection.waits += 1
        try:
            while self._body is not READ:
                # Not through `_pieces`, whose guard against cancelling costs as much as the rest of a short
                # body.
                chunk = self._take(await (self._wait(self._next_message()) if parts else self._receive()))
                size += len(chunk)
                if size > limit_bytes:
                    raise body_too_large(limit_bytes)
                parts.append(chunk)
                require_large_pieces(len(parts), size, is_held=True)
                if size > held:
                    self.hold(size - held)
                    held = size
        finally:
            self._connection.waits -= 1
        if size > _LONG_BODY:
            await self.take_turn()
        await self._confirm()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _confirm(self) -> None:
        confirm_caller, self._confirm_caller = self._confirm_caller, None
        if confirm_caller is not None:
            await confirm_caller()

    def hold(self, size_bytes: int) -> None:
        """Count memory that is taken until the request is answered. Raises what `Holding.take` does."""
        if self._holding is None:
            caller = self.found_caller
            holder = (caller.project_id if caller else None) or group_address(self.client_address)
            self._holding = Holding(self._connection.memory, holder)
        self._holding.take(size_bytes)

    def _wait(self, on_client: Awaitable[_T]) -> Awaitable[_T]:
        """Wait for the client, unless others need what the request holds: then UnavailableError."""
        return self._holding.wait(on_client) if self._holding is not None else on_client

    async def give(self, sending: Awaitable[None]) -> None:
        """Wait until the client has made room for a piece of its answer. Raises what `_wait` does."""
        self._connection.sends += 1
        try:
            await self._wait(sending)
        finally:
            self._connection.sends -= 1

    async def hash_body(self, limit_bytes: int, *, keep: bool) -> str:
        """The SHA-256 of the whole body in hex; BodyTooLargeError beyond `limit_bytes`, as of `body`. With
        `keep` whoever handles the request can read the body once more; without, none of it stays in memory.
        """
        self._check_announced(limit_bytes)
        digest = hashlib.sha256()
        kept: deque[bytes] = deque()
        size = 0
        async for chunk in self._pieces(is_held=True):
            size += len(chunk)
            if size > limit_bytes:
                raise body_too_large(limit_bytes)
            digest.update(chunk)
            if keep:
                self.hold(len(chunk))
                kept.append(chunk)
        if keep:
            self._replay(kept)
        await self._confirm()
        return digest.hexdigest()

    def _check_announced(self, limit_bytes: int) -> None:
        announced = self.headers.get(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > limit_bytes:
            raise body_too_large(limit_bytes)

    def _replay(self, chunks: deque[bytes]) -> None:
        """Let the chunks be read as if they came now. After them the server is asked again: it alone knows
        when the client hangs up."""
        receive = self._receive

        async def replay() -> MutableMapping[str, Any]:
            chunk = chunks.popleft() if chunks else b""
            if not chunks:
                self._receive = receive
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        self._receive, self._body = replay, KEPT

    async def stream(self) -> AsyncIterator[bytes]:
        """Image data: the body's chunks as they come, none empty. ClientGoneError when the client breaks
        off."""
        self.begin_transfer()
        async for chunk in self._pieces(is_held=False):
            yield chunk

    def begin_transfer(self) -> None:
        """From now on it brings or takes image data."""
        if not self._is_transfer:
            self._is_transfer = True
            self._connection.transfers += 1

    def begin_poll(self) -> None:
        """From now on it waits for something to happen."""
        self._is_poll = True
        self._connection.polls += 1

    async def _pieces(self, *, is_held: bool) -> AsyncIterator[bytes]:
        connection = self._connection
        messages = size = 0
        while self._body is not READ:
            connection.waits += 1
            try:
                message = await self._wait(self._next_message())
            finally:
                connection.waits -= 1
            chunk = self._take(message)
            messages += 1
            size += len(chunk)
            require_large_pieces(messages, size, is_held=is_held)
            if chunk:
                yield chunk

    def _take(self, message: MutableMapping[str, Any]) -> bytes:
        if message["type"] == "http.disconnect":
            self._body = READ
            raise ClientGoneError("The connection was closed before the whole body had arrived.")
        if not message.get("more_body", False):
            self._body = READ
        chunk: bytes = message.get("body", b"")
        return chunk

    async def _next_message(self) -> MutableMapping[str, Any]:
        """What the server says next. A reader that is cancelled leaves its question standing for the one
        after it (`drain`): the server has given the answer away already, and would never give another."""
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._receive())
        message = await asyncio.shield(self._asked)
        self._asked = None
        return message

    async def wait_until_gone(self) -> None:
        """Return when the client has hung up, or sends on much that nobody reads, or that in crumbs. To be
        cancelled once it does not matter any more."""
        messages = size = 0
        with suppress(ClientGoneError, InvalidError):
            while size <= _MOST_UNASKED:
                size += len(self._take(await self._next_message()))
                messages += 1
                require_large_pieces(messages, size, is_held=True)

    async def drain(self, limit_bytes: int, limit_s: float) -> None:
        """Read on for a while what is left of the body, and throw it away: a client that is still sending
        when the server closes may never see the answer. One that waits to be asked for its body (Expect)
        needs no such care."""
        if not self.has_unread_body or b"expect" in self.headers:
            return
        with suppress(ClientGoneError, InvalidError, TimeoutError, UnavailableError):
            async with asyncio.timeout(limit_s):
                async for chunk in self._pieces(is_held=True):
                    limit_bytes -= len(chunk)
                    if limit_bytes <= 0:
                        return

    async def json(self, limit_bytes: int, most_values: int = MOST_VALUES) -> dict[str, Any] | list[Any]:
        """The body as a JSON object or array. Raises what `body` and `decode_body` do."""
        return decode_body(await self.body(limit_bytes), most_values)


class Response:
    """A status, headers and a body: bytes, or a file the server sends by itself, or chunks."""

    __slots__ = ("body", "chunks", "file", "headers", "judge", "status")

    def __init__(
        self,
        status: int = HTTPStatus.OK,
        body: bytes = b"",
        headers: Headers | None = None,
        *,
        file: str | None = None,
        chunks: AsyncGenerator[bytes, None] | None = None,
    ) -> None:
        self.status = int(status)
        self.body = body
        self.headers: Headers = headers if headers is not None else []
        self.file = file
        self.chunks = chunks
        self.judge: Callable[[], Awaitable[None]] | None = None  # Raises when the right to it has ended.


def json_response(value: Any, status: int = HTTPStatus.OK, headers: Headers | None = None) -> Response:
    return Response(status, encode_json(value), [(b"content-type", JSON), *(headers or ())])


def no_content() -> Response:
    """204. With the content type that Glance's own 204 answers carry."""
    return Response(HTTPStatus.NO_CONTENT, headers=[(b"content-type", b"text/html; charset=UTF-8")])
