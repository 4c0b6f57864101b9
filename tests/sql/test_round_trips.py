"""How often a call waits for PostgreSQL, counted on the wire between the two.

Over a network each round trip costs more than the statement it carries. The service has one connection, runs
no jobs, does not look who has spent the quota of events, and its clean-up is a day away, so that nothing but
the calls is counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest
from harness.forks import forked_service
from harness.postgres_gateway import PostgresGateway
from harness.postgresql import PostgreSQL
from harness.service import Service

JSON_PATCH = "application/openstack-images-v2.1-json-patch"
SETTINGS = {
    "TRANSOM_DATABASE_POOL": "1",
    "TRANSOM_SERVE_RUNS_JOBS": "false",
    "TRANSOM_UPLOAD_LEASE_S": "86400",
    "TRANSOM_EVENT_QUOTA_PER_DAY": "-1",
}
#: A statement is prepared when a connection meets it first.
WARM_UP = 2
CALLS = 10


@pytest.fixture(scope="module")
def gateway(postgresql: PostgreSQL) -> Iterator[PostgresGateway]:
    with PostgresGateway(postgresql.create_database()) as server:
        yield server


@pytest.fixture(scope="module")
def service(gateway: PostgresGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with forked_service(tmp_path_factory.mktemp("round-trips"), gateway.url, SETTINGS) as running:
        yield running


class World:
    """An image of the publisher's that the recipient was offered, and calls that are different each time."""

    def __init__(self, service: Service) -> None:
        self.owner, self.recipient = service.client("publisher"), service.client("recipient")
        self._recipient_id = service.clouds["recipient"].project_id
        self.image = f"/v2/images/{self.create_image().json()['id']}"
        self.members = f"{self.image}/members"
        self.owner.post(self.members, json={"member": self._recipient_id})
        self._numbers = itertools.count()
        self._leavers = [f"leaver-{number}" for number in range(2 * (WARM_UP + CALLS))]
        for leaver in self._leavers:
            self.owner.post(self.members, json={"member": leaver})

    def create_image(self, **fields: str) -> httpx.Response:
        return self.owner.post("/v2/images", json={"name": "counted", "tags": ["tag"], **fields})

    def update_image(self) -> httpx.Response:
        operation = {"op": "add", "path": "/key", "value": f"value {next(self._numbers)}"}
        return self.owner.patch(self.image, json=[operation], headers={"Content-Type": JSON_PATCH})

    def add_member(self) -> httpx.Response:
        return self.owner.post(self.members, json={"member": f"project-{next(self._numbers)}"})

    def set_member_status(self) -> httpx.Response:
        status = ("accepted", "rejected")[next(self._numbers) % 2]
        return self.recipient.put(f"{self.members}/{self._recipient_id}", json={"status": status})

    def set_member_status_by_ims(self) -> httpx.Response:
        status = ("accepted", "rejected")[next(self._numbers) % 2]
        return self.recipient.put(f"/ims{self.members}/{self._recipient_id}", json={"status": status})

    def remove_member(self, prefix: str = "") -> httpx.Response:
        """Of the members that were made at the beginning, the next one."""
        return self.owner.delete(f"{prefix}{self.members}/{self._leavers.pop()}")

    def remove_member_by_ims(self) -> httpx.Response:
        return self.remove_member("/ims")


@pytest.fixture(scope="module")
def world(service: Service) -> World:
    return World(service)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(lambda world: world.owner.get(world.image), 1, id="show image"),
        pytest.param(lambda world: world.owner.get("/v2/images?limit=5"), 1, id="list images"),
        pytest.param(
            lambda world: world.recipient.get("/v2/images?visibility=shared&member_status=all"),
            1,
            id="list shared images",
        ),
        pytest.param(lambda world: world.owner.get(world.members), 1, id="list members"),
        pytest.param(World.set_member_status, 1, id="set member status"),
        pytest.param(World.set_member_status_by_ims, 2, id="set member status by the IMS API"),
        pytest.param(World.add_member, 1, id="add member"),
        pytest.param(World.remove_member, 2, id="remove member"),
        pytest.param(World.remove_member_by_ims, 2, id="remove member by the IMS API"),
        pytest.param(World.update_image, 2, id="update image"),
        pytest.param(World.create_image, 1, id="create image"),
        # A transaction: whether the id was ever used can only be said behind the insert (`ID_IS_UNUSED`).
        pytest.param(
            lambda world: world.create_image(id=str(uuid4())), 4, id="create image with an id of one's own"
        ),
    ],
)
def test_a_call_waits_for_the_database_no_oftener_than_it_must(
    gateway: PostgresGateway, world: World, call: Callable[[World], httpx.Response], expected: int
) -> None:
    answers = [call(world) for _ in range(WARM_UP)]
    before = gateway.round_trips

    answers += [call(world) for _ in range(CALLS)]

    assert [answer.text for answer in answers if not answer.is_success] == []
    assert gateway.round_trips - before == expected * CALLS
