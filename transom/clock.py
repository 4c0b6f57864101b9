"""What time it is, in the unit that the database keeps.

All who share a database go by its clock, since theirs may differ: else a share that has ended could be seen
at the machine whose clock is behind. Credentials and signatures are judged by the machine's own clock.
"""

import time
from collections.abc import Callable


def now_us() -> int:
    """Microseconds since the epoch, UTC, by the clock of the database that this process has opened; before
    that by the machine's own."""
    return _source.read()


def machine_now_us() -> int:
    """The same by the machine's own clock."""
    return time.time_ns() // 1000


def go_by(read: Callable[[], int]) -> None:
    """Have `now_us` return what `read` does from now on."""
    _source.read = read


class _Source:
    __slots__ = ("read",)

    def __init__(self) -> None:
        self.read: Callable[[], int] = machine_now_us


_source = _Source()


class RemoteClock:
    """The clock of another machine: what it said when it was last asked, and the time since then by this
    machine's monotonic clock, which nobody sets. Before it was asked it is this machine's own clock."""

    def __init__(self) -> None:
        self._ahead_us = machine_now_us() - _uptime_us()

    def now_us(self) -> int:
        """As the function of that name, by the other machine's clock."""
        return self._ahead_us + _uptime_us()

    def correct(self, told_us: int, round_trip_us: int) -> None:
        """An answer that is here now, `round_trip_us` after its question, says that it was `told_us`. A
        difference within what the round trip leaves open changes nothing: time would go back and forth."""
        inexact_us = round_trip_us // 2
        ahead_us = told_us + inexact_us - _uptime_us()
        if abs(ahead_us - self._ahead_us) > inexact_us:
            self._ahead_us = ahead_us

    @property
    def ahead_us(self) -> int:
        """How much later it is there than by this machine's clock; negative: earlier."""
        return self.now_us() - machine_now_us()


def _uptime_us() -> int:
    """Microseconds since this machine started, those that it slept included."""
    return time.clock_gettime_ns(_UPTIME) // 1000


# Of Linux. Elsewhere a clock that stands still while the machine sleeps has to do.
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
