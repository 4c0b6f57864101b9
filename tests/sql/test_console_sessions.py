"""What is kept of who is signed in to the console, on both databases."""

import asyncio
import hashlib

import pytest

from transom.domain.console import MOST_SESSIONS, ConsoleSession
from transom.sql.console_sessions import ConsoleSessions
from transom.sql.db import Database

pytestmark = pytest.mark.anyio

_DAY_US = 86_400_000_000


def session_of(user: str, number: int) -> ConsoleSession:
    return ConsoleSession(
        key_hash=hashlib.sha256(f"{user} {number}".encode()).hexdigest(),
        box="box",
        user_id=user,
        user_name=user,
        project_id=None,
        project_name=None,
        domain_name=None,
        created_at=number,
        used_at=number,
        expires_at=_DAY_US,
    )


async def test_a_user_has_a_bounded_number_of_sessions_and_keeps_those_used_last(db: Database) -> None:
    """Whoever has one can make any number of them, by changing the project, without a password."""
    rows = ConsoleSessions(db, _DAY_US)
    await rows.add(session_of("other", 1))
    for number in range(1, MOST_SESSIONS + 1):
        await rows.add(session_of("user", number))
    first = session_of("user", 1)
    await rows.touch(first.key_hash, MOST_SESSIONS + 1, MOST_SESSIONS)

    for number in range(MOST_SESSIONS + 2, MOST_SESSIONS + 22):
        await rows.add(session_of("user", number))

    counted = await db.read("select user_id, count(*) from console_session group by user_id order by user_id")
    assert [tuple(row) for row in counted] == [("other", 1), ("user", MOST_SESSIONS)]
    assert await rows.find(first.key_hash, 1) is not None
    assert await rows.find(session_of("user", 2).key_hash, 1) is None


async def test_sessions_that_begin_at_once_are_bounded_as_well(db: Database) -> None:
    rows = ConsoleSessions(db, _DAY_US)
    for start in range(1, 4 * MOST_SESSIONS, 20):
        await asyncio.gather(*(rows.add(session_of("user", start + number)) for number in range(20)))

    ((kept,),) = await db.read("select count(*) from console_session")
    assert kept < MOST_SESSIONS + 20
