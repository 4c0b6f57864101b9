"""What the share API asks of a project's rules: show, make, remove. Offers look them up themselves."""

from collections.abc import Sequence

from transom.domain.model import Caller
from transom.domain.share_rules import Guard, ShareRule
from transom.sharing import project_rules
from transom.sql import share_rules
from transom.sql.db import Database


async def list_rules(db: Database, caller: Caller, after: str, limit: int) -> Sequence[ShareRule]:
    """The caller's rules for publishers past `after` ("" for all), in the order of their ids."""
    return await share_rules.list_rules(db, project_rules.look_at_share_rules(caller), after, limit)


async def find_rule(db: Database, caller: Caller, publisher: str) -> ShareRule | None:
    return await share_rules.find_rule(db, project_rules.look_at_share_rules(caller), publisher)


async def put_rule(db: Database, caller: Caller, rule: ShareRule, limit: int, guard: Guard) -> bool:
    """Make the rule, or change it; whether it is new. LimitExceededError beyond `limit` rules of a project,
    negative for no limit; what `guard` raises."""
    project_id, user_id = project_rules.manage_share_rules(caller), caller.user_id
    return await db.run(lambda: share_rules.put_rule(project_id, rule, user_id, limit, guard))


async def delete_rule(db: Database, caller: Caller, publisher: str, guard: Guard) -> bool:
    """Remove the rule; whether there was one."""
    project_id = project_rules.manage_share_rules(caller)
    return await db.run(lambda: share_rules.delete_rule(project_id, publisher, guard))
