"""The scrub: damage in a store is found in the background, by one process, and each image is counted once."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from harness.service import MakeService, Service
from harness.swift import Swift

from .calls import create_active_image, eventually, expect_eventually, show_image
from .test_s3 import start as start_on_s3

_DATA = b"the data of an image"
_FAST = {
    "TRANSOM_SCRUB_PACE_BYTES_S": str(1 << 30),
    "TRANSOM_SCRUB_PAUSE_H": "0",
    "TRANSOM_UPLOAD_LEASE_S": "3",
}


def _found(service: Service, run: str = "scrub") -> dict[str, int]:
    """What the metrics show: faults by their kind, those that there are, and images."""
    metrics = service.client(None).get("/metrics").text
    faults = re.findall(rf'^transom_{run}_faults{{fault="([^"]+)"}} ([0-9.]+)$', metrics, re.MULTILINE)
    images = re.search(rf"^transom_{run}_images ([0-9.]+)$", metrics, re.MULTILINE)
    found = {kind: int(float(number)) for kind, number in faults if float(number)}
    return found | {"images": int(float(images[1])) if images else 0}


def _file_of(service: Service, image_id: str) -> Path:
    return next(path for path in service.data_dir.rglob(f"{image_id}-*") if path.is_file())


def _spoil(file: Path) -> None:
    file.chmod(0o640)
    file.write_bytes(file.read_bytes().replace(_DATA, _DATA.upper()))


def _add_orphan(file: Path) -> Path:
    key = f"{uuid4()}-{uuid4().hex}"
    orphan = file.parent.parent / key[:2] / key
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(_DATA)
    return orphan


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_damage_on_a_disk_is_found_counted_and_left_alone(make_service: MakeService, database: str) -> None:
    service = make_service(database, TRANSOM_WORKERS="2", **_FAST)
    publisher = service.client("publisher")
    whole, lost, spoilt = (create_active_image(publisher, _DATA) for _ in range(3))
    expect_eventually(lambda: _found(service), {"images": 3})
    orphan = _add_orphan(_file_of(service, whole))
    _file_of(service, lost).unlink()
    _spoil(_file_of(service, spoilt))

    expect_eventually(lambda: _found(service), {"images": 3, "missing": 1, "wrong hash": 1, "orphan": 1})

    assert orphan.exists()
    assert [show_image(publisher, one)["status"] for one in (whole, lost, spoilt)] == ["active"] * 3


def test_what_is_safe_is_mended_if_the_operator_wants_it(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_SCRUB_REPAIRS="true", **_FAST)
    publisher = service.client("publisher")
    whole, spoilt = create_active_image(publisher, _DATA), create_active_image(publisher, _DATA)
    orphan = _add_orphan(_file_of(service, whole))
    _spoil(_file_of(service, spoilt))

    expect_eventually(lambda: show_image(publisher, spoilt)["status"], "deactivated")
    expect_eventually(orphan.exists, False)

    assert show_image(publisher, spoilt)["os_data_check"] == "wrong hash"
    assert publisher.get(f"/v2/images/{whole}/file").content == _DATA


def test_damage_in_an_object_store_is_found(make_service: MakeService, swift: Swift) -> None:
    before = swift.kept()
    service = start_on_s3(make_service, swift, **_FAST)
    publisher = service.client("publisher")
    create_active_image(publisher, b"another image")
    others = swift.kept()
    create_active_image(publisher, _DATA)
    (spoilt,) = swift.kept() - others
    lost = next(iter(others - before))
    expect_eventually(lambda: _found(service), {"images": 2})

    _spoil(spoilt)
    lost.unlink()

    expect_eventually(lambda: _found(service), {"images": 2, "missing": 1, "wrong hash": 1})


def test_a_process_that_takes_over_goes_on_where_the_last_one_was_killed(make_service: MakeService) -> None:
    """At this pace eight images are compared in a second."""
    service = make_service("sqlite", TRANSOM_UPLOAD_LEASE_S="3")
    publisher = service.client("publisher")
    ids = sorted(create_active_image(publisher, _DATA) for _ in range(40))
    service.stop()
    _spoil(_file_of(service, ids[0]))
    service.settings |= {"TRANSOM_SCRUB_PACE_BYTES_S": str(512 << 10)}
    service.start()
    part = eventually(lambda: _found(service), lambda found: found["images"] > 0)

    service.kill()
    service.start()

    assert part["images"] < len(ids)
    expect_eventually(lambda: _found(service), {"images": len(ids), "wrong hash": 1})
    assert f"has compared {len(ids)} images" in service.read_log()


def test_nothing_is_read_unless_the_operator_wants_it(make_service: MakeService) -> None:
    service = make_service("sqlite")
    create_active_image(service.client("publisher"), _DATA)

    done = service.run("check")

    assert done.returncode == 0, done.stdout
    service.stop()
    service.start()
    expect_eventually(lambda: _found(service, "check"), {"images": 1})
    assert _found(service) == {"images": 0}
