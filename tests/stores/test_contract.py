"""What every store promises (`transom/stores/__init__.py`), asked of each of them alike."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transom.domain.errors import InvalidError, NotFoundError, TransomError, UnavailableError
from transom.domain.fields import check_field
from transom.stores import MARK_NAME, Listable, Markable, Store

from .conftest import MakeStore

pytestmark = pytest.mark.anyio

KEY = "71c675ab-d94f-49cd-a114-e12490b328d9-0f0e0d0c0b0a09080706050403020100"
OTHER_KEY = "71c675ab-d94f-49cd-a114-e12490b328d9-ffffffffffffffffffffffffffffffff"
MIB = 1 << 20

many = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def _chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def _broken(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    raise InvalidError("the source broke off")


async def _endless(started: asyncio.Event) -> AsyncIterator[bytes]:
    """Gives something and then nothing, like a client that has stopped sending."""
    yield b"x" * 1000
    started.set()
    await asyncio.Event().wait()


async def _got(store: Store, key: str, start: int, length: int) -> bytes:
    return b"".join([chunk async for chunk in store.get(key, start, length)])


Kept = Callable[[], set[Path]]


def _open_files(folder: Path) -> set[str]:
    """The files below `folder` that this process has open, deleted ones too (Linux; elsewhere none)."""
    targets = {os.path.realpath(descriptor) for descriptor in Path("/proc/self/fd").glob("*")}
    return {target for target in targets if target.startswith(str(folder))}


# ---- in and out


@many
@given(parts=st.lists(st.binary(min_size=1, max_size=2000), max_size=8), key=st.uuids().map(str))
async def test_what_was_put_is_got(store: Store, parts: list[bytes], key: str) -> None:
    data = b"".join(parts)

    size = await store.put(key, _chunks(*parts))

    assert (size, await store.size(key), await _got(store, key, 0, size)) == (len(data), len(data), data)
    await store.delete(key)


@many
@given(data=st.binary(min_size=1, max_size=500), cuts=st.tuples(st.integers(0, 500), st.integers(0, 500)))
async def test_any_range_within_a_blob_is_got(store: Store, data: bytes, cuts: tuple[int, int]) -> None:
    start, end = sorted(min(cut, len(data)) for cut in cuts)
    await store.put(KEY, _chunks(data))

    part = await _got(store, KEY, start, end - start)

    assert part == data[start:end]
    await store.delete(KEY)


async def test_a_blob_may_have_no_bytes(store: Store) -> None:
    size = await store.put(KEY, _chunks())

    assert (size, await store.size(KEY), await _got(store, KEY, 0, 0)) == (0, 0, b"")


@pytest.mark.parametrize("sizes", [[5 * MIB], [MIB, 1, MIB - 1, MIB + 1], [1] * 500, [70 * MIB]])
async def test_chunks_may_have_any_sizes(store: Store, sizes: list[int]) -> None:
    parts = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    wanted = hashlib.sha256(b"".join(parts)).hexdigest()

    size = await store.put(KEY, _chunks(*parts))

    assert size == sum(sizes)
    assert hashlib.sha256(await _got(store, KEY, 0, size)).hexdigest() == wanted


async def test_a_large_blob_is_got_in_pieces(store: Store) -> None:
    await store.put(KEY, _chunks(b"x" * (5 * MIB)))

    pieces = [len(chunk) async for chunk in store.get(KEY, 0, 5 * MIB)]

    assert max(pieces) <= 2 * MIB
    assert sum(pieces) == 5 * MIB


async def test_a_reader_that_goes_away_leaves_nothing_open(store: Store, folder: Path) -> None:
    await store.put(KEY, _chunks(b"x" * (5 * MIB)))
    before = _open_files(folder)

    reading = store.get(KEY, 0, 5 * MIB)
    await anext(reading)
    await reading.aclose()

    assert _open_files(folder) == before


async def test_blobs_put_at_once_do_not_mix(store: Store) -> None:
    blobs = {f"{number:02x}-blob": [bytes([number]) * 70_000] * 5 for number in range(16)}

    await asyncio.gather(*(store.put(key, _chunks(*parts)) for key, parts in blobs.items()))

    assert {key: await _got(store, key, 0, 350_000) for key in blobs} == {
        key: b"".join(parts) for key, parts in blobs.items()
    }


async def test_a_blob_is_not_there_before_it_is_whole(store: Store) -> None:
    started = asyncio.Event()
    putting = asyncio.ensure_future(store.put(KEY, _endless(started)))
    await started.wait()

    size = await store.size(KEY)
    putting.cancel()

    assert size is None


async def test_a_blob_is_there_for_a_store_opened_anew(make_store: MakeStore, folder: Path) -> None:
    await make_store(folder).put(KEY, _chunks(b"data"))

    assert await _got(make_store(folder), KEY, 0, 4) == b"data"


# ---- absent and deleted


async def test_an_absent_blob_has_no_size(store: Store) -> None:
    assert await store.size(KEY) is None


async def test_an_absent_blob_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError):
        await _got(store, KEY, 0, 1)


async def test_a_deleted_blob_is_absent_and_its_neighbours_are_not(store: Store, kept: Kept) -> None:
    await store.put(KEY, _chunks(b"data"))
    await store.put(OTHER_KEY, _chunks(b"other"))

    await store.delete(KEY)

    assert (await store.size(KEY), await store.size(OTHER_KEY)) == (None, 5)
    assert len(kept()) == 1


@pytest.mark.parametrize("puts", [0, 1])
async def test_deleting_twice_is_fine(store: Store, puts: int) -> None:
    await asyncio.gather(*(store.put(KEY, _chunks(b"data")) for _ in range(puts)))

    await store.delete(KEY)
    await store.delete(KEY)

    assert await store.size(KEY) is None


async def test_a_blob_that_is_being_read_is_read_to_its_end_though_deleted(store: Store) -> None:
    await store.put(KEY, _chunks(b"x" * (3 * MIB)))
    reading = store.get(KEY, 0, 3 * MIB)
    first = await anext(reading)

    await store.delete(KEY)
    rest = b"".join([chunk async for chunk in reading])

    assert len(first) + len(rest) == 3 * MIB


async def test_a_blob_that_is_shorter_than_it_should_be_is_never_passed_off_as_whole(store: Store) -> None:
    await store.put(KEY, _chunks(b"x" * 100))

    with pytest.raises(UnavailableError):
        await _got(store, KEY, 0, 101)


# ---- nothing is left


@pytest.mark.parametrize("parts", [(), (b"x",), (b"x" * MIB, b"y" * MIB)], ids=["at once", "1", "2 MiB"])
async def test_a_source_that_raises_leaves_nothing(
    store: Store, folder: Path, kept: Kept, parts: tuple[bytes, ...]
) -> None:
    with pytest.raises(InvalidError, match="broke off"):
        await store.put(KEY, _broken(*parts))

    assert (await store.size(KEY), kept(), _open_files(folder)) == (None, set(), set())


async def test_a_put_that_is_cancelled_leaves_nothing(store: Store, folder: Path, kept: Kept) -> None:
    started = asyncio.Event()
    putting = asyncio.ensure_future(store.put(KEY, _endless(started)))
    await started.wait()

    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert (await store.size(KEY), kept(), _open_files(folder)) == (None, set(), set())


async def test_a_put_after_one_that_failed_works(store: Store) -> None:
    with pytest.raises(InvalidError):
        await store.put(KEY, _broken(b"x" * 1000))

    assert (await store.put(KEY, _chunks(b"data")), await _got(store, KEY, 0, 4)) == (4, b"data")


# ---- out of reach


async def test_a_store_that_cannot_be_used_takes_nothing(broken: Store) -> None:
    with pytest.raises(UnavailableError):
        await broken.put(KEY, _chunks(b"data"))


async def test_a_store_that_cannot_be_used_gives_nothing(broken: Store) -> None:
    with pytest.raises(TransomError):
        await _got(broken, KEY, 0, 4)


async def test_a_store_that_cannot_be_used_knows_no_size(broken: Store) -> None:
    with pytest.raises(UnavailableError):
        await broken.size(KEY)


async def test_a_store_that_cannot_be_used_does_not_claim_to_have_deleted(broken: Store) -> None:
    with pytest.raises(UnavailableError):
        await broken.delete(KEY)


# ---- keys


@given(
    image_id=st.uuids().map(str)
    | st.text("0123456789abcdefABCDEF-./\n\\ ", max_size=40)
    | st.uuids().map(lambda one: f"{one}\n")
    | st.uuids().map(lambda one: f"../{one}"),
    attempt=st.uuids().map(lambda one: one.hex),
)
def test_no_id_of_an_image_leads_out_of_the_folder(image_id: str, attempt: str) -> None:
    """`Transfer.receive` makes a key of the image's id, which the client may choose, and an own part."""
    try:
        key = f"{check_field('id', image_id)}-{attempt}"
    except InvalidError:
        return

    assert set(key) <= set("0123456789abcdefABCDEF-")


# ---- the mark


async def test_a_store_has_the_mark_that_was_written_last(
    store: Store, make_store: MakeStore, folder: Path
) -> None:
    assert isinstance(store, Markable)
    before = await store.read_mark()
    await store.write_mark(b"first")
    await store.write_mark(b"second")

    other = make_store(folder)

    assert isinstance(other, Markable)
    assert (before, await other.read_mark()) == (None, b"second")


async def test_marks_that_are_written_at_once_leave_one_of_them(store: Store, kept: Kept) -> None:
    assert isinstance(store, Markable)
    marks = [f"mark {number}".encode() for number in range(8)]

    await asyncio.gather(*map(store.write_mark, marks))

    assert await store.read_mark() in marks
    assert len(kept()) == 1


async def test_no_blob_has_the_name_of_the_mark(store: Store) -> None:
    """Keys have letters, digits and `-`."""
    assert isinstance(store, Markable)
    await store.write_mark(b"mark")

    await store.put(KEY, _chunks(b"data"))
    await store.delete(KEY)

    assert await store.read_mark() == b"mark"
    assert not MARK_NAME.replace("-", "").isalnum()


async def test_the_mark_of_a_store_that_cannot_be_reached_is_not_taken_for_absent(broken: Store) -> None:
    assert isinstance(broken, Markable)

    with pytest.raises(UnavailableError):
        await broken.read_mark()
    with pytest.raises(UnavailableError):
        await broken.write_mark(b"mark")


# ---- what it holds


async def test_it_names_what_it_holds(store: Store) -> None:
    assert isinstance(store, Listable)
    assert [found async for found in store.list_blobs()] == []

    await store.put(KEY, _chunks(b"data"))
    await store.put(OTHER_KEY, _chunks(b"more data"))
    await _mark(store)

    assert sorted([found async for found in store.list_blobs()]) == [(KEY, 4), (OTHER_KEY, 9)]
    await store.delete(KEY)
    assert [found async for found in store.list_blobs()] == [(OTHER_KEY, 9)]
    assert (await store.holds(KEY), await store.holds(OTHER_KEY)) == (False, True)


async def _mark(store: Store) -> None:
    assert isinstance(store, Markable)
    await store.write_mark(b"a mark is no blob")


async def test_what_is_set_aside_is_no_blob_any_more(store: Store) -> None:
    assert isinstance(store, Listable)
    await store.put(KEY, _chunks(b"data"))

    url = await store.set_aside(KEY)

    assert url.endswith(f"/aside/{KEY}")
    assert await store.size(KEY) is None
    assert not await store.holds(KEY)
    assert [found async for found in store.list_blobs()] == []
    with pytest.raises(NotFoundError):
        await store.set_aside(KEY)
