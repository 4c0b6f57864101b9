"""A store of other people's servers, asked of a real one (`moody_server.py`) of many moods."""

from collections.abc import Iterator

import pytest
from harness.moody_server import MoodyServer

from transom.domain.errors import NotFoundError, UnavailableError, UnusableSourceError
from transom.domain.outbound import OutboundRules
from transom.outbound import Outbound
from transom.stores.http import HttpStore

from .test_contract import MIB, _chunks, _got

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 16
MOODS = ["plain", "no-ranges", "no-head", "no-length-in-head", "chunked-head", "redirect"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def files() -> Iterator[MoodyServer]:
    with MoodyServer({"image.raw": DATA, "large.raw": b"x" * (3 * MIB), "empty.raw": b""}) as server:
        yield server


def _rules(*hosts: str) -> OutboundRules:
    return OutboundRules(allowed_schemes=frozenset({"http", "https"}), allowed_hosts=frozenset(hosts))


@pytest.fixture
def store() -> HttpStore:
    return HttpStore("web", Outbound(_rules("127.0.0.1", "localhost")))


@pytest.mark.parametrize("mood", MOODS)
async def test_data_is_got_with_its_size(store: HttpStore, files: MoodyServer, mood: str) -> None:
    url = files.url("image.raw", mood)

    size = await store.size(url)

    assert (size, await _got(store, url, 0, len(DATA))) == (len(DATA), DATA)


@pytest.mark.parametrize("mood", MOODS)
@pytest.mark.parametrize(("start", "length"), [(0, 1), (1, 10), (4095, 1), (100, 3996)])
async def test_a_range_is_got_whether_or_not_the_server_knows_ranges(
    store: HttpStore, files: MoodyServer, mood: str, start: int, length: int
) -> None:
    assert await _got(store, files.url("image.raw", mood), start, length) == DATA[start : start + length]


async def test_nothing_is_got_of_no_bytes(store: HttpStore, files: MoodyServer) -> None:
    url = files.url("empty.raw")

    assert (await store.size(url), await _got(store, url, 0, 0)) == (0, b"")


async def test_a_large_file_comes_in_pieces(store: HttpStore, files: MoodyServer) -> None:
    pieces = [len(chunk) async for chunk in store.get(files.url("large.raw"), 0, 3 * MIB)]

    assert sum(pieces) == 3 * MIB
    assert max(pieces) <= 2 * MIB


async def test_an_absent_file_has_no_size_and_is_not_found(store: HttpStore, files: MoodyServer) -> None:
    url = files.url("nothing.raw")

    assert await store.size(url) is None
    with pytest.raises(NotFoundError):
        await _got(store, url, 0, 1)


@pytest.mark.parametrize("mood", ["cut-short", "broken", "other-range"])
async def test_data_that_is_less_than_it_should_be_is_never_passed_off_as_whole(
    store: HttpStore, files: MoodyServer, mood: str
) -> None:
    with pytest.raises(UnavailableError):
        await _got(store, files.url("image.raw", mood), 0, len(DATA))


@pytest.mark.parametrize("mood", ["no-content", "packed", "another-part"])
async def test_an_answer_that_is_not_the_data_is_refused_as_such(
    store: HttpStore, files: MoodyServer, mood: str
) -> None:
    url = files.url("image.raw", mood)

    with pytest.raises(UnusableSourceError):
        await store.size(url)
    with pytest.raises(UnusableSourceError):
        await _got(store, url, 0, len(DATA))


async def test_a_file_that_is_shorter_than_recorded_is_never_passed_off_as_whole(
    store: HttpStore, files: MoodyServer
) -> None:
    with pytest.raises(UnavailableError):
        await _got(store, files.url("image.raw"), 0, len(DATA) + 1)


async def test_a_server_that_is_away_is_unavailable(store: HttpStore) -> None:
    with pytest.raises(UnavailableError):
        await store.size("http://127.0.0.1:1/image.raw")
    with pytest.raises(UnavailableError):
        await _got(store, "http://127.0.0.1:1/image.raw", 0, 1)


async def test_what_may_not_be_fetched_is_not(files: MoodyServer) -> None:
    store = HttpStore("web", Outbound(_rules()))
    url = files.url("image.raw")

    assert await store.size(url) is None
    with pytest.raises(NotFoundError):
        await _got(store, url, 0, 1)
    assert files.asked == []


async def test_a_redirect_to_what_may_not_be_fetched_is_not_followed(files: MoodyServer) -> None:
    """The name of this machine is another host than its address."""
    store = HttpStore("web", Outbound(_rules("127.0.0.1")))
    url = files.url("image.raw", "redirect-to-localhost")

    with pytest.raises(NotFoundError):
        await _got(store, url, 0, 1)
    assert [path for path in files.asked if "redirect" not in path] == []


async def test_a_store_of_others_takes_and_removes_nothing(store: HttpStore, files: MoodyServer) -> None:
    url = files.url("image.raw")

    with pytest.raises(UnavailableError):
        await store.put(url, _chunks(b"data"))
    await store.delete(url)

    assert (await store.size(url), store.url(url)) == (len(DATA), url)
