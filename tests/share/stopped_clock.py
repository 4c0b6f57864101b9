"""A service whose clock stands still until a test sets it, to the microsecond."""

import mmap
from datetime import UTC, datetime, timedelta
from pathlib import Path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BYTES = 8
#: Every process of a service imports it when it starts.
_CLOCK = """
import mmap, time

import transom.clock

with open({path!r}, "rb") as file:
    _now = mmap.mmap(file.fileno(), {size}, access=mmap.ACCESS_READ)
time.time_ns = lambda: int.from_bytes(_now[:], "little") * 1000
time.time = lambda: time.time_ns() / 1e9
# Whatever its database says.
transom.clock.go_by = lambda read: None
"""


class StoppedClock:
    """`settings`: for the service that is to go by it. It begins a day ahead of the machine's."""

    def __init__(self, folder: Path) -> None:
        self.settings = {"PYTHONPATH": str(folder)}
        path = folder / "now"
        path.write_bytes(bytes(_BYTES))
        with path.open("r+b") as file:
            self._now = mmap.mmap(file.fileno(), _BYTES)
        code = _CLOCK.format(path=str(path), size=_BYTES)
        (folder / "sitecustomize.py").write_text(code)
        self.set((datetime.now(UTC) + timedelta(days=1) - _EPOCH) // timedelta(microseconds=1))

    @property
    def now(self) -> int:
        """Microseconds since the epoch."""
        return int.from_bytes(self._now[:], "little")

    def set(self, now: int) -> None:
        self._now[:] = now.to_bytes(_BYTES, "little")


def text_of(moment: int) -> str:
    """The moment as the API takes it."""
    return (_EPOCH + timedelta(microseconds=moment)).isoformat()
