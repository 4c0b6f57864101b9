"""Which memberships are live: those that have not ended.

One that has is absent for every call from that moment, whether its row was removed yet or not. So each
statement that looks at memberships, or changes one, has the term that `live` makes; a test finds those that
lack it. What ends is told and removed later (`sharing/sweep.py`), and nothing depends on when.

A membership of an image that is not shared now, or has become its member's own, is asleep: it is kept, and
counts again when the image is shared again.
"""

from transom.domain.model import NEVER, Visibility
from transom.sql.db import Database

#: The words of the index `member_by_end`, which has these rows alone.
HAS_END = f"ends_at < {NEVER}"


def live(now: str, member: str = "member") -> str:
    """The term that is true of a membership that counts. `now`: the statement's `$n` for the time; `member`:
    the name that the statement has for the row."""
    return f"{member}.ends_at > {now}"


def falls_asleep(member_id: str) -> str:
    """What `is_asleep` is of a new membership in `image`. Later the trigger `members_waked` keeps it."""
    return f"(image.visibility <> '{Visibility.SHARED}' or coalesce(image.owner = {member_id}, false))"


FIND_NEXT_END = f"select min(ends_at) from member where {HAS_END}"


async def find_next_end(db: Database) -> int:
    """When the next membership ends; NEVER if none does."""
    ((end,),) = await db.read(FIND_NEXT_END)
    return int(end) if end is not None else NEVER
