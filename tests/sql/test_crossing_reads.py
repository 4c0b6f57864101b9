"""What is answered of a set or a member, when somebody else comes between any two calls of the database.

A tag is what a client replaces a set by (`If-Match`): it may stand for fewer than were shown, and is then
refused, but never for one who was not shown. A change that was made is answered as made.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from domain.samples import RECIPIENT, caller

from transom.domain.errors import NotFoundError
from transom.domain.events import EventType
from transom.domain.memberships import NewTerms
from transom.sharing import shares
from transom.sharing.families import service
from transom.sql.db import Database

from .databases import insert_member
from .family_world import NO_LIMIT, NOW, PUBLISHER, answer, make_family, make_images, offer, told, withdraw

pytestmark = pytest.mark.anyio

#: Another one comes before each of so many calls of the database, one after another.
CALLS = range(1, 6)
LATE = "late-project"
MEMBER = "member-project"
_ASKED = frozenset({"read", "scan", "write", "transact", "run"})


class Crossed:
    """A database in which `other` runs right before call number `number`."""

    def __init__(self, db: Database, number: int, other: Callable[[], Awaitable[object]]) -> None:
        self._db = db
        self._left = number
        self._other = other

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._db, name)
        return self._crossing(found) if name in _ASKED else found

    def _crossing(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def crossed(*values: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                await self._other()
            return await ask(*values)

        return crossed


def cross(db: Database, number: int, other: Callable[[], Awaitable[object]]) -> Database:
    return cast(Database, Crossed(db, number, other))


@pytest.mark.parametrize("number", CALLS)
async def test_the_tag_of_a_familys_members_stands_for_nobody_who_was_not_shown(
    db: Database, number: int
) -> None:
    await make_family(db)
    await offer(db, MEMBER)

    found = await service.list_members(
        cross(db, number, lambda: offer(db, LATE)), caller(), "family", None, None, 10
    )

    assert found.terms is not None
    assert {member_id for member_id, _end in found.terms} <= {one.member.member_id for one in found.items}


@pytest.mark.parametrize("number", CALLS)
async def test_the_tag_of_an_images_shares_stands_for_nobody_who_was_not_shown(
    db: Database, number: int
) -> None:
    await make_images(db, "image", visibility="shared")
    await insert_member(db, "image", MEMBER, NO_LIMIT, NOW)

    found = await shares.list_shares(
        cross(db, number, lambda: insert_member(db, "image", LATE, NO_LIMIT, NOW)),
        caller(),
        "image",
        None,
        None,
        10,
    )

    assert found.terms is not None
    assert {member_id for member_id, _end in found.terms} <= {one.member.member_id for one in found.items}


@pytest.mark.parametrize("number", CALLS)
async def test_a_member_whose_terms_were_changed_is_answered_also_if_it_is_withdrawn_next(
    db: Database, number: int
) -> None:
    await make_family(db)
    await offer(db, RECIPIENT)
    await answer(db, RECIPIENT)

    def change() -> Awaitable[object]:
        crossed = cross(db, number, lambda: withdraw(db, [RECIPIENT]))
        return service.change_member(
            crossed, caller(), PUBLISHER, "family", RECIPIENT, NewTerms(message="new"), lambda _found: None
        )

    try:
        is_answered = await change() is not None
    except NotFoundError:
        is_answered = False

    changed = (EventType.FAMILY_CHANGED, RECIPIENT, None, "share") in await told(db)
    assert changed == is_answered
