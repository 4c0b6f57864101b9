"""Which recipients an offer may have: whom the caller may offer to, and who exists. The operator's file is
always asked, the identity service where the operator wants it (`check_recipients`).

Only who may offer an image may learn which there are: ask after that right was judged.
"""

import asyncio
from collections.abc import Collection, Iterator

from transom.domain.errors import UnavailableError
from transom.domain.model import Caller
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations
from transom.domain.recipients import kind_of, split_member_id, without_projects
from transom.identity import Identity
from transom.sharing import rules

#: Look-ups of one request under way at a time. They share Keystone's connections with everybody's tokens.
LOOKUPS = 8
#: For all look-ups of one request. What was learnt until then is kept, so that another try gets further.
PATIENCE_S = 30.0


class Recipients:
    """One per worker process."""

    def __init__(self, identity: Identity | None) -> None:
        """`identity`: None where those that it has are not looked up: then all of them exist."""
        self._identity = identity
        self._organizations = NO_ORGANIZATIONS

    def use_organizations(self, organizations: Organizations) -> None:
        """These exist from now on."""
        self._organizations = organizations

    def are_checked(self, member_ids: Collection[str]) -> bool:
        """Whether one of these can be found not to exist, or may be none that everybody offers to."""
        return self._identity is not None or any(without_projects(member_ids))

    async def find_unknown(self, caller: Caller, member_ids: Collection[str]) -> frozenset[str]:
        """Those of the `member_id`s that nothing has. ForbiddenError unless the caller may offer to all of
        them, UnavailableError when it cannot be found out now who exists."""
        rules.offer_to(caller, member_ids)
        in_file = _not_in_identity(member_ids)
        absent = frozenset(one for one in in_file if self._organizations.find(one) is None)
        if self._identity is None:
            return absent
        others = [one for one in member_ids if one not in in_file]
        return absent | await self._ask_identity(self._identity, others)

    async def _ask_identity(self, identity: Identity, member_ids: Collection[str]) -> frozenset[str]:
        waiting = iter(member_ids)
        try:
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                asked = [
                    group.create_task(_look_up(identity, waiting))
                    for _ in range(min(LOOKUPS, len(member_ids)))
                ]
        except TimeoutError:
            raise UnavailableError("The recipients cannot be looked up now: there are too many.") from None
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return frozenset[str]().union(*(task.result() for task in asked))


def _not_in_identity(member_ids: Collection[str]) -> set[str]:
    """Those that only the operator's file can have."""
    return {one for one in without_projects(member_ids) if not kind_of(one).is_in_identity}


async def _look_up(identity: Identity, waiting: Iterator[str]) -> set[str]:
    """Those of the `waiting` that do not exist. Several of these share one iterator until it is empty."""
    return {
        member_id for member_id in waiting if not await identity.has_recipient(*split_member_id(member_id))
    }
