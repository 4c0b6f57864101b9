"""How many events of sharing a project may cause in a day, and which projects have caused them.

Events are kept for long, so what can be done and undone without end would fill the database. The relay counts
them (`sql/event_counts.py`); each process that serves looks every few seconds which projects are at the
limit, so that a request looks at nothing but memory. Until it has looked, a project causes some more.
"""

import asyncio
import logging

from transom.clock import now_us
from transom.domain.errors import Reason, SpentError, TransomError, describe
from transom.domain.times import DAY_US, SECOND_US
from transom.sql import event_counts
from transom.sql.db import Database

_log = logging.getLogger(__name__)

#: Pause between two looks, seconds.
_PAUSE_S = 2.0


class EventQuota:
    """For one process. `limit`: events of a project in a day (UTC), negative for no limit."""

    def __init__(self, db: Database, limit: int) -> None:
        self._db = db
        self._limit = limit
        #: The day of the last look, and the projects that were at the limit then.
        self._day = 0
        self._spent: frozenset[str] = frozenset()

    def require_room(self, project_id: str | None) -> None:
        """SpentError when the project has caused its events of today."""
        now = now_us()
        if project_id in self._spent and now // DAY_US == self._day:
            raise SpentError(
                f"The project has caused {self._limit} events of sharing today, the most it may in a day "
                "(event_quota_per_day). It can reject, leave, withdraw, revoke and delete as before.",
                Reason.EVENTS_SPENT,
                retry_after_s=1 + (DAY_US - now % DAY_US) // SECOND_US,
            )

    async def serve(self) -> None:
        """Look again and again, until cancelled."""
        while self._limit >= 0:
            try:
                await self.look()
            except TransomError as error:
                _log.warning(
                    "events of today cannot be counted now; the quota goes by the last count: %s",
                    describe(error),
                )
            except Exception:  # noqa: BLE001 (it must never stop for good)
                _log.exception("the look at the quota of events failed")
            await asyncio.sleep(_PAUSE_S)

    async def look(self) -> None:
        """Find out which projects are at the limit now."""
        day = now_us() // DAY_US
        spent = await event_counts.list_at_limit(self._db, day, self._limit)
        self._day, self._spent = day, frozenset(spent)
