"""Events of families as a whole. The statements that change members, or what these get from a family, insert
the events of that themselves (`sql/families.py`, `sql/inherited.py`).
"""

import msgspec

from transom.domain.events import Actor, EventData, EventType, NewEvent, Via
from transom.domain.families import Family, State, Version, state_of
from transom.domain.model import NEVER
from transom.sql import outbox
from transom.sql.db import Statement


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is done: when, microseconds since the epoch, and by whom."""

    now: int
    actor: Actor

    @property
    def by_family(self) -> Actor:
        """The actor of what follows for memberships, with `via` for its events."""
        if self.actor.via is Via.TIME:
            return self.actor
        return msgspec.structs.replace(self.actor, via=Via.FAMILY)


def record_family(act: Act, kind: EventType, family: Family, version: Version | None = None) -> Statement:
    """One event for the owner and all members of the family, but that what was never current is told to the
    owner alone."""
    is_secret = version is not None and (
        kind is EventType.VERSION_PUBLISHED
        or version.promoted_at is None
        or state_of(version, family.current_number) is State.CANDIDATE
    )
    data = EventData(
        family=family.name,
        number=version.number if version is not None else None,
        image=version.image.name if version is not None else None,
        reason=version.revoke_reason if version is not None else None,
        revoke_at=version.revoke_at if version is not None and version.revoke_at < NEVER else None,
    )
    event = NewEvent(
        at=act.now,
        type=kind,
        owner=family.owner,
        # `member_id` limits who sees the event; None: all members of the family see it.
        member_id=family.owner if is_secret else None,
        image_id=version.image.id if version is not None else None,
        family_id=family.id,
        data=data,
    )
    return outbox.append(event, act.actor)
