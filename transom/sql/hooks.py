"""Webhooks: rows ↔ `Hook`, and the lease by which one worker at a time delivers to a hook.

A change by a user does not touch the lease: the worker that has it finds that what it saw holds no more, and
begins anew. Cursors move only from what was seen.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from transom.clock import now_us
from transom.domain.errors import LimitExceededError
from transom.domain.hooks import SOONEST_S, Hook
from transom.domain.organizations import Organizations
from transom.domain.recipients import domain_key
from transom.sql.db import Database, Row, Script, Statement
from transom.sql.events import first_heard, last_heard, still_heard
from transom.sql.images import to_json
from transom.sql.leases import as_seen

_FIELDS = tuple(Hook.__struct_fields__)
_COLUMNS = ", ".join(_FIELDS)
_decode_types = msgspec.json.Decoder(tuple[str, ...]).decode


def _hook_of_row(row: Row) -> Hook:
    return Hook(
        id=row[0],
        project_id=row[1],
        domain_key=row[2],
        url=row[3],
        types=_decode_types(row[4]),
        is_batch=bool(row[5]),
        is_enabled=bool(row[6]),
        is_global=bool(row[7]),
        secret=row[8],
        old_secret=row[9],
        old_secret_until=row[10],
        cursor=row[11],
        attempts=row[12],
        next_at=row[13],
        last_success_at=row[14],
        last_failure_at=row[15],
        last_status=row[16],
        last_error=row[17],
        created_by=row[18],
        created_at=row[19],
        updated_at=row[20],
    )


# ---- what users do

FIND_HOOK = f"select {_COLUMNS} from hook where id = $1"


async def find_hook(db: Database, hook_id: str) -> Hook | None:
    rows = await db.read(FIND_HOOK, hook_id)
    return _hook_of_row(rows[0]) if rows else None


# By `hook_by_project`; a project has a few.
LIST_HOOKS = f"select {_COLUMNS} from hook where project_id = $1 order by created_at, id"


async def list_hooks(db: Database, project_id: str) -> list[Hook]:
    """The project's hooks, oldest first."""
    return [_hook_of_row(row) for row in await db.read(LIST_HOOKS, project_id)]


LOCK_HOOKS = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
COUNT_HOOKS = "select count(*) from hook where project_id = $1"
# From the end of the feed.
INSERT_HOOK = """
    insert into hook (id, project_id, domain_key, url, types, is_batch, is_enabled, is_global, secret, cursor,
                      attempts, next_at, held_until, created_by, created_at, updated_at)
    select $1, $2, $3, $4, $5, $6, $7, $8, $9, singleton.last_seq, 0, 0, 0, $10,
           cast($11 as bigint), cast($11 as bigint)
    from singleton where name = 'relay'"""


def insert_hook(hook: Hook, limit: int) -> Script[Hook]:
    """Make the hook; as it is then. `limit`: hooks a project may have, negative for no limit."""
    yield Statement(LOCK_HOOKS, (f"hook/{hook.project_id}",), is_lock=True)
    if limit >= 0:
        ((count,),) = yield Statement(COUNT_HOOKS, (hook.project_id,))
        if count >= limit:
            raise LimitExceededError(f"The project has {count} hooks, the most there may be.")
    named = hook.id, hook.project_id, hook.domain_key, hook.url, to_json(hook.types)
    switches = hook.is_batch, hook.is_enabled, hook.is_global
    yield Statement(INSERT_HOOK, (*named, *switches, hook.secret, hook.created_by, hook.created_at))
    return _hook_of_row((yield Statement(FIND_HOOK, (hook.id,)))[0])


LOCK_HOOK = "select id from hook where id = $1 for update"
UPDATE_HOOK = """
    update hook
    set url = $2, types = $3, is_batch = $4, is_enabled = $5, secret = $6, old_secret = $7,
        old_secret_until = $8, cursor = $9, attempts = $10, next_at = $11, last_error = $12, created_by = $13,
        updated_at = $14
    where id = $1"""


def change_hook(
    hook_id: str, decide: Callable[[Hook | None], Hook], more: Callable[[Hook, Hook], Script[None]]
) -> Script[Hook]:
    """Make the hook what `decide` makes of it, which may raise; as it is then. `more`: what else is to be
    written with that, given it as it was and as it is."""
    yield Statement(LOCK_HOOK, (hook_id,), is_lock=True)
    rows = yield Statement(FIND_HOOK, (hook_id,))
    seen = _hook_of_row(rows[0]) if rows else None
    new = decide(seen)
    assert seen is not None, "what is not there is not changed"  # noqa: S101
    chosen = new.id, new.url, to_json(new.types), new.is_batch, new.is_enabled
    secrets = new.secret, new.old_secret, new.old_secret_until
    state = new.cursor, new.attempts, new.next_at, new.last_error
    yield Statement(UPDATE_HOOK, (*chosen, *secrets, *state, new.created_by, new.updated_at))
    yield from more(seen, new)
    return new


DELETE_HOOK = "delete from hook where id = $1"


def delete_hook(hook_id: str, check: Callable[[Hook | None], None]) -> Script[None]:
    """Remove the hook unless `check` raises."""
    yield Statement(LOCK_HOOK, (hook_id,), is_lock=True)
    rows = yield Statement(FIND_HOOK, (hook_id,))
    check(_hook_of_row(rows[0]) if rows else None)
    yield Statement(DELETE_HOOK, (hook_id,))


# ---- what the delivery does


class Due(NamedTuple):
    """A hook that has events to be sent, with its lease (`Leased`)."""

    id: str
    project_id: str
    holder: str | None
    held_until: int


# One step into each index for each hook: whether there is anything behind its cursor. `$3`: projects that are
# passed over, a JSON array.
LIST_DUE = f"""
    select hook.id, hook.project_id, hook.holder, hook.held_until from hook
    where hook.is_enabled and hook.next_at <= $1
      and hook.project_id not in (select value from jsonb_array_elements_text(cast($3 as jsonb)))
      and (exists (select 1 from event where hook.is_global and event.seq > hook.cursor)
        or exists (select 1 from event where event.owner = hook.project_id and event.seq > hook.cursor)
        or exists (select 1 from event where event.member_id = hook.project_id and event.seq > hook.cursor)
        or exists (select 1 from event where event.member_id = hook.domain_key and event.seq > hook.cursor)
        or exists (select 1 from family_audience as audience
                   join event on event.family_id = audience.family_id and event.member_id is null
                    and event.seq >= {first_heard("hook.cursor")} and event.seq <= {last_heard(None)}
                   where audience.member_id in (hook.project_id, hook.domain_key)
                     and {still_heard("+hook.cursor")}))
    order by hook.next_at, hook.id limit $2"""


# `$4`: the projects and `domain_key`s in any organisation, `$5`: the organisations and units; JSON arrays.
# An event of one of these may not concern the hook: the worker that claims it finds that out. SQLite keeps to
# the order of a cross join. It would begin with the events of all families otherwise.
LIST_DUE_IN_ORGANIZATIONS = f"""
    select hook.id, hook.project_id, hook.holder, hook.held_until from hook
    where hook.is_enabled and hook.next_at <= $1
      and hook.project_id not in (select value from jsonb_array_elements_text(cast($3 as jsonb)))
      and (hook.project_id in (select value from jsonb_array_elements_text(cast($4 as jsonb)))
        or hook.domain_key in (select value from jsonb_array_elements_text(cast($4 as jsonb))))
      and (exists (select 1 from jsonb_array_elements_text(cast($5 as jsonb)) as unit
                   join event on event.member_id = unit.value and event.seq > hook.cursor)
        or exists (select 1 from jsonb_array_elements_text(cast($5 as jsonb)) as unit
                   cross join family_audience as audience cross join event
                   where audience.member_id = unit.value and {still_heard("+hook.cursor")}
                     and event.family_id = audience.family_id and event.member_id is null
                     and event.seq >= {first_heard("hook.cursor")} and event.seq <= {last_heard(None)}))
    order by hook.next_at, hook.id limit $2"""


async def list_due(
    db: Database, now: int, limit: int, organizations: Organizations, but: Sequence[str] = ()
) -> list[Due]:
    """Those that have waited longest first; held ones, too. `but`: projects whose hooks are not wanted."""
    unwanted = to_json(but)
    due = [Due(*row) for row in await db.scan(LIST_DUE, now, limit, unwanted)]
    if organizations.units:
        within = [*organizations.of_projects, *map(domain_key, organizations.of_domains)]
        named = to_json(within), to_json(organizations.keys)
        due += [Due(*row) for row in await db.scan(LIST_DUE_IN_ORGANIZATIONS, now, limit, unwanted, *named)]
    return list({one.id: one for one in due}.values())


CLAIM_HOOK = f"""
    update hook set holder = $2, held_until = $3
    where id = $1 and held_until = $4 and coalesce(holder, '') = $5 and is_enabled
    returning {_COLUMNS}"""


async def claim_hook(db: Database, due: Due, holder: str, until: int) -> Hook | None:
    """Make the hook the holder's, and return it; None when another worker claimed it first."""
    rows = await db.write(CLAIM_HOOK, due.id, holder, until, *as_seen(due))
    return _hook_of_row(rows[0]) if rows else None


class Held(NamedTuple):
    """A hook that a worker delivers to, or did when it died."""

    id: str
    holder: str


LIST_HELD = "select id, holder from hook where holder is not null"


async def list_held(db: Database) -> list[Held]:
    return [Held(*row) for row in await db.scan(LIST_HELD)]


RELEASE_HOOK = "update hook set holder = null, held_until = 0 where id = $1 and holder = $2"


async def release_hook(db: Database, hook_id: str, holder: str) -> None:
    await db.write(RELEASE_HOOK, hook_id, holder)


_AS_SEEN = "id = $1 and holder = $2 and cursor = $3 and is_enabled and updated_at = $4"

MOVE_CURSOR = f"""
    update hook set cursor = $5, held_until = $6
    where {_AS_SEEN}
    returning {_COLUMNS}"""

RECORD_SUCCESS = f"""
    update hook set cursor = $5, held_until = $6, attempts = 0, next_at = $9, last_success_at = $7,
                    last_status = $8, last_error = null
    where {_AS_SEEN}
    returning {_COLUMNS}"""


async def move_cursor(db: Database, hook: Hook, holder: str, cursor: int, until: int) -> Hook | None:
    """Move the cursor past events that the hook does not want. Returns the updated hook; None when it was
    changed since it was read, or another worker has it (the same below)."""
    rows = await db.write(MOVE_CURSOR, *_seen(hook, holder), cursor, until)
    return _hook_of_row(rows[0]) if rows else None


async def record_success(
    db: Database, hook: Hook, holder: str, cursor: int, until: int, now: int, status: int
) -> Hook | None:
    """Record a delivery and move the cursor behind the last event that was delivered. The hook then comes
    after all that have waited until now."""
    rows = await db.write(RECORD_SUCCESS, *_seen(hook, holder), cursor, until, now, status, now_us())
    return _hook_of_row(rows[0]) if rows else None


RECORD_FAILURE = f"""
    update hook set attempts = attempts + 1, next_at = $5, last_status = $7, last_error = $8,
                    is_enabled = $9, held_until = 0, holder = null,
                    last_failure_at = case when $10 then cast($6 as bigint) else last_failure_at end,
                    updated_at = case when $9 then updated_at else cast($6 as bigint) end
    where {_AS_SEEN}
    returning id"""


# What a user has changed meanwhile stays, but for when the receiver is asked next.
RECORD_ASKED = """
    update hook set attempts = attempts + 1, last_failure_at = $2,
                    next_at = case when next_at < cast($3 as bigint) then cast($3 as bigint) else next_at end
    where id = $1"""


async def record_failure(
    db: Database,
    hook: Hook,
    holder: str,
    now: int,
    next_at: int,
    status: int | None,
    error: str,
    event: Statement | None,
    *,
    was_sent: bool,
) -> bool:
    """A try has failed; whether the hook was as it was seen. `event`: tells that the hook is disabled by
    that, None when it is tried again at `next_at`. `was_sent`: the receiver was asked, and is not to be asked
    again at once, even if the hook was changed meanwhile."""
    values = (*_seen(hook, holder), next_at, now, status, error, event is None, was_sent)
    statements = [Statement(RECORD_FAILURE, values, required=True)]
    if event is not None:
        statements.append(event)
    if await db.transact(*statements) is not None:
        return True
    if was_sent:
        soonest = now_us() + SOONEST_S * 1_000_000
        await db.write(RECORD_ASKED, hook.id, now, soonest)
    return False


RECORD_TEST = """
    update hook
    set last_status = $2, last_error = $3,
        last_success_at = coalesce(cast($4 as bigint), last_success_at),
        last_failure_at = coalesce(cast($5 as bigint), last_failure_at)
    where id = $1"""


async def record_test(db: Database, hook_id: str, now: int, status: int | None, error: str | None) -> None:
    """Record the result of a test delivery."""
    succeeded, failed = (now, None) if error is None else (None, now)
    await db.write(RECORD_TEST, hook_id, status, error, succeeded, failed)


def _seen(hook: Hook, holder: str) -> tuple[str | int, ...]:
    return hook.id, holder, hook.cursor, hook.updated_at
