"""Threads for what would hold up the event loop: each part of the service has its own, and only some of them.

A disk of a file server or a name server that does not answer keeps the threads that ask it, for good. If they
were shared, as the default executor of asyncio is, no password could be checked meanwhile. So a part that can
hang by itself, such as one store, is given a `Threads` of its own, and nothing uses the default executor
(tests/surface/test_threads.py).
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Generic, TypeVar, TypeVarTuple, Unpack

from transom.domain.errors import UnavailableError

_Values = TypeVarTuple("_Values")
_Result = TypeVar("_Result")

#: How long a thread waits for work before it ends, seconds.
IDLE_S = 10.0


class Call(Generic[_Result]):
    """A call of a function, and the future of the event loop in which its outcome is awaited."""

    def __init__(self, function: Callable[[], _Result]) -> None:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[_Result] = self.loop.create_future()
        self.has_begun = False
        self._function = function

    def run(self) -> Callable[[], None]:
        """Call the function. Returns what sets the future, to be called in the event loop."""
        try:
            return partial(self.done.set_result, self._function())
        except Exception as error:  # noqa: BLE001 (it is raised where it is waited for)
            return partial(self.done.set_exception, error)

    def tell(self, outcome: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            self.loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: Callable[[], None]) -> None:
        if not self.done.done():
            outcome()


class Threads:
    """At most `limit` threads, started as they are needed. Further calls wait for one, in their order.

    The end of the process waits for no thread that hangs. `name`: of the threads, in stacks.
    """

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        # No SimpleQueue: its `get` may wait for ever when another thread was quicker as its time ended.
        self._calls: queue.Queue[Call[Any] | None] = queue.Queue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        #: Calls that wait or run.
        self._unfinished = 0
        self._is_closed = False

    def begin(
        self, function: Callable[[Unpack[_Values]], _Result], *values: *_Values
    ) -> asyncio.Future[_Result]:
        """A future of what the function returns or raises. A call that is cancelled before a thread has taken
        it is not made. UnavailableError after `close`, or on a machine without room for a thread."""
        return self._put(function, *values).done

    async def run(self, function: Callable[[Unpack[_Values]], _Result], *values: *_Values) -> _Result:
        """What the function returns or raises. When cancelled, the thread goes on alone."""
        return await self.begin(function, *values)

    async def finish(
        self,
        function: Callable[[Unpack[_Values]], _Result],
        *values: *_Values,
        undo: Callable[[_Result], object] | None = None,
    ) -> _Result:
        """As `run`, but when cancelled it first waits for the thread: what that works on, such as a
        descriptor, is not closed, and its number not given to another file, under its hands. `undo`: called,
        in a thread as well, with the result that nobody gets then."""
        call = self._put(function, *values)
        try:
            return await asyncio.shield(call.done)
        except asyncio.CancelledError:
            with self._lock:
                if not call.has_begun:
                    call.done.cancel()
            await asyncio.wait([call.done])
            if undo is not None and not call.done.cancelled() and call.done.exception() is None:
                await self.run(undo, call.done.result())
            raise

    @asynccontextmanager
    async def opened(
        self,
        close: Callable[[_Result], object],
        function: Callable[[Unpack[_Values]], _Result],
        *values: *_Values,
    ) -> AsyncIterator[_Result]:
        """What the function opens, as a descriptor, until the end of the context, at which `close` is called
        with it; both in threads, as by `finish`."""
        found = await self.finish(function, *values, undo=close)
        try:
            yield found
        finally:
            await self.finish(close, found)

    def close(self) -> None:
        """Take nothing more. The threads end, those that work when they have done what was begun."""
        with self._lock:
            self._is_closed = True
            count = len(self._threads)
        for _ in range(count):
            self._calls.put(None)

    def join(self) -> None:
        """After `close`: return when no thread is left."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _put(self, function: Callable[[Unpack[_Values]], _Result], *values: *_Values) -> Call[_Result]:
        call = Call(partial(function, *values))
        with self._lock:
            if self._is_closed:
                call.done.set_exception(UnavailableError("The service is about to end."))
                return call
            if len(self._threads) < min(self._unfinished + 1, self._limit):
                self._start()
            if self._threads:
                self._unfinished += 1
                self._calls.put(call)
            else:
                call.done.set_exception(UnavailableError("The machine has no room for another thread."))
        return call

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, daemon=True, name=self._name)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # There is room for no more of them; those that are there do the work.
            self._threads.discard(thread)

    def _work(self) -> None:
        while self._serve():
            pass

    def _serve(self) -> bool:
        """Run one call; False when this thread is to end. Nothing of the call is kept when it returns."""
        try:
            call = self._calls.get(timeout=IDLE_S)
        except queue.Empty:
            return not self._leave()
        if call is None:
            with self._lock:
                self._threads.discard(threading.current_thread())
            return False
        with self._lock:
            call.has_begun = is_wanted = not call.done.cancelled()
        outcome = call.run() if is_wanted else None
        with self._lock:
            # Before the outcome is told: whoever then begins something needs no further thread.
            self._unfinished -= 1
        if outcome is not None:
            call.tell(outcome)
        return True

    def _leave(self) -> bool:
        """End this thread, unless a call that needs it was put just now."""
        with self._lock:
            is_idle = self._unfinished < len(self._threads)
            if is_idle:
                self._threads.discard(threading.current_thread())
            return is_idle
