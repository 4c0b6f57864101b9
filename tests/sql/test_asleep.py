"""Memberships that are asleep, since their image is not shared now: none of them is counted in an inbox,
whoever put them to sleep."""

import asyncio
from typing import cast

import asyncpg
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, STRANGER, image, member
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transom.domain.memberships import Change, GrantInherited, InheritedChange, OfferEach
from transom.domain.model import MemberStatus, Visibility
from transom.domain.shares import offered_at
from transom.sharing.inbox import NEWEST
from transom.sql import inbox, inherited, members
from transom.sql.db import Database, SchemaHistory
from transom.sql.migrate import migrations

from .databases import delete_member, insert_member, misjudged_members, set_member_status, write_world

pytestmark = pytest.mark.anyio

WHO_SLEEPS = next(script for _, script in migrations() if "is_asleep = true" in script)
MUCH_NEWER = 9999
NOW, EARLIER = 7, 3
DOMAIN = "domain/theirs"
IMAGES = ("first", "second")
#: Each owns an image now and then, and can be offered both.
PROJECTS = (OWNER, RECIPIENT, STRANGER)

CHANGE = "update image set owner = $2, visibility = $3 where id = $1"
END = "update member set ends_at = $2 where image_id = $1 and member_id = $3"
FAMILY = (
    "insert into family (id, owner, name, created_at, updated_at) values ('family', 'someone', 'web', 1, 1)"
)
JOIN = """
    insert into family_member (family_id, member_id, status, offered_at, created_at, updated_at)
    values ('family', $1, 'accepted', 1, 1, 1)"""
_images, _projects = st.sampled_from(IMAGES), st.sampled_from(PROJECTS)
_steps = st.one_of(
    st.tuples(
        st.just("change"), _images, st.sampled_from([*PROJECTS, None]), st.sampled_from(list(Visibility))
    ),
    st.tuples(st.just("offer"), _images, _projects),
    st.tuples(st.just("offer each"), _images, _projects),
    st.tuples(st.just("grant"), _images, _projects),
    st.tuples(st.just("answer"), _images, _projects, st.sampled_from(list(MemberStatus))),
    st.tuples(st.just("withdraw"), _images, _projects),
    st.tuples(st.just("end"), _images, _projects),
)


async def _take(db: Database, step: tuple[str, ...]) -> None:
    match step:
        case "change", image_id, owner, visibility:
            await db.write(CHANGE, image_id, owner, visibility)
        case "offer", image_id, project:
            ((owner,),) = await db.read("select owner from image where id = $1", image_id)
            await insert_member(db, image_id, project, -1, NOW, owner)
        case "offer each", image_id, project:
            each = OfferEach(image_ids=[image_id], member_ids=[project, DOMAIN], now=NOW)
            await _write(db, each)
        case "grant", image_id, project:
            await _write(
                db, GrantInherited(family_id="family", image_id=image_id, member_ids=[project], now=NOW)
            )
        case "answer", image_id, project, status:
            await set_member_status(db, image_id, project, status, NOW)
        case "withdraw", image_id, project:
            await delete_member(db, image_id, project)
        case _, image_id, project:
            await db.write(END, image_id, EARLIER, project)


async def _write(db: Database, change: Change | InheritedChange) -> None:
    module = inherited if isinstance(change, GrantInherited) else members
    await db.transact(module.to_statement(change, ACTOR))


async def _listed(db: Database, member_id: str, project: str, status: str) -> list[int]:
    """When those were offered that the pages have."""
    found = await inbox.list_received(
        db, member_id, project, status, NOW, before=NEWEST, owner=None, limit=26, whole=False
    )
    return [offered_at(one.member) for one in found]


async def _expect_counts_as_listed(db: Database) -> None:
    assert await misjudged_members(db) == []
    for project in PROJECTS:
        by_status, through_domain, newest = await inbox.count_received(db, project, DOMAIN, NOW)
        listed = {status: await _listed(db, project, project, status) for status in MemberStatus}
        assert by_status == {status: len(found) for status, found in listed.items()}
        assert newest == max(listed[MemberStatus.PENDING], default=None)
        assert through_domain == len(await _listed(db, DOMAIN, project, MemberStatus.ACCEPTED))


@settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(_steps, min_size=4, max_size=12))
async def test_what_is_counted_is_what_is_listed(db: Database, steps: list[tuple[str, ...]]) -> None:
    await write_world(db, [image(id=name) for name in IMAGES], [])
    await db.write("delete from family")
    await db.write(FAMILY)
    for project in PROJECTS:
        await db.write(JOIN, project)

    for step in steps:
        await _take(db, step)
        await _expect_counts_as_listed(db)


async def test_an_offer_counts_again_when_its_image_is_shared_again(db: Database) -> None:
    await write_world(db, [image()], [member()])
    counts = []

    for visibility in (Visibility.SHARED, Visibility.PRIVATE, Visibility.PUBLIC, Visibility.SHARED):
        await db.write(CHANGE, image().id, OWNER, visibility)
        counts.append((await inbox.count_received(db, RECIPIENT, None, NOW))[0]["pending"])

    assert counts == [1, 0, 0, 1]


async def test_memberships_from_before_are_put_to_sleep_in_pieces(db: Database) -> None:
    numbers = "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 2500)"
    private = image(id="private", visibility=Visibility.PRIVATE)
    await write_world(db, [private, image(id="shared")], [])
    others = "owner, name, status, visibility, min_disk, min_ram, protected, os_hidden, tags, properties"
    await db.write(
        f"{numbers} insert into image (id, {others}, locations, created_at, updated_at)"
        f" select id || n, {others}, locations, created_at, updated_at from image cross join numbers"
    )
    for who in (RECIPIENT, OWNER):
        await db.write(
            "insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)"
            " select id, $1, 'pending', 1, 1, 1 from image",
            who,
        )

    assert await cast(SchemaHistory, db).run_script(WHO_SLEEPS, MUCH_NEWER)

    assert await misjudged_members(db) == []
    assert [row[0] for row in await db.read("select count(*) from member where is_asleep")] == [3 * 2501]


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_putting_to_sleep_waits_for_who_changes_the_image(db: Database, url: str) -> None:
    other = await asyncpg.connect(url)
    await write_world(db, [image()], [member()])

    async with other.transaction():
        # A worker from before the trigger.
        await other.execute("set local session_replication_role = replica")
        await other.execute(CHANGE, image().id, OWNER, Visibility.PRIVATE)
        migrating = asyncio.create_task(cast(SchemaHistory, db).run_script(WHO_SLEEPS, MUCH_NEWER))
        while not await other.fetchval("select count(*) from pg_locks where not granted"):
            assert not migrating.done()
    await other.close()

    assert await migrating
    assert await misjudged_members(db) == []
