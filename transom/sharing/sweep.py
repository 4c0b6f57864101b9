"""Removes memberships that have ended, and tells of it. Nothing is right or wrong by it: what has ended is
absent from that moment on (`sql/live.py`).

Each process runs one; those at work at once take different rows. One that is killed leaves a whole
transaction or none.
"""

import asyncio
import logging

from transom.clock import now_us
from transom.domain.errors import TransomError, describe
from transom.domain.events import CLOCK
from transom.domain.memberships import RemoveEnded
from transom.sql import members
from transom.sql.db import Database, Script

_log = logging.getLogger(__name__)

#: Memberships that one transaction removes: others write between two.
_MOST = 1_000
#: The longest and the shortest pause between two looks, seconds. What others add may end sooner than what was
#: seen; ends that come one by one are taken together.
_LONGEST_S = 60.0
_SHORTEST_S = 0.5


class Sweep:
    """Runs in one process."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def serve(self) -> None:
        """Remove what ends, when it does, until cancelled."""
        while True:
            pause_s = _LONGEST_S
            try:
                pause_s = await self.run()
            except TransomError as error:
                _log.warning("ended shares are removed later: %s", describe(error))
            except Exception:  # noqa: BLE001 (it must never stop for good)
                _log.exception("the removal of ended shares failed")
            await asyncio.sleep(min(max(pause_s, _SHORTEST_S), _LONGEST_S))

    async def run(self) -> float:
        """Remove all that has ended; in how many seconds the next membership ends."""
        # What else comes with time, the ends of families' members first, has its place before this.
        while await self._db.run(lambda: remove_ended(now_us(), _MOST)) == _MOST:
            pass  # Requests go between two transactions.
        return (await members.find_next_end(self._db) - now_us()) / 1e6


def remove_ended(now: int, most: int) -> Script[int]:
    """Remove memberships that have ended, the first ones first, at most so many; how many it were. A script,
    since a thousand rows take longer than the event loop should."""
    return len((yield members.to_statement(RemoveEnded(now=now, limit=most), CLOCK)))
