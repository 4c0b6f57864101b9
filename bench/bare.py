"""The server that Transom is measured against: the least that a service on Granian can do.

`python -m bench.bare PORT BYTES` answers every request with the same JSON of so many bytes, on the settings
of `transom serve`. A body that comes with the request is read, as any service must.
"""

import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

_BODY_BYTES = "BENCH_BARE_BODY_BYTES"
_WRAPPING = len(b'{"pad":""}')

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def create_app() -> Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]:
    size = int(os.environ[_BODY_BYTES])
    body = b'{"pad":"%s"}' % (b"x" * (size - _WRAPPING))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "PUT":
            while (await receive()).get("more_body", False):
                pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def main() -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops

    port, size = sys.argv[1:]
    os.environ[_BODY_BYTES] = size
    Granian(
        "bench.bare:create_app",
        address="127.0.0.1",
        port=int(port),
        interface=Interfaces.ASGI,
        workers=1,
        loop=Loops.uvloop,
        websockets=False,
        factory=True,
    ).serve()


if __name__ == "__main__":
    main()
