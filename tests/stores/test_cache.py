"""The cache: whole images by their id, bounded, shared by processes that may die at any moment."""

import asyncio
import os
from pathlib import Path

import pytest

from transom.stores.cache import Cache

pytestmark = pytest.mark.anyio

A, B, C = (f"71c675ab-d94f-49cd-a114-e12490b328d{digit}" for digit in "abc")
ROOM = 100


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> Cache:
    return Cache(folder, ROOM)


async def _fill(cache: Cache, image_id: str, data: bytes, age_s: int = 60) -> bool:
    """Put the data into the cache, last used so long ago; whether there was a place for it."""
    filling = await cache.begin(image_id, len(data))
    if filling is None:
        return False
    await filling.write(data)
    await filling.publish("checksum")
    _age(cache, image_id, age_s)
    return True


def _age(cache: Cache, image_id: str, age_s: int) -> None:
    """As if the image had last been used so long ago."""
    hits = cache._entries / image_id / "hits"
    then = hits.stat().st_mtime - age_s
    os.utime(hits, (then, then))


async def _ids(cache: Cache) -> list[str]:
    return [entry.image_id for entry in await cache.list_entries()]


def _left(folder: Path) -> list[str]:
    """Whatever takes room: data of entries and of parts."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("data"))


async def test_what_was_published_is_found(cache: Cache) -> None:
    await _fill(cache, A, b"0123456789")

    path = await cache.find(A, 10)

    assert path is not None
    assert path.read_bytes() == b"0123456789"
    assert await cache.holds(A)


async def test_what_is_not_there_is_not_found(cache: Cache) -> None:
    assert (await cache.find(A, 10), await cache.holds(A), await cache.list_entries()) == (None, False, [])


async def test_a_copy_of_another_size_is_not_the_image(cache: Cache) -> None:
    await _fill(cache, A, b"0123456789")

    assert await cache.find(A, 11) is None


async def test_nothing_is_there_before_it_is_published(cache: Cache) -> None:
    filling = await cache.begin(A, 10)
    assert filling is not None
    await filling.write(b"0123456789")

    found = await cache.find(A, 10), await cache.list_entries()
    await filling.discard()

    assert found == (None, [])


async def test_what_is_discarded_leaves_nothing(cache: Cache, folder: Path) -> None:
    filling = await cache.begin(A, 10)
    assert filling is not None
    await filling.write(b"01234")

    await filling.discard()

    assert _left(folder) == []
    assert await _fill(cache, A, b"0123456789")


async def test_uses_are_counted(cache: Cache) -> None:
    await _fill(cache, A, b"0123456789")

    before = (await cache.list_entries())[0]
    for _ in range(3):
        await cache.find(A, 10)
    after = (await cache.list_entries())[0]

    assert (before.hits, after.hits) == (0, 3)
    assert after.last_accessed > before.last_accessed
    assert (after.size, after.checksum, after.last_modified) == (10, "checksum", before.last_modified)


async def test_one_at_a_time_brings_an_image(cache: Cache, folder: Path) -> None:
    """Whether of this process or of another."""
    first = await cache.begin(A, 10)
    assert first is not None

    second = await cache.begin(A, 10), await Cache(folder, ROOM).begin(A, 10)
    await first.discard()

    assert second == (None, None)


async def test_what_is_there_is_not_brought_again(cache: Cache) -> None:
    await _fill(cache, A, b"0123456789")

    assert await cache.begin(A, 10) is None


# ---- room


async def test_the_image_that_nobody_used_for_longest_makes_room(cache: Cache) -> None:
    await _fill(cache, A, b"a" * 40, age_s=100)
    await _fill(cache, B, b"b" * 40, age_s=300)

    is_in = await _fill(cache, C, b"c" * 40)

    assert (is_in, await _ids(cache)) == (True, [A, C])


async def test_an_image_in_use_is_not_let_go_of_for_another(cache: Cache) -> None:
    await _fill(cache, A, b"a" * 60, age_s=300)
    path = await cache.find(A, 60)

    is_in = await _fill(cache, B, b"b" * 60)

    assert path is not None
    assert (is_in, await _ids(cache), path.read_bytes()) == (False, [A], b"a" * 60)


async def test_who_reads_an_image_that_makes_room_reads_on(cache: Cache) -> None:
    await _fill(cache, A, b"a" * 60)
    path = await cache.find(A, 60)
    assert path is not None
    _age(cache, A, 60)

    with path.open("rb") as reading:
        start = reading.read(10)
        await _fill(cache, B, b"b" * 60)
        rest = reading.read()

    assert (start + rest, await _ids(cache)) == (b"a" * 60, [B])


async def test_an_image_larger_than_the_cache_pushes_nobody_out(cache: Cache) -> None:
    await _fill(cache, A, b"a" * 60)

    is_in = await _fill(cache, B, b"b" * (ROOM + 1))

    assert (is_in, await _ids(cache)) == (False, [A])


async def test_what_is_on_its_way_has_its_room(cache: Cache) -> None:
    filling = await cache.begin(A, 60)
    assert filling is not None

    is_in = await _fill(cache, B, b"b" * 60)
    await filling.discard()

    assert not is_in


@pytest.mark.parametrize("_round", range(25))
async def test_many_at_once_never_take_more_than_there_is(folder: Path, _round: int) -> None:
    caches = [Cache(folder, ROOM) for _ in range(4)]
    ids = [f"71c675ab-d94f-49cd-a114-e12490b328{number:02x}" for number in range(24)]

    await asyncio.gather(*(_fill(caches[n % 4], image_id, b"x" * 30) for n, image_id in enumerate(ids)))

    entries = await caches[0].list_entries()
    assert 1 <= len(entries) <= 3
    assert sum(entry.size for entry in entries) <= ROOM
    assert len(_left(folder)) == len(entries)


async def test_a_cache_that_was_made_smaller_is_pruned(cache: Cache, folder: Path) -> None:
    await _fill(cache, A, b"a" * 30, age_s=100)
    await _fill(cache, B, b"b" * 40, age_s=300)
    await _fill(cache, C, b"c" * 20, age_s=200)

    pruned = await Cache(folder, 50).prune()

    assert (pruned, await _ids(cache)) == ((1, 40), [A, C])


async def test_a_cache_with_room_is_pruned_of_nothing(cache: Cache) -> None:
    await _fill(cache, A, b"a" * 30)

    assert (await cache.prune(), await _ids(cache)) == ((0, 0), [A])


# ---- letting go


async def test_a_removed_image_is_gone_and_can_come_again(cache: Cache, folder: Path) -> None:
    await _fill(cache, A, b"a" * 30)
    await cache.queue(A)

    await cache.remove(A)
    await cache.remove(A)

    assert (await cache.find(A, 30), await cache.list_queue(), _left(folder)) == (None, [], [])
    assert await _fill(cache, A, b"a" * 30)


@pytest.mark.parametrize("image_id", ["..", ".", "", "a/b", f"../{A}", f"{A}\n", "é" * 36])
async def test_no_name_leads_out_of_the_folder(cache: Cache, folder: Path, image_id: str) -> None:
    await _fill(cache, A, b"a" * 30)

    await cache.remove(image_id)
    await cache.unqueue(image_id)

    assert (await cache.holds(image_id), await cache.is_queued(image_id)) == (False, False)
    assert await _ids(cache) == [A]


async def test_all_can_be_let_go_of(cache: Cache, folder: Path) -> None:
    await _fill(cache, A, b"a" * 30)
    await _fill(cache, B, b"b" * 30)

    await cache.clear()

    assert (await _ids(cache), _left(folder)) == ([], [])


# ---- what a dead process leaves


async def test_what_a_dead_process_was_bringing_is_cleaned_away(cache: Cache, folder: Path) -> None:
    (folder / "parts" / A).mkdir(parents=True)
    (folder / "parts" / A / "data").write_bytes(b"x" * 10)

    await cache.clean()

    assert _left(folder) == []


async def test_what_a_living_process_is_bringing_is_not_cleaned_away(cache: Cache, folder: Path) -> None:
    filling = await cache.begin(A, 4)
    assert filling is not None

    await Cache(folder, ROOM).clean()
    await filling.write(b"data")
    await filling.publish("checksum")

    assert await cache.find(A, 4) is not None


async def test_what_a_dead_process_was_bringing_takes_no_room(cache: Cache, folder: Path) -> None:
    (folder / "parts" / A).mkdir(parents=True)
    (folder / "parts" / A / "data").write_bytes(b"x" * ROOM)

    assert await _fill(cache, B, b"b" * 60)


async def test_what_a_dead_process_was_removing_is_not_found_and_comes_again(
    cache: Cache, folder: Path
) -> None:
    (folder / "entries" / A).mkdir(parents=True)

    found = await cache.find(A, 4), await cache.list_entries()

    assert found == (None, [])
    assert await _fill(cache, A, b"data")


async def test_a_cache_that_nobody_used_leaves_no_trace(cache: Cache, folder: Path) -> None:
    await cache.clean()
    await cache.clear()

    assert (await cache.prune(), await cache.list_queue(), _left(folder)) == ((0, 0), [], [])
    assert list(folder.parent.iterdir()) == []


# ---- the queue


async def test_what_is_wanted_is_remembered_in_order(cache: Cache, folder: Path) -> None:
    for age, image_id in enumerate([A, C, B]):
        await cache.queue(image_id)
        os.utime(folder / "queue" / image_id, (age, age))

    assert await Cache(folder, ROOM).list_queue() == [A, C, B]


async def test_what_is_not_wanted_any_more_is_forgotten(cache: Cache) -> None:
    await cache.queue(A)

    await cache.unqueue(A)
    await cache.unqueue(A)

    assert (await cache.list_queue(), await cache.is_queued(A)) == ([], False)
