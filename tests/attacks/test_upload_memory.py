"""Many uploads at once: the memory that they take, and whose they are."""

from __future__ import annotations

import asyncio
import select
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial

import pytest
from faults.calls import create_image, expect_eventually, show_image, upload_data
from harness.s3_gateway import HoldUp, S3Gateway
from harness.service import MakeService, Service
from harness.swift import Swift

from transom.data.measure import AHEAD_BYTES
from transom.data.upload_memory import UploadMemory
from transom.domain.errors import UnavailableError
from transom.fair_semaphore import Need

from .strangers import MIB, PATIENCE_S, connect, head, peak_memory_bytes, read_status

pytestmark = pytest.mark.anyio

PART = 5 * MIB


class Slow:
    """A client that sends nothing more."""

    def __aiter__(self) -> Slow:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError("nobody ends the wait")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_project_gets_a_quarter_of_it_and_less_for_each_further_upload() -> None:
    memory, need = UploadMemory(400, wait_s=0.01), Need(10, 30)
    async with AsyncExitStack() as stack:
        taken = [(await stack.enter_async_context(memory.hold("one", need))).size for _ in range(7)]
        with pytest.raises(UnavailableError):
            await stack.enter_async_context(memory.hold("one", need))
        other = await stack.enter_async_context(memory.hold("other", need))

    assert taken == [25, 18, 14, 10, 10, 10, 10]
    assert other.size == (400 - sum(taken)) // 4 // 4


async def test_projects_that_have_filled_theirs_leave_some_for_the_next() -> None:
    memory, need = UploadMemory(400, wait_s=0.01), Need(2, 8)
    async with AsyncExitStack() as stack:
        for tenant in range(10):
            with suppress(UnavailableError):
                while True:
                    await stack.enter_async_context(memory.hold(f"hoarder {tenant}", need))
        async with memory.hold("newcomer", need) as held:
            assert held.size >= need.least


async def test_slow_uploads_are_broken_off_for_a_project_that_has_none() -> None:
    """Those of the project that has most, and no more of them than are in the way."""
    memory, broken_off = UploadMemory(80, slow_s=0.01), Counter[str]()

    async def upload(tenant: str, size: int) -> None:
        try:
            async with memory.hold(tenant, Need(size, size)) as held:
                async for _chunk in held.watch(Slow()):
                    raise AssertionError("nothing is sent")
        except UnavailableError:
            broken_off[tenant] += 1

    async with asyncio.TaskGroup() as tasks:
        uploads = [tasks.create_task(upload("many", 5)) for _ in range(4)]
        uploads += [tasks.create_task(upload(f"one {number}", 15)) for number in range(4)]
        await asyncio.sleep(0)
        async with memory.hold("newcomer", Need(10, 10)) as held:
            taken = held.size
        for one in uploads:
            one.cancel()

    assert taken == 10
    assert broken_off == {"many": 2}


async def test_an_upload_whose_store_is_slow_is_not_broken_off() -> None:
    memory = UploadMemory(80, wait_s=0.1, slow_s=0.01)
    async with AsyncExitStack() as stack:
        for tenant in range(4):
            held = await stack.enter_async_context(memory.hold(f"{tenant}", Need(20, 20)))
            # The store works on a block, and asks for no further one.
            assert await anext(held.watch(_one_block())) == b"block"
        with pytest.raises(UnavailableError):
            await stack.enter_async_context(memory.hold("newcomer", Need(10, 10)))


async def test_who_finds_too_little_waits_and_the_projects_are_called_in_turn() -> None:
    memory, called, may_end = UploadMemory(80, wait_s=10), list[str](), asyncio.Event()

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
    async with memory.hold("one", Need(20, 20)) as held:
        assert held.size == 20


async def test_an_upload_that_needs_more_than_a_project_may_have_gets_that() -> None:
    memory = UploadMemory(400)

    async with memory.hold("one", Need(1000, 4000)) as held, memory.hold("two", Need(1000, 4000)) as other:
        assert (held.size, other.size) == (100, 100)


async def test_uploads_without_data_need_nothing_of_it() -> None:
    memory = UploadMemory(400)

    async with memory.hold("one", Need(0, 0)) as first, memory.hold("one", Need(0, 0)) as second:
        assert (first.size, second.size) == (0, 0)
    async with memory.hold("one", Need(100, 100)) as held:
        assert held.size == 100


async def test_who_has_waited_too_long_is_told() -> None:
    memory = UploadMemory(80, wait_s=0.01)

    async with memory.hold("one", Need(20, 20)):
        with pytest.raises(UnavailableError):
            async with memory.hold("one", Need(20, 20)):
                raise AssertionError("there is no room")


async def _one_block() -> AsyncIterator[bytes]:
    yield b"block"


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


def test_an_upload_gets_in_when_drips_of_many_projects_have_taken_all(make_service: MakeService) -> None:
    """The one that is broken off for it leaves its image as it was."""
    service = make_service("sqlite", TRANSOM_WORKERS="1", TRANSOM_UPLOAD_MEMORY_BYTES=str(8 * AHEAD_BYTES))
    names = ["publisher", "publisher", "recipient", "other", *(f"project{number}" for number in range(4))]
    for name in names[4:]:
        service.add_user(name, name, "member")
    images = [create_image(service.client(name))["id"] for name in names]
    with ExitStack() as stack:
        drips = []
        for name, image_id in zip(names, images, strict=True):
            drips.append(stack.enter_context(connect(service)))
            drips[-1].sendall(_begun_upload(service, name, image_id))
            expect_eventually(partial(_status, service, name, image_id), "saving")
        admin = service.client("admin")
        mine = create_image(admin)["id"]
        status = upload_data(admin, mine, bytes(2 * AHEAD_BYTES)).status_code
        kept = Counter(_status(service, "publisher", image_id) for image_id in images[:2])
        answered = [read_status(one) for one in select.select(drips[:2], [], [], PATIENCE_S)[0]]

    assert status == 204
    assert kept == {"saving": 1, "queued": 1}
    assert answered == [503]


def _begun_upload(service: Service, name: str, image_id: str) -> bytes:
    lines = ["Content-Type: application/octet-stream", f"Content-Length: {2 * AHEAD_BYTES}"]
    return head("PUT", f"/v2/images/{image_id}/file", f"X-Auth-Token: {service.token(name)}", *lines) + b"x"


def _status(service: Service, name: str, image_id: str) -> str:
    return str(show_image(service.client(name), image_id)["status"])
