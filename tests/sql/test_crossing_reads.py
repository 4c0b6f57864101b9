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
from transom.domain.model import NEVER, Caller
from transom.sharing import shares
from transom.sharing.families import images, scripts, service, views
from transom.sql.db import Database
from transom.sql.deletion import delete_image
from transom.sql.images import find_image

from .databases import insert_member
from .family_world import (
    NO_LIMIT,
    NOW,
    PUBLISHER,
    act,
    answer,
    make_family,
    make_images,
    offer,
    promote,
    publish,
    told,
    withdraw,
)

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
@pytest.mark.parametrize("asks", ["list", "count"])
async def test_an_image_that_is_deleted_meanwhile_is_not_told_to_be_shared_with_nobody(
    db: Database, asks: str, number: int
) -> None:
    (made,) = await make_images(db, "image", visibility="shared")
    await insert_member(db, "image", MEMBER, NO_LIMIT, NOW)
    crossed = cross(db, number, lambda: delete_image(db, made, NOW, PUBLISHER))

    try:
        if asks == "list":
            count = len((await shares.list_shares(crossed, caller(), "image", None, None, 10)).items)
        else:
            count = sum((await shares.count_shares(crossed, caller(), "image")).by_status.values())
    except NotFoundError:
        return

    assert count == 1


@pytest.mark.parametrize("number", CALLS)
async def test_a_family_that_is_deleted_meanwhile_is_not_told_to_have_no_members(
    db: Database, number: int
) -> None:
    await make_family(db)
    await offer(db, MEMBER)
    crossed = cross(db, number, lambda: db.run(lambda: scripts.delete("family", act())))

    try:
        found = await service.list_members(crossed, caller(), "family", None, None, 10)
    except NotFoundError:
        return

    assert len(found.items) == 1


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


@pytest.fixture
async def versions(db: Database) -> None:
    """Two, of which the second is current; both were."""
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    for image_id in ("image-1", "image-2"):
        await publish(db, image_id)


async def _promote_first(db: Database) -> None:
    await promote(db, 1)


async def _delete_second(db: Database) -> None:
    second = (await find_image(db, "image-2", caller().member_ids)).image
    assert second is not None
    assert await images.remove_image(db, second, NOW, PUBLISHER)


@pytest.mark.parametrize("number", CALLS)
@pytest.mark.parametrize("who", [caller(), caller(project=RECIPIENT)], ids=["owner", "member"])
@pytest.mark.parametrize("takes_its_place", [_promote_first, _delete_second], ids=["promoted", "deleted"])
@pytest.mark.usefixtures("versions")
async def test_the_current_version_is_current_whichever_that_is_meanwhile(
    db: Database, takes_its_place: Callable[[Database], Awaitable[object]], who: Caller, number: int
) -> None:
    """It was told as the current one when it was hidden already, or not to be there when there was one."""
    await offer(db, RECIPIENT)
    await answer(db, RECIPIENT)
    crossed = cross(db, number, lambda: takes_its_place(db))

    seen, current = await views.find_current(crossed, who, await views.see_family(crossed, who, "family"))

    assert current is not None
    assert (current.version.number, current.version.image.os_hidden) == (current.current_number, False)
    assert seen.family.current_number == current.current_number


@pytest.mark.parametrize("number", CALLS)
@pytest.mark.usefixtures("versions")
async def test_one_version_of_a_list_is_current_and_that_is_not_hidden(db: Database, number: int) -> None:
    crossed = cross(db, number, lambda: _promote_first(db))

    _seen, found = await views.list_versions(crossed, caller(), "family", NEVER, 10)

    visible = [one.version.number for one in found if not one.version.image.os_hidden]
    assert visible == [one.version.number for one in found if one.version.number == one.current_number]


@pytest.mark.parametrize("number", CALLS)
@pytest.mark.usefixtures("versions")
async def test_a_version_is_told_with_the_state_that_its_image_has(db: Database, number: int) -> None:
    crossed = cross(db, number, lambda: _promote_first(db))

    _seen, shown = await views.show_version(crossed, caller(), "family", 2)

    assert (shown.current_number == 2) is not shown.version.image.os_hidden
