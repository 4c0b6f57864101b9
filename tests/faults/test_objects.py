"""Imports from objects and exports to them when things go wrong: kill -9, an S3 service that breaks off or is
away, objects that change, rights that end (ims-api, 1.8; decisions/0009).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from harness.objects import ACTION, MIB, OPEN_TO_ALL, Bucket, ask, object_settings, system_image
from harness.s3_gateway import Asked, BreakOff, HoldUp, S3Gateway
from harness.service import MakeService, Service
from harness.stores import stored_files
from harness.swift import ACCESS_KEY, BUCKET, OTHER_ACCESS_KEY, OTHER_SECRET_KEY, SECRET_KEY, UPLOADS, Swift

from .calls import (
    create_active_image,
    eventually,
    expect_eventually,
    list_all_images,
    show_image,
)

SIZE = 9 * MIB + 7
DATA = secrets.token_bytes(SIZE)
EXPORT = "/v1/cloudimages/{}/file"


@pytest.fixture
def gateway(swift: Swift) -> Iterator[S3Gateway]:
    with S3Gateway(swift.endpoint) as server:
        yield server
        server.release()


@pytest.fixture
def bucket(swift: Swift) -> Bucket:
    return Bucket(swift)


@pytest.fixture
def start(make_service: MakeService, gateway: S3Gateway, tmp_path: Path) -> Callable[..., Service]:
    """Start a service whose object store is the gateway."""

    def make(database: str = "sqlite", rules: str = OPEN_TO_ALL, **settings: str) -> Service:
        given = object_settings(gateway.origin, tmp_path, rules) | settings
        return make_service(database, TRANSOM_UPLOAD_LEASE_S="3", **given)

    return make


def job_of(service: Service, answer: httpx.Response) -> Callable[[], dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    path = f"/v1/{service.clouds['publisher'].project_id}/jobs/{answer.json()['job_id']}"
    return lambda: dict(service.client("publisher").get(path).json())


def end_of(job: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return eventually(job, lambda one: one["status"] in ("SUCCESS", "FAIL"))


def ending(job: Callable[[], dict[str, Any]]) -> tuple[str, str | None]:
    ended = end_of(job)
    return ended["status"], ended["error_code"]


def once(rule: Callable[[Asked], Any]) -> Callable[[Asked], Any]:
    """The rule for the first request that it says something of, and nothing for all others."""
    done: list[Asked] = []

    def ask_once(asked: Asked) -> Any:
        if done or (found := rule(asked)) is None:
            return None
        done.append(asked)
        return found

    return ask_once


def of_all_data(asked: Asked) -> bool:
    """Whether it is the read of the whole object, which the look at its beginning comes before."""
    return asked.method == "GET" and asked.range == f"bytes=0-{SIZE - 1}"


# ---- reading


def test_a_read_that_breaks_off_is_taken_up_where_it_stopped(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket
) -> None:
    service, ref = start(), bucket.put("x.raw", DATA)
    gateway.rule = once(lambda asked: BreakOff(3 * MIB) if of_all_data(asked) else None)

    job = end_of(job_of(service, ask(service, ACTION, **system_image(ref))))

    image_id = job["entities"]["image_id"]
    assert service.client("publisher").get(f"/v2/images/{image_id}/file").content == DATA
    first, second = [asked.range for asked in gateway.seen("GET") if asked.range.endswith(f"-{SIZE - 1}")]
    assert (first, int(second[6:].partition("-")[0]) > 0) == (f"bytes=0-{SIZE - 1}", True)


def test_an_object_that_changes_while_it_is_read_becomes_no_image(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket
) -> None:
    service, ref = start(), bucket.put("x.raw", DATA)

    def change(asked: Asked) -> BreakOff | None:
        if not of_all_data(asked):
            return None
        return BreakOff(3 * MIB)

    def rule(asked: Asked) -> BreakOff | None:
        if asked.method == "GET" and asked.range.endswith(f"-{SIZE - 1}") and not of_all_data(asked):
            bucket.put("x.raw", DATA[::-1])
        return change(asked)

    gateway.rule = rule

    assert ending(job_of(service, ask(service, ACTION, **system_image(ref)))) == ("FAIL", "IMG.0057")
    assert list_all_images(service) == []
    expect_eventually(lambda: stored_files(service.data_dir / "images"), set())


def test_an_object_that_vanishes_while_it_is_read_becomes_no_image(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket
) -> None:
    service, ref = start(), bucket.put("x.raw", DATA)

    def rule(asked: Asked) -> BreakOff | None:
        if not of_all_data(asked):
            return None
        return BreakOff(3 * MIB)

    def vanish(asked: Asked) -> BreakOff | None:
        if asked.method == "GET" and asked.range.endswith(f"-{SIZE - 1}") and not of_all_data(asked):
            bucket.delete("x.raw")
        return rule(asked)

    gateway.rule = vanish

    assert ending(job_of(service, ask(service, ACTION, **system_image(ref)))) == ("FAIL", "IMG.0057")
    assert list_all_images(service) == []


@pytest.mark.parametrize("status", [500, 503])
def test_a_service_that_fails_for_a_while_is_asked_again(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket, status: int
) -> None:
    service, ref = start(), bucket.put("x.raw", DATA)
    left = [status] * 3

    gateway.rule = lambda asked: left.pop() if left and asked.method in ("HEAD", "GET") else None

    assert ending(job_of(service, ask(service, ACTION, **system_image(ref)))) == ("SUCCESS", None)


def test_a_service_that_is_away_is_told_as_such(make_service: MakeService, tmp_path: Path) -> None:
    settings = object_settings("http://127.0.0.1:9", tmp_path, OPEN_TO_ALL)
    service = make_service("sqlite", TRANSOM_JOB_ATTEMPTS="2", **settings)
    image_id = create_active_image(service.client("publisher"), b"data")

    refused = ask(service, EXPORT.format(image_id), bucket_url="uploads:x", file_format="raw")

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "IMG.0069")
    assert ending(job_of(service, ask(service, ACTION, **system_image("uploads:x")))) == ("FAIL", "IMG.0069")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_kill_in_the_middle_of_an_import_loses_and_leaves_nothing(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket, database: str
) -> None:
    service, ref = start(database), bucket.put("x.raw", DATA)
    gateway.rule = once(lambda asked: HoldUp(3 * MIB) if of_all_data(asked) else None)
    job = job_of(service, ask(service, ACTION, **system_image(ref)))
    assert gateway.is_holding.wait(60)

    service.kill()
    service.start()
    ended = end_of(job)

    assert ended["status"] == "SUCCESS"
    assert service.client("publisher").get(f"/v2/images/{ended['entities']['image_id']}/file").content == DATA
    expect_eventually(lambda: len(stored_files(service.data_dir / "images")), 1)


def test_an_image_deleted_while_it_is_made_takes_its_import_along(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket
) -> None:
    service, ref = start(), bucket.put("x.raw", DATA)
    gateway.rule = once(lambda asked: HoldUp(3 * MIB) if of_all_data(asked) else None)
    job = job_of(service, ask(service, ACTION, **system_image(ref)))
    assert gateway.is_holding.wait(60)

    (image,) = list_all_images(service)
    by_ims = service.client("publisher").delete(f"/ims/v2/images/{image['id']}")
    deleted = service.client("publisher").delete(f"/v2/images/{image['id']}")

    assert (by_ims.status_code, by_ims.json()["error"]["code"]) == (409, "IMG.0090")
    assert deleted.status_code == 204
    assert ending(job) == ("FAIL", "IMG.0027")
    expect_eventually(lambda: stored_files(service.data_dir / "images"), set())


# ---- rights


def test_a_right_that_ends_while_an_import_is_under_way_ends_the_import(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket
) -> None:
    """The table is read at the start: the service stops in between."""
    service, ref = start(), bucket.put("x.raw", DATA)
    gateway.rule = once(lambda asked: HoldUp(3 * MIB) if of_all_data(asked) else None)
    job = job_of(service, ask(service, ACTION, **system_image(ref)))
    assert gateway.is_holding.wait(60)

    service.kill()
    Path(service.settings["TRANSOM_OBJECT_STORE_BUCKETS_FILE"]).write_text("")
    service.start()

    assert ending(job) == ("FAIL", "IMG.0057")
    assert list_all_images(service) == []


def test_a_bucket_of_our_own_stores_is_nobodys(
    start: Callable[..., Service], swift: Swift, bucket: Bucket
) -> None:
    """Whatever the table says, and whoever has a key to it."""
    prefix = secrets.token_hex(4)
    service = start(
        rules='[[bucket]]\nname = "*"\nprojects = ["*"]\nwrite = true\n',
        TRANSOM_STORES=f"cold={swift.store_url(BUCKET, prefix)}",
        **swift.settings(),
    )
    image_id = create_active_image(service.client("publisher"), b"data")
    own = Bucket(swift, BUCKET).put("x.raw", b"data")

    taken = ask(service, ACTION, **system_image(own))
    given = ask(service, EXPORT.format(image_id), bucket_url=f"{BUCKET}:new", file_format="raw")
    other = end_of(job_of(service, ask(service, ACTION, **system_image(bucket.put("x.raw", b"data")))))

    codes = [answer.json()["error"]["code"] for answer in (taken, given)]
    assert (codes, other["status"]) == (["IMG.0057", "IMG.0057"], "SUCCESS")


Keys = list[dict[str, str]]


def change_keys(service: Service, change: Callable[[Keys], Keys]) -> None:
    file = service.data_dir / "identity" / "accounts.yaml"
    accounts = yaml.safe_load(file.read_text())
    new = file.with_suffix(".new")
    new.write_text(yaml.safe_dump(accounts | {"access_keys": change(accounts["access_keys"])}))
    new.replace(file)


def give_key(service: Service, access: str, secret: str) -> None:
    """The publisher's key pair is this one from now on."""
    project_id, given = service.clouds["publisher"].project_id, {"access": access, "secret": secret}
    change_keys(
        service, lambda keys: [one | given if one["project_id"] == project_id else one for one in keys]
    )


def test_the_store_is_asked_with_the_keys_of_whoever_asks(
    make_service: MakeService, swift: Swift, bucket: Bucket
) -> None:
    service = make_service("sqlite", TRANSOM_OBJECT_STORE_ENDPOINT=swift.endpoint)
    foreign = Bucket(swift, UPLOADS, (OTHER_ACCESS_KEY, OTHER_SECRET_KEY)).put("x.raw", b"of another")
    ref = bucket.put("x.raw", b"data")
    image_id = create_active_image(service.client("publisher"), b"data")

    unknown = ending(job_of(service, ask(service, ACTION, **system_image(ref))))
    give_key(service, ACCESS_KEY, SECRET_KEY)
    own = ending(job_of(service, ask(service, ACTION, **system_image(ref))))
    others = ending(job_of(service, ask(service, ACTION, **system_image(foreign))))
    export = {"bucket_url": bucket.ref("out"), "file_format": "raw"}
    exported = ending(job_of(service, ask(service, EXPORT.format(image_id), **export)))

    assert (unknown, own, others) == (("FAIL", "IMG.0057"), ("SUCCESS", None), ("FAIL", "IMG.0057"))
    assert (exported, bucket.get("out")) == (("SUCCESS", None), b"data")
    assert SECRET_KEY not in service.read_log()


def test_who_has_no_key_is_told_so(make_service: MakeService, swift: Swift, bucket: Bucket) -> None:
    service = make_service("sqlite", TRANSOM_OBJECT_STORE_ENDPOINT=swift.endpoint)
    service.add_user("keyless", "publisher", "member")
    change_keys(service, lambda keys: keys[:-1])
    image_id = create_active_image(service.client("publisher"), b"data")
    given = {"bucket_url": bucket.ref("out"), "file_format": "raw"}

    refused = ask(service, EXPORT.format(image_id), "keyless", **given)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "IMG.0037")
    assert ending(job_of(service, ask(service, ACTION, "keyless", **system_image(bucket.ref("x"))))) == (
        "FAIL",
        "IMG.0037",
    )


# ---- writing


def is_part(asked: Asked) -> bool:
    return asked.method == "PUT" and "partNumber" in asked.query


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_kill_in_the_middle_of_an_export_is_made_good(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket, swift: Swift, database: str
) -> None:
    service = start(database)
    data = DATA * 4
    image_id = create_active_image(service.client("publisher"), data)
    before = swift.kept()
    gateway.rule = once(lambda asked: HoldUp(0) if is_part(asked) and "partNumber=2" in asked.query else None)
    given = {"bucket_url": bucket.ref("out"), "file_format": "raw"}
    job = job_of(service, ask(service, EXPORT.format(image_id), **given))
    expect_eventually(lambda: len([asked for asked in gateway.seen("PUT") if is_part(asked)]) >= 2, True)
    half = bucket.get("out")

    running = ask(service, EXPORT.format(image_id), bucket_url=bucket.ref("two"), file_format="raw")
    service.kill()
    service.start()
    ended = ending(job)

    assert (half, running.json()["error"]["code"]) == (None, "IMG.0148")
    assert (ended, bucket.get("out") == data) == (("SUCCESS", None), True)
    # Seven parts, the object that names them, and the mark of the upload, if the service keeps one.
    expect_eventually(lambda: len(swift.kept() - before) <= 8, True)


def test_an_export_whose_last_answer_is_lost_has_succeeded(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket
) -> None:
    """The next try to complete the upload is told that there is none."""
    service = start()
    image_id = create_active_image(service.client("publisher"), DATA * 2)
    gateway.rule = once(
        lambda asked: BreakOff(0) if "uploadId" in asked.query and asked.method == "POST" else None
    )
    given = {"bucket_url": bucket.ref("out"), "file_format": "raw"}

    ended = ending(job_of(service, ask(service, EXPORT.format(image_id), **given)))

    assert (ended, bucket.get("out") == DATA * 2) == (("SUCCESS", None), True)


def test_an_image_deleted_while_it_is_exported_leaves_no_object(
    start: Callable[..., Service], gateway: S3Gateway, bucket: Bucket, swift: Swift
) -> None:
    service = start()
    image_id = create_active_image(service.client("publisher"), DATA * 4)
    before = swift.kept()
    given = {"bucket_url": bucket.ref("out"), "file_format": "raw"}
    gateway.rule = once(lambda asked: HoldUp(0) if is_part(asked) else None)
    job = job_of(service, ask(service, EXPORT.format(image_id), **given))
    expect_eventually(lambda: any(is_part(asked) for asked in gateway.seen("PUT")), True)

    service.client("publisher").delete(f"/v2/images/{image_id}")
    gateway.release()

    assert ending(job) == ("FAIL", "IMG.0027")
    assert bucket.get("out") is None
    expect_eventually(lambda: swift.kept() - before, set())


# ---- the Image API's own way


def test_the_image_api_imports_an_object_too(
    start: Callable[..., Service], bucket: Bucket, tmp_path: Path
) -> None:
    methods = "glance-direct,web-download,copy-image,s3-download"
    stores = f"fast=file://{tmp_path}/fast,slow=file://{tmp_path}/slow"
    service = start(TRANSOM_ENABLED_IMPORT_METHODS=methods, TRANSOM_STORES=stores)
    publisher = service.client("publisher")
    made = {"name": "x", "disk_format": "raw", "container_format": "bare"}
    image_id = publisher.post("/v2/images", json=made).json()["id"]
    body = {"method": {"name": "s3-download", "uri": bucket.put("x.raw", DATA)}, "all_stores": True}

    assert "s3-download" in publisher.get("/v2/info/import").json()["import-methods"]["value"]
    assert publisher.post(f"/v2/images/{image_id}/import", json=body).status_code == 202
    image = eventually(lambda: show_image(publisher, image_id), lambda one: one["status"] == "active")

    assert publisher.get(f"/v2/images/{image_id}/file").content == DATA
    expect_eventually(lambda: show_image(publisher, image_id)["stores"], "fast,slow")
    assert image["checksum"]
    for bad, status in (({"uri": "images:x"}, 403), ({"uri": "x"}, 400), ({}, 400)):
        other_id = publisher.post("/v2/images", json=made).json()["id"]
        refused = publisher.post(
            f"/v2/images/{other_id}/import", json={"method": {"name": "s3-download", **bad}}
        )
        assert refused.status_code == status


def test_an_object_is_converted_where_the_plugin_is_on(start: Callable[..., Service], bucket: Bucket) -> None:
    service = start(TRANSOM_IMAGE_IMPORT_PLUGINS="image_conversion", TRANSOM_CONVERSION_FORMAT="qcow2")

    job = end_of(job_of(service, ask(service, ACTION, **system_image(bucket.put("x.raw", bytes(2 * MIB))))))

    assert job["status"] == "SUCCESS", job
    image = show_image(service.client("publisher"), job["entities"]["image_id"])
    assert (image["disk_format"], image["virtual_size"]) == ("qcow2", 2 * MIB)
