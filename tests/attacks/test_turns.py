"""Turns at the event loop: a project that sends a hundred long requests waits behind its own, and so does an
address that strangers send from."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import asyncpg
import msgspec
import pytest
from conftest import SharedServices
from harness.service import Service

from transom.api.pieces import AT_ONCE, CHARACTERS_AT_ONCE, encode_each, join_texts
from transom.api.turns import Turns
from transom.api.v2.metadefs.wire import encode_contents
from transom.domain.metadefs import Item, Kind, Namespace
from transom.telemetry import Scrapes

from .strangers import connect, cpu_s, head, read_status

CROWD = 100
JSON_BODY = "Content-Type: application/json"


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


@pytest.fixture(scope="module")
def shared_image(server: Service) -> str:
    """An image that has three thousand recipients."""
    client = server.client("publisher")
    image_id: str = client.post("/v2/images", json={"name": "web"}).json()["id"]
    recipients = [f"project-{number}" for number in range(3_000)]
    offered = client.post("/share/v1/offers", json={"images": [image_id], "projects": recipients})
    assert offered.json()["offered"] == 3_000
    return image_id


def test_a_crowd_of_long_requests_is_not_answered_before_another_projects_short_one(
    server: Service, shared_image: str
) -> None:
    token = f"X-Auth-Token: {server.token('publisher')}"

    assert _pieces_waited_for(server, head("GET", f"/v2/images/{shared_image}/members", token)) < CROWD / 4


@pytest.mark.parametrize(
    "request_head",
    [
        head("GET", "/metrics"),
        head("GET", "/", "Accept: " + ",".join(["a/b;q=0.1"] * 3_000)),
        head("GET", "/v2/" + "%41" * 10_000, "X-Auth-Token: wrong"),
        head("GET", "/console/login", "Cookie: " + ";".join(f"c{number}=x" for number in range(3_000))),
    ],
    ids=["metrics", "accept", "path", "cookies"],
)
def test_a_crowd_of_strangers_is_not_answered_before_a_users_request(
    server: Service, request_head: bytes
) -> None:
    assert _pieces_waited_for(server, request_head) < CROWD / 4


def _pieces_waited_for(server: Service, request: bytes) -> float:
    """What the service does of a crowd's requests while a short one of another project waits, in such
    requests: some pieces, or some rounds, which may hold several short pieces."""
    client = server.client("other")
    other_id = client.post("/v2/images", json={"name": "other"}).json()["id"]
    with connect(server, "127.0.0.2") as connection:
        before = cpu_s(server)
        for _ in range(CROWD // 5):
            connection.sendall(request)
            assert read_status(connection) in (200, 300, 401)
        one_s = (cpu_s(server) - before) / (CROWD // 5)
    with ExitStack() as stack:
        crowd = [stack.enter_context(connect(server, "127.0.0.2")) for _ in range(CROWD)]
        for connection in crowd:
            connection.sendall(request)
        spent_s = []
        for _ in range(5):
            before = cpu_s(server)
            assert client.get(f"/v2/images/{other_id}").status_code == 200
            spent_s.append(cpu_s(server) - before)
    return max(spent_s) / one_s


def test_a_project_that_waits_for_its_own_locks_keeps_nobody_from_writing(
    shared_services: SharedServices,
) -> None:
    """Its image is locked, as by a long batch, while a hundred of its requests want to write to it."""
    server = shared_services.get("postgresql")
    image_id, other_id = (
        server.client(name).post("/v2/images", json={"name": name}).json()["id"]
        for name in ("publisher", "other")
    )
    token, body = f"X-Auth-Token: {server.token('publisher')}", b'{"member": "somebody"}'
    request = head("POST", f"/v2/images/{image_id}/members", token, JSON_BODY, f"Content-Length: {len(body)}")

    async def attack() -> list[int]:
        holder, watcher = [await asyncpg.connect(server.database) for _ in range(2)]
        try:
            async with holder.transaction():
                await holder.execute("select 1 from image where id = $1 for update", image_id)
                for connection in crowd:
                    connection.sendall(request + body)
                # Who holds the lock would see, to its end, those alone who were connected at its first look.
                while not await watcher.fetchval(_ARE_WAITING):
                    pass
                return await asyncio.to_thread(write_beside)
        finally:
            await watcher.close()
            await holder.close()

    def write_beside() -> list[int]:
        client, path = server.client("other"), f"/v2/images/{other_id}/members"
        return [
            client.post(path, json={"member": "customer"}).status_code,
            client.get(f"{path}/customer").status_code,
            client.delete(f"{path}/customer").status_code,
        ]

    with ExitStack() as stack:
        crowd = [stack.enter_context(connect(server)) for _ in range(CROWD)]
        beside = asyncio.run(attack())
        statuses = sorted(read_status(connection) for connection in crowd)

    assert beside == [200, 200, 204]
    # One of them is the first; the place is taken then. Some have waited too long for theirs.
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409, 503}


#: Some of the crowd have come as far as the lock.
_ARE_WAITING = """
    select count(*) >= 3 from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'"""


class _Loop:
    """Pieces of work that take a second each, by a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = Turns(lambda: self.now)
        self.done: list[str] = []

    async def work(self, tenant: str, seconds: float = 1.0) -> None:
        await self.turns.take(tenant)
        self.now += seconds
        self.done.append(tenant)

    async def work_as_stranger(self, address: str) -> None:
        await self.turns.take_as_stranger(address)
        self.now += 1.0
        self.done.append(address)

    def crowd(self, tenant: str, seconds: float = 1.0) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.work(tenant, seconds)) for _ in range(CROWD)]

    def strangers(self) -> list[asyncio.Task[None]]:
        """Each from an address of its own."""
        return [asyncio.create_task(self.work_as_stranger(f"192.0.2.{n}")) for n in range(CROWD)]


async def _done_before_a_newcomer(loop: _Loop, crowd: list[asyncio.Task[None]]) -> list[str]:
    """What is done from the moment a newcomer joins the crowd to the end of its own piece."""
    for _ in range(5):
        await asyncio.sleep(0)
    begun = len(loop.done)
    await asyncio.create_task(loop.work("other"))
    place = loop.done.index("other")
    await asyncio.gather(*crowd)
    assert len(loop.done) == CROWD + 1
    return loop.done[begun : place + 1]


def test_a_newcomer_waits_for_one_piece() -> None:
    async def run() -> list[str]:
        loop = _Loop()
        return await _done_before_a_newcomer(loop, loop.crowd("one"))

    assert len(asyncio.run(run())) <= 2


def test_a_newcomer_waits_for_a_piece_of_strangers_however_many_addresses_they_have() -> None:
    async def run() -> list[str]:
        loop = _Loop()
        return await _done_before_a_newcomer(loop, loop.strangers())

    assert len(asyncio.run(run())) <= 2


def test_a_project_and_all_strangers_are_called_in_turn() -> None:
    async def run() -> list[str]:
        loop = _Loop()
        await asyncio.gather(*loop.crowd("one"), *loop.strangers())
        return loop.done

    done = asyncio.run(run())

    assert done[: 2 * CROWD - 2].count("one") >= CROWD - 2


def test_those_who_wait_are_called_in_turn() -> None:
    async def run() -> list[str]:
        loop = _Loop()
        await asyncio.gather(*loop.crowd("one"), *loop.crowd("other"))
        return loop.done

    done = asyncio.run(run())

    assert done == ["one", "other"] * CROWD


def test_short_pieces_of_one_project_begin_at_once() -> None:
    async def run() -> int:
        loop = _Loop()
        loop.crowd("one", seconds=0.0001)
        await asyncio.sleep(0)
        return len(loop.done)

    assert asyncio.run(run()) == CROWD


def test_who_comes_while_a_piece_is_called_begins_behind_it() -> None:
    """It would begin in the same round of the event loop, on top of the piece that was called."""

    async def run() -> list[str]:
        loop = _Loop()
        done = []

        async def work(name: str) -> None:
            await loop.work("one")
            done.append(name)

        async def come_later() -> None:
            # The second piece is called now, and has not begun.
            await asyncio.sleep(0)
            await work("third")

        await asyncio.gather(work("first"), work("second"), come_later())
        return done

    assert asyncio.run(run()) == ["first", "second", "third"]


def test_who_gave_up_holds_up_nobody() -> None:
    async def run() -> int:
        loop = _Loop()
        crowd = loop.crowd("one")
        await asyncio.sleep(0)
        for task in crowd[1::2]:
            task.cancel()
        await asyncio.gather(*crowd[::2])
        return len(loop.done)

    assert asyncio.run(run()) == CROWD / 2


@pytest.mark.anyio
async def test_a_crowd_that_asks_for_metrics_has_them_made_once_beside_the_loop() -> None:
    begun, may_go_on, made = threading.Semaphore(0), threading.Event(), 0

    def make() -> bytes:
        nonlocal made
        made += 1
        begun.release()
        return f"text {made}".encode() if may_go_on.wait(10) else b"held up"

    scrapes = Scrapes(make)
    first = asyncio.ensure_future(scrapes.render())
    await asyncio.to_thread(begun.acquire)
    crowd = [asyncio.ensure_future(scrapes.render()) for _ in range(CROWD)]
    await asyncio.sleep(0)
    crowd.pop().cancel()
    may_go_on.set()

    # What they ask for is not older than their question.
    assert await first == b"text 1"
    assert await asyncio.gather(*crowd) == [b"text 2"] * (CROWD - 1)
    assert made == 2


@pytest.mark.anyio
async def test_metrics_take_a_part_of_a_core_however_often_they_are_asked_for() -> None:
    spent_s, rests_s = 0.0, list[float]()

    def make() -> bytes:
        nonlocal spent_s
        spent_s += 100.0
        return b"text"

    async def rest(seconds: float) -> None:
        rests_s.append(seconds)

    scrapes = Scrapes(make, lambda: spent_s, rest)
    for _ in range(4):
        await scrapes.render()

    assert len(rests_s) == 3
    assert min(rests_s) / 100 > 3.9


@pytest.mark.anyio
async def test_a_long_answer_is_made_in_pieces() -> None:
    """Each time that another task runs, others could be answered."""
    turns, items, ran = Turns(), 1_000, 0

    async def run_beside() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(run_beside())
    made = [text async for text in encode_each(range(items), str, lambda: turns.take("project"))]
    beside.cancel()

    assert made == [f'"{number}"'.encode() for number in range(items)]
    assert ran >= items // AT_ONCE


@pytest.mark.anyio
async def test_a_namespace_of_many_objects_is_shown_in_pieces() -> None:
    namespace = Namespace(
        id="1",
        namespace="OS::Many",
        display_name=None,
        description=None,
        visibility="public",
        protected=False,
        owner="project",
        created_at=1,
        updated_at=1,
    )
    items = [
        Item(kind=Kind.OBJECT, name=f"object-{number}", body={}, created_at=1, updated_at=1)
        for number in range(1_000)
    ]
    turns = 0

    async def take_turn() -> None:
        nonlocal turns
        turns += 1

    shown = await encode_contents(namespace, items, take_turn)

    found = msgspec.json.decode(shown["objects"])
    assert [one["name"] for one in found] == [item.name for item in items]
    assert turns == len(items) // AT_ONCE


def test_a_long_page_is_made_in_pieces() -> None:
    made, turns = list[str](), list[int]()

    def make() -> Iterator[str]:
        for number in range(20):
            made.append(str(number % 10) * (CHARACTERS_AT_ONCE // 4))
            yield made[-1]

    async def take_turn() -> None:
        turns.append(len(made))

    text = asyncio.run(join_texts(make(), take_turn))

    assert text == "".join(made)
    assert turns == [4, 8, 12, 16, 20]
