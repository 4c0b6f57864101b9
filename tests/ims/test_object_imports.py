"""Images made of objects: I9 with image_url, I10, I11, I13 (ims-api, 1.8), and the codes of 3.5.

The S3 service is a real one (Swift). Jobs are followed as providers do it, by their `entities.image_id`.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.objects import (
    ACTION,
    DATA_IMAGE,
    DEBIAN,
    MIB,
    OPEN_TO_ALL,
    QUICK,
    Bucket,
    ask,
    make_disk,
    object_settings,
    system_image,
)
from harness.service import Service
from harness.swift import Swift
from sharing_calls import create_image, refusal
from test_copies import download, finish, show

RAW = bytes(range(256)) * 4096


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
        TRANSOM_OBJECT_SIZE_CAP=str(20 * MIB),
        TRANSOM_OBJECT_QUICK_SIZE_CAP=str(30 * MIB),
        **object_settings(swift.endpoint, folder, OPEN_TO_ALL),
    )
    return found


@pytest.fixture
def bucket(swift: Swift) -> Bucket:
    return Bucket(swift)


def run(service: Service, answer: httpx.Response, caller: str = "publisher") -> dict[str, Any]:
    """The job that the call was answered with, once it is over."""
    assert answer.status_code == 200, answer.text
    return finish(service, caller, answer.json()["job_id"])


def outcome(service: Service, answer: httpx.Response) -> tuple[str, str | None]:
    job = run(service, answer)
    return job["status"], job["error_code"]


# ---- what is made


def test_an_image_of_an_object_is_private_and_has_its_data_and_attributes(
    service: Service, bucket: Bucket
) -> None:
    ref = bucket.put("disk.raw", RAW)

    job = run(
        service,
        ask(
            service,
            ACTION,
            **system_image(ref, description="for the lab", tags=["stage.test"], min_ram=512, is_config=True),
        ),
    )

    assert (job["status"], job["job_type"], job["entities"]["image_name"]) == (
        "SUCCESS",
        "imsImportImageJob",
        "web 1",
    )
    image_id = job["entities"]["image_id"]
    (found,) = service.client("publisher").get(f"/v2/cloudimages?id={image_id}").json()["images"]
    expected = {
        "name": "web 1",
        "status": "active",
        "visibility": "private",
        "__imagetype": "private",
        "disk_format": "raw",
        "min_disk": 10,
        "min_ram": 512,
        "__os_version": "Debian GNU/Linux 10.0.0 64bit",
        "__platform": "Debian",
        "__description": "for the lab",
        "__is_config_init": "true",
        "virtual_env_type": "FusionCompute",
        "tags": ["stage=test"],
    }
    assert {name: found[name] for name in expected} == expected
    assert download(service, "publisher", image_id) == RAW


@pytest.mark.parametrize("disk_format", ["qcow2", "vmdk", "vdi", "vhdx", "vpc"])
def test_the_format_of_an_image_is_that_of_the_object(
    service: Service, bucket: Bucket, tmp_path: Path, disk_format: str
) -> None:
    data = make_disk(tmp_path, disk_format, "8M", b"boot")

    job = run(service, ask(service, ACTION, **system_image(bucket.put("disk", data))))

    image = show(service, "publisher", job["entities"]["image_id"])
    assert image["disk_format"] == {"vpc": "vhd"}.get(disk_format, disk_format)
    assert image["virtual_size"] >= 8 * MIB
    assert download(service, "publisher", image["id"]) == data


@pytest.mark.parametrize("ending", ["zvhd", "ZVHD2"])
def test_formats_of_the_ims_api_are_known_by_the_name_and_kept_as_they_come(
    service: Service, bucket: Bucket, ending: str
) -> None:
    job = run(service, ask(service, ACTION, **system_image(bucket.put(f"disk.{ending}", RAW))))

    path = f"/ims/v2/images/{job['entities']['image_id']}"
    assert service.client("publisher").get(path).json()["disk_format"] == ending.lower()


def test_an_iso_image_says_that_it_is_one(service: Service, bucket: Bucket) -> None:
    descriptor = b"\x01CD001\x01".ljust(2048, b"\0")
    ref = bucket.put("boot.iso", bytes(32768) + descriptor + bytes(2048))

    job = run(service, ask(service, ACTION, **system_image(ref, type="IsoImage")))

    image = show(service, "publisher", job["entities"]["image_id"])
    assert (image["disk_format"], image["virtual_env_type"]) == ("iso", "IsoImage")


def test_data_images_are_made_with_their_system_image_by_jobs_of_their_own(
    service: Service, bucket: Bucket
) -> None:
    beside: list[dict[str, Any]] = [
        {"image_url": bucket.put("a.raw", RAW + b"a"), "min_disk": 2048, "name": "data a"},
        {"image_url": bucket.put("b.raw", RAW + b"b"), "min_disk": 20, "tags": ["disk.b"]},
    ]

    job = run(service, ask(service, ACTION, **system_image(bucket.put("s.raw", RAW), data_images=beside)))

    entities = job["entities"]
    subs = entities["sub_jobs_result"]
    assert (job["status"], job["job_type"]) == ("SUCCESS", "imsImportOvaImageJob")
    assert [sub["job_id"] for sub in subs] == entities["sub_jobs_list"]
    assert [(sub["status"], sub["job_type"]) for sub in subs] == [
        ("SUCCESS", "imsImportImageJob"),
        ("SUCCESS", "imsImportDataImageJob"),
        ("SUCCESS", "imsImportDataImageJob"),
    ]
    made = [show(service, "publisher", sub["entities"]["image_id"]) for sub in subs]
    assert entities["image_id"] == made[0]["id"]
    assert [(image["name"], image["min_disk"], image["virtual_env_type"]) for image in made] == [
        ("web 1", 10, "FusionCompute"),
        ("data a", 2048, "DataImage"),
        ("web 1-data2", 20, "DataImage"),
    ]
    assert "__os_version" not in made[1]
    assert download(service, "publisher", made[2]["id"]) == RAW + b"b"


def test_of_several_images_those_that_can_be_made_are(service: Service, bucket: Bucket) -> None:
    beside = [{"image_url": bucket.ref("nothing"), "min_disk": 20}]

    job = run(service, ask(service, ACTION, **system_image(bucket.put("s.raw", RAW), data_images=beside)))

    first, second = job["entities"]["sub_jobs_result"]
    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0057")
    assert (first["status"], second["status"]) == ("SUCCESS", "FAIL")
    assert download(service, "publisher", first["entities"]["image_id"]) == RAW


def test_a_quick_import_takes_raw_data(service: Service, bucket: Bucket) -> None:
    ref = bucket.put("large.raw", bytes(21 * MIB))

    system = run(service, ask(service, QUICK, **system_image(ref)))
    data = run(
        service,
        ask(service, QUICK, name="data", image_url=ref, min_disk=1, type="DataImage", os_type="Windows"),
    )

    assert (system["status"], data["status"]) == ("SUCCESS", "SUCCESS")
    made = show(service, "publisher", data["entities"]["image_id"])
    assert (made["virtual_env_type"], made["__os_type"]) == ("DataImage", "Windows")


@pytest.mark.parametrize("path", [DATA_IMAGE, "/v2/cloudimages/dataimages/action"])
def test_a_data_image_is_made_by_a_call_of_its_own(service: Service, bucket: Bucket, path: str) -> None:
    given: dict[str, Any] = {"name": "data", "image_url": bucket.put("d.raw", RAW), "min_disk": 40}

    job = run(service, ask(service, path, **given, image_tags=[{"key": "a", "value": "b"}]))

    image = show(service, "publisher", job["entities"]["image_id"])
    assert job["job_type"] == "imsImportDataImageJob"
    assert (image["virtual_env_type"], image["min_disk"], image["tags"]) == ("DataImage", 40, ["a=b"])


def test_an_object_is_registered_into_metadata_made_before(service: Service, bucket: Bucket) -> None:
    image_id = create_image(service, disk_format="raw", container_format="bare", name="made before")
    path = f"/v1/cloudimages/{image_id}/upload"

    job = run(service, ask(service, path, method="PUT", image_url=bucket.put("r.raw", RAW)))

    assert (job["status"], job["job_type"]) == ("SUCCESS", "imsNativeImportImageJob")
    assert job["entities"] | {"image_id": image_id, "image_name": "made before"} == job["entities"]
    assert download(service, "publisher", image_id) == RAW


def test_metadata_whose_object_cannot_be_had_is_queued_again(service: Service, bucket: Bucket) -> None:
    image_id = create_image(service, disk_format="qcow2", container_format="bare")
    path = f"/v1/cloudimages/{image_id}/upload"

    seen = [
        outcome(service, ask(service, path, method="PUT", image_url=one))
        for one in (bucket.ref("nothing"), bucket.put("no.qcow2", RAW))
    ]

    assert seen == [("FAIL", "IMG.0057")] * 2
    image = show(service, "publisher", image_id)
    assert (image["status"], image["disk_format"], image["size"]) == ("queued", "qcow2", None)


def test_an_image_that_cannot_be_made_is_gone(service: Service, bucket: Bucket) -> None:
    answer = ask(service, ACTION, **system_image(bucket.ref("nothing"), name="never made"))

    assert outcome(service, answer) == ("FAIL", "IMG.0057")
    assert service.client("publisher").get("/v2/images?name=never made").json()["images"] == []


def test_an_object_can_be_named_by_its_url(service: Service, bucket: Bucket, swift: Swift) -> None:
    name, key = bucket.put("u.raw", RAW).split(":")
    url = f"{swift.endpoint.replace('127.0.0.1', f'{name}.127.0.0.1')}/{key}"

    assert outcome(service, ask(service, ACTION, **system_image(url)))[0] == "SUCCESS"


def test_the_progress_of_several_images_is_told(service: Service, bucket: Bucket) -> None:
    beside = [{"image_url": bucket.put("a.raw", RAW), "min_disk": 20}]
    answer = ask(service, ACTION, **system_image(bucket.put("s.raw", RAW), data_images=beside))
    run(service, answer)

    told = service.client("publisher").get(f"/v1/cloudimages/job/{answer.json()['job_id']}").json()

    assert (told["status"], told["entities"]["process_percent"]) == ("SUCCESS", 1.0)


# ---- what is refused at once


def _with(**given: Any) -> dict[str, Any]:
    return system_image("uploads:x.raw") | given


REFUSED = [
    ("no name", ACTION, _with(name=None), "IMG.0013"),
    ("no source", ACTION, {"name": "x", "min_disk": 10}, "IMG.0021"),
    ("a server", ACTION, {"name": "x", "instance_id": "s"}, "IMG.0105"),
    ("a volume", ACTION, {"name": "x", "volume_id": "v", "os_version": DEBIAN}, "IMG.0105"),
    ("volumes of a server", ACTION, {"data_images": [{"name": "x", "volume_id": "v"}]}, "IMG.0105"),
    ("min_disk too small", ACTION, _with(min_disk=0), "IMG.0055"),
    ("min_disk too large", ACTION, _with(min_disk=1025), "IMG.0055"),
    ("no min_disk", ACTION, _with(min_disk=None), "IMG.0055"),
    ("min_disk of a data image", DATA_IMAGE, _with(min_disk=39), "IMG.0055"),
    (
        "min_disk beside",
        ACTION,
        _with(data_images=[{"image_url": "uploads:y", "min_disk": 2049}]),
        "IMG.0055",
    ),
    ("unknown system", ACTION, _with(os_version="Plan 9"), "IMG.0056"),
    ("quick without system", QUICK, _with(os_version=None), "IMG.0056"),
    ("iso without system", ACTION, _with(os_version=None, type="IsoImage"), "IMG.0056"),
    ("type", ACTION, _with(type="Other"), "IMG.0024"),
    ("a key", ACTION, _with(cmk_id="key"), "IMG.0095"),
    ("description", ACTION, _with(description="<b>"), "IMG.0054"),
    ("firmware", ACTION, _with(hw_firmware_type="coreboot"), "IMG.0141"),
    ("architecture", ACTION, _with(architecture="s390x"), "IMG.0212"),
    ("tags twice", ACTION, _with(tags=["a.b"], image_tags=[{"key": "a", "value": "b"}]), "IMG.0115"),
    ("tags no list", ACTION, _with(tags="a.b"), "IMG.0115"),
    ("tag malformed", ACTION, _with(tags=["a b.c"]), "IMG.0115"),
    ("no bucket", ACTION, _with(image_url=":x.raw"), "IMG.0068"),
    ("no text", ACTION, _with(image_url=7), "IMG.0068"),
    ("no file", ACTION, _with(image_url="uploads"), "IMG.0073"),
    ("empty file", ACTION, _with(image_url="uploads:"), "IMG.0073"),
    ("folder", ACTION, _with(image_url="uploads:folder/"), "IMG.0073"),
    ("long file", ACTION, _with(image_url="uploads:" + "x" * 1025), "IMG.0074"),
    ("dots", ACTION, _with(image_url="uploads:a/../b"), "IMG.0075"),
    ("slashes", ACTION, _with(image_url="uploads:a//b"), "IMG.0075"),
    ("NUL", ACTION, _with(image_url="uploads:a\0b"), "IMG.0075"),
    ("a query", ACTION, _with(image_url="https://uploads.127.0.0.1/x?versionId=1"), "IMG.0075"),
    ("bucket's name", ACTION, _with(image_url="Up loads:x.raw"), "IMG.0109"),
    ("another host", ACTION, _with(image_url="https://uploads.obs.elsewhere.example/x.raw"), "IMG.0058"),
    ("metadata service", ACTION, _with(image_url="http://169.254.169.254/latest"), "IMG.0058"),
    ("blanks", ACTION, _with(image_url="uploads:a file.raw"), "IMG.0175"),
    ("bucket not named for us", ACTION, _with(image_url="images:x.raw"), "IMG.0057"),
    ("twice", ACTION, _with(data_images=[{"image_url": "uploads:x.raw", "min_disk": 1}]), "IMG.0123"),
    (
        "four beside",
        ACTION,
        _with(data_images=[{"image_url": f"uploads:{n}", "min_disk": 1} for n in range(4)]),
        "IMG.0001",
    ),
    ("beside no list", ACTION, _with(data_images={}), "IMG.0001"),
    ("switch", ACTION, _with(is_quick_import="perhaps"), "IMG.0001"),
    ("kind of data", DATA_IMAGE, _with(min_disk=40, os_type="BeOS"), "IMG.0122"),
]


@pytest.mark.parametrize(
    ("path", "given", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_the_request_shows_to_be_wrong_is_refused_at_once(
    service: Service, path: str, given: dict[str, Any], code: str
) -> None:
    assert refusal(ask(service, path, **given)) == (400, code)


def test_who_may_make_no_images_makes_none_of_objects(service: Service, bucket: Bucket) -> None:
    answer = ask(service, ACTION, "publisher-reader", **system_image(bucket.put("x.raw", RAW)))

    assert refusal(answer) == (403, "IMG.0026")


def test_metadata_of_others_is_hidden_and_filled_metadata_is_not_filled_again(
    service: Service, bucket: Bucket
) -> None:
    image_id = create_image(service, disk_format="raw", container_format="bare")
    path, ref = f"/v1/cloudimages/{image_id}/upload", bucket.put("x.raw", RAW)

    hidden = ask(service, path, "other", "PUT", image_url=ref)
    filled = run(service, ask(service, path, method="PUT", image_url=ref))["status"]
    again = ask(service, path, method="PUT", image_url=ref)

    assert refusal(hidden) == (400, "IMG.0027")
    assert (filled, refusal(again)) == ("SUCCESS", (400, "IMG.0046"))


# ---- what the job finds out


def _qcow2_with_backing_file(folder: Path) -> bytes:
    data = bytearray(make_disk(folder, "qcow2"))
    data[8:20] = (1024).to_bytes(8, "big") + (4).to_bytes(4, "big")
    data[1024:1028] = b"/etc"
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "given", "code"),
    [
        (lambda _folder: b"", {}, "IMG.0057"),
        (_qcow2_with_backing_file, {}, "IMG.0057"),
        (lambda folder: make_disk(folder, "qed"), {}, "IMG.0057"),
        (lambda _folder: RAW, {"type": "IsoImage"}, "IMG.0057"),
        (lambda folder: make_disk(folder, "qcow2"), {"is_quick_import": True}, "IMG.0057"),
        (lambda folder: make_disk(folder, "qcow2", "2G"), {"min_disk": 1}, "IMG.0055"),
        (lambda _folder: bytes(20 * MIB + 1), {}, "IMG.0059"),
        (lambda _folder: bytes(30 * MIB + 1), {"is_quick_import": True}, "IMG.0059"),
    ],
    ids=["empty", "backing", "qed", "no iso", "not quick", "min_disk", "too large", "quick too large"],
)
def test_what_the_object_shows_to_be_wrong_fails_the_job_and_leaves_no_image(
    service: Service, bucket: Bucket, tmp_path: Path, data: Any, given: dict[str, Any], code: str
) -> None:
    ref = bucket.put("x", data(tmp_path))

    assert outcome(service, ask(service, ACTION, **system_image(ref, name="refused", **given))) == (
        "FAIL",
        code,
    )
    assert service.client("publisher").get("/v2/images?name=refused").json()["images"] == []


def test_a_bucket_that_is_not_there_looks_like_an_object_that_is_not(service: Service) -> None:
    missing = run(service, ask(service, ACTION, **system_image("uploads-of-nobody:x.raw")))
    absent = run(service, ask(service, ACTION, **system_image("uploads:nothing/x.raw")))

    texts = [job["fail_reason"].partition(" ")[2].split(" is ", 1)[1] for job in (missing, absent)]
    assert missing["error_code"] == absent["error_code"] == "IMG.0057"
    assert texts[0] == texts[1]
