"""Whether a PostgreSQL server takes our writes: it is no standby, and the role may write to our tables."""

import functools
import re
from importlib.resources import files

import asyncpg

# Who may do none of the three was forgotten when the table was made. Tables of a newer release do not exist.
_REFUSALS = """
    select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on',
           (select string_agg(name, ', ' order by name) from unnest(cast($1 as text[])) as name
            where to_regclass(name) is not null
              and not has_table_privilege(to_regclass(name), 'insert, update, delete'))"""


async def require_writes(connection: asyncpg.Connection) -> None:
    """ReadOnlySQLTransactionError or InsufficientPrivilegeError unless it does."""
    is_read_only, refused = await connection.fetchrow(_REFUSALS, our_tables())
    if is_read_only:
        raise asyncpg.ReadOnlySQLTransactionError("the server is read-only")
    if refused is not None:
        raise asyncpg.InsufficientPrivilegeError(f"the role may not write to {refused}")


@functools.cache
def our_tables() -> list[str]:
    schema = (files("transom.sql") / "schema.sql").read_text(encoding="utf-8")
    return re.findall(r"^create table (\w+)", schema, re.MULTILINE)
