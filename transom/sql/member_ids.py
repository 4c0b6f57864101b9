"""How statements ask about the caller's own memberships: by its project's id and its domain's, `$2` and `$3`.

A caller within organisations has more ids, and the statement more values behind the others. For a
caller in none the statement runs as it stands, with its plan.
"""

from functools import lru_cache
from typing import Any

#: `Caller.member_ids`: of whom it is asked whether they are members of something.
MemberIds = tuple[str | None, ...]
#: For a look on behalf of no caller.
NOBODY: MemberIds = (None, None)

#: The ids in a statement for `with_own_ids`.
OWN_IDS = "($2, $3)"
#: Further ids come in so many steps, so that there are few plans; null stands in the places that are left.
_STEP = 4


def is_group(column: str) -> str:
    """The condition that a `member_id` is not one project's: nobody of it is asked
    (`domain/recipients.py`)."""
    return f"{column} like '%/%'"


def is_project(column: str) -> str:
    return f"{column} not like '%/%'"


def with_own_ids(sql: str, first: Any, member_ids: MemberIds, *rest: Any) -> tuple[Any, ...]:
    """The statement for a caller with these ids, and its values: `first` is `$1`, `rest` begins with `$4`."""
    project, domain, *more = member_ids
    if not more:
        return sql, first, project, domain, *rest
    more += [None] * (-len(more) % _STEP)
    return _widened(sql, 3 + len(rest), len(more)), first, project, domain, *rest, *more


@lru_cache(maxsize=256)
def _widened(sql: str, taken: int, more: int) -> str:
    """The statement with places for `more` ids behind the `taken` values."""
    further = "".join(f", cast(${number} as text)" for number in range(taken + 1, taken + more + 1))
    return sql.replace(OWN_IDS, f"{OWN_IDS[:-1]}{further})")
