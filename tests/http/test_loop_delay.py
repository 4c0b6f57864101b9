"""How late the event loop comes round, which an operator sees as a metric."""

import asyncio
from itertools import chain, repeat

import pytest
from harness.service import Service
from images import eventually

from transom.assemble import watch_loop


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_what_the_loop_came_too_late_is_observed_and_never_less_than_nothing() -> None:
    clock = chain([0.0, 0.0, 10.0, 10.5, 20.0, 19.0], repeat(30.0))
    observed: list[float] = []

    watching = asyncio.create_task(watch_loop(observed.append, 0.0, lambda: next(clock)))
    while len(observed) < 3:  # noqa: ASYNC110 (it goes on by itself)
        await asyncio.sleep(0)
    watching.cancel()

    assert observed[:3] == [0.0, 0.5, 0.0]


def test_the_metrics_have_it(service: Service) -> None:
    def is_counted() -> bool:
        text = service.client(None).get("/metrics").text
        found = [
            line for line in text.splitlines() if line.startswith("transom_event_loop_delay_seconds_count")
        ]
        return bool(found) and float(found[0].split()[-1]) > 0

    assert eventually(is_counted, True)
