"""The share API: what an inbox costs must not grow with the number of offers in it.

Two services side by side, with 100 and with 100,000 pending offers to one project, on each database.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack

from harness.postgresql import PostgreSQL
from harness.service import Service

from bench.batches import open_filled
from bench.databases import Database, Databases
from bench.figures import Line
from bench.lists import compare_pages
from bench.load import Load, make_request, run_load
from bench.scene import Scene, ask, headers_of, port_of

_FEW, _MANY = 100, 100_000
_WARM_UP_S = 1
_CALLS = {"inbox page": "/share/v1/inbox", "inbox summary": "/share/v1/inbox/summary"}


def measure_share(scene: Scene) -> Iterator[Line]:
    with PostgreSQL() as server:
        for databases in (Databases(), Databases(server)):
            yield from _measure_inbox(scene, databases)


def _measure_inbox(scene: Scene, databases: Databases) -> Iterator[Line]:
    with ExitStack() as stack:
        (few, database), (many, _) = (
            stack.enter_context(open_filled(scene, databases, count)) for count in (_FEW, _MANY)
        )
        for name, path in _CALLS.items():
            small, large = _measure_turns(scene, few, many, path, database)
            for line in compare_pages(f"{name}, {_MANY:,} offers", small, large, f"with {_FEW:,} offers"):
                yield dataclasses.replace(line, name=f"{database.name}: {line.name}")


def _measure_turns(
    scene: Scene, few: Service, many: Service, path: str, database: Database
) -> tuple[list[Load], list[Load]]:
    """The recipient's requests to one service and the other in turns."""
    seconds = max(scene.seconds - 1, 1)
    loads: dict[Service, list[Load]] = {few: [], many: []}
    plans = {one: [make_request("GET", path, headers_of(one, "recipient"))] for one in loads}
    for one in loads:
        ask(one.client("recipient"), "GET", path)
        run_load(one.pid, port_of(one), plans[one], _WARM_UP_S)
    for _ in range(scene.rounds):
        for one in loads:
            loads[one].append(run_load(one.pid, port_of(one), plans[one], seconds, database.server))
    return loads[few], loads[many]
