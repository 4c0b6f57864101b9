"""How much PostgreSQL reads for a page: no more for who has much, nor because others have.

It plans each statement once, without values, from what the tables are like on the whole. So here they are
like nobody in them: one project owns half of the images, the others belong to many with a few each; or it
owns them all, and whoever asks for his own finds none; or it offers them all to one other project, and no
domain and no organisation was ever offered one.
All have the same value of a property that has indexes.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from domain.samples import caller, image
from harness.postgresql import PostgreSQL

from transom.domain.events import EventQuery
from transom.domain.listing import Condition, ListQuery, Op, SortKey, visible_ranges
from transom.domain.model import Caller, Image, MemberStatus
from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.events import list_events
from transom.sql.families import LOCK_FAMILY_IMAGES, LOCK_IMAGES_OF_FAMILIES
from transom.sql.images import count_uploading, placed_storage, staged_storage, used_storage
from transom.sql.listing import list_images
from transom.sql.migrate import migrate
from transom.sql.property_indexes import make_property_indexes
from transom.sql.shares import list_recipients

from .databases import Asked, Tap
from .explained import plan_of, rows_read

pytestmark = pytest.mark.anyio

IMAGES = 20_000
LIMIT = 25
#: Of each range a page, each joined with its image; and the page itself. Far from what anybody owns here.
MOST_ROWS = 500

PUBLISHER, BUYER, SMALL, NOBODY = "publisher", "buyer", "small-7", "nobody"
_IMAGES = f"""
    insert into image (id, owner, name, status, visibility, min_disk, min_ram, protected, os_hidden, tags,
                       properties, locations, created_at, updated_at)
    select 'image-' || n, {{owner}}, 'name', 'active',
           case when n % 20 = 0 then 'public' when n % 3 = 0 then 'private' else 'shared' end,
           0, 0, false, false, '[]', '{{{{"os_distro": "debian"}}}}', '[]', n, n
    from generate_series(1, {IMAGES}) as n"""
#: Half of the offers are to one project, the others to many; and as many again to domains and organisations.
_OFFERS = f"""
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)
    select id, case when created_at % 4 < 2 then '{BUYER}' else 'small-' || created_at % 999 end,
           'pending', created_at, 1, 1
    from image where visibility = 'shared' and created_at % 8 < 7
    union all
    select id, kind || case when created_at % 2 = 0 then 'large' else 'd' || created_at % 999 end,
           'accepted', created_at, 1, 1
    from image cross join (values ('domain/'), ('organization/'), ('organization/root-')) as any_kind (kind)
    where visibility = 'shared'"""
_OFFERS_TO_ONE = f"""
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)
    select id, '{BUYER}', 'pending', created_at, 1, 1 from image where visibility = 'shared'"""
#: Name → (SQL for the owner of an image, statement that offers them).
SHAPES = {
    "half are one project's": (
        f"case when n % 2 = 0 then '{PUBLISHER}' else 'small-' || n % 999 end",
        _OFFERS,
    ),
    "all are one project's": (f"'{PUBLISHER}'", _OFFERS),
    "all are one project's and offered to one": (f"'{PUBLISHER}'", _OFFERS_TO_ONE),
}
#: Of images for the most part, and a few of each family.
_EVENTS = f"""
    insert into event (seq, at, type, family_id, via, data)
    select n, n, 'share.granted', case when n % 10 = 0 then 'family-' || n % 500 / 10 end, 'share', '{{}}'
    from generate_series(1, {IMAGES}) as n
    on conflict do nothing"""
#: One family with some versions, and a thousand of others.
_FAMILY = """
    insert into family (id, owner, name, created_at, updated_at)
    select case when n = 0 then 'family' else 'family-' || n end, 'owner-' || n % 50, 'name-' || n, 1, 1
    from generate_series(0, 1000) as n
    on conflict do nothing"""
_VERSIONS = """
    insert into family_version (family_id, number, image_id, published_at, was_hidden)
    select case when n <= 20 then 'family' else 'family-' || n % 1000 + 1 end, n, 'image-' || n, 1, false
    from generate_series(1, 4000) as n
    on conflict do nothing"""

MARKER = image(id=f"image-{IMAGES // 2}", created_at=IMAGES // 2)
OLDEST_FIRST = (SortKey("created_at", descending=False), SortKey("id", descending=False))
LISTS = {
    "default": ListQuery(limit=LIMIT),
    "oldest first": ListQuery(limit=LIMIT, sort=OLDEST_FIRST),
    "pending": ListQuery(limit=LIMIT, visibility="shared", member_statuses=(MemberStatus.PENDING,)),
    "rejected": ListQuery(limit=LIMIT, visibility="shared", member_statuses=(MemberStatus.REJECTED,)),
    "all": ListQuery(limit=LIMIT, visibility="all", member_statuses=tuple(MemberStatus)),
    "shared, whatever was answered": ListQuery(
        limit=LIMIT, visibility="shared", member_statuses=tuple(MemberStatus)
    ),
    "public": ListQuery(limit=LIMIT, visibility="public"),
}
CALLERS = {
    project: msgspec.structs.replace(
        caller("reader", project),
        domain_id=domain,
        organizations=(f"organization/{domain}", f"organization/root-{domain}", "organization/none"),
    )
    for project, domain in ((PUBLISHER, "d3"), (BUYER, "large"), (SMALL, "d5"), (NOBODY, "none"))
} | {"admin": caller("admin", NOBODY)}


@pytest.fixture(scope="module", params=list(SHAPES.values()), ids=list(SHAPES))
async def populated(request: pytest.FixtureRequest, postgresql: PostgreSQL) -> AsyncIterator[Database]:
    """As the service opens it, with one connection."""
    owner, offers = request.param
    db = await open_database(postgresql.create_database(), 1)
    await migrate(db)
    await db.write(_IMAGES.format(owner=owner))
    await make_property_indexes(db, ["os_distro"], drops=False)
    await db.write(offers)
    await db.write("analyze")
    yield db
    await db.close()


@pytest.mark.parametrize("after", [None, MARKER], ids=["first", "next"])
@pytest.mark.parametrize("query", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("who", CALLERS.values(), ids=CALLERS)
async def test_a_page_reads_no_more_rows_than_there_are_on_a_page_of_each_range(
    populated: Database, who: Caller, query: ListQuery, after: Image | None
) -> None:
    tap = Tap(populated)
    await list_images(tap, visible_ranges(who, query), query, after)

    plan = await plan_of(populated, tap.asked[0])

    assert rows_read(plan) <= MOST_ROWS, json.dumps(plan, indent=1)


async def test_a_filter_is_looked_for_among_the_images_of_the_project_alone(populated: Database) -> None:
    """And guards the test above against a count that counts nothing."""
    tap = Tap(populated)
    query = ListQuery(
        limit=LIMIT, visibility="private", conditions=(Condition("checksum", Op.EQ, ("none",)),)
    )
    await list_images(tap, visible_ranges(CALLERS[PUBLISHER], query), query, None)
    await list_images(tap, visible_ranges(CALLERS[SMALL], query), query, None)

    of_publisher, of_small = [await plan_of(populated, asked) for asked in tap.asked]

    assert rows_read(of_publisher) >= IMAGES // 2
    assert rows_read(of_small) < LIMIT


async def test_the_recipients_of_a_project_are_looked_for_among_its_own_images(populated: Database) -> None:
    tap = Tap(populated)
    await list_recipients(tap, SMALL, 1, after="", limit=LIMIT)

    plan = await plan_of(populated, tap.asked[0])

    assert rows_read(plan) <= MOST_ROWS, json.dumps(plan, indent=1)


@pytest.mark.parametrize("counts", [used_storage, placed_storage, staged_storage, count_uploading])
async def test_what_is_limited_is_counted_over_the_projects_own_images(
    populated: Database, counts: Callable[[Tap, str], Awaitable[int]]
) -> None:
    tap = Tap(populated)
    await counts(tap, NOBODY)

    plan = await plan_of(populated, tap.asked[0])

    assert rows_read(plan) == 0, json.dumps(plan, indent=1)


async def test_the_history_of_a_family_reads_no_events_of_others(populated: Database) -> None:
    await populated.write(_EVENTS)
    await populated.write("analyze event")
    tap = Tap(populated)
    await list_events(tap, EventQuery(limit=LIMIT, family_id="family-7", descending=True))

    plan = await plan_of(populated, tap.asked[0])

    assert 0 < rows_read(plan) <= 2 * LIMIT, json.dumps(plan, indent=1)


@pytest.mark.parametrize(
    "statement",
    [
        Asked(LOCK_FAMILY_IMAGES, ("family", f"image-{IMAGES}"), as_short=False),
        Asked(LOCK_IMAGES_OF_FAMILIES, ('["family"]', f'["image-{IMAGES}"]'), as_short=False),
    ],
    ids=["of one family", "of several families"],
)
async def test_an_act_on_a_family_looks_at_the_images_of_its_versions_alone(
    populated: Database, statement: Asked
) -> None:
    await populated.write(_FAMILY)
    await populated.write(_VERSIONS)
    await populated.write("analyze family, family_version")

    plan = await plan_of(populated, statement)

    assert rows_read(plan) <= MOST_ROWS, json.dumps(plan, indent=1)
