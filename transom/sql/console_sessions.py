"""The table of who is signed in to the console."""

from transom.domain.console import MOST_SESSIONS, ConsoleSession
from transom.sql.db import Database

_COLUMNS = """key_hash, box, user_id, user_name, project_id, project_name, domain_name, created_at, used_at,
    expires_at"""

FIND_SESSION = f"""
    select {_COLUMNS} from console_session where key_hash = $1 and expires_at > $2 and used_at > $3"""

INSERT_SESSION = f"""
    insert into console_session ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"""

TOUCH_SESSION = "update console_session set used_at = $2 where key_hash = $1 and used_at < $3"

DELETE_SESSION = "delete from console_session where key_hash = $1"

DELETE_SESSION_OF = "delete from console_session where key_hash = $1 and user_id = $2 returning key_hash"

LIST_SESSIONS = f"""
    select {_COLUMNS} from console_session where user_id = $1 and expires_at > $2 and used_at > $3
    order by used_at desc, key_hash limit {MOST_SESSIONS}"""

DELETE_ENDED = """
    delete from console_session where key_hash in (
        select key_hash from console_session where expires_at <= $1 order by expires_at limit 1000)"""

# By `console_session_by_user`. What one transaction leaves, because others add at once, the next one takes.
DELETE_LEAST_USED = """
    delete from console_session where key_hash in (
        select key_hash from console_session where user_id = $1
        order by used_at desc, key_hash limit 1000 offset $2)"""


class ConsoleSessions:
    """`idle_us`: a session that was not used for so long has ended, microseconds."""

    def __init__(self, db: Database, idle_us: int) -> None:
        self._db = db
        self._idle_us = idle_us

    async def find(self, key_hash: str, now_us: int) -> ConsoleSession | None:
        rows = await self._db.read(FIND_SESSION, key_hash, now_us, now_us - self._idle_us)
        return ConsoleSession(*rows[0]) if rows else None

    async def add(self, session: ConsoleSession) -> None:
        """Keep it, and remove at most 1,000 of those whose tokens have expired, and those of the user that
        are beyond what one may have: the ones used longest ago."""
        await self._db.write(DELETE_ENDED, session.created_at)
        await self._db.write(DELETE_LEAST_USED, session.user_id, MOST_SESSIONS - 1)
        await self._db.write(INSERT_SESSION, *session)

    async def touch(self, key_hash: str, now_us: int, before_us: int) -> None:
        """Note that it was used, unless that was noted since `before_us`."""
        await self._db.write(TOUCH_SESSION, key_hash, now_us, before_us)

    async def remove(self, key_hash: str) -> None:
        await self._db.write(DELETE_SESSION, key_hash)

    async def remove_of(self, key_hash: str, user_id: str) -> bool:
        """Whether there was such a session of this user."""
        return bool(await self._db.write(DELETE_SESSION_OF, key_hash, user_id))

    async def list_of(self, user_id: str, now_us: int) -> list[ConsoleSession]:
        """Those that a user may have, the one used last first."""
        rows = await self._db.read(LIST_SESSIONS, user_id, now_us, now_us - self._idle_us)
        return [ConsoleSession(*row) for row in rows]
