"""The one clock: what time it is, in the unit that the database keeps."""

import time


def now_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000
