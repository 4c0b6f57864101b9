"""What plugins make of imported data (images-v2, 5.4, 5.6)."""

import gzip
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import disk_formats
import pytest
from conftest import IMPORTING, SharedServices
from harness.service import MakeService, Service
from images import create_raw_image, show_image, stored_files
from importing import create_staged_image, finish_import, import_data, stage, start_import, told

DATA = bytes(range(256)) * 8192
ALL = "image_decompression,image_conversion,inject_image_metadata"
needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")


def zipped(*members: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"member-{number}", member)
    return file.getvalue()


@pytest.fixture(scope="module")
def plugged(shared_services: SharedServices) -> Service:
    """A service with every plugin, over SQLite alone: what they do does not depend on the database."""
    settings = {
        "TRANSOM_IMAGE_IMPORT_PLUGINS": ALL,
        "TRANSOM_INJECT_PROPERTIES": "imported_by:transom, os_glance_x:never",
        "TRANSOM_IMAGE_SIZE_CAP": str(32 << 20),
    }
    return shared_services.get("sqlite", **IMPORTING, **settings)


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(DATA),
        gzip.compress(DATA[:1000]) + gzip.compress(DATA[1000:]),
        zipped(DATA),
        zipped(DATA, method=zipfile.ZIP_STORED),
        DATA,
    ],
    ids=["gzip", "two gzip members", "zip", "zip of stored data", "not packed"],
)
def test_packed_data_is_unpacked(plugged: Service, packed: bytes) -> None:
    client = plugged.client("publisher")

    image_id, task = import_data(client, packed)

    assert task["status"] == "success", task
    assert client.get(f"/v2/images/{image_id}/file").content == DATA
    assert show_image(client, image_id)["size"] == len(DATA)


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (zipped(DATA, DATA), "has 2 members"),
        (zipped(*[b""] * 5000), "has more than one member"),
        (zipped(DATA)[:-30], "zip archive is damaged"),
        (zipped(DATA, method=zipfile.ZIP_LZMA), "another method"),
        (zipped(DATA, method=zipfile.ZIP_BZIP2), "another method"),
        (gzip.compress(DATA)[:-30], "cut short"),
        (b"\x1f\x8b" + b"x" * 100, "damaged"),
        (b"xx-lh5-" + b"x" * 100, "lha"),
        (gzip.compress(bytes(64 << 20)), "too large"),
    ],
    ids=[
        "two members",
        "many members",
        "zip cut short",
        "lzma",
        "bzip2",
        "gzip cut short",
        "no gzip",
        "lha",
        "a bomb",
    ],
)
def test_what_cannot_be_unpacked_fails_the_task_and_leaves_nothing(
    plugged: Service, packed: bytes, text: str
) -> None:
    client = plugged.client("publisher")
    before = stored_files(plugged)

    image_id, task = import_data(client, packed)

    assert (task["status"], text in task["message"]) == ("failure", True), task
    assert show_image(client, image_id)["status"] == "queued"
    assert stored_files(plugged) - before == set()


def test_in_a_compressed_container_data_stays_packed(plugged: Service) -> None:
    client = plugged.client("publisher")
    packed = gzip.compress(DATA)

    image_id, task = import_data(client, packed, container_format="compressed")

    assert task["status"] == "success", task
    assert client.get(f"/v2/images/{image_id}/file").content == packed


@needs_qemu
def test_a_disk_is_converted_to_the_configured_format(plugged: Service, tmp_path: Path) -> None:
    client = plugged.client("publisher")
    (tmp_path / "disk.raw").write_bytes(DATA)
    made = tmp_path / "disk.qcow2"
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(tmp_path / "disk.raw"), str(made)]
    subprocess.run(command, check=True, timeout=60)

    image_id, task = import_data(client, made.read_bytes(), disk_format="qcow2")

    assert task["status"] == "success", task
    shown = show_image(client, image_id)
    assert (shown["disk_format"], shown["container_format"]) == ("raw", "bare")
    assert (shown["size"], shown["virtual_size"]) == (len(DATA), len(DATA))
    assert client.get(f"/v2/images/{image_id}/file").content == DATA
    assert not list((plugged.data_dir / "work").rglob("*.raw"))


def test_where_the_program_is_missing_a_conversion_fails_at_once(
    make_service: MakeService, tmp_path: Path
) -> None:
    """An operator has to install it: the next attempts would meet the same."""
    settings = {**IMPORTING, "TRANSOM_IMAGE_IMPORT_PLUGINS": "image_conversion", "PATH": str(tmp_path)}
    client = make_service("sqlite", **settings).client("publisher")

    image_id, task = import_data(client, disk_formats.QCOW2, disk_format="qcow2")

    assert (task["status"], "qemu-img is not installed" in task["message"]) == ("failure", True), task
    assert show_image(client, image_id)["status"] == "queued"


@needs_qemu
@pytest.mark.parametrize(
    ("disk_format", "data"),
    [
        ("qcow2", disk_formats.QCOW2_WITH_BACKING_FILE),
        ("qcow2", disk_formats.ZEROS),
        ("vmdk", disk_formats.QCOW2),
        ("qcow2", disk_formats.QCOW2),
        ("ploop", disk_formats.ZEROS),
    ],
    ids=["a backing file", "zeros", "another format", "larger than may be stored", "a format without tools"],
)
def test_what_cannot_be_converted_fails_the_task_and_keeps_the_formats(
    plugged: Service, disk_format: str, data: bytes
) -> None:
    client = plugged.client("publisher")

    image_id, task = import_data(client, data, disk_format=disk_format)

    assert task["status"] == "failure", task
    shown = show_image(client, image_id)
    assert (shown["status"], shown["disk_format"]) == ("queued", disk_format)
    assert told(client, image_id)[0] is None


@needs_qemu
def test_a_disk_that_says_too_much_of_itself_is_not_converted(plugged: Service, tmp_path: Path) -> None:
    """qemu-img describes each snapshot; a disk can have 100 MB of them."""
    client = plugged.client("publisher")
    made = tmp_path / "snapshots.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(made), "1M"], check=True, timeout=60)
    data = disk_formats.with_snapshots(made.read_bytes(), 4000)

    image_id, task = import_data(client, data, disk_format="qcow2")

    assert (task["status"], "too many snapshots" in task["message"]) == ("failure", True), task
    assert show_image(client, image_id)["status"] == "queued"


@needs_qemu
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"TRANSOM_USER_STORAGE_QUOTA": str(32 << 20)}, "larger than may be stored"),
        ({"TRANSOM_IMAGE_SIZE_CAP": str(1 << 60)}, "no room"),
    ],
    ids=["than the project may have", "than this machine has room for"],
)
def test_a_disk_is_not_converted_when_it_would_be_larger(
    shared_services: SharedServices, tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    made = tmp_path / "sparse.qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", str(made), "1P"]
    subprocess.run(command, check=True, timeout=60)
    plugins = {"TRANSOM_IMAGE_IMPORT_PLUGINS": "image_conversion"}
    service = shared_services.get("sqlite", **IMPORTING, **plugins, **settings)

    image_id, task = import_data(service.client("publisher"), made.read_bytes(), disk_format="qcow2")

    assert task["status"] == "failure", task
    assert said in task["message"]
    assert show_image(service.client("publisher"), image_id)["status"] == "queued"
    assert not list((service.data_dir / "work").rglob("*.raw"))


@needs_qemu
def test_an_iso_is_left_as_it_is(plugged: Service) -> None:
    client = plugged.client("publisher")

    image_id, task = import_data(client, disk_formats.ISO, disk_format="iso")

    assert task["status"] == "success", task
    assert client.get(f"/v2/images/{image_id}/file").content == disk_formats.ISO


def test_properties_are_injected_but_for_admins_imports(plugged: Service) -> None:
    users, admins = plugged.client("publisher"), plugged.client("admin")

    image_id, _ = import_data(users, DATA)
    by_admin, _ = import_data(admins, DATA)

    assert show_image(users, image_id)["imported_by"] == "transom"
    assert "os_glance_x" not in show_image(users, image_id)
    assert "imported_by" not in show_image(admins, by_admin)


def test_a_failure_takes_what_was_injected_back(plugged: Service) -> None:
    client = plugged.client("publisher")
    image_id = create_raw_image(client, disk_format="iso", container_format="bare", imported_by="me")["id"]
    stage(client, image_id, disk_formats.ISO[:40000])

    started = start_import(client, image_id)
    task = finish_import(client, image_id)

    assert started.status_code == 202
    shown = show_image(client, image_id)
    if task["status"] == "failure":
        assert (shown["imported_by"], shown["status"]) == ("me", "queued")


def test_a_deleted_image_takes_its_unpacked_data_with_it(plugged: Service) -> None:
    client = plugged.client("publisher")
    before = stored_files(plugged)
    image_id = create_staged_image(client, gzip.compress(DATA))
    start_import(client, image_id)

    assert client.delete(f"/v2/images/{image_id}").status_code == 204

    import_data(client, DATA[:10])
    assert len(stored_files(plugged) - before) == 1
