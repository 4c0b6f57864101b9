"""What operators ask of the whole service: how it is, and what each project has."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from transom.clock import now_us
from transom.domain.errors import UnavailableError
from transom.domain.model import NEVER, Caller
from transom.domain.operation import Operation, ProjectUse, UseSort
from transom.domain.times import DAY_US
from transom.sharing import project_rules
from transom.sql import events, operation
from transom.sql.db import Database

#: Before the first project of a list.
FIRST = (NEVER, "")


async def look(db: Database, caller: Caller) -> Operation:
    """How the service is now. UnavailableError when the database does not even answer."""
    project_rules.see_operation(caller)
    started = time.perf_counter()
    oldest = await events.find_oldest(db)
    latency_us = round((time.perf_counter() - started) * 1e6)
    now = now_us()
    return Operation(
        is_writable=await _is_writable(db),
        latency_us=latency_us,
        behind_us=max(0, now - oldest) if oldest is not None else 0,
        uploads=await operation.count_uploads(db),
        jobs=await operation.count_jobs(db, now - DAY_US),
        hooks=await operation.count_hook_states(db),
        stores=await operation.count_stores(db),
    )


async def _is_writable(db: Database) -> bool:
    try:
        await db.require_writable()
    except UnavailableError:
        return False
    return True


class ProjectPage(NamedTuple):
    """`following`: the position of the next page, None when this is the last."""

    projects: Sequence[ProjectUse]
    following: tuple[int, str] | None


async def list_projects(
    db: Database, caller: Caller, sort: UseSort, after: tuple[int, str], limit: int
) -> ProjectPage:
    """Projects with what each of them uses, in descending order of `sort`."""
    project_rules.see_operation(caller)
    found = await operation.list_projects(db, sort, now_us(), after=after, limit=limit + 1)
    shown = found[:limit]
    return ProjectPage(shown, (shown[-1].rank, shown[-1].project_id) if len(found) > limit else None)
