"""What time it is, in the unit that the database keeps: by this machine's clock, and by another's."""

import time


def now_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


class RemoteClock:
    """The clock of another machine, as it was when it was last asked, gone on since by a clock of this
    machine that nobody sets. Before it was asked it is this machine's own."""

    def __init__(self) -> None:
        self._ahead_us = now_us() - _uptime_us()

    def now_us(self) -> int:
        """As the function of that name, by the other machine's clock."""
        return self._ahead_us + _uptime_us()

    def correct(self, told_us: int, round_trip_us: int) -> None:
        """An answer that is here now, `round_trip_us` after its question, says that it was `told_us`."""
        self._ahead_us = told_us + round_trip_us // 2 - _uptime_us()

    @property
    def ahead_us(self) -> int:
        """How much later it is there than by this machine's clock; negative: earlier."""
        return self.now_us() - now_us()


def _uptime_us() -> int:
    """Microseconds since this machine started, those that it slept included."""
    return time.clock_gettime_ns(_UPTIME) // 1000


# Of Linux. Elsewhere a clock that stands still while the machine sleeps has to do.
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
