"""`transom check`: what is wrong with the data in the stores is found, and mended where that is safe."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from harness.databases import change_database
from harness.service import MakeService, Service
from harness.swift import Swift

from .calls import create_active_image, create_image, expect_eventually, show_image
from .test_s3 import start as start_on_s3
from .uploads import HeldUpload

_DATA = b"the data of an image"


def _check(service: Service, *options: str) -> list[dict[str, Any]]:
    done = service.run("check", "--output", "json", *options)
    log, bracket, rest = done.stdout.partition("[")
    assert "Traceback" not in log
    rows: list[dict[str, Any]] = json.loads(bracket + rest)
    assert done.returncode == (1 if rows else 0), done.stdout
    return rows


def _facts(rows: list[dict[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    return [(row["fault"], row["image"], row["repair"]) for row in rows]


def _file_of(service: Service, image_id: str) -> Path:
    return next(path for path in service.data_dir.rglob(f"{image_id}-*") if path.is_file())


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, make_service: MakeService) -> Service:
    return make_service(request.param)


def test_nothing_is_wrong_with_what_the_service_wrote(service: Service) -> None:
    publisher = service.client("publisher")
    create_active_image(publisher, _DATA)
    publisher.delete(f"/v2/images/{create_active_image(publisher, _DATA)}")
    staged = create_image(publisher)["id"]
    publisher.put(
        f"/v2/images/{staged}/stage", content=_DATA, headers={"Content-Type": "application/octet-stream"}
    )
    with HeldUpload(service, "publisher", create_image(publisher)["id"]) as upload:
        upload.send(b"x" * (2 << 20))

        found = _check(service, "--deep")

        upload.finish()
    assert found == []


@pytest.mark.parametrize("options", [("--deep",), ()])
@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda file: file.unlink(), "missing"),
        (lambda file: file.write_bytes(_DATA[:-1]), "wrong size"),
        (lambda file: file.write_bytes(_DATA.upper()), "wrong hash"),
    ],
    ids=["missing", "wrong size", "wrong hash"],
)
def test_data_that_is_not_as_recorded_is_found(
    make_service: MakeService, spoil: Any, fault: str, options: tuple[str, ...]
) -> None:
    service = make_service("sqlite")
    publisher = service.client("publisher")
    whole, spoilt = create_active_image(publisher, _DATA), create_active_image(publisher, _DATA)
    file = _file_of(service, spoilt)
    file.chmod(0o640)
    spoil(file)
    is_seen = fault != "wrong hash" or options == ("--deep",)

    found = _check(service, *options)
    mended = _check(service, "--repair", *options)

    assert _facts(found) == ([(fault, spoilt, None)] if is_seen else [])
    assert _facts(mended) == ([(fault, spoilt, "deactivated")] if is_seen else [])
    assert publisher.get(f"/v2/images/{whole}/file").content == _DATA
    if is_seen:
        assert found[0]["owner"] == service.clouds["publisher"].project_id
        shown = show_image(publisher, spoilt)
        assert (shown["status"], shown["os_data_check"]) == ("deactivated", fault)
        assert publisher.get(f"/v2/images/{spoilt}/file").status_code == 403


def test_an_image_with_another_good_copy_stays(make_service: MakeService, tmp_path: Path) -> None:
    stores = f"a=file://{tmp_path / 'a'},b=file://{tmp_path / 'b'}"
    service = make_service("sqlite", TRANSOM_STORES=stores, TRANSOM_DEFAULT_STORE="a")
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]
    publisher.put(
        f"/v2/images/{image_id}/stage", content=_DATA, headers={"Content-Type": "application/octet-stream"}
    )
    body = {"method": {"name": "glance-direct"}, "stores": ["a", "b"]}
    publisher.post(f"/v2/images/{image_id}/import", json=body)
    _wait_until_active(service, image_id)
    next((tmp_path / "a").rglob(f"{image_id}-*")).unlink()

    mended = _check(service, "--repair")

    assert [(row["fault"], row["store"], row["repair"]) for row in mended] == [("missing", "a", None)]
    assert publisher.get(f"/v2/images/{image_id}/file").content == _DATA


def _wait_until_active(service: Service, image_id: str) -> None:
    expect_eventually(lambda: show_image(service.client("publisher"), image_id)["status"], "active")


def test_data_of_no_image_is_moved_aside(service: Service) -> None:
    image_id = create_active_image(service.client("publisher"), _DATA)
    file = _file_of(service, image_id)
    key = f"{uuid4()}-{uuid4().hex}"
    orphan = file.parent.parent / key[:2] / key
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(_DATA)
    note = file.parent / "README"
    note.write_text("not the service's")

    found = _check(service)
    mended = _check(service, "--repair")
    after = _check(service)

    assert [(row["fault"], row["key"], row["bytes"]) for row in found] == [("orphan", key, str(len(_DATA)))]
    assert re.match(r"moved to file://.*/aside/", mended[0]["repair"])
    assert (file.parent.parent / "aside" / key).read_bytes() == _DATA
    assert after == []
    assert note.exists()
    assert service.client("publisher").get(f"/v2/images/{image_id}/file").content == _DATA


def test_an_object_of_no_image_is_moved_aside(make_service: MakeService, swift: Swift) -> None:
    service = start_on_s3(make_service, swift)
    publisher = service.client("publisher")
    whole, lost = create_active_image(publisher, _DATA), create_active_image(publisher, _DATA)
    service.stop()
    _forget_image(service, lost)
    service.start()

    found = _check(service)
    mended = _check(service, "--repair", "--deep")

    assert [row["fault"] for row in found] == ["orphan"]
    assert found[0]["key"].startswith(lost)
    assert "/aside/" in mended[0]["repair"]
    assert _check(service) == []
    assert publisher.get(f"/v2/images/{whole}/file").content == _DATA


def _forget_image(service: Service, image_id: str) -> None:
    """As if the database had been restored from before the upload."""
    change_database(service, f"delete from image where id = '{image_id}'")


def test_a_store_of_another_database_is_not_looked_through(make_service: MakeService, tmp_path: Path) -> None:
    stores = f"a=file://{tmp_path / 'a'}"
    make_service("sqlite", TRANSOM_STORES=stores, TRANSOM_DEFAULT_STORE="a")
    other = make_service("sqlite", TRANSOM_STORES=stores, TRANSOM_DEFAULT_STORE="a")

    found = _check(other, "--repair")

    assert [(row["fault"], row["store"], row["key"]) for row in found] == [("not checked", "a", None)]


def test_images_of_a_store_that_is_not_mounted_stay_active(make_service: MakeService, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    service = make_service("sqlite", TRANSOM_STORES=f"a=file://{folder}", TRANSOM_DEFAULT_STORE="a")
    publisher = service.client("publisher")
    image_id = create_active_image(publisher, _DATA)
    away = folder.rename(tmp_path / "away")
    folder.mkdir()

    found = _check(service, "--repair")

    assert {row["fault"] for row in found} == {"not checked"}
    assert show_image(publisher, image_id)["status"] == "active"
    folder.rmdir()
    away.rename(folder)
    assert publisher.get(f"/v2/images/{image_id}/file").content == _DATA
