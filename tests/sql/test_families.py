"""Families as scripts on a real database: what they write, what members get, what stays of it."""

from collections.abc import Awaitable, Callable

import pytest
from domain.samples import OWNER, STRANGER, caller
from msgspec.structs import replace

from transom.domain.errors import ConflictError, LimitExceededError, NotFoundError, Reason
from transom.domain.model import NEVER, Image, Status, Visibility
from transom.domain.recipients import domain_key
from transom.sharing.families import images as versions
from transom.sharing.families import members, scripts, views
from transom.sql import family_views
from transom.sql.db import Database, Script
from transom.sql.images import find_image

from .databases import NOBODY, count, insert_member, set_member_status
from .family_world import (
    NO_LIMIT,
    NOW,
    PUBLISHER,
    a_family,
    act,
    answer,
    family_members,
    hidden,
    leave,
    locked,
    look,
    make_family,
    make_images,
    memberships,
    offer,
    promote,
    publish,
    revoke,
    see_any,
    shown_properties,
    withdraw,
)

pytestmark = pytest.mark.anyio

FIRST, SECOND, THIRD = "first-project", "second-project", "third-project"
DOMAIN = domain_key("theirs")


# ---- the family itself


async def test_two_families_of_a_project_do_not_have_one_name(db: Database) -> None:
    await make_family(db)
    await make_family(db, id="of another project", owner=STRANGER)

    with pytest.raises(ConflictError):
        await make_family(db, id="another")


async def test_a_project_has_so_many_families_and_no_more(db: Database) -> None:
    await make_family(db)

    with pytest.raises(LimitExceededError):
        await db.run(lambda: scripts.create(a_family(id="another", name="db"), 1, act()))
    assert await count(db, "family") == 1


async def test_a_family_has_so_many_versions_and_no_more(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    new = scripts.NewVersion(image_id="image-2", name=None, notes=None, end_of_life=NEVER)

    with pytest.raises(LimitExceededError):
        await db.run(lambda: scripts.publish("family", new, 1, see_any, act(), promotes=True))
    assert "os_share_family" not in await shown_properties(db, "image-2")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: scripts.promote("nothing", 1, act()),
        lambda: scripts.revoke("nothing", 1, None, act()),
        lambda: scripts.restore("nothing", 1, act()),
        lambda: scripts.delete("nothing", act()),
        lambda: scripts.remove_version("nothing", 1, act()),
    ],
)
async def test_a_family_that_is_not_there_is_not_found(
    db: Database, ask: Callable[[], Script[object]]
) -> None:
    with pytest.raises(NotFoundError):
        await db.run(ask)


async def test_a_deleted_family_leaves_images_as_they_were_and_memberships_as_direct_ones(
    db: Database,
) -> None:
    await make_family(db)
    await make_images(db, "image-1", os_hidden=True)
    await make_images(db, "image-2")
    await publish(db, "image-1")
    await offer(db, FIRST)
    await answer(db, FIRST)
    await publish(db, "image-2")

    await db.run(lambda: scripts.delete("family", act()))

    assert await hidden(db) == {"image-1": True, "image-2": False}
    assert await shown_properties(db, "image-1") == {"mine": "1"}
    assert await memberships(db) == {"image-1": {FIRST: "accepted"}, "image-2": {FIRST: "accepted"}}
    assert await db.read("select 1 from member where family_id is not null") == []
    assert [await count(db, table) for table in ("family", "family_version", "family_member")] == [0, 0, 0]


# ---- what members get


async def test_a_pending_family_brings_nothing(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await offer(db, FIRST)

    await publish(db, "image-1")

    assert await memberships(db) == {}
    assert await family_members(db) == {FIRST: "pending"}


async def test_who_accepts_gets_the_current_version_and_each_that_is_promoted(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2", "image-3")
    await publish(db, "image-1")
    await publish(db, "image-2")
    await offer(db, FIRST, SECOND)
    await answer(db, FIRST)

    first = await memberships(db)
    await publish(db, "image-3")

    assert first == {"image-2": {FIRST: "accepted"}}
    assert await memberships(db) == {"image-2": {FIRST: "accepted"}, "image-3": {FIRST: "accepted"}}


async def test_who_wants_to_be_asked_each_time_gets_offers(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await offer(db, FIRST)

    await answer(db, FIRST, new_versions="pending")
    await publish(db, "image-2")

    assert await memberships(db) == {"image-1": {FIRST: "pending"}, "image-2": {FIRST: "pending"}}


async def test_a_domain_is_not_asked_and_gets_the_current_version_at_once(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")

    await offer(db, DOMAIN)
    await publish(db, "image-2")

    assert await family_members(db) == {DOMAIN: "accepted"}
    assert await memberships(db) == {"image-1": {DOMAIN: "accepted"}, "image-2": {DOMAIN: "accepted"}}


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
async def test_a_direct_membership_stays_as_it_is(db: Database, status: str) -> None:
    await make_family(db)
    await make_images(db, "image-1", visibility=Visibility.SHARED)
    await insert_member(db, "image-1", FIRST, NO_LIMIT, 1)
    if status != "pending":
        await set_member_status(db, "image-1", FIRST, status, 2)
    await offer(db, FIRST)
    await answer(db, FIRST)

    await publish(db, "image-1")
    await leave(db, FIRST)

    assert await memberships(db) == {"image-1": {FIRST: status}}


async def test_memberships_from_when_a_private_image_was_shared_do_not_come_back(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", visibility=Visibility.SHARED)
    await insert_member(db, "image-1", THIRD, NO_LIMIT, 1)
    await db.write("update image set visibility = 'private'")

    await publish(db, "image-1")

    assert await memberships(db) == {}


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.COMMUNITY])
async def test_what_everybody_sees_needs_no_memberships(db: Database, visibility: str) -> None:
    await make_family(db)
    await make_images(db, "image-1", visibility=visibility)
    await publish(db, "image-1")
    await offer(db, FIRST)

    await answer(db, FIRST)

    assert await memberships(db) == {}


async def test_memberships_end_with_the_familys(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await offer(db, FIRST, ends_at=NOW + 5, expires_at=NOW + 10)

    await answer(db, FIRST, now=NOW + 4)

    assert [tuple(row) for row in await db.read("select ends_at, expires_at from member")] == [
        (NOW + 10, NOW + 10)
    ]


async def test_what_a_family_brought_ends_with_the_terms_of_its_new_offer(db: Database) -> None:
    """It was rejected, and is pending with the family: then it lapses with it, or lasts as long."""
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await offer(db, FIRST, expires_at=NOW + 10)
    await answer(db, FIRST)
    await answer(db, FIRST, "rejected")
    ends = []
    for say in (
        lambda: offer(db, FIRST, ends_at=NOW + 5, expires_at=NOW + 20),
        lambda: answer(db, FIRST, "pending", "pending"),
        lambda: answer(db, FIRST),
    ):
        await say()
        found = await db.read(
            "select member.ends_at, family_member.ends_at from member join family_member using (family_id)"
        )
        ends.append(tuple(found[0]))

    assert ends == [(NOW + 5, NOW + 5), (NOW + 5, NOW + 5), (NOW + 20, NOW + 20)]


async def test_who_has_left_an_image_gets_the_next_one(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await offer(db, FIRST)
    await answer(db, FIRST)
    await db.write("delete from member")

    await publish(db, "image-2")

    assert await memberships(db) == {"image-2": {FIRST: "accepted"}}


# ---- offers, answers, withdrawals


async def test_offers_are_counted_by_what_they_change(db: Database) -> None:
    await make_family(db)
    await offer(db, FIRST, SECOND)
    await answer(db, FIRST, "rejected")
    await answer(db, SECOND)

    offered = await offer(db, FIRST, SECOND, THIRD, OWNER)

    assert (offered.offered, offered.renewed, offered.unchanged) == (1, 1, 1)
    ((who, error),) = offered.failures
    assert (who, getattr(error, "reason", None)) == (OWNER, Reason.ONESELF)
    assert await family_members(db) == {FIRST: "pending", SECOND: "accepted", THIRD: "pending"}


async def test_a_family_has_so_many_members_and_no_more(db: Database) -> None:
    await make_family(db)
    await offer(db, FIRST)

    offered = await offer(db, FIRST, SECOND, THIRD, limit=2)

    assert (offered.offered, offered.unchanged) == (1, 1)
    assert [(who, type(error)) for who, error in offered.failures] == [(THIRD, LimitExceededError)]


async def test_an_answer_holds_for_what_the_family_brought_before(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await offer(db, FIRST)
    await answer(db, FIRST)
    await publish(db, "image-2")

    seen = []
    for status in ("rejected", "pending", "accepted"):
        await answer(db, FIRST, status)
        seen.append({row for found in (await memberships(db)).values() for row in found.values()})

    assert seen == [{"rejected"}, {"pending"}, {"accepted"}]


async def test_who_leaves_loses_what_the_family_brought(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await offer(db, FIRST, SECOND)
    await answer(db, FIRST)
    await answer(db, SECOND)
    await publish(db, "image-2")

    await leave(db, FIRST)

    assert await memberships(db) == {"image-1": {SECOND: "accepted"}, "image-2": {SECOND: "accepted"}}
    assert await family_members(db) == {SECOND: "accepted"}


async def test_a_withdrawn_family_takes_what_it_brought_along(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await offer(db, FIRST, SECOND, DOMAIN)
    await answer(db, FIRST)

    told = await withdraw(db, [FIRST, DOMAIN, THIRD])

    assert told == (2, 1)
    assert await memberships(db) == {}
    assert await family_members(db) == {SECOND: "pending"}


async def _answer_nothing(db: Database) -> None:
    await answer(db, THIRD)


async def _answer_late(db: Database) -> None:
    await answer(db, FIRST, now=NOW + 5)


async def _leave_late(db: Database) -> None:
    await leave(db, FIRST, now=NOW + 5)


@pytest.mark.parametrize("ask", [_answer_nothing, _answer_late, _leave_late])
async def test_what_was_not_offered_or_has_lapsed_cannot_be_answered(
    db: Database, ask: Callable[[Database], Awaitable[None]]
) -> None:
    await make_family(db)
    await offer(db, FIRST, ends_at=NOW + 5)

    with pytest.raises(NotFoundError):
        await ask(db)


async def test_a_domains_membership_is_nobodys_to_answer(db: Database) -> None:
    await make_family(db)
    await offer(db, DOMAIN)

    with pytest.raises(ConflictError):
        await answer(db, DOMAIN, "rejected")


async def test_an_offer_that_has_lapsed_is_made_anew(db: Database) -> None:
    await make_family(db)
    await offer(db, FIRST, ends_at=NOW + 5)

    offered = await offer(db, FIRST, now=NOW + 5)

    assert (offered.offered, offered.renewed, offered.unchanged) == (1, 0, 0)
    ((created_at, ends_at),) = await db.read("select created_at, ends_at from family_member")
    assert (created_at, ends_at) == (NOW + 5, NEVER)


async def test_memberships_that_are_due_end_and_take_along_what_they_brought(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1")
    await offer(db, FIRST, expires_at=NOW + 5)
    await offer(db, SECOND)
    await answer(db, FIRST)
    await answer(db, SECOND)

    def script() -> Script[int]:
        known = yield from locked()
        return (yield from members.end_due(known, [FIRST, SECOND], act(NOW + 5)))

    assert await db.run(script) == 1
    assert await memberships(db) == {"image-1": {SECOND: "accepted"}}
    assert await family_members(db) == {SECOND: "accepted"}


# ---- which one is current


async def test_the_images_say_which_one_is_current(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await publish(db, "image-2", promotes=False)

    before = await hidden(db)
    known = await promote(db, 2)

    assert before == {"image-1": False, "image-2": True}
    assert await hidden(db) == {"image-1": True, "image-2": False}
    assert known == await look(db)
    assert await shown_properties(db, "image-1") == {
        "mine": "1",
        "os_share_family": "web",
        "os_share_version": "1",
        "os_share_state": "superseded",
        "os_share_replaced_by": "image-2",
    }


async def test_an_image_that_changes_moves_on(db: Database) -> None:
    """Whoever saw it before and writes what it saw then has to look again."""
    await make_family(db)
    (image,) = await make_images(db, "image-1", updated_at=NOW + 7)

    await publish(db, "image-1")

    found = (await find_image(db, image.id, NOBODY)).image
    assert found is not None
    assert found.updated_at == NOW + 9


async def test_revoking_the_current_version_gives_the_members_the_one_before(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await publish(db, "image-2")
    await offer(db, FIRST)
    await answer(db, FIRST)

    known = await revoke(db, 2, "CVE-1")

    assert known.family.current_number == 1
    assert await memberships(db) == {"image-1": {FIRST: "accepted"}, "image-2": {FIRST: "accepted"}}
    assert (await shown_properties(db, "image-2"))["os_share_revoke_reason"] == "CVE-1"
    assert await hidden(db) == {"image-1": False, "image-2": True}
    assert await db.read("select status from image order by id") == [(Status.ACTIVE,), (Status.DEACTIVATED,)]


async def test_a_version_that_leaves_keeps_its_memberships_as_direct_ones(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await offer(db, FIRST)
    await answer(db, FIRST)
    await publish(db, "image-2")

    await db.run(lambda: scripts.remove_version("family", 1, act()))
    await leave(db, FIRST)

    assert await memberships(db) == {"image-1": {FIRST: "accepted"}}
    assert await hidden(db) == {"image-1": False, "image-2": False}
    assert await shown_properties(db, "image-1") == {"mine": "1"}


# ---- what the Image API does to versions


async def _find(db: Database, image_id: str) -> Image:
    found = (await find_image(db, image_id, NOBODY)).image
    assert found is not None
    return found


async def test_the_deleted_current_version_is_followed_by_the_one_before(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await publish(db, "image-2")
    await offer(db, FIRST)
    await answer(db, FIRST)
    seen = await _find(db, "image-2")

    assert await versions.remove_image(db, seen, NOW, PUBLISHER)

    known = await look(db)
    assert [version.number for version in known.versions] == [1]
    assert known.family.current_number == 1
    assert await memberships(db) == {"image-1": {FIRST: "accepted"}}
    assert await hidden(db) == {"image-1": False}


async def test_a_candidate_that_was_seen_before_it_became_current_is_not_deleted(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    await publish(db, "image-1", promotes=False)
    seen = await _find(db, "image-1")
    await promote(db, 1)

    assert not await versions.remove_image(db, seen, NOW, PUBLISHER)
    assert (await look(db)).family.current_number == 1


async def test_an_image_that_only_says_that_it_is_a_version_is_changed_as_ever(db: Database) -> None:
    await make_images(db, "image-1", properties={"os_share_family": "by a client of long ago"})
    seen = await _find(db, "image-1")
    new = replace(seen, status=Status.DEACTIVATED, updated_at=seen.updated_at + 1)

    assert await versions.update_image(db, seen, new, PUBLISHER)
    assert await versions.remove_image(db, new, NOW, PUBLISHER)
    await make_family(db)
    await make_images(db, "image-2", properties={"os_share_family": "by a client of long ago"})
    assert await publish(db, "image-2") == 1


async def test_an_image_that_was_changed_since_is_not_deleted(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1")
    seen = await _find(db, "image-1")
    await publish(db, "image-1")

    assert not await versions.remove_image(db, seen, NOW, PUBLISHER)
    assert (await look(db)).family.current_number == 1


async def test_reactivating_a_revoked_version_restores_it(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await publish(db, "image-2")
    await revoke(db, 2, "CVE-1")
    seen = await _find(db, "image-2")
    new = replace(seen, status=Status.ACTIVE, updated_at=seen.updated_at + 1)

    assert await versions.update_image(db, seen, new, PUBLISHER)

    known = await look(db)
    assert {one.number: str(known.state_of(one)) for one in known.versions} == {2: "superseded", 1: "current"}
    assert "os_share_revoke_reason" not in await shown_properties(db, "image-2")


async def test_an_image_that_gets_another_owner_leaves(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", "image-2")
    await publish(db, "image-1")
    await publish(db, "image-2")
    seen = await _find(db, "image-2")
    new = replace(seen, owner=STRANGER, name="theirs", updated_at=seen.updated_at + 1)

    assert await versions.update_image(db, seen, new, PUBLISHER)

    known = await look(db)
    assert [(version.number, version.image.id) for version in known.versions] == [(1, "image-1")]
    assert known.family.current_number == 1
    left = await _find(db, "image-2")
    assert (left.owner, left.name, left.os_hidden, left.properties) == (
        STRANGER,
        "theirs",
        False,
        {"mine": "1"},
    )


async def test_a_current_version_that_is_shared_again_reaches_the_members(db: Database) -> None:
    await make_family(db)
    await make_images(db, "image-1", visibility=Visibility.PUBLIC)
    await publish(db, "image-1")
    await offer(db, FIRST)
    await answer(db, FIRST)
    seen = await _find(db, "image-1")
    new = replace(seen, visibility=Visibility.SHARED, updated_at=seen.updated_at + 1)

    assert await versions.update_image(db, seen, new, PUBLISHER)

    assert await memberships(db) == {"image-1": {FIRST: "accepted"}}


async def test_a_page_of_anothers_families_is_full_of_those_that_are_seen(db: Database) -> None:
    for number in range(4):
        await make_family(db, id=f"f{number}", name=f"n{number}")
    await make_images(db, "image", visibility="public")
    await publish(db, "image", family_id="f3")

    pages = [
        await views.list_families(db, who, role=None, owner=OWNER, name=None, after=("", ""), limit=2)
        for who in (caller(project="reader"), caller("admin", "else"))
    ]

    assert [[seen.family.id for seen in page] for page in pages] == [["f3"], ["f0", "f1"]]


async def test_an_overview_counts_the_first_members_of_each_family(db: Database) -> None:
    await make_family(db)
    await make_family(db, id="f2", name="f2")
    await offer(db, FIRST, SECOND, THIRD)
    await answer(db, FIRST)

    found = await family_views.list_overviews(db, ["family", "f2", "none"], NOW, 2)

    assert {
        key: (one.members.accepted, one.members.pending, one.promoted_at) for key, one in found.items()
    } == {"family": (1, 1, None), "f2": (0, 0, None)}
