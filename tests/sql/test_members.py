"""Memberships: each change is guarded by what the decision before it saw."""

import asyncio
from typing import Any

import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, STRANGER, image, member
from msgspec.structs import replace

from transom.domain.memberships import AnswerUnseen, AnswerWithVault, Found
from transom.domain.model import Image, Member, MemberStatus, Visibility
from transom.sql.db import Database
from transom.sql.images import find_image
from transom.sql.members import change_member, find_member, list_members

from .databases import NOBODY, count, delete_member, insert_member, set_member_status, write_world

pytestmark = pytest.mark.anyio

NOT_SHARED = [Visibility.PRIVATE, Visibility.COMMUNITY, Visibility.PUBLIC]
NO_LIMIT = -1


def _pending(member_id: str, at: int) -> Member:
    return replace(member(member_id), created_at=at, updated_at=at, offered_at=at, offered_by="user")


@pytest.mark.parametrize("member_id", [RECIPIENT, OWNER, " ", "é", "a'b\"c", "x" * 255])
async def test_a_new_membership_is_pending_and_found_again(db: Database, member_id: str) -> None:
    await write_world(db, [image()], [])

    inserted = await insert_member(db, "image", member_id, NO_LIMIT, 7)
    found = await find_member(db, "image", (member_id, None), member_id)

    assert inserted == found.member == _pending(member_id, 7)
    assert found.is_member


async def test_a_new_membership_does_not_change_its_image(db: Database) -> None:
    await write_world(db, [image()], [])

    await insert_member(db, "image", RECIPIENT, NO_LIMIT, 7)

    assert await find_image(db, "image", NOBODY) == Found(image_id="image", image=image())


@pytest.mark.parametrize(("quota", "fits"), [(-1, True), (3, True), (2, False), (1, False), (0, False)])
async def test_a_membership_is_made_while_the_image_has_room(db: Database, quota: int, fits: bool) -> None:
    await write_world(db, [image()], [member("a", "rejected"), member("b", "accepted")])

    inserted = await insert_member(db, "image", "c", quota, 7)

    assert (inserted is not None, await count(db, "member")) == (fits, 2 + fits)


async def test_a_membership_that_exists_is_not_made_again(db: Database) -> None:
    await write_world(db, [image()], [member(RECIPIENT, "accepted")])

    inserted = await insert_member(db, "image", RECIPIENT, NO_LIMIT, 7)
    found = (await find_member(db, "image", NOBODY, RECIPIENT)).member

    assert (inserted, found) == (None, member(RECIPIENT, "accepted"))


@pytest.mark.parametrize("visibility", NOT_SHARED)
async def test_an_image_that_is_no_longer_shared_gets_no_member(db: Database, visibility: str) -> None:
    await write_world(db, [image(visibility=visibility)], [])

    assert await insert_member(db, "image", RECIPIENT, NO_LIMIT, 7) is None


@pytest.mark.parametrize(("owner", "believed"), [(RECIPIENT, OWNER), (None, OWNER), (OWNER, None)])
async def test_an_image_of_another_owner_than_was_seen_gets_no_member(
    db: Database, owner: str | None, believed: str | None
) -> None:
    await write_world(db, [image(owner=owner)], [])

    assert await insert_member(db, "image", STRANGER, NO_LIMIT, 7, believed) is None
    assert await insert_member(db, "image", STRANGER, NO_LIMIT, 7, owner) is not None


async def test_an_image_that_is_gone_gets_no_member(db: Database) -> None:
    assert await insert_member(db, "image", RECIPIENT, NO_LIMIT, 7) is None


async def test_of_many_offers_to_one_project_exactly_one_is_made(db: Database) -> None:
    await write_world(db, [image()], [])

    inserted = await asyncio.gather(*(insert_member(db, "image", RECIPIENT, NO_LIMIT, at) for at in range(8)))

    assert len([one for one in inserted if one]) == 1


@pytest.mark.parametrize("after", list(MemberStatus))
@pytest.mark.parametrize("before", list(MemberStatus))
async def test_a_membership_takes_any_status_after_any(db: Database, before: str, after: str) -> None:
    await write_world(db, [image()], [member(RECIPIENT, before), member(STRANGER, before)])

    answered = await set_member_status(db, "image", RECIPIENT, after, 7)
    found = (await find_member(db, "image", NOBODY, RECIPIENT)).member
    other = (await find_member(db, "image", NOBODY, STRANGER)).member

    assert answered == found
    answered_at = 7 if after != "pending" else None
    assert found == replace(member(RECIPIENT, after), updated_at=7, answered_at=answered_at)
    assert other == member(STRANGER, before)


@pytest.mark.parametrize("visibility", NOT_SHARED)
async def test_an_image_that_is_no_longer_shared_takes_no_answer(db: Database, visibility: str) -> None:
    await write_world(db, [image(visibility=visibility)], [member()])

    answered = await set_member_status(db, "image", RECIPIENT, "accepted", 7)
    found = (await find_member(db, "image", NOBODY, RECIPIENT)).member

    assert (answered, found) == (None, member())


async def test_a_membership_that_is_gone_takes_no_answer(db: Database) -> None:
    await write_world(db, [image()], [member(STRANGER)])

    assert await set_member_status(db, "image", RECIPIENT, "accepted", 7) is None


async def _answer_unseen(db: Database, status: str) -> Member | None:
    change = AnswerUnseen(image_id="image", member_id=RECIPIENT, status=status, now=7)
    return await change_member(db, change, ACTOR)


@pytest.mark.parametrize("after", list(MemberStatus))
@pytest.mark.parametrize("before", list(MemberStatus))
async def test_an_answer_unseen_tells_what_was_before(db: Database, before: str, after: str) -> None:
    await write_world(db, [image()], [member(RECIPIENT, before), member(STRANGER, before)])
    await db.write("delete from outbox")

    answered = await _answer_unseen(db, after)
    told = await db.read("select member_id, data ->> 'was', data ->> 'status' from outbox")

    answered_at = 7 if after != "pending" else None
    new = replace(member(RECIPIENT, after), updated_at=7, answered_at=answered_at)
    assert answered == (new if after != before else None)
    assert [tuple(row) for row in told] == ([(RECIPIENT, before, after)] if after != before else [])
    assert (await find_member(db, "image", NOBODY, STRANGER)).member == member(STRANGER, before)


@pytest.mark.parametrize(
    ("of", "there"),
    [
        *((image(visibility=visibility), member()) for visibility in NOT_SHARED),
        (image(owner=RECIPIENT), member()),
        (image(), replace(member(), ends_at=7)),
        (image(), member(STRANGER)),
    ],
)
async def test_what_is_not_offered_takes_no_answer_unseen(db: Database, of: Image, there: Member) -> None:
    await write_world(db, [of], [there])

    assert await _answer_unseen(db, "accepted") is None
    assert await db.read("select 1 from member where status <> 'pending'") == []


async def test_a_membership_is_removed_once(db: Database) -> None:
    await write_world(db, [image()], [member(RECIPIENT), member(STRANGER)])

    first = await delete_member(db, "image", RECIPIENT)
    second = await delete_member(db, "image", RECIPIENT)

    assert (first, second, await count(db, "member")) == (member(RECIPIENT), None, 1)


@pytest.mark.parametrize("visibility", NOT_SHARED)
async def test_an_image_that_is_no_longer_shared_keeps_its_members(db: Database, visibility: str) -> None:
    """Reference, 4.10: back to shared, every membership is there again."""
    await write_world(db, [image(visibility=visibility)], [member()])

    assert (await delete_member(db, "image", RECIPIENT), await count(db, "member")) == (None, 1)


async def test_one_look_up_finds_the_image_the_callers_side_and_the_membership_asked_for(
    db: Database,
) -> None:
    await write_world(db, [image()], [member(RECIPIENT), member(STRANGER, "rejected")])

    found = await find_member(db, "image", (RECIPIENT, None), STRANGER)

    expected = member(STRANGER, "rejected")
    assert found == Found(image_id="image", image=image(), is_member=True, member=expected)


async def test_a_look_up_finds_as_much_as_there_is(db: Database) -> None:
    await write_world(db, [image()], [])

    there = await find_member(db, "image", (RECIPIENT, None), STRANGER)
    absent = await find_member(db, "another", (RECIPIENT, None), STRANGER)

    assert there == Found(image_id="image", image=image())
    assert absent == Found(image_id="another")


async def test_members_are_listed_by_member_id_bytewise(db: Database) -> None:
    names = ["b", "a", "B", "é", "Z", "10", "9"]
    await write_world(db, [image(), image(id="other")], [member(name) for name in names])

    found = await list_members(db, "image", ("a", None))

    assert (found.image, found.is_member) == (image(), True)
    assert found.members == [member(name) for name in ["10", "9", "B", "Z", "a", "b", "é"]]


async def test_an_image_without_members_lists_none(db: Database) -> None:
    await write_world(db, [image()], [])

    there = await list_members(db, "image", (RECIPIENT, None))
    absent = await list_members(db, "another", (RECIPIENT, None))

    assert there == Found(image_id="image", image=image(), members=[])
    assert absent == Found(image_id="another")


# ---- answers with a vault


def _answer_with_vault(**changes: Any) -> AnswerWithVault:
    seen = {"seen_version": image().updated_at, "seen_vault_id": None, "was": "pending"}
    asked = {"image_id": "image", "member_id": RECIPIENT, "status": "accepted", "vault_id": "vault", "now": 7}
    return AnswerWithVault(**{**asked, **seen, **changes})


async def test_an_answer_names_its_vault(db: Database) -> None:
    await write_world(db, [image()], [member(RECIPIENT)])

    answered = await change_member(db, _answer_with_vault(), ACTOR)

    assert answered == replace(member(RECIPIENT, "accepted"), updated_at=7, answered_at=7, vault_id="vault")


async def test_an_answer_without_a_vault_keeps_the_one_of_before(db: Database) -> None:
    await write_world(db, [image()], [replace(member(RECIPIENT), vault_id="vault")])

    answered = await change_member(db, _answer_with_vault(vault_id=None, seen_vault_id="vault"), ACTOR)

    assert answered == replace(member(RECIPIENT, "accepted"), updated_at=7, answered_at=7, vault_id="vault")


async def test_another_vault_for_the_same_answer_is_no_new_answer(db: Database) -> None:
    before = replace(member(RECIPIENT, "accepted"), vault_id="old")
    await write_world(db, [image()], [before])

    answered = await change_member(db, _answer_with_vault(seen_vault_id="old", was="accepted"), ACTOR)

    assert answered == replace(before, vault_id="vault")


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({"seen_version": image().updated_at + 1}, True),
        ({"seen_vault_id": "another"}, True),
        ({"was": "rejected"}, True),
        ({"member_id": STRANGER}, True),
        ({"image_id": "another"}, True),
        ({}, False),
    ],
    ids=["image changed", "vault changed", "answered", "withdrawn", "deleted", "not shared"],
)
async def test_an_answer_with_a_vault_is_not_given_on_what_was_seen_before(
    db: Database, changes: dict[str, Any], shared: bool
) -> None:
    visibility = Visibility.SHARED if shared else Visibility.PRIVATE
    await write_world(db, [image(visibility=visibility)], [member(RECIPIENT)])

    answered = await change_member(db, _answer_with_vault(**changes), ACTOR)

    assert answered is None
    assert (await find_member(db, "image", NOBODY, RECIPIENT)).member == member(RECIPIENT)
