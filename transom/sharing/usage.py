"""Records which projects use images of others: in memory, and every few seconds in the database.

A request only adds an entry to a dictionary. What was not yet written is lost when the process is killed. API
calls are recorded, not running servers: a server runs on without any more calls.
"""

import asyncio
import logging

from transom.clock import now_us
from transom.domain.errors import TransomError, describe
from transom.domain.model import Caller, Image
from transom.sql import usage
from transom.sql.db import Database
from transom.sql.usage import Use

_log = logging.getLogger(__name__)

#: Pause between two writes, seconds: what is shown of use may lack the last ones.
PAUSE_S = 10
#: Images and projects of one transaction, which locks their images.
_PAIRS_AT_ONCE = 50
#: Pairs that are kept while the database cannot be written.
_MOST_PAIRS = 100_000


class Uses:
    """The uses that this process has seen and not written yet."""

    def __init__(self, db: Database) -> None:
        self._db = db
        #: By the ids of image and project: how many downloads, and the last use.
        self._recorded: dict[tuple[str, str], tuple[int, int]] = {}

    def record(self, image: Image, caller: Caller, *, is_download: bool) -> None:
        """The caller's project uses the image; `is_download`: its data is sent from the first byte on. The
        owner's own uses do not count."""
        project_id = caller.project_id
        if project_id is None or project_id == image.owner:
            return
        key = image.id, project_id
        self._recorded[key] = self._recorded.get(key, (0, 0))[0] + is_download, now_us()

    async def serve(self) -> None:
        """Write what was noted again and again, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_S)
            try:
                await self.write()
            except TransomError as error:
                _log.warning("uses of images could not be written, and are tried again: %s", describe(error))
            except Exception:  # noqa: BLE001 (it must never stop for good)
                _log.exception("the use of images was not written")

    async def write(self) -> None:
        """Write what was noted. What could not be written is kept for the next time."""
        recorded, self._recorded = list(self._recorded.items()), {}
        try:
            while recorded:
                uses = [
                    (key, Use(downloads=count, last_used_at=at))
                    for key, (count, at) in recorded[:_PAIRS_AT_ONCE]
                ]
                await usage.add_uses(self._db, uses)
                del recorded[:_PAIRS_AT_ONCE]
        finally:
            for key, (count, at) in recorded[:_MOST_PAIRS]:
                since, last = self._recorded.get(key, (0, 0))
                self._recorded[key] = since + count, max(last, at)

    async def close(self) -> None:
        """Write what is left."""
        try:
            await self.write()
        except TransomError as error:
            _log.warning("the last uses of images could not be written, and are lost: %s", describe(error))
