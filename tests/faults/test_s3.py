"""An S3 store beneath the service: kill -9, a store that is away, a client that hangs up (images-v2, 3.7)."""

from __future__ import annotations

import os
import secrets
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from harness.child import ServiceFailedError
from harness.forks import forked_service
from harness.service import MakeService, Service
from harness.swift import ACCESS_KEY, OTHER_ACCESS_KEY, OTHER_SECRET_KEY, SECRET_KEY, Swift

from .calls import (
    create_active_image,
    create_image,
    expect_eventually,
    show_image,
    upload_data,
)
from .uploads import HeldUpload

MIB = 1 << 20


def start(make_service: MakeService, swift: Swift, **settings: str) -> Service:
    """A service with one S3 store, in a prefix that nobody else uses."""
    url = swift.store_url(prefix=secrets.token_hex(4))
    ours = {"TRANSOM_STORES": f"cold={url}", "TRANSOM_UPLOAD_LEASE_S": "3", **swift.settings()}
    return make_service("sqlite", **ours | settings)


def test_a_kill_in_the_middle_of_an_upload_leaves_nothing_in_the_store(
    make_service: MakeService, swift: Swift
) -> None:
    """The parts that were sent already are at the S3 service, where no object has them."""
    before = swift.kept()
    service = start(make_service, swift)
    image_id = create_image(service.client("publisher"))["id"]
    with HeldUpload(service, "publisher", image_id) as upload:
        for _ in range(14):
            upload.send(b"x" * MIB)
        expect_eventually(lambda: len(swift.kept() - before) >= 2, True)

        service.kill()
    parts = swift.kept() - before
    service.start()

    assert parts
    expect_eventually(lambda: swift.kept() - before, set())
    assert show_image(service.client("publisher"), image_id)["status"] == "queued"


def test_a_client_that_hangs_up_leaves_nothing_in_the_store(make_service: MakeService, swift: Swift) -> None:
    before = swift.kept()
    service = start(make_service, swift)
    image_id = create_image(service.client("publisher"))["id"]

    with HeldUpload(service, "publisher", image_id) as upload:
        for _ in range(14):
            upload.send(b"x" * MIB)
        expect_eventually(lambda: len(swift.kept() - before) >= 2, True)

    expect_eventually(lambda: swift.kept() - before, set())
    expect_eventually(lambda: show_image(service.client("publisher"), image_id)["status"], "queued")


def test_an_image_goes_into_the_store_and_comes_out_and_is_gone_when_deleted(
    make_service: MakeService, swift: Swift
) -> None:
    before = swift.kept()
    service = start(make_service, swift)
    publisher = service.client("publisher")
    data = secrets.token_bytes(11 * MIB + 5)

    image_id = create_active_image(publisher, data)
    whole = publisher.get(f"/v2/images/{image_id}/file")
    part = publisher.get(f"/v2/images/{image_id}/file", headers={"Range": f"bytes={5 * MIB - 1}-{5 * MIB}"})
    publisher.delete(f"/v2/images/{image_id}")

    assert (whole.status_code, whole.content == data) == (200, True)
    assert (part.status_code, part.content) == (206, data[5 * MIB - 1 : 5 * MIB + 1])
    expect_eventually(swift.kept, before)


def test_nobody_waits_for_a_store_that_hangs_to_remove_something(
    make_service: MakeService, own_swift: Swift, tmp_path: Path
) -> None:
    """No deletion, and no start. Each removal takes the store's time-out, and many wait for it."""
    stores = f"cold={own_swift.store_url(prefix='a')},near=file://{tmp_path / 'near'}"
    settings = {"TRANSOM_STORES": stores, "TRANSOM_DEFAULT_STORE": "cold", **own_swift.settings()}
    service = make_service("sqlite", TRANSOM_UPLOAD_LEASE_S="3", **settings)
    publisher = service.client("publisher")
    remote = [create_active_image(publisher, b"remote") for _ in range(8)]
    local = create_image(publisher)["id"]
    put_into(publisher, local, "near")

    with own_swift.frozen():
        deletions = [publisher.delete(f"/v2/images/{image_id}") for image_id in remote]
        service.stop()
        service.start()
        download = service.client("publisher").get(f"/v2/images/{local}/file")

    assert {deletion.status_code for deletion in deletions} == {204}
    assert (download.status_code, download.content) == (200, b"near")
    expect_eventually(own_swift.kept, set())


def put_into(client: httpx.Client, image_id: str, store: str) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": store}
    answer = client.put(f"/v2/images/{image_id}/file", content=store.encode(), headers=headers)
    assert answer.status_code == 204, answer.text


def test_a_store_that_is_away_is_told_and_waited_for(make_service: MakeService, own_swift: Swift) -> None:
    service = start(make_service, own_swift)
    publisher = service.client("publisher")
    image_id = create_active_image(publisher, b"data")
    queued = create_image(publisher)
    own_swift.stop()

    download = publisher.get(f"/v2/images/{image_id}/file")
    upload = upload_data(publisher, queued["id"], b"data")
    deletion = publisher.delete(f"/v2/images/{image_id}")
    still = show_image(publisher, queued["id"])["status"]
    own_swift.start()

    assert (download.status_code, upload.status_code, deletion.status_code) == (503, 503, 204)
    assert still == "queued"
    expect_eventually(own_swift.kept, set())
    assert upload_data(publisher, queued["id"], b"data").status_code == 204


def test_a_copy_waits_for_its_store_to_come_back(
    make_service: MakeService, own_swift: Swift, tmp_path: Path
) -> None:
    stores = f"cold={own_swift.store_url(prefix='a')},near=file://{tmp_path / 'near'}"
    settings = {"TRANSOM_STORES": stores, "TRANSOM_DEFAULT_STORE": "near", **own_swift.settings()}
    service = make_service("sqlite", **settings)
    admin = service.client("admin")
    image_id = create_active_image(admin, b"data")
    own_swift.stop()

    asked = {"method": {"name": "copy-image"}, "stores": ["cold"]}
    answer = admin.post(f"/v2/images/{image_id}/import", json=asked)
    assert answer.status_code == 202, answer.text
    expect_eventually(lambda: count_attempts(service, image_id) >= 3, True)
    waiting = [task["status"] for task in admin.get(f"/v2/images/{image_id}/tasks").json()["tasks"]]
    own_swift.start()

    assert waiting == ["processing"]
    expect_eventually(lambda: show_image(admin, image_id)["stores"], "cold,near")


def count_attempts(service: Service, image_id: str) -> int:
    with closing(sqlite3.connect(service.work_dir / "transom.db")) as db:
        row = db.execute("select max(attempts) from job where image_id = ?", (image_id,)).fetchone()
    return int(row[0] or 0)


def test_no_key_to_the_store_is_in_the_log_or_in_an_answer(
    make_service: MakeService, own_swift: Swift
) -> None:
    service = start(make_service, own_swift)
    publisher = service.client("publisher")
    create_active_image(publisher, b"data")
    detail = service.client("admin").get("/v2/info/stores/detail").text
    own_swift.stop()
    refused = upload_data(publisher, create_image(publisher)["id"], b"data").text

    secret = own_swift.settings()["TRANSOM_S3_SECRET_KEY"]

    assert secret not in detail + refused + service.read_log()


def with_profiles(swift: Swift, file: Path, *profiles: str) -> dict[str, str]:
    """Settings of a service with a store for each profile of the file, which is named like it."""
    url = swift.store_url(prefix=secrets.token_hex(4))
    return {
        "TRANSOM_STORES": ",".join(f"{profile}={url}&profile={profile}" for profile in profiles),
        "TRANSOM_S3_CREDENTIALS_FILE": str(file),
    }


def test_two_stores_of_one_service_have_keys_of_their_own(
    make_service: MakeService, swift: Swift, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        f"[one]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        f"[two]\naws_access_key_id = {OTHER_ACCESS_KEY}\naws_secret_access_key = {OTHER_SECRET_KEY}\n"
    )
    service = make_service("sqlite", TRANSOM_CACHE_SIZE_BYTES="0", **with_profiles(swift, file, "one", "two"))
    publisher = service.client("publisher")
    images = {store: create_image(publisher)["id"] for store in ("one", "two")}

    for store, image_id in images.items():
        put_into(publisher, image_id, store)

    assert {name: show_image(publisher, image_id)["stores"] for name, image_id in images.items()} == {
        "one": "one",
        "two": "two",
    }
    assert [publisher.get(f"/v2/images/{image_id}/file").text for image_id in images.values()] == [
        "one",
        "two",
    ]
    detail = service.client("admin").get("/v2/info/stores/detail").text
    assert not {secret for secret in (SECRET_KEY, OTHER_SECRET_KEY) if secret in detail + service.read_log()}


def test_a_store_goes_on_with_new_keys_when_it_is_told(
    make_service: MakeService, swift: Swift, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[one]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
    service = make_service("sqlite", TRANSOM_CACHE_SIZE_BYTES="0", **with_profiles(swift, file, "one"))
    publisher = service.client("publisher")
    image_id = create_image(publisher)["id"]
    put_into(publisher, image_id, "one")

    def status_of_download() -> int:
        return publisher.get(f"/v2/images/{image_id}/file").status_code

    file.write_text("[one]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n")
    assert status_of_download() == 200
    os.kill(service.pid, signal.SIGHUP)
    expect_eventually(status_of_download, 503)

    file.write_text(f"[one]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
    os.kill(service.pid, signal.SIGHUP)
    expect_eventually(status_of_download, 200)


def test_a_store_without_its_keys_stops_the_start_and_is_named(
    make_service: MakeService, swift: Swift, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[one]\naws_access_key_id = {ACCESS_KEY}\n# {SECRET_KEY}\n")
    service = forked_service(tmp_path, None, with_profiles(swift, file, "one"))

    with pytest.raises(ServiceFailedError, match=r"store one: .* has no aws_secret_access_key") as raised:
        service.start()

    assert SECRET_KEY not in str(raised.value)
