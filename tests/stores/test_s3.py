"""What an S3 store promises beside the contract: large blobs in parts, no room, nothing left behind."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from harness.s3_gateway import Asked, S3Gateway
from harness.swift import ACCESS_KEY, BUCKET, SECRET_KEY, SMALL_BUCKET, SMALL_BUCKET_BYTES, Swift

from transom.domain.errors import StoreFullError, UnavailableError
from transom.domain.stores import StoreInfo, StoreKind
from transom.stores import s3_requests
from transom.stores.s3 import S3Store
from transom.stores.s3_credentials import Keys

from .test_contract import KEY, MIB, _chunks, _got

pytestmark = pytest.mark.anyio


def _open_store(swift: Swift, address: str, secret_key: str = SECRET_KEY) -> S3Store:
    options = {"endpoint": swift.endpoint, "region": "us-east-1", "part_size_mib": "5"}
    info = StoreInfo(id="cold", kind=StoreKind.S3, address=address, options=options)
    return S3Store(info, Keys(access_key=ACCESS_KEY, secret_key=secret_key))


@pytest.fixture
def store(swift: Swift, tmp_path: Path) -> S3Store:
    return _open_store(swift, f"{BUCKET}/{tmp_path.name}")


async def _megabytes(count: int, then: BaseException | None = None) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number]) * MIB
    if then is not None:
        raise then


async def test_a_url_of_a_blob_names_its_place_and_no_key(store: S3Store, tmp_path: Path) -> None:
    assert store.url(KEY) == f"s3://{BUCKET}/{tmp_path.name}/{KEY}"


async def test_a_blob_of_many_parts_is_put_and_got_whole(store: S3Store) -> None:
    size = await store.put(KEY, _megabytes(23))

    got = await _got(store, KEY, 0, size)

    assert (size, await store.size(KEY)) == (23 * MIB, 23 * MIB)
    assert got == b"".join([chunk async for chunk in _megabytes(23)])


async def test_a_range_over_the_border_of_two_parts_is_got(store: S3Store) -> None:
    await store.put(KEY, _megabytes(11))

    assert await _got(store, KEY, 5 * MIB - 2, 4) == b"\x04\x04\x05\x05"


async def test_an_upload_that_breaks_off_after_some_parts_leaves_none(store: S3Store, swift: Swift) -> None:
    before = swift.kept()

    with pytest.raises(RuntimeError, match="broke off"):
        await store.put(KEY, _megabytes(17, RuntimeError("broke off")))

    assert (await store.size(KEY), swift.kept()) == (None, before)


async def test_an_upload_that_is_cancelled_after_some_parts_leaves_none(store: S3Store, swift: Swift) -> None:
    before = swift.kept()
    started = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        async for chunk in _megabytes(17):
            yield chunk
        started.set()
        await asyncio.Event().wait()

    putting = asyncio.ensure_future(store.put(KEY, stalls()))
    await started.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert (await store.size(KEY), swift.kept()) == (None, before)


async def test_an_upload_that_is_cancelled_again_and_again_leaves_nothing(
    store: S3Store, swift: Swift
) -> None:
    before = swift.kept()
    putting = asyncio.ensure_future(store.put(KEY, _megabytes(17)))
    while not putting.done():
        await asyncio.sleep(0)
        putting.cancel()

    assert putting.cancelled()
    assert (await store.size(KEY), swift.kept()) == (None, before)


async def test_a_bucket_without_room_is_full_and_keeps_nothing(swift: Swift) -> None:
    before = swift.kept()
    store = _open_store(swift, SMALL_BUCKET)

    with pytest.raises(StoreFullError):
        await store.put(KEY, _chunks(b"x" * (SMALL_BUCKET_BYTES + 1)))

    assert (await store.size(KEY), swift.kept()) == (None, before)


@pytest.mark.parametrize("address", ["nowhere", "nowhere/at/all"])
async def test_a_bucket_that_is_not_there_takes_nothing(swift: Swift, address: str) -> None:
    with pytest.raises(UnavailableError):
        await _open_store(swift, address).put(KEY, _chunks(b"data"))


async def test_a_wrong_key_is_told_to_the_log_and_never_to_the_client(
    swift: Swift, caplog: pytest.LogCaptureFixture
) -> None:
    store = _open_store(swift, BUCKET, "not the secret")

    with pytest.raises(UnavailableError) as caught:
        await store.size(KEY)

    assert str(caught.value) == "The image store cold cannot be used now."
    assert "403" in caplog.text
    assert "not the secret" not in caplog.text


async def test_a_large_blob_is_cut_into_larger_parts_when_its_size_is_known(store: S3Store) -> None:
    """Ten thousand parts of the usual size would not do."""
    size = await store.put(KEY, _megabytes(12), 60_000 * MIB)

    assert await store.size(KEY) == size == 12 * MIB


#: Of each part: more than a library tries without being told to.
BUSY_TIMES = 4


async def test_an_upload_outlasts_a_service_that_is_busy(swift: Swift, tmp_path: Path) -> None:
    asked = Counter[str]()

    def busy(request: Asked) -> int | None:
        if "partNumber" not in request.query:
            return None
        asked[request.query] += 1
        return 503 if asked[request.query] <= BUSY_TIMES else None

    with S3Gateway(swift.endpoint) as gateway:
        gateway.rule = busy
        options = {"endpoint": gateway.origin, "region": "us-east-1", "part_size_mib": "5"}
        address = f"{BUCKET}/{tmp_path.name}"
        info = StoreInfo(id="cold", kind=StoreKind.S3, address=address, options=options)
        store = S3Store(info, Keys(access_key=ACCESS_KEY, secret_key=SECRET_KEY))

        size = await store.put(KEY, _megabytes(7))

        assert (size, await store.size(KEY)) == (7 * MIB, 7 * MIB)
    assert list(asked.values()) == [BUSY_TIMES + 1] * 2


@pytest.mark.parametrize(("memory_bytes", "most"), [(None, 4), (10 * MIB, 1), (17 * MIB, 2), (0, 1)])
async def test_an_upload_has_no_more_parts_under_way_than_it_has_memory_for(
    swift: Swift, tmp_path: Path, memory_bytes: int | None, most: int
) -> None:
    lock, inside, peak = threading.Lock(), 0, 0
    is_full = threading.Event()

    def count(request: Asked) -> None:
        nonlocal inside, peak
        if "partNumber" not in request.query:
            return
        with lock:
            inside += 1
            peak = max(peak, inside)
            if peak >= most:
                is_full.set()
        is_full.wait(10)
        with lock:
            inside -= 1

    with S3Gateway(swift.endpoint) as gateway:
        gateway.rule = count
        options = {"endpoint": gateway.origin, "region": "us-east-1", "part_size_mib": "5"}
        address = f"{BUCKET}/{tmp_path.name}"
        info = StoreInfo(id="cold", kind=StoreKind.S3, address=address, options=options)
        store = S3Store(info, Keys(access_key=ACCESS_KEY, secret_key=SECRET_KEY))

        assert await store.put(KEY, _megabytes(42), None, memory_bytes) == 42 * MIB

    assert peak == most
    least, fastest = store.memory_for(None)
    assert (least, fastest, store.memory_for(7)) == (10 * MIB, 25 * MIB, (7, 7))


FOREIGN = ["", "a//b", "/c", ".", "..", "x/y", "x/", "we\x01rd", "new\nline", "\u00e4#*%41 +&<>", "aside/1"]


async def test_objects_of_others_hide_no_blob_from_a_list(
    store: S3Store, swift: Swift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that reads names as paths ends at some of them."""
    monkeypatch.setattr(s3_requests, "_PAGE", 2)
    ours = {f"{number:04}": number for number in range(1, 6)}
    for key, size in ours.items():
        await store.put(key, _chunks(b"x" * size))
    bucket = s3_requests.Bucket(swift.endpoint, f"/{BUCKET}", "us-east-1", ACCESS_KEY, SECRET_KEY)
    for name in FOREIGN:
        s3_requests._ask(bucket, "PUT", f"{bucket.path}/{tmp_path.name}/{quote(name)}", {})

    found = dict([blob async for blob in store.list_blobs()])

    assert {key: size for key, size in found.items() if key in ours} == ours
    assert found.keys() - ours <= set(FOREIGN)
