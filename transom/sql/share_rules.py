"""Rules of recipients. Statements that make offers look them up themselves (`members.py`)."""

from transom.domain.errors import LimitExceededError
from transom.domain.model import MemberStatus
from transom.domain.share_rules import EVERYBODY, Guard, ShareRule
from transom.sql.db import Database, Row, Script, Statement


def _rule_of_row(row: Row) -> ShareRule:
    return ShareRule(publisher=row[0], answer=row[1], updated_at=row[2])


def first_status(recipient: str, owner: str, actor: str, domain: str) -> str:
    """SQL for the initial status of an offer, by the recipient's most specific rule. The arguments are SQL
    expressions: the recipient project, the owner of the image or family, the project that offers, and the
    `domain_key` of that project. A domain rule applies only if the owner itself makes the offer."""

    def rule_for(publisher: str) -> str:
        return f"""(
            select rule.answer from share_rule as rule
            where rule.project_id = {recipient} and rule.publisher = {publisher})"""

    of_domain = f"case when {owner} = cast({actor} as text) then cast({domain} as text) end"
    return f"""coalesce(
        {rule_for(owner)}, {rule_for(of_domain)}, {rule_for(f"'{EVERYBODY}'")}, '{MemberStatus.PENDING}')"""


# By primary key, in the order of the ids.
LIST_RULES = """
    select publisher, answer, updated_at from share_rule
    where project_id = $1 and publisher > $2 order by publisher limit $3"""


async def list_rules(db: Database, project_id: str, after: str, limit: int) -> list[ShareRule]:
    """The project's rules for publishers past `after` ("" for all of them)."""
    return [_rule_of_row(row) for row in await db.read(LIST_RULES, project_id, after, limit)]


FIND_RULE = "select publisher, answer, updated_at from share_rule where project_id = $1 and publisher = $2"


async def find_rule(db: Database, project_id: str, publisher: str) -> ShareRule | None:
    rows = await db.read(FIND_RULE, project_id, publisher)
    return _rule_of_row(rows[0]) if rows else None


# Of one project, one after the other.
LOCK_RULES = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
COUNT_RULES = "select count(*) from share_rule where project_id = $1"
PUT_RULE = """
    insert into share_rule (project_id, publisher, answer, updated_at, updated_by)
    values ($1, $2, $3, $4, $5)
    on conflict (project_id, publisher) do update
    set answer = excluded.answer, updated_at = excluded.updated_at, updated_by = excluded.updated_by"""
DELETE_RULE = "delete from share_rule where project_id = $1 and publisher = $2"


def put_rule(project_id: str, rule: ShareRule, user_id: str, limit: int, guard: Guard) -> Script[bool]:
    """Make the rule, or change it; whether it is new. `limit`: rules a project may have, negative for no
    limit."""
    before = yield from _look(project_id, rule.publisher, guard)
    if before is None and limit >= 0:
        ((count,),) = yield Statement(COUNT_RULES, (project_id,))
        if count >= limit:
            raise LimitExceededError(f"The project has {count} rules, the most there may be.")
    yield Statement(PUT_RULE, (project_id, rule.publisher, rule.answer, rule.updated_at, user_id))
    return before is None


def delete_rule(project_id: str, publisher: str, guard: Guard) -> Script[bool]:
    """Remove the rule; whether there was one."""
    before = yield from _look(project_id, publisher, guard)
    yield Statement(DELETE_RULE, (project_id, publisher))
    return before is not None


def _look(project_id: str, publisher: str, guard: Guard) -> Script[ShareRule | None]:
    yield Statement(LOCK_RULES, (f"share_rule/{project_id}",), is_lock=True)
    rows = yield Statement(FIND_RULE, (project_id, publisher))
    found = _rule_of_row(rows[0]) if rows else None
    guard(found)
    return found
