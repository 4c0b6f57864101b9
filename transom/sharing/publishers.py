"""What the share API asks of verified publishers: show, verify, take away."""

from transom.domain.model import Caller
from transom.domain.publishers import Guard, Publisher
from transom.sharing import project_rules
from transom.sql import publishers
from transom.sql.db import Database


async def find_publisher(db: Database, caller: Caller, project_id: str) -> Publisher | None:
    project_rules.see_publishers(caller)
    return (await publishers.find_publishers(db, [project_id])).get(project_id)


async def put_publisher(db: Database, caller: Caller, publisher: Publisher, guard: Guard) -> bool:
    """Verify the name, or another one; whether the project had none. ConflictError for a name that is, or
    looks like, that of another project; what `guard` raises."""
    project_rules.manage_publishers(caller)
    return await db.run(lambda: publishers.put_publisher(publisher, caller.user_id, guard))


async def delete_publisher(db: Database, caller: Caller, project_id: str, guard: Guard) -> bool:
    """Take the name away; whether there was one."""
    project_rules.manage_publishers(caller)
    return await db.run(lambda: publishers.delete_publisher(project_id, guard))
