"""Clients that work side by side while something is done to the service."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event

from .calls import PATIENCE_S

#: Works until the event is set or the service does not answer.
Work = Callable[[Event], None]


@contextmanager
def at_work(works: Sequence[Work]) -> Iterator[None]:
    """Each works in a thread of its own inside; after it they have stopped."""
    stop = Event()
    with ThreadPoolExecutor(len(works)) as threads:
        running = [threads.submit(work, stop) for work in works]
        try:
            yield
        finally:
            stop.set()
            _done, hanging = wait(running, 2 * PATIENCE_S)
            assert not hanging, "clients still wait for an answer"
            for future in running:
                future.result()


def together_until_done(works: Sequence[Callable[[], None]]) -> None:
    """Run all at once, each in a thread of its own, until the last one is done."""
    with ThreadPoolExecutor(len(works)) as threads:
        running = [threads.submit(work) for work in works]
        _done, hanging = wait(running, 2 * PATIENCE_S)
        assert not hanging, "clients still wait for an answer"
        for future in running:
            future.result()
