"""Look-ups by what clients know of an image: no more is read for them in a large cloud than in a small one.

By the id or the name of an image, a property or a tag, whoever asks and whoever has much: a project that owns
half of the images or was offered half of them, or none; and whether half of the images have it or nobody.
"""

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from domain.samples import caller
from harness.postgresql import PostgreSQL

from transom.domain.listing import Condition, ListQuery, Op, visible_ranges
from transom.domain.model import Caller, MemberStatus
from transom.sql import images
from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.listing import list_images
from transom.sql.migrate import migrate
from transom.sql.property_indexes import make_property_indexes

from .databases import Tap
from .explained import plan_of, rows_read, steps_taken

pytestmark = pytest.mark.anyio

IMAGES = 20_000
LIMIT = 25
#: Rows of tables and indexes that PostgreSQL looks at for a page, and hundreds of steps of SQLite's machine.
#: To look at each image of one project, or at each with one name, takes several times as many.
MOST_ROWS = 1_500
MOST_STEPS = 400

PUBLISHER, BUYER, NOBODY = "publisher", "buyer", "nobody"
#: Half of the images have it; one each has another.
COMMON, RARE, NONES = "common", "name-7", "of-nobody"
CALLERS = {
    project: msgspec.structs.replace(
        caller("reader", project), domain_id=domain, organizations=(f"organization/{domain}",)
    )
    for project, domain in ((PUBLISHER, "d3"), (BUYER, "large"), (NOBODY, "none"))
} | {"admin": caller("admin", NOBODY)}
VISIBILITIES = [None, "all", "shared"]

_NUMBERS = f"with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < {IMAGES})"
_IMAGES = f"""
    {_NUMBERS}
    insert into image (id, owner, name, status, visibility, min_disk, min_ram, protected, os_hidden, tags,
                       properties, locations, created_at, updated_at)
    select 'image-' || n, case when n % 2 = 0 then '{PUBLISHER}' else 'small-' || n % 999 end,
           case when n / 4 % 2 = 0 then '{COMMON}' else 'name-' || n end, 'active',
           case when n % 20 = 0 then 'public' when n % 20 = 1 then 'community' when n % 3 = 0 then 'private'
                else 'shared' end,
           0, 0, false, false, {{tags}},
           {{properties}}, '[]', n, n
    from numbers"""
_PROPERTIES = (
    f"""'{{"os_distro": "' || case when n / 4 % 2 = 0 then '{COMMON}' else 'name-' || n end || '"}}'"""
)
_TAGS = f"""'["env.test", "' || case when n / 4 % 2 = 0 then '{COMMON}' else 'name-' || n end || '"]'"""
_OFFERS = f"""
    insert into member (image_id, member_id, status, image_created_at, created_at, updated_at)
    select id, case when created_at % 4 < 2 then '{BUYER}' else 'small-' || created_at % 999 end,
           case when created_at % 3 = 0 then 'pending' else 'accepted' end, created_at, 1, 1
    from image where visibility = 'shared'
    union all
    select id, kind || case when created_at % 2 = 0 then 'large' else 'd' || created_at % 999 end,
           'accepted', created_at, 1, 1
    from image cross join (select 'domain/' as kind union all select 'organization/') as any_kind
    where visibility = 'shared'"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def populated(
    request: pytest.FixtureRequest, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Database]:
    """As the service opens it, with one connection. PostgreSQL analyzes by itself, SQLite does not."""
    file = tmp_path_factory.mktemp("look-ups") / "transom.db"
    is_postgresql = request.param == "postgresql"
    file = tmp_path_factory.mktemp("look-ups") / "transom.db"
    db = await open_database(postgresql.create_database() if is_postgresql else f"sqlite:///{file}", 1)
    await migrate(db)
    made = {"properties": _PROPERTIES, "tags": _TAGS}
    if is_postgresql:
        made = {name: f"cast({sql} as jsonb)" for name, sql in made.items()}
    await db.write(_IMAGES.format(**made))
    await make_property_indexes(db, ["os_distro", "os_version"], drops=True)
    await db.write(_OFFERS)
    if is_postgresql:
        await db.write("analyze")
    yield db
    await db.close()


BY_NAME = {name: (Condition("name", Op.EQ, (name,)),) for name in (COMMON, RARE, NONES)}
BY_PROPERTY = {
    f"property {name}": (Condition("os_distro", Op.PROPERTY, (name,), is_indexed=True),)
    for name in (COMMON, RARE, NONES)
}
BY_TAG = {f"tag {name}": (Condition("tags", Op.TAG, (name,)),) for name in (COMMON, RARE, NONES)} | {
    f"pair {' '.join(pair)}": (Condition("tags", Op.TAG_PAIR, pair),)
    for pair in [("env",), ("env", "test"), ("env", "none")]
}
BY_ID = {
    "id": (Condition("id", Op.EQ, ("image-8",)),),
    "ids": (Condition("id", Op.IN, ("image-8", "image-9")),),
}


LOOK_UPS = BY_NAME | BY_PROPERTY | BY_TAG | BY_ID


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("who", CALLERS.values(), ids=CALLERS)
@pytest.mark.parametrize("conditions", LOOK_UPS.values(), ids=LOOK_UPS)
async def test_a_look_up_reads_few_rows_whoever_has_many(
    populated: Database, conditions: tuple[Condition, ...], who: Caller, visibility: str | None
) -> None:
    query = ListQuery(
        limit=LIMIT, visibility=visibility, member_statuses=tuple(MemberStatus), conditions=conditions
    )
    tap = Tap(populated)
    await list_images(tap, visible_ranges(who, query), query, None)

    await _require_few(populated, tap)


async def test_recipients_are_counted_of_so_many_images_at_most(
    populated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = images.RECIPIENTS_OF_PROJECT.replace(f"limit {images.MOST_COUNTED}", "limit 100")
    monkeypatch.setattr(images, "RECIPIENTS_OF_PROJECT", statement)
    tap = Tap(populated)

    shared, largest = await images.count_shared(tap, PUBLISHER)

    assert (shared, largest) == (100, 3)
    await _require_few(populated, tap)


async def _require_few(db: Database, tap: Tap) -> None:
    (asked,) = tap.asked
    file = (await db.find_place()).file
    if file is not None:
        assert steps_taken(file, asked) <= MOST_STEPS, (await tap.plans())[0]
    else:
        plan = await plan_of(db, asked)
        assert rows_read(plan) <= MOST_ROWS, json.dumps(plan, indent=1)
