"""Filters on properties that the operator named: the same lists, by indexes that the start makes."""

import sqlite3
from contextlib import closing

import httpx
from harness.service import MakeService

_INDEXES = "select count(*) from sqlite_master where type = 'index' and name like 'image_property_%'"


def test_a_filter_on_a_property_with_indexes_finds_the_same_images(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_INDEXED_PROPERTIES="os_distro,hw_disk_bus")
    owner, recipient = service.client("publisher"), service.client("recipient")
    made = {
        distro: owner.post("/v2/images", json={"name": distro, "os_distro": distro}).json()["id"]
        for distro in ("debian", "ubuntu")
    }
    for image_id in made.values():
        owner.post(f"/v2/images/{image_id}/members", json={"member": service.clouds["recipient"].project_id})

    def found(client: httpx.Client, path: str) -> list[str]:
        return [image["id"] for image in client.get(path).json()["images"]]

    offered = "/v2/images?visibility=shared&member_status=pending&os_distro=debian"
    assert found(owner, "/v2/images?os_distro=debian") == [made["debian"]]
    assert found(recipient, offered) == [made["debian"]]
    assert found(owner, "/v2/images?os_distro=none") == []
    with closing(sqlite3.connect(service.work_dir / "transom.db")) as database:
        assert database.execute(_INDEXES).fetchone() == (8,)


def test_migrate_drops_the_indexes_of_properties_that_are_no_longer_named(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_INDEXED_PROPERTIES="os_distro")
    service.stop()
    service.settings["TRANSOM_INDEXED_PROPERTIES"] = ""

    done = service.run("migrate")

    assert done.returncode == 0, done.stdout
    with closing(sqlite3.connect(service.work_dir / "transom.db")) as database:
        assert database.execute(_INDEXES).fetchone() == (0,)
