"""Removes memberships that have ended, with an event for each. Nothing depends on when that is: what has
ended is absent from that moment on (`sql/live.py`).

Each process runs one; those at work at once take different rows. One that is killed leaves a whole
transaction or none.
"""

from transom.clock import now_us
from transom.domain.events import CLOCK
from transom.domain.memberships import RemoveEnded
from transom.sql import members
from transom.sql.db import Database, Script
from transom.sql.live import find_next_end
from transom.timed import serve_when_due

#: Memberships that one transaction removes: others write between two.
_MOST = 1_000


class Sweep:
    """Runs in one process."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def serve(self) -> None:
        """Remove what ends, when it does, until cancelled."""
        await serve_when_due(self.run, "the removal of ended shares")

    async def run(self) -> float:
        """Remove all that has ended; in how many seconds the next membership ends."""
        while await self._db.run(lambda: remove_ended(now_us(), _MOST)) == _MOST:
            pass  # Requests go between two transactions.
        return (await find_next_end(self._db) - now_us()) / 1e6


def remove_ended(now: int, limit: int) -> Script[int]:
    """Remove memberships that have ended, the first ones first, at most so many; how many it were. A script,
    since a thousand rows take longer than the event loop should."""
    return len((yield members.to_statement(RemoveEnded(now=now, limit=limit), CLOCK)))
