"""How many events each project has caused, by days. The relay counts what it numbers, so that no request
writes a row that all requests of its project write."""

from transom.domain.events import Via
from transom.domain.times import DAY_US
from transom.sql.db import Database, Statement

# What a rule of the recipient answered the offer has caused, and what the clock did nobody has.
COUNT_CAUSED = f"""
    insert into event_count (project_id, day, events)
    select project_id, day, count(*) from (
        select case via when '{Via.RULE}' then owner else actor_project end as project_id,
               at / {DAY_US} as day
        from event where seq > $1) as caused
    where project_id is not null
    group by project_id, day
    on conflict (project_id, day) do update set events = event_count.events + excluded.events"""


def count_caused(after: int) -> Statement:
    """Count the events behind this number, for the transaction that has given them theirs."""
    return Statement(COUNT_CAUSED, (after,))


LIST_AT_LIMIT = "select project_id from event_count where day = $1 and events >= $2"


async def list_at_limit(db: Database, day: int, limit: int) -> list[str]:
    """The projects that have caused so many events on this day, or more. An index has them."""
    return [row[0] for row in await db.read(LIST_AT_LIMIT, day, limit)]


DELETE_OLD_COUNTS = "delete from event_count where day < $1"


async def delete_old_counts(db: Database, day: int) -> None:
    """Delete what was counted before this day."""
    await db.write(DELETE_OLD_COUNTS, day)
