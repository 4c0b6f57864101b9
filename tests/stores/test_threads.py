"""Threads of a part: how many there are, what is left of what was cancelled, and how they end."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from transom import threads as threads_module
from transom.domain.errors import UnavailableError
from transom.threads import Threads

pytestmark = pytest.mark.anyio

PATIENCE_S = 10.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Held:
    """Calls that wait, as those do that hang, until `go_on`."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.calls = 0

    def wait(self) -> str:
        self.calls += 1
        self.begun.release()
        self.go_on.wait(PATIENCE_S)
        return "done"


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.go_on.set()


def _names(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == name]


def _take(held: Held, count: int) -> None:
    for _ in range(count):
        assert held.begun.acquire(timeout=PATIENCE_S)


async def test_what_returns_and_what_raises_comes_back() -> None:
    threads = Threads("some", 2)

    assert await threads.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 7, 0)


async def test_there_are_never_more_than_the_limit_and_all_is_done(held: Held) -> None:
    threads = Threads("limited", 3)

    begun = [threads.begin(held.wait) for _ in range(10)]
    _take(held, 3)
    running = len(_names("limited")), held.calls
    held.go_on.set()

    assert await asyncio.gather(*begun) == ["done"] * 10
    assert running == (3, 3)


async def test_one_thread_does_what_comes_one_after_the_other() -> None:
    threads = Threads("alone", 8)

    done = [await threads.run(threading.get_ident) for _ in range(50)]

    assert len(set(done)) == 1


async def test_what_hangs_holds_up_no_other_part(held: Held) -> None:
    hung, other = Threads("hung", 2), Threads("other", 1)
    waiting = [hung.begin(held.wait) for _ in range(5)]
    _take(held, 2)

    assert await other.run(max, 1, 2) == 2
    assert not any(one.done() for one in waiting)


async def test_a_call_that_is_cancelled_while_it_waits_is_not_made(held: Held) -> None:
    threads, made = Threads("one", 1), list[int]()
    first = threads.begin(held.wait)
    _take(held, 1)
    waiting = [asyncio.create_task(call(made.append, 1)) for call in (threads.run, threads.finish)]
    await asyncio.sleep(0)

    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    held.go_on.set()

    assert (await first, await threads.run(len, "after"), made) == ("done", 5, [])


async def test_who_finishes_is_not_gone_before_the_thread_and_its_result_is_undone(held: Held) -> None:
    threads, undone = Threads("one", 1), list[str]()
    task = asyncio.create_task(threads.finish(held.wait, undo=undone.append))
    await asyncio.to_thread(_take, held, 1)

    task.cancel()
    await asyncio.wait([task], timeout=0)
    was_done = task.done()
    held.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (was_done, undone) == (False, ["done"])


async def test_what_was_opened_is_closed_in_the_end_and_when_its_opening_is_cancelled(held: Held) -> None:
    threads, closed = Threads("one", 1), list[str]()
    async with threads.opened(closed.append, str, 1) as opened:
        assert (opened, closed) == ("1", [])

    async def open_slowly() -> None:
        async with threads.opened(closed.append, held.wait):
            pass

    task = asyncio.create_task(open_slowly())
    await asyncio.to_thread(_take, held, 1)
    task.cancel()
    held.go_on.set()
    await asyncio.wait([task])

    assert closed == ["1", "done"]


async def test_after_the_close_what_was_begun_is_done_and_nothing_else(held: Held) -> None:
    threads = Threads("closed", 2)
    begun = [threads.begin(held.wait) for _ in range(4)]
    threads.close()
    held.go_on.set()

    await asyncio.wait_for(asyncio.to_thread(threads.join), PATIENCE_S)

    assert await asyncio.gather(*begun) == ["done"] * 4
    assert _names("closed") == []
    with pytest.raises(UnavailableError):
        await threads.run(len, "")


async def test_threads_without_work_end_and_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "IDLE_S", 0.001)
    threads = Threads("idle", 4)

    for _ in range(200):
        assert await asyncio.gather(*(threads.run(abs, -number) for number in range(6))) == list(range(6))
        await asyncio.sleep(0.001)
    async with asyncio.timeout(PATIENCE_S):
        while _names("idle"):  # noqa: ASYNC110 (they end by themselves)
            await asyncio.sleep(0.01)


async def test_without_room_for_a_thread_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = Threads("none", 2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(UnavailableError):
            await threads.run(len, "")

    assert await threads.run(len, "1") == 1
