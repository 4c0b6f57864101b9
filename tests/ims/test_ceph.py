"""Images from objects and back with Ceph's S3 service, RADOS Gateway, where this machine has Ceph.

What the calls do is told by `test_object_imports.py` and `test_object_exports.py`, with Swift; here is what
depends on the service: reads and writes in parts, what is there already, what is not there.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.ceph import Ceph, CephMissingError
from harness.objects import ACTION, MIB, OPEN_TO_ALL, Bucket, ask, object_settings, system_image
from harness.service import Service
from sharing_calls import refusal
from test_copies import create_image, download, finish

#: Several parts, the last one cut short.
DATA = bytes(range(256)) * 4096 * 20 + b"end"


@pytest.fixture(scope="module")
def ceph() -> Iterator[Ceph]:
    # The sockets in its folder need a short path.
    with tempfile.TemporaryDirectory(prefix="ceph-") as folder:
        try:
            node = Ceph(Path(folder))
        except CephMissingError as error:
            pytest.skip(str(error))
        with node:
            yield node


@pytest.fixture(scope="module")
def service(shared_services: Any, ceph: Ceph, tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("buckets")
    found: Service = shared_services.get("sqlite", **object_settings(ceph.endpoint, folder, OPEN_TO_ALL))
    return found


@pytest.fixture
def bucket(ceph: Ceph) -> Bucket:
    return Bucket(ceph)


def run(service: Service, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return finish(service, "publisher", answer.json()["job_id"])


def export(service: Service, image_id: str, target: str, **given: Any) -> httpx.Response:
    return ask(service, f"/v1/cloudimages/{image_id}/file", bucket_url=target, **given)


def test_an_object_becomes_an_image_with_its_data(service: Service, bucket: Bucket) -> None:
    job = run(service, ask(service, ACTION, **system_image(bucket.put("in.raw", DATA))))

    assert job["status"] == "SUCCESS", job
    assert download(service, "publisher", job["entities"]["image_id"]) == DATA


def test_an_image_becomes_an_object_whole_and_only_once(service: Service, bucket: Bucket) -> None:
    image_id, target = create_image(service, DATA), bucket.ref("out.raw")

    job = run(service, export(service, image_id, target, file_format="raw"))
    again = export(service, image_id, target, file_format="raw")

    assert (job["status"], bucket.get("out.raw") == DATA) == ("SUCCESS", True), job
    assert refusal(again) == (400, "IMG.0070")


def test_an_image_is_converted_on_its_way_out(service: Service, bucket: Bucket) -> None:
    image_id = create_image(service, bytes(8 * MIB))

    job = run(service, export(service, image_id, bucket.ref("out.qcow2"), file_format="qcow2"))

    assert (job["status"], (bucket.get("out.qcow2") or b"")[:4]) == ("SUCCESS", b"QFI\xfb"), job


@pytest.mark.parametrize("ref", ["uploads:nothing/x.raw", "uploads-of-nobody:x.raw"])
def test_what_is_not_there_is_told_so(service: Service, ref: str) -> None:
    job = run(service, ask(service, ACTION, **system_image(ref)))

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0057")


def test_a_bucket_that_is_not_there_takes_no_export(service: Service) -> None:
    answer = export(service, create_image(service), "uploads-of-nobody:x.raw", file_format="raw")

    job = run(service, answer)

    assert (job["status"], job["error_code"]) == ("FAIL", "IMG.0057")
