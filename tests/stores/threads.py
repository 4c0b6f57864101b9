"""Threads that are as slow as the worst schedule: they stop before or after their n-th call."""

import threading
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

from transom.threads import Call, Threads

_Values = TypeVarTuple("_Values")
_Result = TypeVar("_Result")


class SteppedThreads(Threads):
    """Runs calls as given, but the one numbered `stop_at` waits until `go_on`: before it ran, or after.

    What a thread has begun cannot be cancelled: who waits for it may go away, the call goes on.
    """

    def __init__(self, stop_at: int, *, before: bool) -> None:
        super().__init__("stepped", 4)
        self.has_stopped = threading.Event()
        self._may_go_on = threading.Event()
        self._stop_at = stop_at
        self._before = before
        self._begun = 0

    def _put(self, function: Callable[[Unpack[_Values]], _Result], *values: *_Values) -> Call[_Result]:
        self._begun += 1
        if self._begun != self._stop_at:
            return super()._put(function, *values)

        def slow() -> _Result:
            if self._before:
                self._wait()
            result = function(*values)
            if not self._before:
                self._wait()
            return result

        return super()._put(slow)

    def go_on(self) -> None:
        self._may_go_on.set()

    def _wait(self) -> None:
        self.has_stopped.set()
        self._may_go_on.wait(10)
