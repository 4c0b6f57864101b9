"""Webhooks: how soon an event arrives, how many do in a second, and what a dead receiver costs others."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

from harness.receiver import Receiver
from harness.service import Service

from bench.databases import Databases
from bench.events import ADD_WAITING
from bench.figures import Figure, Line, at_least, at_most, compare
from bench.processes import BenchError
from bench.scene import Scene, ask, make_image, share_image

#: The receivers are on this machine.
_INSIDE = {
    "TRANSOM_HOOK_SCHEMES": "http,https",
    "TRANSOM_HOOK_HOSTS": "127.0.0.1",
    "TRANSOM_HOOK_QUOTA": "-1",
}
#: Events of which each is awaited before the next one: so many within so long, at least a hundred.
_AWAITED, _AWAITED_S = 200, 60.0
_AT_ONCE = 5_000
_TIMEOUT_S = 60.0


def measure_hooks(scene: Scene, databases: Databases) -> Iterator[Line]:
    service = Service(scene.make_folder(), databases.create(), _INSIDE)
    with service, databases.open(service.database) as database, ExitStack() as receivers:
        live = receivers.enter_context(Receiver())
        _make_hook(service, "recipient", live, batch=True)
        yield _measure_latency(service, database.name, live)

        dead = receivers.enter_context(Receiver())
        dead.may_answer.clear()
        path = f"/share/v1/hooks/{_make_hook(service, 'publisher', dead, batch=True)}"
        owner, recipient = (service.clouds[name].project_id for name in ("publisher", "recipient"))
        rates: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(scene.rounds):
            for has_dead, found in rates.items():
                ask(service.client("publisher"), "PATCH", path, json={"enabled": has_dead})
                database.time_write(ADD_WAITING, _AT_ONCE, time.time_ns() // 1000, owner, recipient)
                # The relay's look at what others appended comes within a second, and is no part of the rate.
                left = _AT_ONCE - len(live.take(_TIMEOUT_S).events)
                began = time.perf_counter()
                _take(live, left)
                found.append(left / (time.perf_counter() - began))
        dead.may_answer.set()
    alone, beside = Figure(tuple(rates[False])), Figure(tuple(rates[True]))
    yield Line(
        name=f"{database.name}: events delivered to one batching hook",
        unit="/s",
        measured=alone,
        bound=at_least(1000),
        value=alone.median,
    )
    yield compare(
        f"{database.name}: the same beside a receiver that never answers",
        "/s",
        beside,
        ("alone", alone),
        at_least(0.9),
    )


def _make_hook(service: Service, account: str, receiver: Receiver, **more: bool) -> str:
    body = {"url": f"{receiver.origin}/in", "types": ["share.*"], **more}
    made: str = ask(service.client(account), "POST", "/share/v1/hooks", json=body).json()["id"]
    return made


def _measure_latency(service: Service, name: str, receiver: Receiver) -> Line:
    """From the answer to an offer until its event arrives, with nothing else to do."""
    path = share_image(service, make_image(service, "publisher"), "pending")
    _take(receiver, 1)
    client, latencies_s = service.client("recipient"), []
    until = time.monotonic() + _AWAITED_S
    for number in range(_AWAITED):
        status = ("accepted", "rejected")[number % 2]
        began = time.perf_counter()
        ask(client, "PUT", path, json={"status": status})
        _take(receiver, 1)
        latencies_s.append(time.perf_counter() - began)
        if time.monotonic() > until and len(latencies_s) >= 100:
            break
    p99_s = statistics.quantiles(latencies_s, n=100)[98]
    return Line(
        name=f"{name}: an event's way to its hook, p99",
        unit="s",
        measured=Figure((p99_s,)),
        bound=at_most(2),
        value=p99_s,
        notes=(f"{len(latencies_s)} events, one after another; p50 {statistics.median(latencies_s):.3f} s",),
    )


def _take(receiver: Receiver, count: int) -> None:
    """Until so many events have come."""
    deadline = time.monotonic() + _TIMEOUT_S
    while count > 0:
        if time.monotonic() > deadline:
            raise BenchError(f"{count} events have not come after {_TIMEOUT_S:.0f} s")
        count -= len(receiver.take(_TIMEOUT_S).events)
