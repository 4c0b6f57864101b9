"""Requests at a steady number of connections, from wrk or, where it is missing, from ourselves.

A plan is a cycle of whole HTTP/1.1 requests: both generators send the same bytes in the same order, each
connection taking the next one when its last was answered.
"""

import asyncio
import dataclasses
import itertools
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import uvloop

from bench.processes import BenchError, Watch

CONNECTIONS = 16
_WRK = shutil.which("wrk")
GENERATOR = (
    "wrk, 1 thread"
    if _WRK
    else "built in (asyncio; slower than wrk: on Debian, apt-get install wrk, and run again)"
)
_GRACE_S = 20.0
_HOST = "127.0.0.1"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

_LUA = """\
local plan = {%s}
local n = 0
function request()
  n = n + 1
  return plan[(n - 1) %% #plan + 1]
end
function done(summary, latency)
  local failed = summary.errors
  io.write(string.format('RESULT{"answered": %%d, "elapsed_us": %%d, "p50_us": %%.1f, "errors": %%d}\\n',
    summary.requests, summary.duration, latency:percentile(50),
    failed.connect + failed.read + failed.write + failed.timeout + failed.status))
end
"""

Plan = Sequence[bytes]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Load:
    """What one run of a plan came to. `errors`: answers of 400 and above, and connections that failed.
    Processor time is for one answer, `beside_cpu_us` that of the server beside."""

    answered: int
    errors: int
    rate: float
    p50_ms: float
    cpu_us: float
    beside_cpu_us: float
    other_cores: float


def make_request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """One whole request. A body gets its length; the host is any, for a server on loopback."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {_HOST}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def run_load(server: int, port: int, plan: Plan, seconds: float, beside: int | None = None) -> Load:
    """Send the plan to the port for so long. `server`: the process whose tree's processor time is counted;
    `beside`: another that it uses, such as its database."""
    with Watch(server, beside) as watch:
        answered, errors, elapsed_s, p50_ms = (_run_wrk if _WRK else _run_own)(port, plan, seconds)
    if not answered:
        raise BenchError(f"port {port} answered no request")
    return Load(
        answered=answered,
        errors=errors,
        rate=answered / elapsed_s,
        p50_ms=p50_ms,
        cpu_us=watch.cpu_s / answered * 1e6,
        beside_cpu_us=watch.beside_cpu_s / answered * 1e6,
        other_cores=watch.other_cores,
    )


def _run_wrk(port: int, plan: Plan, seconds: float) -> tuple[int, int, float, float]:
    with tempfile.TemporaryDirectory(prefix="transom-bench-wrk-") as folder:
        script = Path(folder) / "plan.lua"
        script.write_text(_LUA % ", ".join(map(_quote, plan)))
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", "--timeout", "10s", "-s", str(script)]
        finished = subprocess.run(
            [str(_WRK), *options, f"http://{_HOST}:{port}"],
            capture_output=True,
            text=True,
            timeout=seconds + _GRACE_S,
            check=False,
        )
    found = re.search(r"RESULT(\{.*\})", finished.stdout)
    if not found:
        raise BenchError(f"wrk failed: {finished.stdout}{finished.stderr}")
    result = json.loads(found[1])
    return result["answered"], result["errors"], result["elapsed_us"] / 1e6, result["p50_us"] / 1e3


def _quote(request: bytes) -> str:
    """A Lua string: by its number every byte that means something in one, or is no ASCII."""
    return '"' + "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03d}" for byte in request) + '"'


_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')


def _run_own(port: int, plan: Plan, seconds: float) -> tuple[int, int, float, float]:
    return uvloop.run(_generate(port, plan, seconds))


async def _generate(port: int, plan: Plan, seconds: float) -> tuple[int, int, float, float]:
    turns = itertools.cycle(plan)
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(CONNECTIONS):
        _, connection = await loop.create_connection(lambda: _Connection(turns, began + seconds), _HOST, port)
        connections.append(connection)
    await asyncio.wait_for(asyncio.gather(*(one.finished for one in connections)), seconds + _GRACE_S)
    elapsed_s = time.perf_counter() - began
    latencies = [latency for one in connections for latency in one.latencies_s]
    errors = sum(one.errors for one in connections)
    return len(latencies), errors, elapsed_s, statistics.median(latencies or [0.0]) * 1e3


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its answer, sends the next, until `until` (perf_counter seconds)."""

    def __init__(self, turns: Iterator[bytes], until: float) -> None:
        self._turns = turns
        self._until = until
        self._received = b""
        self._transport: asyncio.Transport
        self.finished = asyncio.get_running_loop().create_future()
        self.latencies_s: list[float] = []
        self.errors = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.errors += 1
            self.finished.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end + 2)
        if len(self._received) < end + 4 + (int(length[1]) if length else 0):
            return
        now = time.perf_counter()
        self.latencies_s.append(now - self._sent_at)
        self.errors += self._received[9:10] >= b"4"
        if now < self._until:
            self._send()
        else:
            self.finished.set_result(None)
            self._transport.close()

    def _send(self) -> None:
        self._received = b""
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._turns))
