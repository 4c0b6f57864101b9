"""Statements of SQLite that touch many rows: they run beside the event loop, and others go first."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import msgspec
import pytest
from domain.samples import ACTOR, image, member

from transom.domain.model import Visibility
from transom.sql.db import TENANT, Database, Script, Statement
from transom.sql.deletion import delete_image
from transom.sql.images import update_image

from .databases import count, write_world

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("kind", ["sqlite"], indirect=True)]

PATIENCE_S = 60
RECIPIENTS = 10_000
SHORT = "insert into deleted_image (id, deleted_at) values ('short', 1)"
#: Some millions of steps: more than any machine takes in the time that a write has on the event loop.
NUMBERS = "with recursive number (n) as (select 1 union all select n + 1 from number where n < 300000)"
LONG = f"""
    insert into deleted_image (id, deleted_at)
    {NUMBERS} select 'long' || n, 1 from number where n % 1000 = 0"""
IMAGE = image()

Write = Callable[[Database], Coroutine[Any, Any, Any]]


async def _one_statement(db: Database) -> bool:
    return await db.write(LONG) == []


async def _several_statements(db: Database) -> bool:
    return await db.transact(Statement(SHORT.replace("short", "first"), ()), Statement(LONG, ())) is not None


async def _guarded(db: Database) -> bool:
    nothing = Statement("select 1 where false", (), required=True)
    return await db.transact(Statement(LONG, ()), nothing) is None


async def _delete(db: Database) -> bool:
    return await delete_image(db, IMAGE, 7, ACTOR)


async def _close(db: Database) -> bool:
    new = msgspec.structs.replace(IMAGE, visibility=Visibility.PRIVATE, updated_at=7)
    return await update_image(db, IMAGE, new, ACTOR)


#: Each with how many rows of deleted images, memberships and waiting events it leaves.
LONG_WRITES: dict[str, tuple[Write, tuple[int, int, int]]] = {
    "one statement": (_one_statement, (301, RECIPIENTS, 0)),
    "several statements": (_several_statements, (302, RECIPIENTS, 0)),
    "taken back by a guard": (_guarded, (1, RECIPIENTS, 0)),
    "deletion of an image": (_delete, (2, 0, RECIPIENTS)),
    "image that is closed": (_close, (1, RECIPIENTS, RECIPIENTS)),
}


@pytest.mark.parametrize("name", LONG_WRITES)
async def test_a_short_write_is_answered_before_a_long_one_that_came_with_it(db: Database, name: str) -> None:
    write, expected = LONG_WRITES[name]
    await write_world(db, [IMAGE], [member(f"recipient-{number}") for number in range(RECIPIENTS)])

    with anyio.fail_after(PATIENCE_S):
        long, short = asyncio.ensure_future(write(db)), asyncio.ensure_future(db.write(SHORT))
        done, _going_on = await asyncio.wait({long, short}, return_when=asyncio.FIRST_COMPLETED)
        is_done = await long

    assert done == {short}
    assert is_done
    assert tuple([await count(db, table) for table in ("deleted_image", "member", "outbox")]) == expected


async def test_many_writes_of_one_project_that_take_a_while_together_are_not_all_made_before_anothers(
    db: Database,
) -> None:
    statement = LONG.replace("300000", "1500")

    async def write_as(tenant: str, sql: str) -> None:
        TENANT.set(tenant)
        await db.write(sql)

    with anyio.fail_after(PATIENCE_S):
        crowd = [
            asyncio.create_task(write_as("crowd", statement.replace("'long'", f"'{number}-'")))
            for number in range(100)
        ]
        await asyncio.create_task(write_as("other", SHORT))
        left = sum(not task.done() for task in crowd)
        await asyncio.gather(*crowd)

    assert left
    assert await count(db, "deleted_image") == 100 + 1


async def test_all_short_writes_that_wait_go_before_the_second_long_one(db: Database) -> None:
    """Also where they are too many for one transaction."""
    short = LONG.replace("300000", "1500")
    done: list[str] = []

    def delete_nothing() -> Script[None]:
        yield Statement("delete from deleted_image where id = 'none'", ())

    async def run_script() -> None:
        await db.run(delete_nothing)
        done.append("long")

    async def write(number: int) -> None:
        await db.write(short.replace("'long'", f"'{number}-'"))
        done.append("short")

    with anyio.fail_after(PATIENCE_S):
        await asyncio.gather(*(run_script() for _ in range(3)), *(write(number) for number in range(100)))

    assert done[101:] == ["long", "long"]


async def test_many_long_writes_are_all_made(db: Database) -> None:
    with anyio.fail_after(PATIENCE_S):
        await asyncio.gather(
            *(db.write(LONG.replace("'long'", f"'{number}-'")) for number in range(5)),
            *(db.write(SHORT.replace("short", f"short-{number}")) for number in range(20)),
        )

    assert await count(db, "deleted_image") == 5 * 300 + 20


@pytest.mark.parametrize(
    "long_read",
    [
        f"{NUMBERS} select count(*) from number",
        # Fewer steps, each of which takes longer.
        f"{NUMBERS.replace('300000', '30000')} select count(hex(zeroblob(5000 + n % 2))) from number",
    ],
    ids=["many steps", "long steps"],
)
async def test_a_short_read_is_answered_before_a_long_one(db: Database, long_read: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        long, short = (asyncio.ensure_future(db.read(sql)) for sql in (long_read, "select 'short'"))
        done, _going_on = await asyncio.wait({long, short}, return_when=asyncio.FIRST_COMPLETED)
        found = await long

    assert done == {short}
    assert found[0][0] in (300_000, 30_000)
