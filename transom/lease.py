"""Leases: how long an upload or a job belongs to its worker, its holder, and when others may take over.

The holder renews its lease three times while it runs. Others take over when the lease has ended, or sooner
when this machine knows that the holder is dead. From a holder that lives on this machine they take over half
a lease later, for it may be the clock that went wrong.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from transom.clock import now_us
from transom.domain.errors import TransomError, UnavailableError
from transom.liveness import Liveness
from transom.sql.db import Database
from transom.sql.leases import Leased

_log = logging.getLogger(__name__)


class LostError(UnavailableError):
    """The lease is another worker's by now: this one has nothing more to say."""


async def is_over(db: Database, liveness: Liveness, seen: Leased) -> bool:
    """Whether others may take over what was `seen`."""
    has_ended = seen.held_until < now_us()
    if seen.holder is None:
        return has_ended
    return await liveness.threads.run(_has_lost, liveness, seen.holder, seen.held_until, has_ended)


def _has_lost(liveness: Liveness, holder: str, held_until: int, has_ended: bool) -> bool:
    return liveness.is_dead(holder) or (has_ended and not liveness.may_renew(holder, held_until))


async def renew(renew_once: Callable[[], Awaitable[bool]], pause_s: float, what: str) -> None:
    """Renew a lease after each pause until cancelled. LostError when it is another's: `renew_once` has
    returned False. That a renewal could not be written is logged: the next may come in time."""
    while True:
        await asyncio.sleep(pause_s)
        try:
            is_held = await renew_once()
        except TransomError as error:
            _log.warning("the lease of %s could not be renewed: %s", what, error)
        else:
            if not is_held:
                raise LostError(f"{what} was taken over by another worker, which took this one for dead.")


@asynccontextmanager
async def renewed(
    renew_once: Callable[[], Awaitable[bool]], lease_us: int, what: str, refusal: str
) -> AsyncIterator[None]:
    """Renew the lease of `lease_us` microseconds as long as the block runs. When it is lost the block is
    cancelled, for its work is another worker's by then: UnavailableError, with the text `refusal`."""
    is_lost = False

    async def keep() -> None:
        nonlocal is_lost
        try:
            await renew(renew_once, lease_us / 3e6, what)
        except LostError as error:
            _log.warning("%s", error)
            is_lost = True
            scope.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as scope:
            keeping = asyncio.create_task(keep())
            try:
                yield
            finally:
                keeping.cancel()
    except TimeoutError:
        if not is_lost:
            raise
        raise UnavailableError(refusal) from None
