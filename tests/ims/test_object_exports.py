"""Images exported to objects: I14 (ims-api, 1.8), and the codes of 3.5."""

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.objects import MIB, OPEN_TO_ALL, Bucket, ask, make_disk, object_settings
from harness.service import Service
from harness.swift import SMALL_BUCKET, Swift
from sharing_calls import ENCRYPTED, WHOLE_SERVER, WHOLE_SERVER_BACKUP, project_of, refusal, share
from test_copies import create_image, finish

RAW = bytes(range(256)) * 4096
PATHS = ["/v1/cloudimages/{}/file", "/v2/cloudimages/{}/file"]
READ_ONLY = '[[bucket]]\nname = "images"\nprojects = ["*"]\n'
SMALL = f'[[bucket]]\nname = "{SMALL_BUCKET}"\nprojects = ["*"]\nwrite = true\n'


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest,
    shared_services: Any,
    swift: Swift,
    tmp_path_factory: pytest.TempPathFactory,
) -> Service:
    folder = tmp_path_factory.mktemp("buckets")
    found: Service = shared_services.get(
        request.param,
        TRANSOM_OBJECT_SIZE_CAP=str(40 * MIB),
        TRANSOM_OBJECT_QUICK_SIZE_CAP=str(50 * MIB),
        **object_settings(swift.endpoint, folder, OPEN_TO_ALL + READ_ONLY + SMALL),
    )
    return found


@pytest.fixture
def bucket(swift: Swift) -> Bucket:
    return Bucket(swift)


def export(
    service: Service, image_id: str, target: str, caller: str = "publisher", **given: Any
) -> httpx.Response:
    return ask(
        service, PATHS[0].format(image_id), caller, bucket_url=target, **({"file_format": "raw"} | given)
    )


def run(service: Service, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return finish(service, "publisher", answer.json()["job_id"])


@pytest.mark.parametrize("path", PATHS)
def test_an_image_in_the_format_that_is_wanted_goes_out_as_it_is(
    service: Service, bucket: Bucket, path: str
) -> None:
    image_id = create_image(service, RAW * 17, name="to go")

    answer = ask(service, path.format(image_id), bucket_url=bucket.ref("out.raw"), file_format="raw")
    job = run(service, answer)

    assert (job["status"], job["job_type"]) == ("SUCCESS", "imsNativeExportImageJob")
    assert (job["entities"]["image_id"], job["entities"]["image_name"]) == (image_id, "to go")
    assert bucket.get("out.raw") == RAW * 17


@pytest.mark.parametrize(
    ("source", "target"), [("raw", "qcow2"), ("qcow2", "vhd"), ("vmdk", "raw"), ("raw", "vmdk")]
)
def test_an_image_is_converted_to_the_format_that_is_wanted(
    service: Service, bucket: Bucket, tmp_path: Path, source: str, target: str
) -> None:
    image_id = create_image(service, make_disk(tmp_path, source, "8M", RAW), disk_format=source)

    job = run(service, export(service, image_id, bucket.ref("out"), file_format=target))

    assert job["status"] == "SUCCESS", job
    assert read_disk(tmp_path, bucket.get("out") or b"", target) == RAW.ljust(8 * MIB, b"\0")


def read_disk(folder: Path, data: bytes, disk_format: str) -> bytes:
    """What is on the disk, as qemu-img reads it."""
    made, raw = folder / "made", folder / "read.raw"
    made.write_bytes(data)
    qemu_name = {"vhd": "vpc"}.get(disk_format, disk_format)
    command = ["qemu-img", "convert", "-f", qemu_name, "-O", "raw", str(made), str(raw)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return raw.read_bytes()


@pytest.mark.parametrize("disk_format", ["qcow2", "zvhd2", "vdi"])
def test_a_quick_export_goes_out_as_it_is_kept(
    service: Service, bucket: Bucket, tmp_path: Path, disk_format: str
) -> None:
    data = RAW if disk_format == "zvhd2" else make_disk(tmp_path, disk_format, "4M", RAW)
    image_id = filled(service, data, disk_format)

    job = run(service, export(service, image_id, bucket.ref("out"), file_format=None, is_quick_export=True))

    assert (job["status"], bucket.get("out") == data) == ("SUCCESS", True)


def filled(service: Service, data: bytes, disk_format: str) -> str:
    """An image made by the IMS API, which knows formats of its own."""
    client = service.client("publisher")
    image_id = str(client.post("/ims/v2/images", json={"name": "x", "disk_format": disk_format}).json()["id"])
    headers = {"Content-Type": "application/octet-stream"}
    assert client.put(f"/v2/images/{image_id}/file", content=data, headers=headers).status_code == 204
    return image_id


def test_an_object_that_is_there_is_left_as_it_is(service: Service, bucket: Bucket) -> None:
    ref = bucket.put("there", b"of somebody")

    assert refusal(export(service, create_image(service), ref)) == (400, "IMG.0070")
    assert bucket.get("there") == b"of somebody"


def test_an_export_leaves_no_image_behind_that_another_could_not_export_again(
    service: Service, bucket: Bucket
) -> None:
    """IMG.0148 holds while the first is under way only."""
    image_id = create_image(service)

    seen = [run(service, export(service, image_id, bucket.ref(name)))["status"] for name in ("a", "b")]

    assert seen == ["SUCCESS", "SUCCESS"]


def test_a_bucket_without_room_fails_the_export_and_has_nothing_of_it(service: Service, swift: Swift) -> None:
    small = Bucket(swift, SMALL_BUCKET)
    before = swift.kept()

    job = run(service, export(service, create_image(service, RAW * 2), small.ref("out")))

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0061")
    assert "no room" in job["fail_reason"]
    assert small.get("out") is None
    assert swift.kept() == before


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("whole server", WHOLE_SERVER, {}, "IMG.0128"),
    ("backup", {"__backup_id": "b"}, {}, "IMG.0080"),
    ("charged", {"__productcode": "p"}, {}, "IMG.0079"),
    ("encrypted", ENCRYPTED, {}, "IMG.0071"),
    ("iso", {"disk_format": "iso", "container_format": "ami"}, {}, "IMG.0071"),
    ("no format", {}, {"file_format": None}, "IMG.0072"),
    ("unknown format", {}, {"file_format": "vdi"}, "IMG.0072"),
    ("kept format", {}, {"file_format": "zvhd2"}, "IMG.0072"),
    ("format and quick", {}, {"is_quick_export": True}, "IMG.0072"),
    ("in a container", {"container_format": "ovf"}, {"file_format": "qcow2"}, "IMG.0072"),
    ("no bucket", {}, {"bucket_url": ":x"}, "IMG.0068"),
    ("no target", {}, {"bucket_url": None}, "IMG.0068"),
    ("no file", {}, {"bucket_url": "uploads:"}, "IMG.0073"),
    ("long file", {}, {"bucket_url": "uploads:" + "x" * 1025}, "IMG.0074"),
    ("dots", {}, {"bucket_url": "uploads:../x"}, "IMG.0075"),
    ("blanks", {}, {"bucket_url": "uploads:a x"}, "IMG.0175"),
    ("bucket's name", {}, {"bucket_url": "up!loads:x"}, "IMG.0109"),
    ("elsewhere", {}, {"bucket_url": "https://uploads.obs.elsewhere.example/x"}, "IMG.0058"),
    ("read only", {}, {"bucket_url": "images:x"}, "IMG.0057"),
    ("no such bucket", {}, {"bucket_url": "other:x"}, "IMG.0057"),
]


@pytest.mark.parametrize(
    ("fields", "given", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_may_not_go_out_is_refused(
    service: Service, bucket: Bucket, fields: dict[str, Any], given: dict[str, Any], code: str
) -> None:
    image_id = create_image(service, **fields)

    asked = {"bucket_url": bucket.ref("out"), "file_format": "raw"} | given
    assert refusal(ask(service, PATHS[0].format(image_id), **asked)) == (400, code)


@pytest.mark.parametrize(("is_quick", "size"), [(False, 41), (True, 51)])
def test_what_is_too_large_is_refused(service: Service, bucket: Bucket, is_quick: bool, size: int) -> None:
    image_id = create_image(service, bytes(size * MIB))
    given: dict[str, Any] = {"is_quick_export": True, "file_format": None} if is_quick else {}

    assert refusal(export(service, image_id, bucket.ref("out"), **given)) == (400, "IMG.0160")


def test_public_images_and_those_of_others_do_not_go_out(service: Service, bucket: Bucket) -> None:
    owner = project_of(service, "publisher")
    public = create_image(service, caller="admin", visibility="public", owner=owner)
    shared = create_image(service)
    share(service, shared)
    queued = create_image(service, data=None)

    assert refusal(export(service, public, bucket.ref("a"))) == (400, "IMG.0077")
    assert refusal(export(service, shared, bucket.ref("b"), "recipient")) == (400, "IMG.0047")
    assert refusal(export(service, shared, bucket.ref("b"), "other")) == (400, "IMG.0027")
    assert refusal(export(service, shared, bucket.ref("b"), "publisher-reader")) == (403, "IMG.0026")
    assert refusal(export(service, queued, bucket.ref("c"))) == (400, "IMG.0046")


def test_a_whole_server_of_a_backup_does_not_go_out(service: Service, bucket: Bucket) -> None:
    image_id = create_image(service, RAW, **WHOLE_SERVER_BACKUP)

    assert refusal(export(service, image_id, bucket.ref("out"))) == (400, "IMG.0128")
