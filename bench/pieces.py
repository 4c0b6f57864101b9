"""How long a request holds the event loop without a break: others are served between its pieces of work only.

The worker counts by itself: it is told when to begin and when to end by two requests, and in between it comes
round as often as it can, so that each round has the work of one piece. What a piece takes is the processor
time of the loop's thread, however busy the machine is.
"""

from pathlib import Path
from types import TracebackType

import httpx
from harness import plain_http
from harness.service import Service

_BEGIN, _END = "/bench/begin", "/bench/end"
#: Every process of a service imports it when it starts.
_COUNTING = f"""
import asyncio, time
import transom.api.dispatch

serve = transom.api.dispatch.Dispatcher.serve
counts = {{"longest_s": 0.0, "since": 0.0, "counting": False}}

def come_round():
    counts["longest_s"] = max(counts["longest_s"], time.thread_time() - counts["since"])
    if counts["counting"]:
        asyncio.get_running_loop().call_soon(come_round)
    counts["since"] = time.thread_time()

async def serve_and_count(self, scope, receive, send):
    if scope["path"] not in ("{_BEGIN}", "{_END}"):
        return await serve(self, scope, receive, send)
    if scope["path"] == "{_BEGIN}":
        counts.update(longest_s=0.0, since=time.thread_time(), counting=True)
        asyncio.get_running_loop().call_soon(come_round)
    else:
        counts["counting"] = False
    body = str(counts["longest_s"] * 1000).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})

transom.api.dispatch.Dispatcher.serve = serve_and_count
"""


def count_pieces(folder: Path) -> dict[str, str]:
    """The settings of a service whose pieces are counted. `folder`: an empty one."""
    (folder / "sitecustomize.py").write_text(_COUNTING)
    return {"PYTHONPATH": str(folder)}


class Meter:
    """While entered, notes in `ms` the longest piece of the last request of a client."""

    def __init__(self, service: Service, client: httpx.Client) -> None:
        self._client = client
        self._url = service.url
        self.ms = 0.0

    def __enter__(self) -> "Meter":
        hooks = self._client.event_hooks
        self._kept = {name: list(kept) for name, kept in hooks.items()}
        self._client.event_hooks = {
            "request": [*hooks["request"], self._begin],
            "response": [self._end, *hooks["response"]],
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.event_hooks = self._kept

    def _begin(self, _request: httpx.Request) -> None:
        self._ask(_BEGIN)

    def _end(self, response: httpx.Response) -> None:
        response.read()
        self.ms = float(self._ask(_END))

    def _ask(self, path: str) -> str:
        # Not by a client of the service's, which holds answers against the API's document.
        return plain_http.get(f"{self._url}{path}").text
