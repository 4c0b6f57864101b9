"""Data made to break the service: it is refused, and the service goes on for everybody else."""

from __future__ import annotations

import struct
from functools import partial

import pytest
from harness.service import MakeService

from .calls import (
    add_property,
    create_image,
    expect_eventually,
    others_than,
    show_image,
    stored_sizes,
    together,
    upload_data,
)

DATABASES = ["sqlite", "postgresql"]
BEYOND_64_BITS = 2**64 - 1
MIB = 1 << 20
ROUNDS = 15
#: Who has no answer by then never gets one; nothing here takes a tenth of it.
PROMPT_S = 10


def qcow2_header(size_bytes: int) -> bytes:
    """A qcow2 file of version 2 without data, for a disk of this size."""
    fields = (b"QFI\xfb", 2, 0, 0, 16, size_bytes, 0, 1, 0x30000, 0x10000, 1, 0, 0)
    return struct.pack(">4sIQIIQIIQQIIQ", *fields).ljust(4 * 65536, b"\0")


@pytest.mark.parametrize("database", DATABASES)
def test_a_virtual_size_that_no_database_can_hold_is_refused_and_writes_go_on(
    make_service: MakeService, database: str
) -> None:
    service = make_service(database)
    client = service.client("publisher")
    client.timeout = PROMPT_S
    image_id = create_image(client, disk_format="qcow2")["id"]

    refused = upload_data(client, image_id, qcow2_header(BEYOND_64_BITS))

    assert refused.status_code in (400, 415)
    assert show_image(client, image_id)["status"] == "queued"
    expect_eventually(lambda: stored_sizes(service), [])
    assert add_property(client, image_id, "key", "value").status_code == 200


def test_every_upload_that_is_refused_half_way_is_answered(make_service: MakeService) -> None:
    """What is still on its way is read to its end: by one reader, and no piece of it may get lost."""
    service = make_service("sqlite", TRANSOM_IMAGE_SIZE_CAP=str(2 * MIB))
    client = service.client("publisher")
    client.timeout = PROMPT_S
    for _ in range(ROUNDS):
        image_ids = [create_image(client)["id"] for _ in range(6)]

        answers = together(
            *[partial(upload_data, client, one, iter([b"x" * (MIB // 4)] * 16)) for one in image_ids]
        )

        assert others_than(answers, 413) == []
        assert stored_sizes(service) == []
