"""Runs that compare the database with the stores: which worker does it, how far it is, what it found.

Each kind has one row. The run in the background (`scrub`) has a lease, and goes on where it was.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from transom.clock import now_us
from transom.sql.db import Database
from transom.sql.images import to_json
from transom.sql.leases import as_seen

#: The position when all images were compared; behind each id.
ALL_IMAGES = "~"


class CheckRun(msgspec.Struct, frozen=True, kw_only=True):
    """position: the id of the last image that was compared, or ALL_IMAGES. faults: how many of each kind."""

    position: str = ""
    images: int = 0
    faults: Mapping[str, int] = {}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of run has found. faults: those of the last whole run, or of the one under way where it has
    found more already. finished_at: microseconds, 0 for never."""

    name: str
    finished_at: int
    images: int
    faults: Mapping[str, int]


class ScrubLease(NamedTuple):
    """Of the run in the background (`Leased`)."""

    holder: str | None
    held_until: int


_decode_faults = msgspec.json.Decoder(dict[str, int]).decode

FIND_SCRUB_LEASE = "select holder, held_until from check_run where name = 'scrub'"


async def find_scrub_lease(db: Database) -> ScrubLease:
    ((holder, held_until),) = await db.read(FIND_SCRUB_LEASE)
    return ScrubLease(holder, int(held_until))


# A run that was cut short goes on; a new one begins when the last one ended before $4.
CLAIM_SCRUB = """
    update check_run
    set holder = $1, held_until = $2,
        position = case when began_at > finished_at then position else '' end,
        images = case when began_at > finished_at then images else 0 end,
        faults = case when began_at > finished_at then faults else '{}' end,
        began_at = case when began_at > finished_at then began_at else $3 end
    where name = 'scrub' and held_until = $5 and coalesce(holder, '') = $6
      and (began_at > finished_at or finished_at <= $4)
    returning position, images, faults"""


async def claim_scrub(
    db: Database, seen: ScrubLease, holder: str, until: int, *, ended_before: int
) -> CheckRun | None:
    """Take the run in the background; None when another worker has taken it since its lease was `seen`, or it
    is not time for one.

    `until`: the end of the new lease. Times are microseconds by the database's clock.
    """
    rows = await db.write(CLAIM_SCRUB, holder, until, now_us(), ended_before, *as_seen(seen))
    if not rows:
        return None
    position, images, faults = rows[0]
    return CheckRun(position=position, images=int(images), faults=_decode_faults(faults))


RENEW_SCRUB = "update check_run set held_until = $2 where name = 'scrub' and holder = $1 returning name"


async def renew_scrub(db: Database, holder: str, until: int) -> bool:
    """False when the lease is another worker's."""
    return bool(await db.write(RENEW_SCRUB, holder, until))


SAVE_SCRUB = """
    update check_run set position = $2, images = $3, faults = $4
    where name = 'scrub' and holder = $1
    returning name"""


async def save_scrub(db: Database, holder: str, run: CheckRun) -> bool:
    """Note how far the run is. False when it is another worker's."""
    return bool(await db.write(SAVE_SCRUB, holder, run.position, run.images, to_json(run.faults)))


FINISH_SCRUB = """
    update check_run
    set holder = null, held_until = 0, finished_at = $2, images = $3, faults = $4, last_faults = $4
    where name = 'scrub' and holder = $1
    returning name"""


async def finish_scrub(db: Database, holder: str, run: CheckRun) -> bool:
    """The run is at its end. False when it is another worker's."""
    return bool(await db.write(FINISH_SCRUB, holder, now_us(), run.images, to_json(run.faults)))


RELEASE_SCRUB = "update check_run set holder = null, held_until = 0 where name = 'scrub' and holder = $1"


async def release_scrub(db: Database, holder: str) -> None:
    """Let others go on with the run at once."""
    await db.write(RELEASE_SCRUB, holder)


RECORD_CHECK = """
    update check_run set began_at = $1, finished_at = $2, images = $3, faults = $4, last_faults = $4
    where name = 'check'"""


async def record_check(db: Database, began_at: int, run: CheckRun) -> None:
    """What `transom check` has found, from `began_at` until now."""
    await db.write(RECORD_CHECK, began_at, now_us(), run.images, to_json(run.faults))


LIST_RUNS = "select name, finished_at, images, faults, last_faults from check_run"


async def list_reports(db: Database) -> list[Report]:
    """What each kind of run has found."""
    return [
        Report(
            name=name,
            finished_at=int(finished_at),
            images=int(images),
            faults=_larger(_decode_faults(faults), _decode_faults(last_faults)),
        )
        for name, finished_at, images, faults, last_faults in await db.read(LIST_RUNS)
    ]


def _larger(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {kind: max(one.get(kind, 0), other.get(kind, 0)) for kind in {*one, *other}}
