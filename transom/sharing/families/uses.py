"""How the versions of a family are used, and who is told what of it."""

from collections.abc import Collection, Mapping

from transom.clock import now_us
from transom.domain.families import Seen
from transom.domain.model import Caller
from transom.domain.shares import Usage
from transom.domain.times import DAY_US
from transom.sharing.families import rules
from transom.sql import usage
from transom.sql.db import Database

#: What counts as of late.
_LATE_US = 30 * DAY_US


async def find_uses(
    db: Database, caller: Caller, seen: Seen, image_ids: Collection[str]
) -> Mapping[str, Usage]:
    """The uses of these images of the family's versions: for its owner those of all others, for another
    project its own."""
    if rules.is_owner(caller, seen.family):
        return await usage.list_uses_of_late(db, image_ids, now_us() - _LATE_US)
    return await usage.list_own_uses(db, caller.project_id or "", image_ids)
