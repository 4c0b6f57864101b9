"""Which recipients of an offer do not exist, where the operator wants that checked (`check_recipients`).

Only who may offer an image may learn which projects exist: ask after that right was judged.
"""

import asyncio
from collections.abc import Collection, Iterator

from transom.domain.errors import UnavailableError
from transom.domain.model import split_member_id
from transom.identity import Identity

#: Look-ups of one request under way at a time. They share Keystone's connections with everybody's tokens.
LOOKUPS = 8
#: For all look-ups of one request. What was learnt until then is kept, so that another try gets further.
PATIENCE_S = 30.0


class Recipients:
    """One per worker process."""

    def __init__(self, identity: Identity | None) -> None:
        """`identity`: None where recipients are not looked up: then all of them exist."""
        self._identity = identity

    @property
    def are_checked(self) -> bool:
        return self._identity is not None

    async def find_unknown(self, member_ids: Collection[str]) -> frozenset[str]:
        """Those of the `member_id`s whose project or domain does not exist. UnavailableError when that cannot
        be found out now."""
        if self._identity is None:
            return frozenset()
        waiting = iter(member_ids)
        try:
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                asked = [
                    group.create_task(_look_up(self._identity, waiting))
                    for _ in range(min(LOOKUPS, len(member_ids)))
                ]
        except TimeoutError:
            raise UnavailableError("The recipients cannot be looked up now: there are too many.") from None
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return frozenset[str]().union(*(task.result() for task in asked))


async def _look_up(identity: Identity, waiting: Iterator[str]) -> set[str]:
    """Those of the `waiting` that do not exist. Several of these share one iterator until it is empty."""
    return {
        member_id for member_id in waiting if not await identity.has_recipient(*split_member_id(member_id))
    }
