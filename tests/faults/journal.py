"""What clients were told: every write with its answer, and whether a service still knows it.

A `Register` is one value that one client at a time writes. After a failure it must hold the last value whose
write was answered, or a later one whose write got no answer. `Journal.find_losses` compares all of them with
what a service shows. It knows the API from outside only.
"""

from __future__ import annotations

import hashlib
from threading import Condition
from typing import Generic, NamedTuple, TypeVar

import httpx
from harness.service import Service

from .calls import PATIENCE_S, Image, list_all_images, member_statuses, owned_sizes, stored_sizes

Value = TypeVar("Value")


class Data(NamedTuple):
    """An image's data as its uploader knows it."""

    size: int
    sha512: str


def data_of(content: bytes) -> Data:
    return Data(len(content), hashlib.sha512(content).hexdigest())


class Register(Generic[Value]):
    """The last value that was answered for, and the later ones that were not. Written by one thread."""

    def __init__(self, value: Value) -> None:
        self.settled = value
        self._unanswered: list[Value] = []

    def attempt(self, value: Value) -> None:
        """The write is about to be sent; it counts as unanswered until `settle` or `refuse`."""
        self._unanswered.append(value)

    def settle(self, value: Value) -> None:
        """The value is known to be this one, whatever was tried before."""
        self.settled = value
        self._unanswered.clear()

    def refuse(self, value: Value) -> None:
        """The write was answered with a refusal: it did nothing."""
        self._unanswered.remove(value)

    @property
    def is_certain(self) -> bool:
        return not self._unanswered

    @property
    def possible(self) -> list[Value]:
        return [self.settled, *self._unanswered]


class Record:
    """All that the journal knows of one image."""

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id
        self.exists = Register(False)
        self.data: Register[Data | None] = Register(None)
        self.properties: dict[str, Register[str | None]] = {}
        self.members: dict[str, Register[str | None]] = {}


class Journal:
    """The records of all images, and what else the clients saw. Records are kept for the whole test."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.surprises: list[str] = []
        self._deleted: set[str] = set()
        self._changed = Condition()
        self._answers = 0
        self._outages = 0

    @property
    def answers(self) -> int:
        return self._answers

    def new_record(self, image_id: str) -> Record:
        with self._changed:
            self.records[image_id] = Record(image_id)
            return self.records[image_id]

    def note_answer(self) -> None:
        with self._changed:
            self._answers += 1
            self._changed.notify_all()

    def note_outage(self) -> None:
        with self._changed:
            self._outages += 1
            self._changed.notify_all()

    def note_surprise(self, text: str) -> None:
        """Something that no failure excuses, such as a status that no such call may have."""
        with self._changed:
            self.surprises.append(text)
            self._changed.notify_all()

    def wait_for_answers(self, count: int) -> None:
        """Return when so many more writes were answered, or something is wrong already."""
        with self._changed:
            wanted = self._answers + count
            self._changed.wait_for(lambda: self._answers >= wanted or self.surprises, PATIENCE_S)
            assert self._answers >= wanted or self.surprises, "no more writes are answered"

    def wait_for_outages(self, count: int) -> None:
        """Return when so many more writes got 503, or something is wrong already."""
        with self._changed:
            wanted = self._outages + count
            self._changed.wait_for(lambda: self._outages >= wanted or self.surprises, PATIENCE_S)
            assert self._outages >= wanted or self.surprises, "no write is told that the service is down"

    def find_losses(self, service: Service) -> list[str]:
        """What the service shows otherwise than it was answered for; empty when all is well.

        Afterwards the journal takes what was seen for certain. No client may be at work.
        """
        images = {str(image["id"]): image for image in list_all_images(service)}
        losses = list(self.surprises)
        losses += [f"image {image_id} is back" for image_id in sorted(self._deleted & images.keys())]
        losses += [
            f"nobody made image {image_id}" for image_id in sorted(images.keys() - self.records.keys())
        ]
        for record in list(self.records.values()):
            losses += _losses_of_image(service, record, images.get(record.image_id))
            if record.image_id not in images:
                self._deleted.add(record.image_id)
                del self.records[record.image_id]
        owned, stored = owned_sizes(service), stored_sizes(service)
        if owned != stored:
            losses.append(f"the store holds files of {stored} bytes, the images have {owned}")
        return losses


def _losses_of_image(service: Service, record: Record, image: Image | None) -> list[str]:
    name = f"image {record.image_id}"
    if (image is not None) not in record.exists.possible:
        return [f"{name} is {'gone' if image is None else 'there'}, against {record.exists.possible}"]
    client = service.client("publisher")
    if image is None:
        shown = client.get(f"/v2/images/{record.image_id}").status_code
        return [] if shown == 404 else [f"{name} is in no list and yet shown with {shown}"]
    record.exists.settle(True)
    losses = []
    for key, register in record.properties.items():
        losses += _loss(f"{key} of {name}", register, image.get(key))
    members = member_statuses(client, record.image_id) if record.members else {}
    for member_id, register in record.members.items():
        losses += _loss(f"member {member_id} of {name}", register, members.get(member_id))
    return losses + _losses_of_data(client, name, record, image)


def _losses_of_data(client: httpx.Client, name: str, record: Record, image: Image) -> list[str]:
    described = [image[key] for key in ("size", "checksum", "os_hash_value", "os_hash_algo")]
    if image["status"] == "queued":
        if described != [None] * 4:
            return [f"{name} is queued and has {described}"]
        return _loss(f"data of {name}", record.data, None)
    if image["status"] != "active":
        return [f"{name} is {image['status']}"]
    response = client.get(f"/v2/images/{record.image_id}/file")
    if response.status_code != 200:
        return [f"data of {name}: {response.status_code} {response.text}"]
    kept = data_of(response.content)
    md5 = hashlib.md5(response.content, usedforsecurity=False).hexdigest()
    if described != [kept.size, md5, kept.sha512, "sha512"]:
        return [f"{name} has {described} on record, and its data {kept} {md5}"]
    return _loss(f"data of {name}", record.data, kept)


def _loss(what: str, register: Register[Value], seen: Value) -> list[str]:
    losses = [] if seen in register.possible else [f"{what} is {seen!r}, against {register.possible}"]
    register.settle(seen)
    return losses
