"""Lists of images, compared with the plain model in `model.py` over small worlds of any kind."""

from typing import Any, NamedTuple

import msgspec
import pytest
from domain.samples import OWNER, RECIPIENT, ROLES, STRANGER, caller, image
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from transom.domain.listing import (
    NULLABLE_SORT_KEYS,
    SORT_KEYS,
    Condition,
    ListQuery,
    Op,
    SortKey,
    visible_ranges,
)
from transom.domain.model import Caller, Image, Member, MemberStatus, Status, Visibility
from transom.domain.policy import DEFAULT_POLICY
from transom.sql.db import Database
from transom.sql.listing import list_images

from .databases import write_world
from .model import expected_list

pytestmark = pytest.mark.anyio

thorough = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

PROJECTS = [OWNER, RECIPIENT, STRANGER]
UNITS = ["organization/unit", "organization/root", "organization/whole"]
# Few values, so that images share them: ties and filters that hit are what goes wrong.
NAMES = ["a", "B", "é", "", "a b", None]
SIZES = [None, 0, 5, 1 << 40]
TIMES = [1, 2, 3]
KEYS = ["key", 'quo"te', "back\\slash", "do.t", "$.key", "é", "\x01", "0"]
TEXTS = ["v", "", "1", "true", 'quo"te', "é", "null"]

_image = st.builds(
    Image,
    id=st.uuids().map(str),
    owner=st.sampled_from([*PROJECTS, None]),
    name=st.sampled_from(NAMES),
    status=st.sampled_from([one.value for one in Status]),
    visibility=st.sampled_from([one.value for one in Visibility]),
    container_format=st.sampled_from([None, "bare", "ovf"]),
    disk_format=st.sampled_from([None, "raw", "qcow2"]),
    min_disk=st.sampled_from([0, 5]),
    min_ram=st.sampled_from([0, 5]),
    protected=st.booleans(),
    os_hidden=st.sampled_from([False, False, False, True]),
    size=st.sampled_from(SIZES),
    virtual_size=st.sampled_from(SIZES),
    checksum=st.sampled_from([None, "c"]),
    os_hash_algo=st.sampled_from([None, "sha512"]),
    os_hash_value=st.sampled_from([None, "v"]),
    tags=st.lists(st.sampled_from(TEXTS), unique=True, max_size=3).map(tuple),
    properties=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(TEXTS), max_size=3),
    locations=st.just(()),
    created_at=st.sampled_from(TIMES),
    updated_at=st.sampled_from(TIMES),
)


class World(NamedTuple):
    images: list[Image]
    members: list[Member]


@st.composite
def _worlds(draw: st.DrawFn) -> World:
    images = draw(st.lists(_image, max_size=12, unique_by=lambda one: one.id))
    members = [
        Member(image_id=one.id, member_id=member_id, status=status, created_at=1, updated_at=1)
        for one in images
        for member_id in [*PROJECTS, "domain/theirs", *UNITS]
        if (status := draw(st.sampled_from([None, None, *MemberStatus])))
    ]
    return World(images, members)


_bounds: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(NAMES[:-1]),
    "owner": st.sampled_from(PROJECTS),
    "status": st.sampled_from([one.value for one in Status]),
    "disk_format": st.sampled_from(["raw", "vhd"]),
    "checksum": st.just("c"),
    "min_ram": st.sampled_from([0, 5]),
    "size": st.sampled_from(SIZES[1:]),
    "virtual_size": st.sampled_from(SIZES[1:]),
    "created_at": st.sampled_from(TIMES),
    "updated_at": st.sampled_from(TIMES),
    "protected": st.booleans(),
}
_TEXT_OPS = [Op.EQ, Op.IN]
_NUMBER_OPS = [Op.EQ, Op.GE, Op.LE]
_TIME_OPS = [Op.GE, Op.LT, Op.NOT_WITHIN]
_ops = {
    "name": _TEXT_OPS,
    "owner": [Op.EQ],
    "status": _TEXT_OPS,
    "disk_format": _TEXT_OPS,
    "checksum": [Op.EQ],
    "min_ram": _NUMBER_OPS,
    "size": _NUMBER_OPS,
    "virtual_size": _NUMBER_OPS,
    "created_at": _TIME_OPS,
    "updated_at": _TIME_OPS,
    "protected": [Op.EQ],
}


@st.composite
def _conditions(draw: st.DrawFn) -> Condition:
    name = draw(st.sampled_from([*_bounds, "tags", "property"]))
    if name == "tags":
        return Condition("tags", Op.TAG, (draw(st.sampled_from(TEXTS)),))
    if name == "property":
        key, value = draw(st.sampled_from(KEYS)), draw(st.sampled_from(TEXTS))
        # Such as the settings allow to have an index; whether there is one makes no difference.
        return Condition(
            key, Op.PROPERTY, (value,), is_indexed=key in ("key", "do.t", "0") and draw(st.booleans())
        )
    op = draw(st.sampled_from(_ops[name]))
    number = {Op.IN: 3, Op.NOT_WITHIN: 2}.get(op, 1)
    values = draw(st.lists(_bounds[name], min_size=number, max_size=number))
    return Condition(name, op, tuple(sorted(values)))


@st.composite
def _sorts(draw: st.DrawFn) -> tuple[SortKey, ...]:
    """Any keys in any directions; the last of them makes the order total, as the query parser has it."""
    names = draw(st.lists(st.sampled_from(SORT_KEYS), unique=True, max_size=3))
    chosen = [SortKey(name, draw(st.booleans())) for name in names]
    ties = [SortKey(name, draw(st.booleans())) for name in ("created_at", "id") if name not in names]
    return (*chosen, *ties)


_queries = st.builds(
    ListQuery,
    visibility=st.sampled_from([None, None, "all", *(one.value for one in Visibility)]),
    member_statuses=st.sampled_from(
        [("accepted",), ("pending",), ("rejected",), ("pending", "accepted", "rejected")]
    ),
    os_hidden=st.sampled_from([False, False, True]),
    conditions=st.lists(_conditions(), max_size=2).map(tuple),
    sort=_sorts() | st.just(ListQuery().sort),
    limit=st.integers(1, 5),
)
_callers = st.builds(
    Caller,
    policy=st.just(DEFAULT_POLICY),
    user_id=st.just("user"),
    project_id=st.sampled_from(PROJECTS),
    domain_id=st.sampled_from([None, "theirs"]),
    organizations=st.sampled_from([(), tuple(UNITS), (UNITS[2], "organization/another")]),
    roles=st.sampled_from([ROLES["reader"], ROLES["admin"]]),
)


async def _page(db: Database, who: Caller, query: ListQuery, after: Image | None) -> list[Image]:
    return (await list_images(db, visible_ranges(who, query), query, after)).images


async def _pages(db: Database, who: Caller, query: ListQuery) -> list[list[Image]]:
    """All pages, each from the last image of the one before, to the first that is not full."""
    pages = [await _page(db, who, query, None)]
    while len(pages[-1]) == query.limit:
        pages.append(await _page(db, who, query, pages[-1][-1]))
    return pages


@thorough
@given(world=_worlds(), who=_callers, query=_queries)
async def test_a_list_is_what_the_reference_says_it_is(
    db: Database, world: World, who: Caller, query: ListQuery
) -> None:
    await write_world(db, *world)

    found = await _page(db, who, msgspec.structs.replace(query, limit=1000), None)

    assert found == expected_list(*world, who, query)


@thorough
@given(world=_worlds(), who=_callers, query=_queries)
async def test_pages_one_after_the_other_are_the_whole_list_once(
    db: Database, world: World, who: Caller, query: ListQuery
) -> None:
    await write_world(db, *world)

    pages = await _pages(db, who, query)

    assert [one for page in pages for one in page] == expected_list(*world, who, query)
    assert all(len(page) == query.limit for page in pages[:-1])


@thorough
@given(world=_worlds(), who=_callers, query=_queries, lost=st.sets(st.integers(0, 4)))
async def test_images_that_go_between_pages_shift_no_other_image(
    db: Database, world: World, who: Caller, query: ListQuery, lost: set[int]
) -> None:
    await write_world(db, *world)
    first = await _page(db, who, query, None)
    gone = {one.id for number, one in enumerate(first) if number in lost}
    left = [one for one in world.images if one.id not in gone]
    await write_world(db, left, [one for one in world.members if one.image_id not in gone])

    second = await _page(db, who, query, first[-1]) if first else []

    whole = expected_list(*world, who, query)
    assert second == whole[len(first) : len(first) + query.limit]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("key", sorted(NULLABLE_SORT_KEYS))
async def test_null_is_the_largest_value_of_a_key(db: Database, key: str, descending: bool) -> None:
    """Reference, 3.2: null names came first for desc and last for asc."""
    known: Any = 1 if key == "size" else "x"
    await write_world(db, [image(id="known", **{key: known}), image(id="null", **{key: None})], [])
    query = ListQuery(sort=(SortKey(key, descending), SortKey("id", descending)))

    found = await _page(db, caller(), query, None)

    assert [one.id for one in found] == (["null", "known"] if descending else ["known", "null"])


async def test_an_image_that_is_in_several_ranges_is_listed_once(db: Database) -> None:
    own_public = image(id="public", visibility="public")
    own_member = image(id="member")
    membership = Member(image_id="member", member_id=OWNER, status="accepted", created_at=1, updated_at=1)
    await write_world(db, [own_public, own_member], [membership])

    found = await _page(db, caller(), ListQuery(), None)

    assert [one.id for one in found] == ["public", "member"]


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 1000])
async def test_a_page_has_at_most_its_limit(db: Database, limit: int) -> None:
    await write_world(db, [image(id=str(n)) for n in range(2)], [])

    found = await _page(db, caller(), ListQuery(limit=limit), None)

    assert len(found) == min(limit, 2)


async def test_a_caller_without_ranges_lists_nothing(db: Database) -> None:
    await write_world(db, [image(visibility="public")], [])

    assert (await list_images(db, [], ListQuery(), None)).images == []


#: About 3,000 bytes each, and the most images that reach 10,000 bytes.
_LONG = {"text": "x" * 1_900}
_UNTIL_10_000 = 4


@pytest.mark.parametrize(
    ("limit", "size_limit", "expected"),
    [
        pytest.param(1000, 10_000, _UNTIL_10_000, id="the size limit comes first"),
        pytest.param(1000, 1, 1, id="one image always fits"),
        pytest.param(26, 1_000_000, 26, id="the limit comes first"),
        pytest.param(25, 10_000, 25, id="a short page is not weighed"),
    ],
)
async def test_a_long_page_ends_with_the_image_that_reaches_the_size_limit(
    db: Database, limit: int, size_limit: int, expected: int
) -> None:
    await write_world(db, [image(id=f"{n:02}", properties=_LONG) for n in range(30)], [])
    query = ListQuery(limit=limit, size_limit=size_limit)

    page = await list_images(db, visible_ranges(caller(), query), query, None)

    assert (len(page.images), page.is_full) == (expected, True)


async def test_a_long_page_with_all_there_is_is_not_full(db: Database) -> None:
    await write_world(db, [image(id=f"{n:02}", properties=_LONG) for n in range(3)], [])
    query = ListQuery(limit=1000, size_limit=1_000_000)

    page = await list_images(db, visible_ranges(caller(), query), query, None)

    assert (len(page.images), page.is_full) == (3, False)


@thorough
@given(world=_worlds(), who=_callers, query=_queries, size_limit=st.integers(1, 4_000))
async def test_pages_cut_by_size_are_the_whole_list_once(
    db: Database, world: World, who: Caller, query: ListQuery, size_limit: int
) -> None:
    await write_world(db, *world)
    query = msgspec.structs.replace(query, limit=1000, size_limit=size_limit)
    ranges = visible_ranges(who, query)

    page = await list_images(db, ranges, query, None)
    found = list(page.images)
    while page.is_full:
        page = await list_images(db, ranges, query, found[-1])
        found += page.images

    assert found == expected_list(*world, who, query)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=8), value=st.text(max_size=8))
@example(name="a.b", value="x")
@example(name='"', value='"')
@example(name="$[0]", value="%")
async def test_a_property_filter_takes_any_name_and_value_literally(
    db: Database, name: str, value: str
) -> None:
    name, value = _storable(name), _storable(value)
    hit, other = image(id="hit", properties={name: value}), image(id="other", properties={name: value + "!"})
    await write_world(db, [hit, other, image(id="none")], [])
    query = ListQuery(conditions=(Condition(name, Op.PROPERTY, (value,)),))

    found = await _page(db, caller(), query, None)

    assert [one.id for one in found] == ["hit"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tag=st.text(max_size=8))
@example(tag='"')
@example(tag="1")
@example(tag="null")
async def test_a_tag_filter_takes_any_tag_literally(db: Database, tag: str) -> None:
    tag = _storable(tag)
    hit, other = image(id="hit", tags=("a", tag)), image(id="other", tags=(tag + "!",))
    await write_world(db, [hit, other, image(id="none")], [])
    query = ListQuery(conditions=(Condition("tags", Op.TAG, (tag,)),))

    found = await _page(db, caller(), query, None)

    assert [one.id for one in found] == ["hit"]


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "0")
