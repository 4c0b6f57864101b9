"""A thread pool that is as slow as the worst schedule: it stops before or after its n-th job."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class SteppedThreads(ThreadPoolExecutor):
    """Runs jobs as given, but the one numbered `stop_at` waits until `go_on`: before it ran, or after.

    What a thread has begun cannot be cancelled: who waits for it may go away, the job goes on.
    """

    def __init__(self, stop_at: int, *, before: bool) -> None:
        super().__init__(4)
        self.has_stopped = threading.Event()
        self._may_go_on = threading.Event()
        self._stop_at = stop_at
        self._before = before
        self._jobs = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._jobs += 1
        if self._jobs != self._stop_at:
            return super().submit(fn, *args, **kwargs)

        def slow() -> Any:
            if self._before:
                self._wait()
            result = fn(*args, **kwargs)
            if not self._before:
                self._wait()
            return result

        return super().submit(slow)

    def go_on(self) -> None:
        self._may_go_on.set()

    def _wait(self) -> None:
        self.has_stopped.set()
        self._may_go_on.wait(10)
