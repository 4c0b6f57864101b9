"""Who runs a long statement next: none waits behind all that another one has asked."""

import asyncio

import pytest

from transom.domain.errors import UnavailableError
from transom.fair_semaphore import FairSemaphore, Need

pytestmark = pytest.mark.anyio

GREEDY, MODEST = "greedy", "modest"


class Hall:
    """Requesters who hold a place until they are told to go; `inside` says which, in the order they came."""

    def __init__(self, places: int) -> None:
        self._semaphore = FairSemaphore(places, "No place became free.")
        self.inside: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def send(self, *names: str) -> None:
        """`greedy 1` is a request of the greedy one."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._stay(name))
        await _settle()

    async def _stay(self, name: str) -> None:
        async with self._semaphore.hold(name.split()[0]):
            self.inside.append(name)
            try:
                await self._ends[name].wait()
            finally:
                self.inside.remove(name)

    async def finish(self, name: str) -> None:
        self._ends[name].set()
        await _settle()

    async def give_up(self, name: str) -> None:
        self._tasks[name].cancel()
        await _settle()


async def _settle() -> None:
    """Let everybody go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_asker_has_half_of_the_places() -> None:
    hall = Hall(4)

    await hall.send(*(f"greedy {n}" for n in range(5)))
    await hall.send("modest 0")

    assert hall.inside == ["greedy 0", "greedy 1", "modest 0"]


async def test_the_only_place_goes_to_whoever_asks() -> None:
    hall = Hall(1)

    await hall.send("greedy 0")

    assert hall.inside == ["greedy 0"]


async def test_tenants_who_wait_are_called_in_turn() -> None:
    hall = Hall(1)
    await hall.send("greedy 0", "greedy 1", "greedy 2", "modest 0", "modest 1")
    called = []

    for _ in range(5):
        called.append(hall.inside[0])
        await hall.finish(hall.inside[0])

    assert called == ["greedy 0", "greedy 1", "modest 0", "greedy 2", "modest 1"]


async def test_a_request_that_is_given_up_takes_no_turn() -> None:
    hall = Hall(1)
    await hall.send("greedy 0", "greedy 1", "modest 0")

    await hall.give_up("greedy 1")
    await hall.finish("greedy 0")

    assert hall.inside == ["modest 0"]


async def test_a_request_that_is_given_up_while_it_runs_leaves_its_place() -> None:
    hall = Hall(1)
    await hall.send("greedy 0", "modest 0")

    await hall.give_up("greedy 0")

    assert hall.inside == ["modest 0"]


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_nobody_waits_behind_one_that_has_given_up(is_cancelled: bool) -> None:
    semaphore = FairSemaphore(4, "No place became free.", most_of_one=4, wait_s=0.05)
    await semaphore.enter("other", Need(2, 2))
    waiting = asyncio.create_task(semaphore.enter("one", Need(3, 3)))
    await _settle()
    if is_cancelled:
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError if is_cancelled else UnavailableError):
        await waiting

    assert await semaphore.enter("one", Need(2, 2)) == 2
