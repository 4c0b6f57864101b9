"""Copies to another region that are killed at each of their steps: the next worker goes on with the same
image (ims-api, 1.8)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.region import PASSWORD, PROJECT, REGION, USER, OtherRegion, peer_table
from harness.service import MakeService, Service
from test_copies import DATA, create_image, finish
from test_region_copies import begin

#: What the first attempt asks the region: to log in, for the image, whether the name is free, to make the
#: image, to take the data, for the image again.
CALLS = ["log in", "find", "list", "make", "fill", "compare"]


@pytest.fixture
def region() -> Iterator[OtherRegion]:
    with OtherRegion() as server:
        yield server


@pytest.fixture
def source(make_service: MakeService, region: OtherRegion, tmp_path: Path) -> Service:
    """Over one database: where a killed worker's job is left is a matter of the region's answers."""
    table = tmp_path / "peers.toml"
    table.write_text(peer_table(REGION, f"{region.origin}/v3", USER, PASSWORD, PROJECT, REGION))
    return make_service("sqlite", TRANSOM_PEERS_FILE=str(table), TRANSOM_UPLOAD_LEASE_S="3")


@pytest.mark.parametrize("number", range(1, len(CALLS) + 1), ids=CALLS)
@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not done"])
def test_a_copy_whose_worker_is_killed_while_the_region_works_is_made_once(
    source: Service, region: OtherRegion, number: int, is_done: bool
) -> None:
    """`is_done`: whether the region does what the killed worker has asked for last."""
    image_id = create_image(source)
    killed = region.interrupt(number, source.kill, is_done=is_done)

    job_id = begin(source, image_id, region=REGION, project_name=PROJECT)
    killed()
    source.start()
    job = finish(source, "publisher", job_id)

    copied = job["entities"]["image_id"]
    assert (job["status"], list(region.images)) == ("SUCCESS", [copied])
    assert (region.images[copied]["status"], region.data[copied]) == ("active", DATA)
    assert region.images[copied]["checksum"] == hashlib.md5(DATA).hexdigest()
    assert region.count("DELETE") == 0
