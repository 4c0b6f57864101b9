"""Answers to all offers of a status: what was answered since they were listed stays as it was answered."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, caller, image, member

from transom.clock import now_us
from transom.domain.memberships import AnswerEach
from transom.domain.model import NEVER
from transom.sharing import sets
from transom.sharing.model import LEFT
from transom.sql.db import Database, Result, Script
from transom.sql.members import to_statement

from . import family_world as world
from .databases import Tap, write_world

pytestmark = pytest.mark.anyio

RECEIVER = caller(project=RECIPIENT)


class Interrupted(Tap):
    """Somebody else writes once between the look of a request and its script."""

    def __init__(self, db: Database, write: Callable[[], Awaitable[object]]) -> None:
        super().__init__(db)
        self._write: Callable[[], Awaitable[object]] | None = write

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        if self._write is not None:
            write, self._write = self._write, None
            await write()
        return await super().run(make_script)


async def _offered_images(db: Database, *ids: str) -> None:
    """Images of OWNER that are offered to RECIPIENT."""
    members = [msgspec.structs.replace(member(), image_id=one, ends_at=NEVER) for one in ids]
    await write_world(db, [image(id=one) for one in ids], members)


async def _answer_image(db: Database, image_id: str, status: str) -> None:
    change = AnswerEach(image_ids=[image_id], member_id=RECIPIENT, status=status, was="pending", now=now_us())

    def script() -> Script[Sequence[object]]:
        return (yield to_statement(change, ACTOR))

    assert await db.run(script)


async def _answer_all(db: Database, status: str) -> sets.Outcome:
    return await sets.answer_all(db, RECEIVER, ACTOR, "pending", None, status, None, None, 100)


@pytest.mark.parametrize("status", ["rejected", LEFT])
async def test_an_image_that_was_accepted_meanwhile_stays_accepted(db: Database, status: str) -> None:
    await _offered_images(db, "image-1", "image-2")
    busy = Interrupted(db, lambda: _answer_image(db, "image-1", "accepted"))

    told = await _answer_all(busy, status)

    left = await world.memberships(db)
    assert left["image-1"] == {RECIPIENT: "accepted"}
    assert left.get("image-2") == (None if status == LEFT else {RECIPIENT: status})
    assert (told.done, told.unchanged, told.images.failures) == (1, 0, [])


@pytest.mark.parametrize("status", ["rejected", LEFT])
async def test_a_family_that_was_accepted_meanwhile_stays_accepted(db: Database, status: str) -> None:
    await write_world(db, [], [])
    await world.make_family(db, id="family", owner=OWNER)
    await world.offer(db, RECIPIENT)
    busy = Interrupted(db, lambda: world.answer(db, RECIPIENT, now=now_us()))

    told = await _answer_all(busy, status)

    assert await world.family_members(db) == {RECIPIENT: "accepted"}
    assert (told.done, told.unchanged, told.families.failures) == (0, 0, [])
