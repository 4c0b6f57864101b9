"""A response → the messages of the ASGI server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from transom.api.dialect import Dialect
from transom.api.http import Request, Response, Send

#: The server takes some pieces of an answer ahead of a client that reads slowly, however long they are. So
#: an answer is given to it in pieces of so many bytes.
PIECE_BYTES = 64 << 10
#: What a caller is told is for nobody else, and a cache in between does not know by which headers callers
#: differ: of these, HTTP speaks of `Authorization` alone (RFC 9111, 3.5).
_PRIVATE = (b"cache-control", b"private")


async def send_response(request: Request, response: Response, send: Send) -> None:
    """Send all of it, with the headers that every response has. Chunks end when the client is gone.
    UnavailableError when the memory of a long answer was needed for others: it is broken off."""
    headers = response.headers
    request_id = request.request_id.encode("latin-1")
    headers.append((b"x-openstack-request-id", request_id))
    for name, _ in headers:
        if name == b"cache-control":
            break
    else:
        headers.append(_PRIVATE)
    if request.dialect is Dialect.IMS:
        headers.append((b"x-request-id", request_id))
    if request.must_close:
        headers.append((b"connection", b"close"))
    is_head = request.method == "HEAD"
    if response.chunks is None and response.file is None and response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(response.body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if is_head:
        await send({"type": "http.response.body"})
    elif response.file is not None:
        await send({"type": "http.response.pathsend", "path": response.file})
    elif response.chunks is not None:
        request.begin_transfer()
        async with aclosing(response.chunks) as chunks:
            await _send_pieces(request, chunks, send)
    elif len(response.body) > PIECE_BYTES:
        await _send_pieces(request, _as_chunk(response.body), send)
    else:
        await send({"type": "http.response.body", "body": response.body})


async def _as_chunk(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


async def _send_pieces(request: Request, chunks: AsyncGenerator[bytes, None], send: Send) -> None:
    """As long as somebody takes them: the server swallows what is sent to a client that is gone, and a large
    image would be fetched to its end for nobody. While nobody asks it for that, the server writes to the log
    when the client hangs up, from a thread of its own; at the end of a stop it waits for that thread with
    Python's lock in its hand, which the thread needs to write, and the worker would never end."""
    leaving = asyncio.ensure_future(request.wait_until_gone())
    try:
        async for chunk in chunks:
            for start in range(0, len(chunk), PIECE_BYTES):
                if leaving.done():
                    return
                piece = chunk[start : start + PIECE_BYTES]
                await request.give(send({"type": "http.response.body", "body": piece, "more_body": True}))
    finally:
        leaving.cancel()
    await send({"type": "http.response.body"})
