"""Clients that work side by side while something is done to the service."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event
from typing import Protocol

from .calls import PATIENCE_S


class Client(Protocol):
    def run(self, number: int, stop: Event) -> None:
        """Work in round `number` until `stop` is set or the service does not answer."""


@contextmanager
def at_work(clients: Sequence[Client], number: int) -> Iterator[None]:
    """The clients are at work inside; after it they have stopped."""
    stop = Event()
    with ThreadPoolExecutor(len(clients)) as threads:
        running: list[Future[None]] = [threads.submit(client.run, number, stop) for client in clients]
        try:
            yield
        finally:
            stop.set()
            _done, hanging = wait(running, 2 * PATIENCE_S)
            assert not hanging, "clients still wait for an answer"
            for future in running:
                future.result()
