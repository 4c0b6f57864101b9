"""Repeated work: every process runs it each time when it is next due, for as long as the process runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from transom.domain.errors import TransomError, describe

_log = logging.getLogger(__name__)

#: The longest and the shortest pause between two looks, seconds. What others add may be due sooner than what
#: was seen; what comes one by one is done together.
_LONGEST_S = 60.0
_SHORTEST_S = 0.5


async def serve_when_due(run: Callable[[], Awaitable[float]], what: str) -> None:
    """Call `run` again and again until cancelled. It does what is due, and returns in how many seconds the
    next of it is. `what`: the work, for the log."""
    while True:
        pause_s = _LONGEST_S
        try:
            pause_s = await run()
        except TransomError as error:
            _log.warning("%s failed, and is tried again: %s", what, describe(error))
        except Exception:  # noqa: BLE001 (it must never stop for good)
            _log.exception("%s failed", what)
        await asyncio.sleep(min(max(pause_s, _SHORTEST_S), _LONGEST_S))
