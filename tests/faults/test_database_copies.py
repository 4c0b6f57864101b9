"""A copy of the database beside the one that it was made of, with the same stores: a restore drill, a clone
for staging. Whatever it does, the other one's data stays."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import plain_http
from harness.copies import copy_database, execute
from harness.forks import forked_service
from harness.postgresql import PostgreSQL
from harness.service import MakeService, Service
from harness.stores import MARK, stored_files
from harness.swift import Swift

from .calls import (
    OCTET_STREAM,
    create_active_image,
    create_image,
    expect_eventually,
    marked,
    show_image,
    upload_data,
)
from .uploads import HeldUpload

MIB = 1 << 20
#: What starts a service on a copy of another one's database, with its settings.
StartCopy = Callable[[Service], Service]


@pytest.fixture
def copies(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Callable[[Service], Service]]:
    """Make services on copies of the databases of others, not yet started; all end with the test."""
    with ExitStack() as stack:

        def make(original: Service) -> Service:
            folder = tmp_path / secrets.token_hex(4)
            folder.mkdir()
            database = copy_database(original.database, folder, postgresql)
            copy = forked_service(folder, database, original.settings)
            stack.callback(copy.close)
            return copy

        yield make


@pytest.fixture(params=["file", "s3"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Settings of a store that services with other data folders reach as well."""
    if request.param == "file":
        return {"TRANSOM_STORES": f"cold=file://{tmp_path}/store"}
    swift: Swift = request.getfixturevalue("swift")
    return {"TRANSOM_STORES": f"cold={swift.store_url(prefix=secrets.token_hex(4))}", **swift.settings()}


def start(make_service: MakeService, database: str, stores: dict[str, str]) -> Service:
    return make_service(database, TRANSOM_CACHE_SIZE_BYTES="0", **stores)


def ready(service: Service) -> dict[str, Any]:
    """What it says of itself; it is ready."""
    answer = plain_http.get(f"{service.url}/readyz")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def owned_in_metrics(service: Service) -> int | None:
    """Whether the store may be changed, by the metrics; None when they do not say so yet."""
    text = plain_http.get(f"{service.url}/metrics").text
    found = re.search(r'^transom_store_owned\{store="cold"\} (\d)', text, re.MULTILINE)
    return int(found[1]) if found else None


def wait_for_the_mark(service: Service) -> None:
    expect_eventually(lambda: owned_in_metrics(service), 1)


def start_import(client: httpx.Client, image_id: str) -> httpx.Response:
    return client.post(f"/v2/images/{image_id}/import", json={"method": {"name": "glance-direct"}})


def let_leases_run_out(copy: Service) -> None:
    """As if the copy was started so long after it was made."""
    execute(copy.database, "update loose_blob set held_until = 1")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_recovery_in_a_copy_leaves_the_data_of_the_original(
    make_service: MakeService, copies: StartCopy, stores: dict[str, str], database: str
) -> None:
    original = start(make_service, database, stores)
    image_id = create_image(original.client("publisher"))["id"]
    with HeldUpload(original, "publisher", image_id) as upload:
        upload.send(b"x" * MIB)
        expect_eventually(lambda: show_image(original.client("publisher"), image_id)["status"], "saving")
        copy = copies(original)
        assert upload.finish() == 204
    let_leases_run_out(copy)

    copy.start()

    assert original.client("publisher").get(f"/v2/images/{image_id}/file").content == b"x" * MIB
    # The copy has given the upload up, so it has tried.
    assert show_image(copy.client("admin"), image_id)["status"] == "queued"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_deletion_in_a_copy_leaves_the_data_of_the_original(
    make_service: MakeService, copies: StartCopy, stores: dict[str, str], database: str
) -> None:
    original = start(make_service, database, stores)
    image_id = create_active_image(original.client("publisher"), b"kept")
    copy = copies(original)
    copy.start()

    assert copy.client("admin").delete(f"/v2/images/{image_id}").status_code == 204

    assert original.client("publisher").get(f"/v2/images/{image_id}/file").content == b"kept"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_copy_reads_the_data_of_the_original_and_adds_none(
    make_service: MakeService, copies: StartCopy, stores: dict[str, str], database: str
) -> None:
    original = start(make_service, database, stores)
    image_id = create_active_image(original.client("publisher"), b"kept")
    copy = copies(original)
    copy.start()
    queued = create_image(copy.client("admin"))["id"]

    assert copy.client("admin").get(f"/v2/images/{image_id}/file").content == b"kept"

    refused = upload_data(copy.client("admin"), queued, b"more")
    assert (refused.status_code, "cold" in refused.text) == (503, True)
    assert show_image(copy.client("admin"), queued)["status"] == "queued"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_is_staged_in_the_original_outlasts_its_deletion_in_a_copy(
    make_service: MakeService, copies: StartCopy, stores: dict[str, str], database: str
) -> None:
    original = start(make_service, database, stores)
    publisher = original.client("publisher")
    image_id = create_image(publisher)["id"]
    headers = {"Content-Type": OCTET_STREAM}
    assert publisher.put(f"/v2/images/{image_id}/stage", content=b"kept", headers=headers).status_code == 204
    copy = copies(original)
    copy.start()

    assert copy.client("admin").delete(f"/v2/images/{image_id}").status_code == 204

    assert start_import(publisher, image_id).status_code == 202
    expect_eventually(lambda: show_image(publisher, image_id)["status"], "active")
    assert publisher.get(f"/v2/images/{image_id}/file").content == b"kept"


def test_a_copy_tells_which_stores_it_may_not_change(
    make_service: MakeService, copies: StartCopy, stores: dict[str, str]
) -> None:
    original = start(make_service, "sqlite", stores)
    wait_for_the_mark(original)
    copy = copies(original)
    copy.start()

    expect_eventually(lambda: ready(copy).get("refused_stores"), {"cold": "foreign"})
    expect_eventually(lambda: owned_in_metrics(copy), 0)
    status = copy.run("stores", "status")
    assert (status.returncode, "foreign" in status.stdout) == (1, True)
    assert "belongs to the database that this one is a copy of" in copy.read_log()
    expect_eventually(lambda: owned_in_metrics(original), 1)
    assert "refused_stores" not in ready(original)
    assert original.run("stores", "status").returncode == 0


def test_adopted_stores_change_hands_while_both_services_run(
    make_service: MakeService, copies: StartCopy, stores: dict[str, str]
) -> None:
    original = start(make_service, "sqlite", stores)
    kept = create_active_image(original.client("publisher"), b"kept")
    copy = copies(original)
    copy.start()

    adopted = copy.run("stores", "adopt", "--yes")

    assert (adopted.returncode, adopted.stdout.strip()) == (0, "adopted: cold")
    added = create_active_image(copy.client("admin"), b"added")
    refused = upload_data(original.client("publisher"), create_image(original.client("publisher"))["id"], b"")
    assert refused.status_code == 503
    assert original.client("publisher").delete(f"/v2/images/{kept}").status_code == 204
    for image_id, data in ((kept, b"kept"), (added, b"added")):
        assert copy.client("admin").get(f"/v2/images/{image_id}/file").content == data
    assert copy.run("stores", "adopt", "--yes").stdout.strip() == "every store is this database's own"


def test_nothing_is_adopted_without_consent(
    make_service: MakeService, copies: StartCopy, stores: dict[str, str]
) -> None:
    original = start(make_service, "sqlite", stores)
    wait_for_the_mark(original)
    copy = copies(original)

    asked = copy.run("stores", "adopt")

    assert (asked.returncode, "belongs to" in asked.stdout) == (1, True)
    assert original.run("stores", "status").returncode == 0


def test_a_disowned_database_has_no_store_until_it_adopts_one(
    make_service: MakeService, stores: dict[str, str]
) -> None:
    """As for a copy of a whole server, which cannot be told from its original."""
    service = start(make_service, "sqlite", stores)
    image_id = create_active_image(service.client("publisher"), b"kept")
    queued = create_image(service.client("publisher"))["id"]

    assert service.run("stores", "disown", "--yes").returncode == 0

    assert upload_data(service.client("publisher"), queued, b"data").status_code == 503
    assert service.client("publisher").get(f"/v2/images/{image_id}/file").content == b"kept"
    assert service.run("stores", "adopt", "cold", "--yes").returncode == 0
    assert upload_data(service.client("publisher"), queued, b"data").status_code == 204


def test_a_second_machine_with_another_folder_of_the_same_name_leaves_the_data(
    make_service: MakeService, tmp_path: Path
) -> None:
    one = make_service(
        "postgresql", TRANSOM_STORES=f"local=file://{tmp_path}/one", TRANSOM_UPLOAD_LEASE_S="3"
    )
    image_id = create_active_image(one.client("publisher"), b"data")
    (tmp_path / "second").mkdir()
    settings = {"TRANSOM_STORES": f"local=file://{tmp_path}/two"}

    with forked_service(tmp_path / "second", one.database, settings) as two:
        expect_eventually(lambda: ready(two).get("refused_stores"), {"local": "unmarked"})
        queued = create_image(two.client("admin"))["id"]
        refused = upload_data(two.client("admin"), queued, b"data")
        assert (refused.status_code, "has no mark" in refused.text) == (503, True)
        assert two.client("admin").delete(f"/v2/images/{image_id}").status_code == 204

        # The machine that has them sees to it.
        expect_eventually(lambda: stored_files(tmp_path / "one"), set())


def test_a_data_folder_is_copied_with_its_store_and_nobody_is_asked(
    make_service: MakeService, tmp_path: Path
) -> None:
    original = make_service("sqlite")
    image_id = create_active_image(original.client("publisher"), b"kept")
    marked(original.data_dir / "images")
    original.stop()
    shutil.copytree(original.work_dir, tmp_path / "copy")
    original.start()

    with forked_service(tmp_path / "copy") as copy:
        create_active_image(copy.client("publisher"), b"added")
        assert copy.client("publisher").delete(f"/v2/images/{image_id}").status_code == 204
        assert [path.read_bytes() for path in stored_files(copy.data_dir / "images")] == [b"added"]
        assert "refused_stores" not in ready(copy)

    assert original.client("publisher").get(f"/v2/images/{image_id}/file").content == b"kept"
    assert create_active_image(original.client("publisher"), b"more")


def test_a_second_database_file_in_the_same_folder_is_a_copy_too(
    make_service: MakeService, postgresql: PostgreSQL
) -> None:
    original = make_service("sqlite")
    image_id = create_active_image(original.client("publisher"), b"kept")
    folder = original.work_dir / "restored"
    folder.mkdir()
    copy_database(original.database, folder, postgresql)
    beside = (folder / "transom.db").rename(original.work_dir / "restored.db")

    settings = {"TRANSOM_STORES": f"local=file://{original.data_dir}/images"}
    with forked_service(folder, f"sqlite:///{beside}", settings) as copy:
        assert copy.client("admin").delete(f"/v2/images/{image_id}").status_code == 204
        assert original.client("publisher").get(f"/v2/images/{image_id}/file").content == b"kept"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_installation_from_before_the_marks_goes_on_as_it_was(
    make_service: MakeService, tmp_path: Path, database: str
) -> None:
    service = start(make_service, database, {"TRANSOM_STORES": f"cold=file://{tmp_path}/store"})
    image_id = create_active_image(service.client("publisher"), b"kept")
    service.stop()
    execute(service.database, "delete from owned_store")
    execute(service.database, "delete from database_id")
    (tmp_path / "store" / MARK).unlink()

    service.start()

    assert service.client("publisher").get(f"/v2/images/{image_id}/file").content == b"kept"
    assert create_active_image(service.client("publisher"), b"added")
    assert service.run("stores", "status").returncode == 0
