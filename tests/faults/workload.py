"""Clients that write all sorts of things at once and keep a journal of it, until they are stopped or cut off.

Each client owns the images it makes, so that it alone writes each register of the journal. What is done is
drawn from a seeded generator. Start reading at `Workload`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from threading import Event
from typing import TypeVar
from uuid import UUID

import httpx
from harness.service import Service

from .at_work import at_work
from .calls import (
    STATUSES,
    add_member,
    add_property,
    remove_member,
    set_member_status,
    upload_data,
)
from .journal import Journal, Record, Register, data_of

Value = TypeVar("Value")

CLIENTS = 8
#: A client with so many images deletes one before it makes another: the check after each round stays short.
MOST_IMAGES = 4
LARGEST_SMALL_BYTES = 4096
LARGE_BYTES = (1 << 20, 4 << 20)
MEMBERS = ("recipient", "other")
#: Who is told 503 waits so long before the next call, seconds: what is away needs the processor to come back.
BACK_OFF_S = 0.25


class Workload:
    """The clients of one round after another.

    journal: what they were told. may_be_down: whether 503 with Retry-After is an answer to live with, and a
    lost connection is not; otherwise it is the other way round.
    """

    def __init__(self, service: Service, journal: Journal, seed: str, *, may_be_down: bool = False) -> None:
        self._service = service
        self._journal = journal
        self._seed = seed
        self._may_be_down = may_be_down
        self._owned: list[list[Record]] = [[] for _ in range(CLIENTS)]
        self._rounds = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """The clients are at work inside; after it they have stopped."""
        self._rounds += 1
        for name in ("publisher", *MEMBERS):
            self._service.client(name)
        with at_work([partial(self._run, number) for number in range(CLIENTS)]):
            yield

    def _run(self, number: int, stop: Event) -> None:
        dice = Random(f"{self._seed}-{self._rounds}-{number}")
        owned = self._owned[number] = [
            record for record in self._owned[number] if record.image_id in self._journal.records
        ]
        client = _Client(self._service, self._journal, dice, owned, self._may_be_down, stop)
        try:
            while not stop.is_set() and not self._journal.surprises:
                client.act()
        except httpx.TransportError as error:
            if self._may_be_down:
                self._journal.note_surprise(f"the connection was lost: {error!r}")


class _Client:
    """One client's next step, whatever the dice say."""

    def __init__(
        self,
        service: Service,
        journal: Journal,
        dice: Random,
        owned: list[Record],
        may_be_down: bool,
        stop: Event,
    ) -> None:
        self._journal = journal
        self._dice = dice
        self._owned = owned
        self._may_be_down = may_be_down
        self._stop = stop
        self._owner = service.client("publisher")
        self._members = {service.clouds[name].project_id: service.client(name) for name in MEMBERS}

    def act(self) -> None:
        usable = [record for record in self._owned if record.exists.is_certain]
        if not usable or (len(self._owned) < MOST_IMAGES and self._dice.random() < 0.2):
            self._create()
            return
        record = self._dice.choice(usable)
        steps = [self._patch, self._patch, self._change_member, self._change_member, self._change_member]
        if record.data.settled is None:
            steps += [self._upload, self._upload]
        if len(self._owned) >= MOST_IMAGES:
            steps.append(self._delete)
        self._dice.choice(steps)(record)

    def _create(self) -> None:
        if len(self._owned) >= MOST_IMAGES:
            # All of them are in doubt: they are the business of the check that follows the failure.
            self._owned.clear()
        record = self._journal.new_record(str(UUID(int=self._dice.getrandbits(128), version=4)))
        self._owned.append(record)
        properties: dict[str, str] = {
            f"p{number}": f"{self._dice.getrandbits(32):x}" for number in range(self._dice.randrange(4))
        }
        fields = {"id": record.image_id, "disk_format": "raw", "container_format": "bare"}
        for name, value in properties.items():
            # With the image or not at all: they are as certain as the image is.
            record.properties[name] = Register(value)
        self._write(
            record.exists, True, lambda: self._owner.post("/v2/images", json=fields | properties), 201
        )

    def _patch(self, record: Record) -> None:
        name, value = f"p{self._dice.randrange(6)}", f"{self._dice.getrandbits(32):x}"
        register = record.properties.setdefault(name, Register(None))
        self._write(register, value, lambda: add_property(self._owner, record.image_id, name, value), 200)

    def _change_member(self, record: Record) -> None:
        image_id, member_id = record.image_id, self._dice.choice(sorted(self._members))
        register = record.members.setdefault(member_id, Register(None))
        # 404 and 409 are right where an earlier write of the same register got no answer.
        doubt = () if register.is_certain else (404, 409)
        if register.settled is None:
            self._write(
                register, "pending", lambda: add_member(self._owner, image_id, member_id), 200, *doubt
            )
        elif self._dice.random() < 0.2:
            self._write(register, None, lambda: remove_member(self._owner, image_id, member_id), 204, *doubt)
        else:
            status = self._dice.choice(STATUSES)
            client = self._members[member_id]
            self._write(
                register, status, lambda: set_member_status(client, image_id, member_id, status), 200, *doubt
            )

    def _upload(self, record: Record) -> None:
        large = self._dice.random() < 0.4
        size = self._dice.randint(*LARGE_BYTES) if large else self._dice.randint(0, LARGEST_SMALL_BYTES)
        data = self._dice.randbytes(size)
        # Where an earlier upload got no answer, the image may be `saving` still, or `active` already.
        doubt = () if record.data.is_certain else (409,)
        self._write(
            record.data,
            data_of(data),
            lambda: upload_data(self._owner, record.image_id, data),
            204,
            *doubt,
        )

    def _delete(self, record: Record) -> None:
        if self._write(
            record.exists, False, lambda: self._owner.delete(f"/v2/images/{record.image_id}"), 204
        ):
            self._owned.remove(record)

    def _write(
        self,
        register: Register[Value],
        value: Value,
        call: Callable[[], httpx.Response],
        success: int,
        *refusals: int,
    ) -> bool:
        """Make the call and note its outcome; True when it was answered with success."""
        register.attempt(value)
        response = call()
        if response.status_code == success:
            register.settle(value)
            self._journal.note_answer()
            return True
        if self._may_be_down and response.status_code == 503 and "retry-after" in response.headers:
            self._journal.note_outage()
            self._stop.wait(BACK_OFF_S)
        elif response.status_code in refusals:
            register.refuse(value)
        else:
            request = response.request
            self._journal.note_surprise(
                f"{request.method} {request.url.path}: {response.status_code} {response.text}"
            )
        return False
