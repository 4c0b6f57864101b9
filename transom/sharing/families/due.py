"""What is due at a time: members that end, and versions whose revocation was scheduled.

A member that has ended is absent from that moment on, whether it was removed or not; what it inherited has
the same end. A revocation is done when this finds it.
"""

from functools import partial

from transom.clock import now_us
from transom.domain.errors import NotFoundError
from transom.domain.events import CLOCK
from transom.sharing.families import members, scripts
from transom.sharing.families.events import Act
from transom.sql import families, family_views
from transom.sql.db import Database, Script
from transom.timed import serve_when_due

#: What one look finds at most.
_MOST = 1_000


async def serve(db: Database) -> None:
    """Do what is due, when it is, until cancelled. Every process does: those at work at once wait for each
    other at the family's lock, and look again."""

    async def run_now() -> float:
        return (await run(db) - now_us()) / 1e6

    await serve_when_due(run_now, "what is due of families")


async def run(db: Database) -> int:
    """Do all that is due; when the next of it is, microseconds since the epoch."""
    while await _end_members(db) == _MOST:
        pass  # Requests go between two transactions.
    while await _revoke_versions(db) == _MOST:
        pass
    return await family_views.find_next_due(db)


async def _end_members(db: Database) -> int:
    """Remove members that have ended, the first ones first; how many there were."""
    due = await family_views.list_ended_members(db, now_us(), _MOST)
    by_family: dict[str, list[str]] = {}
    for family_id, member_id in due:
        by_family.setdefault(family_id, []).append(member_id)
    for family_id, member_ids in by_family.items():
        await _end_some(db, family_id, member_ids)
    return len(due)


async def _end_some(db: Database, family_id: str, member_ids: list[str]) -> None:
    act = Act(now=now_us(), actor=CLOCK)

    def script() -> Script[None]:
        known = yield from families.lock_and_see(family_id)
        if known is not None:
            yield from members.end_due(known, member_ids, act)

    await db.run(script)


async def _revoke_versions(db: Database) -> int:
    due = await family_views.list_due_revocations(db, now_us(), _MOST)
    for family_id, number in due:
        act = Act(now=now_us(), actor=CLOCK)
        try:
            await db.run(partial(scripts.revoke_due, family_id, number, act))
        except NotFoundError:
            continue  # The family, or the version, is gone since.
    return len(due)
