"""The relay gives events their numbers, soon after they were appended, and removes old ones.

Each process runs one; of those that find events at once one does the work (`sql/events.py`). A relay that is
killed leaves a whole transaction or none: its events wait for the next.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from transom.clock import now_us
from transom.domain.errors import TransomError, describe
from transom.domain.events import Event, EventType
from transom.domain.times import DAY_US
from transom.sharing.readers import Readers
from transom.sql import event_counts, events
from transom.sql.db import Database, Row
from transom.telemetry import WriteLines

_log = logging.getLogger(__name__)

#: Pause between two looks for what other processes appended, seconds.
_LOOK_S = 1.0
#: Pause behind each transaction, seconds: what comes meanwhile goes into one. Each has a commit of its own,
#: which the requests of an embedded database wait behind.
_PAUSE_S = 0.05
#: The same while events come fast: without any, a transaction takes as much processor time as for a hundred.
_BUSY_PAUSE_S = 0.2
#: They come fast when so many waited.
_BUSY = 10
#: Events that one transaction numbers, or removes.
_MOST = 1_000
#: Pause between two looks for events that are too old, seconds.
_TIDY_S = 60.0
#: Lines of the log between which requests have their turn.
_LINES = 20
#: Events of one membership each, beside those of `share.*`: they end it, or it counts again.
_OF_MEMBERSHIPS = frozenset({EventType.IMAGE_CLOSED, EventType.IMAGE_OPENED, EventType.IMAGE_DELETED})


class Relay:
    """Runs in one process. `lifetime_days`: how long events are kept; `set_behind`: receives how many seconds
    the oldest event has waited; `log_changes`: writes lines for changes of memberships."""

    def __init__(
        self, db: Database, lifetime_days: int, set_behind: Callable[[float], None], log_changes: WriteLines
    ) -> None:
        self._db = db
        self._lifetime_us = lifetime_days * DAY_US
        self._set_behind = set_behind
        self._log_changes = log_changes
        self._woken = asyncio.Event()
        self.readers = Readers(db)
        db.on_events(self._woken.set)

    async def serve(self) -> None:
        """Number events until cancelled: woken by this process, or looking by itself for those of others."""
        tidied_at = 0
        while True:
            numbered = 0
            try:
                numbered = await self.run()
                if now_us() > tidied_at + _TIDY_S * 1e6:
                    tidied_at = now_us()
                    await self._tidy()
            except TransomError as error:
                _log.warning("events cannot be numbered now: %s", describe(error))
            except Exception:  # noqa: BLE001 (it must never stop for good)
                _log.exception("numbering events failed")
            await asyncio.sleep(_PAUSE_S if numbered < _BUSY else _BUSY_PAUSE_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _LOOK_S)

    async def run(self) -> int:
        """Give numbers to all events that wait now; how many it were."""
        self._woken.clear()
        count = 0
        while (oldest := await events.find_oldest(self._db)) is not None:
            self._set_behind(max(0.0, (now_us() - oldest) / 1e6))
            numbered = await self._db.run(lambda: events.relay(_MOST))
            if numbered is None:
                return count  # Another process is at it.
            count += len(numbered)
            self.readers.tell([events.Concern(row[0], row[3], row[4], row[6]) for row in numbered])
            await self._tell_log(numbered)
            if len(numbered) < _MOST:
                break
        self._set_behind(0.0)
        return count

    async def _tidy(self) -> None:
        before = now_us() - self._lifetime_us
        while await events.delete_old_events(self._db, before, _MOST) == _MOST:
            pass
        await event_counts.delete_old_counts(self._db, now_us() // DAY_US)

    async def _tell_log(self, numbered: Sequence[Row]) -> None:
        """A line for each change of a membership. A process that is killed here leaves some out; the feed
        has them all."""
        for start in range(0, len(numbered), _LINES):
            found = map(events.event_of_row, numbered[start : start + _LINES])
            self._log_changes((event.type, _fields(event)) for event in found if _is_change(event))
            await asyncio.sleep(0)


def _is_change(event: Event) -> bool:
    return event.member_id is not None and (event.type.startswith("share.") or event.type in _OF_MEMBERSHIPS)


def _fields(event: Event) -> dict[str, object]:
    return {
        "event": event.seq,
        "image_id": event.image_id,
        "owner": event.owner,
        "recipient": event.member_id,
        "was": event.data.was,
        "status": event.data.status,
        "via": event.actor.via,
        "request_id": event.actor.request_id,
        "user_id": event.actor.user,
        "project_id": event.actor.project,
    }
