"""The caller's ids in a statement: who is in no organisation runs it as it stands."""

import pytest
from domain.samples import OWNER, RECIPIENT, image, member

from transom.sql import family_views, images, members
from transom.sql.db import Database, Statement
from transom.sql.member_ids import MemberIds, with_own_ids

from .databases import Tap, write_world

pytestmark = pytest.mark.anyio

UNIT = "organization/unit"
WITHIN: MemberIds = (RECIPIENT, None, "organization/other", UNIT)
OUTSIDE: MemberIds = (RECIPIENT, "domain/d", "organization/other")


@pytest.mark.parametrize("member_ids", [(RECIPIENT, None), (RECIPIENT, "domain/d"), (None, None)])
def test_without_organisations_a_statement_stays_as_it_is(member_ids: MemberIds) -> None:
    assert with_own_ids(images.FIND_IMAGE, "image", member_ids, 1) == (
        images.FIND_IMAGE,
        "image",
        *member_ids,
        1,
    )


def test_further_ids_stand_behind_the_values_in_few_forms() -> None:
    asked = [with_own_ids(images.FIND_IMAGE, "image", (*WITHIN[:2], *["o"] * n), 1) for n in range(1, 9)]

    assert {len(one) for one in asked} == {9, 13}
    assert len({one[0] for one in asked}) == 2
    assert asked[0][1:] == ("image", RECIPIENT, None, 1, "o", None, None, None)


async def test_each_look_knows_organisations(db: Database) -> None:
    """Whoever is in the unit is a member, and nobody else."""
    await write_world(db, [image(visibility="shared")], [member(UNIT, "accepted")])

    for member_ids, expected in ((WITHIN, True), (OUTSIDE, False)):
        found = await images.find_image(db, "image", member_ids)
        one = await members.find_member(db, "image", member_ids, UNIT)
        listed = await members.list_members(db, "image", member_ids)
        assert [found.is_member, one.is_member, listed.is_member] == [expected] * 3
        assert one.member is not None
        assert one.member.member_id == UNIT


async def test_families_know_organisations(db: Database) -> None:
    await _write_family(db)

    for member_ids, expected in ((WITHIN, True), (OUTSIDE, False)):
        seen = await family_views.find_family(db, "family", member_ids, 1)
        listed = await family_views.list_seen(db, OWNER, member_ids, 1, ("", ""), 10, sees_all=False)
        joined = await family_views.list_joined(db, None, member_ids, 1, ("", ""), 10)
        owned = await family_views.list_owned(db, OWNER, member_ids, 1, ("", ""), 10)
        version = await family_views.find_version(db, "family", member_ids, 1, 1)
        versions = await family_views.list_versions(
            db, "family", member_ids, 1, before=9, limit=9, with_candidates=True
        )
        assert seen is not None
        assert version is not None
        assert version[1] is not None
        assert (seen.status == "accepted", seen.sees_current) == (expected, expected)
        assert [len(listed), len(joined)] == [int(expected)] * 2
        assert owned[0].sees_current is expected
        assert [version[1].is_seen, versions[0].is_seen] == [expected] * 2


async def _write_family(db: Database) -> None:
    await write_world(db, [image(visibility="shared", status="active")], [member(UNIT, "accepted")])
    await db.transact(
        Statement("delete from family", ()),
        Statement(
            "insert into family (id, owner, name, current_number, last_number, created_at, updated_at)"
            " values ('family', $1, 'web', 1, 1, 1, 1)",
            (OWNER,),
        ),
        Statement(
            "insert into family_version (family_id, number, image_id, published_at, promoted_at, was_hidden)"
            " values ('family', 1, 'image', 1, 1, false)",
            (),
        ),
        Statement(
            "insert into family_member (family_id, member_id, status, offered_at, created_at, updated_at)"
            " values ('family', $1, 'accepted', 1, 1, 1)",
            (UNIT,),
        ),
    )


async def test_one_look_is_one_statement(db: Database) -> None:
    tap = Tap(db)

    await images.find_image(tap, "image", WITHIN)

    assert len(tap.asked) == 1
