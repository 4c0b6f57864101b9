"""The periodic clean-up of every process that moves data."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from transom.data.transfer import Transfer
from transom.domain.errors import TransomError, UnavailableError, describe
from transom.sql.db import Database

_log = logging.getLogger(__name__)

#: The database's clock and this machine's are apart when they differ by more, seconds.
_MOST_SKEW_S = 2.0


async def sweep(
    db: Database, transfer: Transfer, pause_s: float, set_skew: Callable[[float], None] | None = None
) -> None:
    """See whose the stores are, how far the clocks are apart, and clean up after workers that died, of this
    machine or another. `set_skew`: receives how many seconds the database's clock is ahead."""
    # Each goes on while another waits for a store.
    await asyncio.gather(
        _repeat(partial(_look_at_marks, transfer), pause_s),
        _repeat(partial(_clean_up, transfer), pause_s),
        _watch_clock(db, pause_s, set_skew),
    )


async def _repeat(once: Callable[[], Awaitable[None]], pause_s: float) -> None:
    while True:
        await once()
        await asyncio.sleep(pause_s)


async def _watch_clock(db: Database, pause_s: float, set_skew: Callable[[float], None] | None) -> None:
    was_skewed = False
    while True:
        try:
            skew_s = await db.read_clock()
        except UnavailableError as error:
            _log.warning("the database's clock is not known: %s", describe(error))
        else:
            was_skewed = _report_skew(skew_s, was_skewed)
            if set_skew is not None:
                set_skew(skew_s)
        await asyncio.sleep(pause_s)


async def _clean_up(transfer: Transfer) -> None:
    try:
        await transfer.removal.clean_up()
    except TransomError as error:
        _log.warning("the clean-up after dead workers failed, and runs again: %s", describe(error))
    except Exception:  # noqa: BLE001 (it must never stop for good)
        _log.exception("clean-up failed")


def _report_skew(skew_s: float, was_skewed: bool) -> bool:
    """Whether the database's clock and this machine's are apart; logged when that changes."""
    is_skewed = abs(skew_s) > _MOST_SKEW_S
    if is_skewed != was_skewed:
        level = logging.WARNING if is_skewed else logging.INFO
        word = "ahead of" if skew_s > 0 else "behind"
        _log.log(level, "the database's clock is %.1f s %s this machine's", abs(skew_s), word)
    return is_skewed


async def _look_at_marks(transfer: Transfer) -> None:
    try:
        await transfer.ownership.settle_all()
    except Exception:  # noqa: BLE001 (the sweep must never stop for good)
        _log.exception("the look at the marks of the stores failed")
