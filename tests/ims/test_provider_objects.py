"""What the resources about objects of both clouds' Terraform providers ask, call by call.

Read off terraform-provider-huaweicloud (`services/ims/resource_huaweicloud_ims_obs_…`, `…_quickimport_…`,
`…_image_registration`, `…_image_export`) and off terraform-provider-opentelekomcloud (`…_ims_image_v2`,
`…_ims_data_image_v2`): the bodies, the polls, what is read again, and what would make
the provider replace the resource if it were another. How they ask is in `provider_calls.py`.
"""

from typing import Any

import pytest
from harness.objects import OPEN_TO_ALL, Bucket, object_settings
from harness.service import Service
from harness.swift import Swift
from provider_calls import DEBIAN, Provider, has
from test_signature_forms import CHAINED, GOLANGSDK

RAW = bytes(range(256)) * 512
ISO = bytes(32768) + b"\x01CD001\x01".ljust(2048, b"\0") + bytes(2048)


@pytest.fixture(scope="module")
def service(shared_services: Any, swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("buckets")
    found: Service = shared_services.get("sqlite", **object_settings(swift.endpoint, folder, OPEN_TO_ALL))
    return found


@pytest.fixture
def huawei(service: Service) -> Provider:
    return Provider(service, GOLANGSDK)


@pytest.fixture
def open_telekom(service: Service) -> Provider:
    return Provider(service, CHAINED)


@pytest.fixture
def bucket(swift: Swift) -> Bucket:
    return Bucket(swift)


def test_huaweicloud_ims_obs_system_image(huawei: Provider, bucket: Bucket) -> None:
    """`image_url` is read again from `data_origin`: another one would replace the image."""
    ref = bucket.put("s.raw", RAW)
    body = {
        "name": "from obs",
        "description": "a system",
        "os_type": "Linux",
        "os_version": DEBIAN,
        "image_url": ref,
        "min_disk": 40,
        "is_config": True,
        "image_tags": [{"key": "stage", "value": "test"}],
        "type": "ECS",
        "max_ram": 4096,
        "min_ram": 1024,
        "architecture": "x86",
        "enterprise_project_id": "0",
    }

    image_id = huawei.wait(huawei.request("POST", "v2/cloudimages/action", body))["entities"]["image_id"]
    image = huawei.read(image_id)

    assert has(
        image,
        name="from obs",
        __data_origin=f"file,{ref}",
        min_disk=40,
        __description="a system",
        __os_type="Linux",
        __os_version=DEBIAN,
        max_ram="4096",
        min_ram=1024,
        enterprise_project_id="0",
        status="active",
        visibility="private",
    )
    assert (image["active_at"], image["__image_size"]) != ("", "0")
    assert huawei.tags(image_id) == {"stage": "test"}
    huawei.request(
        "PATCH",
        f"v2/cloudimages/{image_id}",
        [
            {"op": "replace", "path": "/name", "value": "renamed"},
            {"op": "replace", "path": "/min_ram", "value": 2048},
        ],
    )
    huawei.tag(image_id, "delete", stage="test")
    huawei.tag(image_id, "create", stage="live")
    assert has(huawei.read(image_id), name="renamed", min_ram=2048)
    huawei.destroy(image_id)


def test_huaweicloud_ims_obs_system_image_of_windows_without_a_version(
    huawei: Provider, bucket: Bucket
) -> None:
    body = {"name": "win", "os_type": "Windows", "image_url": bucket.put("w.raw", RAW), "min_disk": 40}

    job = huawei.wait(huawei.request("POST", "v2/cloudimages/action", body))

    assert huawei.read(job["entities"]["image_id"])["__os_type"] == "Windows"


def test_huaweicloud_ims_obs_data_image(huawei: Provider, bucket: Bucket) -> None:
    ref = bucket.put("d.raw", RAW)
    body = {
        "name": "data",
        "image_url": ref,
        "min_disk": 40,
        "os_type": "Windows",
        "description": "",
        "image_tags": [{"key": "disk", "value": "b"}],
        "enterprise_project_id": "0",
    }

    job = huawei.wait(huawei.request("POST", "v1/cloudimages/dataimages/action", body))

    image_id = job["entities"]["image_id"]
    assert has(
        huawei.read(image_id),
        name="data",
        __data_origin=f"file,{ref}",
        min_disk=40,
        __os_type="Windows",
        virtual_env_type="DataImage",
        __description="",
    )
    assert huawei.tags(image_id) == {"disk": "b"}
    huawei.destroy(image_id)


def test_huaweicloud_ims_obs_iso_image(huawei: Provider, bucket: Bucket) -> None:
    ref = bucket.put("boot.iso", ISO)
    body = {
        "name": "boot",
        "image_url": ref,
        "min_disk": 10,
        "os_version": DEBIAN,
        "type": "IsoImage",
        "is_config": False,
        "architecture": "arm",
    }

    job = huawei.wait(huawei.request("POST", "v2/cloudimages/action", body))

    image = huawei.read(job["entities"]["image_id"])
    assert has(image, __data_origin=f"file,{ref}", disk_format="iso", __support_arm="true")
    huawei.destroy(job["entities"]["image_id"])


def test_huaweicloud_ims_quickimport_system_image(huawei: Provider, bucket: Bucket) -> None:
    body = {
        "name": "quick",
        "os_version": DEBIAN,
        "image_url": bucket.put("q.zvhd2", RAW),
        "min_disk": 10,
        "type": "ECS",
        "description": "",
        "image_tags": [],
        "hw_firmware_type": "uefi",
    }

    job = huawei.wait(huawei.request("POST", "v2/cloudimages/quickimport/action", body))

    image = huawei.read(job["entities"]["image_id"])
    assert has(image, name="quick", hw_firmware_type="uefi", __os_version=DEBIAN, disk_format="zvhd2")
    huawei.destroy(image["id"])


def test_huaweicloud_ims_quickimport_data_image(huawei: Provider, bucket: Bucket) -> None:
    body = {
        "name": "quick data",
        "image_url": bucket.put("q.raw", RAW),
        "min_disk": 1,
        "type": "DataImage",
        "description": "d",
        "os_type": "Linux",
        "image_tags": [{"key": "a", "value": "b"}],
    }

    job = huawei.wait(huawei.request("POST", "v2/cloudimages/quickimport/action", body))

    image = huawei.read(job["entities"]["image_id"])
    assert has(image, name="quick data", min_disk=1, __description="d", __os_type="Linux")
    huawei.destroy(image["id"])


def test_huaweicloud_images_image_of_an_object(huawei: Provider, bucket: Bucket) -> None:
    """The older resource; it sends `image_tags` and what is not told as nothing."""
    ref = bucket.put("i.raw", RAW)
    body = {
        "name": "older",
        "image_url": ref,
        "min_disk": 40,
        "os_version": DEBIAN,
        "image_tags": [{"key": "stage", "value": "test"}],
    }

    job = huawei.wait(huawei.request("POST", "v2/cloudimages/action", body))

    (image,) = huawei.request("GET", f"v2/cloudimages?id={job['entities']['image_id']}&limit=1")["images"]
    assert has(image, name="older", __os_version=DEBIAN, __data_origin=f"file,{ref}", status="active")
    assert huawei.tags(image["id"]) == {"stage": "test"}
    huawei.destroy(image["id"])


def make_metadata(huawei: Provider) -> str:
    metadata = {"name": "registered", "__os_version": DEBIAN, "disk_format": "raw", "min_disk": 10}
    return str(huawei.request("POST", "v2/images", {**metadata, "protected": False, "tags": []})["id"])


def register(huawei: Provider, bucket: Bucket) -> str:
    """The id of an image that was made in two steps, by two resources."""
    image_id = make_metadata(huawei)
    body = {"image_url": bucket.put("r.raw", RAW)}
    job = huawei.wait(huawei.request("PUT", f"v1/cloudimages/{image_id}/upload", body))
    assert job["entities"]["image_id"] == image_id
    return image_id


def test_huaweicloud_ims_image_metadata(huawei: Provider) -> None:
    image_id = make_metadata(huawei)

    image = huawei.read(image_id)

    assert has(image, name="registered", status="queued", disk_format="raw", min_disk=10, tags=[])
    assert has(image, __os_version=DEBIAN, __isregistered="true", visibility="private", protected=False)
    huawei.destroy(image_id)


def test_huaweicloud_ims_image_registration(huawei: Provider, bucket: Bucket) -> None:
    image_id = register(huawei, bucket)

    assert has(huawei.read(image_id), status="active", __isregistered="true")
    huawei.destroy(image_id)


@pytest.mark.parametrize("version", ["v1", "v2.1"])
def test_huaweicloud_ims_image_export(huawei: Provider, bucket: Bucket, version: str) -> None:
    """`ims_image_export`, and `imsv21_image_export` by the path of the "safe mode"."""
    path = f"{version}/cloudimages/{register(huawei, bucket)}/file"

    huawei.wait(huawei.request("POST", path, {"bucket_url": bucket.ref("o.qcow2"), "file_format": "qcow2"}))
    huawei.wait(huawei.request("POST", path, {"bucket_url": bucket.ref("o.raw"), "is_quick_export": True}))

    assert ((bucket.get("o.qcow2") or b"")[:4], bucket.get("o.raw")) == (b"QFI\xfb", RAW)


def test_opentelekomcloud_ims_image_v2(open_telekom: Provider, bucket: Bucket) -> None:
    """The firmware is set by an update of its own."""
    body = {
        "name": "from obs",
        "description": "a system",
        "os_version": DEBIAN,
        "image_url": bucket.put("s.raw", RAW),
        "min_disk": 40,
        "is_config": True,
        "image_tags": [{"key": "stage", "value": "test"}],
        "type": "ECS",
        "max_ram": 2048,
        "min_ram": 1024,
    }

    job = open_telekom.wait(open_telekom.request("POST", "v2/cloudimages/action", body))
    image_id = job["entities"]["image_id"]
    firmware = [{"op": "add", "path": "/hw_firmware_type", "value": "uefi"}]
    open_telekom.request("PATCH", f"v2/cloudimages/{image_id}", firmware)

    assert has(open_telekom.read(image_id), name="from obs", visibility="private", hw_firmware_type="uefi")
    assert open_telekom.tags(image_id) == {"stage": "test"}
    open_telekom.tag(image_id, "delete", stage="test")
    open_telekom.tag(image_id, "create", stage="live")
    open_telekom.destroy(image_id)


def test_opentelekomcloud_ims_data_image_v2(open_telekom: Provider, bucket: Bucket) -> None:
    """With tags, the image is the one of the first sub-job, and no other."""
    body = {
        "name": "data",
        "description": "a disk",
        "image_url": bucket.put("d.raw", RAW),
        "min_disk": 40,
        "os_type": "Linux",
    }

    job = open_telekom.wait(open_telekom.request("POST", "v1/cloudimages/dataimages/action", body))
    image_id = job["entities"]["sub_jobs_result"][0]["entities"]["image_id"]
    open_telekom.tag(image_id, "create", disk="b")

    assert image_id == job["entities"]["image_id"]
    image = open_telekom.read(image_id)
    assert has(image, name="data", __description="a disk", visibility="private", disk_format="raw")
    assert open_telekom.tags(image_id) == {"disk": "b"}
    open_telekom.destroy(image_id)
