"""What a store of files promises beside the contract: cancelled at any step, on a full disk."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest

from transom.domain.errors import StoreFullError, UnavailableError
from transom.stores import MARK_BYTES, MARK_NAME, LocalFiles, filesystem
from transom.stores.filesystem import FilesystemStore

from .conftest import SMALL_DISK_BYTES
from .test_contract import KEY, OTHER_KEY, _chunks, _open_files
from .threads import SteppedThreads

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(folder: Path) -> FilesystemStore:
    return FilesystemStore("local", folder)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("job", [1, 2, 3, 4, 5, 6])
async def test_a_put_that_is_cancelled_during_any_of_its_steps_leaves_nothing(
    store: FilesystemStore, folder: Path, job: int, before: bool
) -> None:
    """A step that a thread has begun goes on although nobody waits for it any more."""
    threads = SteppedThreads(job, before=before)
    store.threads = threads
    putting = asyncio.ensure_future(store.put(KEY, _chunks(b"x" * 1000)))
    with anyio.fail_after(5):
        while not threads.has_stopped.is_set():
            await anyio.lowlevel.checkpoint()

    putting.cancel()
    await anyio.lowlevel.checkpoint()
    threads.go_on()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert (await store.size(KEY), _files(folder), _open_files(folder)) == (None, [], set())


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_what_a_disk_failed_to_write_on_the_way_is_told_though_its_last_sync_is_fine(
    store: FilesystemStore, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The system tells of pages that it lost once, and takes them for written from then on."""
    monkeypatch.setattr(filesystem, "_SYNC_BYTES", 10)
    synced = 0

    def lose(_descriptor: int) -> None:
        nonlocal synced
        synced += 1
        if synced == number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", lose)

    async def chunks() -> AsyncIterator[bytes]:
        while synced < number:
            yield b"x" * 10
        for _ in range(20):
            yield b"x" * 10

    with pytest.raises(UnavailableError):
        await store.put(KEY, chunks())

    assert (await store.size(KEY), _files(folder)) == (None, [])


async def test_a_full_disk_is_told_and_leaves_nothing(small_disk: Path) -> None:
    store = FilesystemStore("local", small_disk / "store")

    with pytest.raises(StoreFullError):
        await store.put(KEY, _chunks(*[b"x" * (SMALL_DISK_BYTES // 4)] * 5))

    assert (await store.size(KEY), _files(small_disk)) == (None, [])


async def test_a_disk_that_was_full_takes_what_fits(small_disk: Path) -> None:
    store = FilesystemStore("local", small_disk / "store")
    with pytest.raises(StoreFullError):
        await store.put(KEY, _chunks(b"x" * (2 * SMALL_DISK_BYTES)))

    size = await store.put(OTHER_KEY, _chunks(b"x" * (SMALL_DISK_BYTES // 2)))

    assert size == SMALL_DISK_BYTES // 2


async def test_a_store_of_local_files_says_where_they_are(store: FilesystemStore, folder: Path) -> None:
    await store.put(KEY, _chunks(b"data"))

    assert isinstance(store, LocalFiles)
    assert store.path(KEY).read_bytes() == b"data"
    assert store.path(KEY).is_relative_to(folder)


# ---- a mark that is none


def _place_mark(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder / MARK_NAME


def _make_pipe(folder: Path) -> None:
    os.mkfifo(_place_mark(folder))


def _make_device(folder: Path) -> None:
    _place_mark(folder).symlink_to("/dev/zero")


def _make_folder(folder: Path) -> None:
    _place_mark(folder).mkdir()


def _make_huge(folder: Path) -> None:
    with _place_mark(folder).open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("make", [_make_pipe, _make_device, _make_folder], ids=["pipe", "device", "folder"])
async def test_a_mark_that_is_no_file_cannot_be_known(
    store: FilesystemStore, folder: Path, make: Callable[[Path], None]
) -> None:
    make(folder)

    with anyio.fail_after(5), pytest.raises(UnavailableError):
        await store.read_mark()


async def test_of_a_huge_mark_only_the_beginning_is_read(store: FilesystemStore, folder: Path) -> None:
    _make_huge(folder)

    assert len(await store.read_mark() or b"") == MARK_BYTES


# ---- what does not belong there


async def test_a_link_that_leads_nowhere_hides_no_blob(store: FilesystemStore) -> None:
    await store.put(KEY, _chunks(b"data"))
    loop = store.path(OTHER_KEY)
    loop.symlink_to(loop)

    assert [found async for found in store.list_blobs()] == [(KEY, 4)]


async def test_what_can_be_listed_is_told_before_what_cannot(store: FilesystemStore, folder: Path) -> None:
    await store.put(KEY, _chunks(b"data"))
    entry = folder / "00" / OTHER_KEY
    entry.parent.mkdir()
    # A name that is too long to follow: the entry is there, and nobody can look at it.
    entry.symlink_to("x" * 300)
    listing = aiter(store.list_blobs())

    found = await anext(listing)

    assert found == (KEY, 4)
    with pytest.raises(UnavailableError):
        await anext(listing)


async def test_a_blob_that_is_no_file_is_not_waited_for(store: FilesystemStore) -> None:
    place = store.path(KEY)
    place.parent.mkdir(parents=True)
    os.mkfifo(place)

    with anyio.fail_after(5), pytest.raises(UnavailableError):
        await anext(store.get(KEY, 0, 1))


async def test_that_nobody_can_look_at_a_blob_is_told(store: FilesystemStore) -> None:
    """As on a disk that fails. A check of the stores goes on with the next one then."""
    await store.put(KEY, _chunks(b"data"))
    too_long = KEY + "x" * 300

    with pytest.raises(UnavailableError):
        await store.holds(too_long)
