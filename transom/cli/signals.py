"""What handlers of signals may use, and the signals that ask a process to stop."""

import os
import select
import signal
from contextlib import suppress

STOPS = (signal.SIGTERM, signal.SIGINT)


def ignore_all() -> None:
    """From now on nobody is heard. For a process that ends: as its last act Python gives signals back to the
    system, and one more would look like an end by force."""
    for number in (*STOPS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


class Wakeup:
    """A `threading.Event` that may be set in handlers of signals.

    An Event has a lock. A handler that interrupts its own thread while that holds the lock, within `wait`,
    `clear` or `set`, would wait for it without end.
    """

    def __init__(self) -> None:
        # Whether the pipe has anything in it is the flag.
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)

    def set(self) -> None:
        with suppress(BlockingIOError):  # It is full, and so set.
            os.write(self._in, b"x")

    def clear(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._out, select.PIPE_BUF):
                pass

    def is_set(self) -> bool:
        return bool(self._poll.poll(0))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it is set; None: wait without end."""
        return bool(self._poll.poll(None if timeout_s is None else timeout_s * 1000))
