"""The words that images are found by when a tag is sought: right after each change, whoever makes it."""

import asyncio
from typing import cast

import asyncpg
import pytest
from domain.samples import OWNER, STRANGER, caller, image
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transom.domain.listing import Condition, ListQuery, Op, visible_ranges
from transom.domain.model import Visibility
from transom.domain.tags import TagSearch, parse_tag, word_of
from transom.sql.db import Database, SchemaHistory
from transom.sql.images import to_json
from transom.sql.listing import list_images
from transom.sql.migrate import migrations
from transom.sql.tags import find_images

from .databases import words_astray, write_world

pytestmark = pytest.mark.anyio

WORDS_OF_TAGS = next(script for _, script in migrations() if "$1" in script)
MUCH_NEWER = 9999
CHANGE = "update image set tags = $2, owner = $3, visibility = $4 where id = $1"
FIND_WORDS = "select word from image_tag where image_id = $1 order by 1"

#: Few signs, so that keys, values and tags meet.
_tags = st.lists(st.text(st.sampled_from("aB=.é"), max_size=4), unique=True, max_size=4).map(tuple)
_owners = st.sampled_from([OWNER, STRANGER, None])
_visibilities = st.sampled_from(list(Visibility))


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(made=_tags, changes=st.lists(st.tuples(_tags, _owners, _visibilities), max_size=3))
async def test_an_image_has_the_words_of_its_tags_until_it_is_gone(
    db: Database, made: tuple[str, ...], changes: list[tuple[tuple[str, ...], str | None, Visibility]]
) -> None:
    await write_world(db, [image(tags=made)], [])
    assert await words_astray(db) == []
    tags = made

    for tags, owner, visibility in changes:
        await db.write(CHANGE, image().id, to_json(tags), owner, visibility)
        assert await words_astray(db) == []
    found = {word for (word,) in await db.read(FIND_WORDS, image().id)}
    await db.write("delete from image")

    assert found == {
        word_of(condition)
        for text in tags
        for condition in (
            Condition("tags", Op.TAG, (text,)),
            Condition("tags", Op.TAG_PAIR, (parse_tag(text).key,)),
        )
    }
    assert await db.read("select * from image_tag") == []


async def test_images_from_before_the_words_get_them_in_pieces(db: Database) -> None:
    numbers = "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 2500)"
    await write_world(db, [image(tags=("a", "b=c"))], [])
    others = "owner, name, status, visibility, min_disk, min_ram, protected, os_hidden, tags, properties"
    await db.write(
        f"{numbers} insert into image (id, {others}, locations, created_at, updated_at)"
        f" select 'image-' || n, {others}, locations, created_at, updated_at from image cross join numbers"
    )
    await db.write("delete from image_tag where image_id <> $1", "image-7")

    assert await cast(SchemaHistory, db).run_script(WORDS_OF_TAGS, MUCH_NEWER)

    assert await words_astray(db) == []
    assert [row[0] for row in await db.read("select count(*) from image_tag")] == [3 * 2501]


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_words_that_are_made_of_an_image_wait_for_who_changes_it(db: Database, url: str) -> None:
    other = await asyncpg.connect(url)
    await write_world(db, [image(tags=("old",))], [])
    await db.write("delete from image_tag")

    async with other.transaction():
        await other.execute(CHANGE, image().id, '["new"]', OWNER, Visibility.PRIVATE)
        migrating = asyncio.create_task(cast(SchemaHistory, db).run_script(WORDS_OF_TAGS, MUCH_NEWER))
        while not await other.fetchval("select count(*) from pg_locks where not granted"):
            assert not migrating.done()
    await other.close()

    assert await migrating
    assert await words_astray(db) == []
    assert [tuple(row) for row in await db.read(FIND_WORDS, image().id)] == [("new",)]


async def test_a_word_that_is_wrong_shows_nobody_an_image(db: Database) -> None:
    await write_world(db, [image(owner=STRANGER, visibility="private", tags=("a",))], [])
    query = ListQuery(visibility="all", conditions=(Condition("tags", Op.TAG, ("a",)),))
    search = TagSearch(all_of=(Condition("tags", Op.TAG_PAIR, ("a",)),))

    for visibility in Visibility:
        await db.write("update image_tag set owner = $1, visibility = $2", OWNER, visibility)

        page = await list_images(db, visible_ranges(caller("reader", OWNER), query), query, None)
        assert (page.images, await find_images(db, OWNER, search, 25, 0)) == ([], [])
