"""Many uploads at once: the memory that they take, and whose they are."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import pytest
from faults.calls import create_image, expect_eventually, show_image, upload_data
from harness.s3_gateway import HoldUp, S3Gateway
from harness.service import MakeService, Service
from harness.swift import Swift

from transom.data.measure import AHEAD_BYTES
from transom.data.upload_memory import share_memory
from transom.domain.errors import UnavailableError
from transom.fair_semaphore import Need

from .strangers import MIB, peak_memory_bytes

pytestmark = pytest.mark.anyio

PART = 5 * MIB


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_project_gets_a_quarter_of_it_and_less_for_each_further_upload() -> None:
    memory, need = share_memory(400), Need(10, 30)
    async with AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(memory.hold("one", need)) for _ in range(7)]
        others = await stack.enter_async_context(memory.hold("other", need))

    assert taken == [25, 18, 14, 10, 10, 10, 10]
    assert others == 25


async def test_who_finds_too_little_waits_and_the_projects_are_called_in_turn() -> None:
    memory, called, may_end = share_memory(80, wait_s=10), list[str](), asyncio.Event()

    async def upload(tenant: str, then: asyncio.Event | None = None) -> None:
        async with memory.hold(tenant, Need(20, 20)):
            called.append(tenant)
            if then is not None:
                await then.wait()

    tenants = ("one", "two", "four", "five")
    first = [asyncio.create_task(upload(tenant, may_end)) for tenant in tenants]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(upload(tenant)) for tenant in ("one", "one", "one", "three", "two")]
    await asyncio.sleep(0)
    waiting[1].cancel()
    may_end.set()
    await asyncio.gather(*first, *waiting, return_exceptions=True)

    assert called[:4] == [*tenants]
    assert called[4:] == ["one", "three", "two", "one"]
    async with memory.hold("one", Need(20, 20)) as taken:
        assert taken == 20


async def test_an_upload_that_needs_more_than_a_project_may_have_gets_that() -> None:
    memory = share_memory(400)

    async with memory.hold("one", Need(1000, 4000)) as taken, memory.hold("two", Need(1000, 4000)) as other:
        assert (taken, other) == (100, 100)


async def test_uploads_without_data_need_nothing_of_it() -> None:
    memory = share_memory(400)

    async with memory.hold("one", Need(0, 0)) as first, memory.hold("one", Need(0, 0)) as second:
        assert (first, second) == (0, 0)
    async with memory.hold("one", Need(100, 100)) as taken:
        assert taken == 100


async def test_who_has_waited_too_long_is_told() -> None:
    memory = share_memory(80, wait_s=0.01)

    async with memory.hold("one", Need(20, 20)):
        with pytest.raises(UnavailableError):
            async with memory.hold("one", Need(20, 20)):
                raise AssertionError("there is no room")


def test_uploads_of_one_project_do_not_fill_the_memory_while_a_store_hangs(
    make_service: MakeService, swift: Swift
) -> None:
    with S3Gateway(swift.endpoint) as gateway:
        service = _open(make_service, swift, gateway)
        publisher, recipient = service.client("publisher"), service.client("recipient")
        ours = [create_image(publisher)["id"] for _ in range(3)]
        theirs = create_image(recipient)["id"]
        gateway.rule = lambda asked: HoldUp(0) if "partNumber" in asked.query else None
        with ThreadPoolExecutor(4) as threads:
            ended = [threads.submit(_upload, service, "publisher", image_id) for image_id in ours]
            expect_eventually(lambda: {show_image(publisher, one)["status"] for one in ours}, {"saving"})
            expect_eventually(lambda: len(_begun(gateway, ours)) > 0, True)
            ended.append(threads.submit(_upload, service, "recipient", theirs))
            expect_eventually(lambda: _begun(gateway, [theirs]), [theirs])
            begun = _begun(gateway, ours)
            gateway.release()
            statuses = [one.result() for one in ended]

        assert len(begun) == 1
        assert statuses == [204] * 4
        assert _begun(gateway, ours) == ours


def _open(make_service: MakeService, swift: Swift, gateway: S3Gateway) -> Service:
    """A service whose projects may each have one upload in parts under way."""
    url = swift.store_url(prefix="parts").replace(swift.endpoint, gateway.origin)
    settings = {"TRANSOM_STORES": f"cold={url}", "TRANSOM_WORKERS": "1", **swift.settings()}
    return make_service("sqlite", TRANSOM_UPLOAD_MEMORY_BYTES=str(4 * (2 * PART + AHEAD_BYTES)), **settings)


def _upload(service: Service, name: str, image_id: str) -> int:
    return upload_data(service.client(name), image_id, bytes(PART + 1)).status_code


def _begun(gateway: S3Gateway, image_ids: list[str]) -> list[str]:
    """Of which of them an upload in parts was begun."""
    begun = [asked.path for asked in gateway.seen("POST") if asked.query.startswith("uploads")]
    return [one for one in image_ids if any(one in path for path in begun)]


UPLOADS = 40


def test_uploads_that_come_faster_than_they_are_hashed_are_bounded_too(make_service: MakeService) -> None:
    """In a local store. All of them end well."""
    limit = 16 * AHEAD_BYTES
    service = make_service("sqlite", TRANSOM_WORKERS="1", TRANSOM_UPLOAD_MEMORY_BYTES=str(limit))
    client = service.client("publisher")
    images = [create_image(client)["id"] for _ in range(UPLOADS)]
    upload_data(client, create_image(client)["id"], bytes(MIB))
    before = peak_memory_bytes(service)

    with ThreadPoolExecutor(UPLOADS) as threads:
        data = bytes(2 * AHEAD_BYTES)
        statuses = list(threads.map(lambda one: upload_data(client, one, data).status_code, images))

    assert statuses == [204] * UPLOADS
    assert peak_memory_bytes(service) - before < UPLOADS * AHEAD_BYTES // 2
