"""Clients that read the same few images over and over: each answer is the whole truth, or 503.

Nobody changes these images, so that every answer is known beforehand. Start reading at `Readers`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from threading import Event

import httpx
from harness.service import Service

from .at_work import at_work
from .calls import add_member, create_active_image
from .journal import Journal, data_of
from .workload import BACK_OFF_S

CLIENTS = 3
IMAGES = 2
DATA_BYTES = 1 << 16


class Readers:
    """journal: is told of the images and of wrong answers. may_be_down: whether 503 with Retry-After is an
    answer to live with."""

    def __init__(self, service: Service, journal: Journal, *, may_be_down: bool = False) -> None:
        self._journal = journal
        self._may_be_down = may_be_down
        self._owner, self._recipient = service.client("publisher"), service.client("recipient")
        self._recipient_id = service.clouds["recipient"].project_id
        self._name = f"read-{secrets.token_hex(4)}"
        self._data = secrets.token_bytes(DATA_BYTES)
        self._image_ids = [self._make_image() for _ in range(IMAGES)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """The clients read inside; after it they have stopped."""
        with at_work([partial(self._run, number) for number in range(CLIENTS)]):
            yield

    def read_all(self) -> list[str]:
        """What is wrong with the answers to one read of each kind."""
        return [wrong for read in self._reads(self._image_ids[0]) if (wrong := self._wrong(*read))]

    def _make_image(self) -> str:
        image_id = create_active_image(self._owner, self._data, name=self._name)
        assert add_member(self._owner, image_id, self._recipient_id).status_code == 200
        record = self._journal.new_record(image_id)
        record.exists.settle(True)
        record.data.settle(data_of(self._data))
        return image_id

    def _run(self, number: int, stop: Event) -> None:
        reads = [read for image_id in self._image_ids for read in self._reads(image_id)]
        for call, is_right in islice(cycle(reads), number, None):
            if stop.is_set() or self._journal.surprises:
                return
            try:
                answer = call()
            except httpx.TransportError as error:
                self._journal.note_surprise(f"a reader lost its connection: {error!r}")
                return
            if self._may_be_down and answer.status_code == 503 and "retry-after" in answer.headers:
                stop.wait(BACK_OFF_S)
            elif answer.status_code != 200 or not is_right(answer):
                self._journal.note_surprise(_told(answer))

    def _wrong(
        self, call: Callable[[], httpx.Response], is_right: Callable[[httpx.Response], bool]
    ) -> str | None:
        answer = call()
        return None if answer.status_code == 200 and is_right(answer) else _told(answer)

    def _reads(
        self, image_id: str
    ) -> list[tuple[Callable[[], httpx.Response], Callable[[httpx.Response], bool]]]:
        """Each kind of read, and whether its answer is right."""
        shown, listed = f"/v2/images/{image_id}", f"/v2/images?name={self._name}"
        offered = f"{listed}&visibility=shared&member_status=pending"
        return [
            (lambda: self._owner.get(shown), lambda answer: answer.json()["name"] == self._name),
            (lambda: self._recipient.get(shown), lambda answer: answer.json()["size"] == DATA_BYTES),
            (lambda: self._owner.get(listed), self._are_listed),
            (lambda: self._recipient.get(offered), self._are_listed),
            (lambda: self._owner.get(f"{shown}/file"), lambda answer: answer.content == self._data),
            (lambda: self._owner.get(f"{shown}/members"), self._is_pending),
        ]

    def _are_listed(self, answer: httpx.Response) -> bool:
        return {image["id"] for image in answer.json()["images"]} == set(self._image_ids)

    def _is_pending(self, answer: httpx.Response) -> bool:
        members = [(one["member_id"], one["status"]) for one in answer.json()["members"]]
        return members == [(self._recipient_id, "pending")]


def _told(answer: httpx.Response) -> str:
    return f"GET {answer.request.url}: {answer.status_code} {answer.content[:300]!r}"
