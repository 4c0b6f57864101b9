"""Tags across images, compared with plain Python that reads them by `domain/tags.py`."""

import msgspec
import pytest
from domain.samples import OWNER, RECIPIENT, STRANGER, caller, image, member
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transom.domain.listing import Condition, ListQuery, Op, visible_ranges
from transom.domain.model import Image
from transom.domain.tags import TagSearch, parse_tag
from transom.sql.db import Database
from transom.sql.listing import list_images
from transom.sql.tags import count_images, find_images, list_own_tags, list_tags

from .databases import write_world

pytestmark = pytest.mark.anyio

thorough = settings(
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Few signs, so that tags and conditions meet.
_texts = st.text(st.sampled_from("aB=.é"), max_size=4)
_images = st.lists(
    st.builds(
        lambda **given: image(**given),
        id=st.uuids().map(str),
        owner=st.sampled_from([OWNER, OWNER, STRANGER, None]),
        name=st.sampled_from([None, "", "ab", "aB", "é%_"]),
        os_hidden=st.booleans(),
        tags=st.lists(_texts, unique=True, max_size=4).map(tuple),
        created_at=st.sampled_from([1, 2]),
    ),
    max_size=8,
    unique_by=lambda one: one.id,
)
_conditions = st.lists(
    st.lists(_texts, min_size=1, max_size=3).map(
        lambda values: Condition("tags", Op.TAG_PAIR, tuple(values))
    ),
    max_size=2,
).map(tuple)
_searches = st.builds(
    TagSearch,
    all_of=_conditions,
    any_of=_conditions,
    not_all_of=_conditions,
    none_of=_conditions,
    untagged=st.sampled_from([False, False, False, True]),
    name=st.sampled_from([None, None, "", "a", "B", "%"]),
)


def _has(one: Image, condition: Condition) -> bool:
    key, *values = condition.values
    tags = [parse_tag(text) for text in one.tags]
    return any(tag.key == key and (not values or tag.value in values) for tag in tags)


def _is_sought(one: Image, search: TagSearch) -> bool:
    if search.name is not None and not (search.name in (one.name or "") if search.name else not one.name):
        return False
    if search.untagged:
        return not one.tags

    def has(conditions: tuple[Condition, ...]) -> list[bool]:
        return [_has(one, condition) for condition in conditions]

    return (
        all(has(search.all_of))
        and (not search.any_of or any(has(search.any_of)))
        and (not search.not_all_of or not all(has(search.not_all_of)))
        and not any(has(search.none_of))
    )


def _newest_first(images: list[Image]) -> list[Image]:
    return sorted(images, key=lambda one: (one.created_at, one.id), reverse=True)


@thorough
@given(images=_images, search=_searches)
async def test_the_images_of_a_search_are_those_of_the_project_that_meet_it(
    db: Database, images: list[Image], search: TagSearch
) -> None:
    await write_world(db, images, [])

    found = await find_images(db, OWNER, search, 100, 0)

    sought = [one for one in images if one.owner == OWNER and _is_sought(one, search)]
    assert found == _newest_first(sought)
    assert await count_images(db, OWNER, search) == len(sought)


async def test_an_image_is_sought_by_its_very_id(db: Database) -> None:
    await write_world(db, [image(id="a"), image(id="ab")], [])

    found = await find_images(db, OWNER, TagSearch(image_id="a"), 10, 0)

    assert [one.id for one in found] == ["a"]


async def test_a_search_takes_ten_keys_with_ten_values_in_each_of_its_four_lists(db: Database) -> None:
    await write_world(db, [image(tags=("key0=5",)), image(id="other")], [])
    values = [str(number) for number in range(10)]
    many = tuple(Condition("tags", Op.TAG_PAIR, (f"key{number}", *values)) for number in range(10))
    none = tuple(Condition("tags", Op.TAG_PAIR, (f"no{number}", *values)) for number in range(10))

    found = await find_images(
        db, OWNER, TagSearch(all_of=many[:1], any_of=many, not_all_of=many, none_of=none), 10, 0
    )

    assert [one.id for one in found] == ["image"]


async def test_pages_of_a_search_are_cut_by_limit_and_offset(db: Database) -> None:
    await write_world(db, [image(id=str(number), created_at=number) for number in range(5)], [])

    pages = [
        [one.id for one in await find_images(db, OWNER, TagSearch(), 2, offset)] for offset in (0, 2, 4, 6)
    ]

    assert pages == [["4", "3"], ["2", "1"], ["0"], []]


async def test_a_search_goes_on_behind_an_image_whatever_went_before_it(db: Database) -> None:
    made = [image(id=str(number), created_at=number // 2) for number in range(6)]
    await write_world(db, made, [])

    pages = [
        [one.id for one in await find_images(db, OWNER, TagSearch(), 2, 0, after)]
        for after in (None, made[4], made[3], made[0])
    ]

    assert pages == [["5", "4"], ["3", "2"], ["2", "1"], []]


@thorough
@given(images=_images, conditions=_conditions)
async def test_a_list_is_filtered_by_key_or_pair(
    db: Database, images: list[Image], conditions: tuple[Condition, ...]
) -> None:
    own = [msgspec.structs.replace(one, owner=OWNER, os_hidden=False) for one in images]
    await write_world(db, own, [])
    query = ListQuery(conditions=conditions)

    found = await list_images(db, visible_ranges(caller(), query), query, None)

    assert found.images == _newest_first([one for one in own if all(_has(one, each) for each in conditions)])


@thorough
@given(images=_images)
async def test_the_tags_of_a_project_are_those_of_its_own_images_once(
    db: Database, images: list[Image]
) -> None:
    await write_world(db, images, [])

    found = await list_own_tags(db, OWNER)

    assert sorted(found) == sorted({tag for one in images if one.owner == OWNER for tag in one.tags})


@thorough
@given(images=_images, conditions=_conditions)
async def test_the_tags_of_a_list_are_those_of_its_images_sorted_bytewise(
    db: Database, images: list[Image], conditions: tuple[Condition, ...]
) -> None:
    await write_world(db, images, [])
    query = ListQuery(conditions=conditions)
    ranges = visible_ranges(caller(), query)

    found = await list_tags(db, ranges, query, 1000, 0)

    listed = await list_images(db, ranges, msgspec.structs.replace(query, limit=1000), None)
    assert found == sorted({tag for one in listed.images for tag in one.tags})


async def test_the_tags_of_what_was_shared_belong_to_a_recipients_list(db: Database) -> None:
    images = [image(tags=("offered",)), image(id="own", owner=RECIPIENT, tags=("own",))]
    await write_world(db, images, [member(status="accepted")])

    found = await list_tags(db, visible_ranges(caller(project=RECIPIENT), ListQuery()), ListQuery(), 10, 0)

    assert found == ["offered", "own"]


async def test_pages_of_tags_are_cut_by_limit_and_offset(db: Database) -> None:
    await write_world(db, [image(tags=("c", "a")), image(id="other", tags=("b", "a"))], [])
    ranges = visible_ranges(caller(), ListQuery())

    pages = [await list_tags(db, ranges, ListQuery(), 2, offset) for offset in (0, 2, 4)]

    assert pages == [["a", "b"], ["c"], []]


async def test_a_list_without_ranges_has_no_tags(db: Database) -> None:
    await write_world(db, [image(tags=("a",), visibility="public")], [])

    assert await list_tags(db, [], ListQuery(), 10, 0) == []
