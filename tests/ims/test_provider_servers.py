"""What the resources about servers and volumes of both clouds' Terraform providers ask, call by call.

Read off terraform-provider-huaweicloud (`services/ims/resource_huaweicloud_ims_ecs_…`, `…_evs_…`, `…_cbr_…`,
`…_images_image`) and off terraform-provider-opentelekomcloud (`…_ims_image_v2`, `…_ims_data_image_v2`). They
log in with a token of a real Keystone; Nova and Cinder are stood in for by `harness/cloud.py`.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from harness.cloud import SERVER, VOLUME, Cloud
from harness.forks import forked_service
from harness.keystone import Keystone
from harness.service import Service
from provider_calls import DEBIAN, Provider, has
from test_servers import RAW, WHO, qcow2, wait_for_images, wait_for_name

CREATE, WHOLE = "v2/cloudimages/action", "v1/cloudimages/wholeimages/action"


class Run:
    """A resource of a provider in a cloud."""

    def __init__(self, service: Service, cloud: Cloud) -> None:
        self.provider = Provider(service, caller=WHO)
        self._service, self._cloud = service, cloud

    def create(self, body: dict[str, Any], data: bytes) -> dict[str, Any]:
        """The job at its end; the cloud delivers the data of the image meanwhile."""
        answer = self.provider.request("POST", CREATE, body)
        name = body.get("name") or body["data_images"][0]["name"]
        wait_for_images(self._cloud)
        wait_for_name(self._service, self._cloud, name)
        self._cloud.deliver(data)
        return self.provider.wait(answer)

    def is_refused(self, body: dict[str, Any], code: str) -> bool:
        """The provider ends with the service's answer; the cloud was not asked."""
        with pytest.raises(AssertionError, match=re.escape(code)):
            self.provider.request("POST", WHOLE, body)
        return self._cloud.asked == []


@pytest.fixture(scope="module")
def cloud(keystone: Keystone) -> Iterator[Cloud]:
    with Cloud() as server:
        keystone.set_image_endpoint(server.compute, "compute")
        keystone.set_image_endpoint(server.volumes, "volumev3")
        yield server


@pytest.fixture(scope="module")
def service(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with forked_service(tmp_path_factory.mktemp("providers"), None, keystone.settings()) as found:
        found.use_clouds(keystone.clouds)
        yield found


@pytest.fixture
def run(service: Service, cloud: Cloud) -> Run:
    cloud.forget(service.url)
    return Run(service, cloud)


def test_huaweicloud_ims_ecs_system_image(run: Run) -> None:
    """`instance_id` is read again from `data_origin`: another one would replace the image."""
    body = {
        "name": "of a server",
        "instance_id": SERVER,
        "description": "",
        "max_ram": 4096,
        "min_ram": 1024,
        "image_tags": [{"key": "stage", "value": "test"}],
        "enterprise_project_id": "0",
    }

    image_id = run.create(body, qcow2())["entities"]["image_id"]

    image = run.provider.read(image_id)
    assert has(image, name="of a server", __data_origin=f"instance,{SERVER}", status="active")
    assert has(image, max_ram="4096", min_ram=1024, enterprise_project_id="0", visibility="private")
    assert run.provider.tags(image_id) == {"stage": "test"}
    run.provider.rename(image_id, "renamed")
    assert run.provider.read(image_id)["name"] == "renamed"
    run.provider.destroy(image_id)


def test_huaweicloud_ims_evs_system_image(run: Run) -> None:
    body = {
        "name": "of a volume",
        "volume_id": VOLUME,
        "os_version": DEBIAN,
        "type": "ECS",
        "description": "a system",
        "min_ram": 1024,
        "image_tags": [],
    }

    image_id = run.create(body, RAW)["entities"]["image_id"]

    image = run.provider.read(image_id)
    assert has(image, name="of a volume", __data_origin=f"volume,{VOLUME}", __os_version=DEBIAN)
    assert has(image, __description="a system", min_ram=1024, virtual_env_type="FusionCompute")
    run.provider.destroy(image_id)


def test_huaweicloud_ims_evs_data_image(run: Run) -> None:
    """The image is the one of the first sub-job; tags are texts."""
    disk = {"name": "a disk", "volume_id": VOLUME, "description": "data", "tags": ["stage.test"]}

    job = run.create({"data_images": [disk], "enterprise_project_id": "0"}, RAW)

    image_id = job["entities"]["sub_jobs_result"][0]["entities"]["image_id"]
    image = run.provider.read(image_id)
    assert has(image, name="a disk", __data_origin=f"volume,{VOLUME}", virtual_env_type="DataImage")
    assert has(image, __description="data", __os_type="Linux", enterprise_project_id="0")
    assert run.provider.tags(image_id) == {"stage": "test"}
    run.provider.destroy(image_id)


def test_huaweicloud_ims_ecs_whole_image(run: Run) -> None:
    """The resource cannot do without a vault, and there are none here."""
    body = {"name": "whole", "instance_id": SERVER, "vault_id": "vault", "image_tags": []}

    assert run.is_refused(body, "IMG.0184")


def test_huaweicloud_ims_cbr_whole_image(run: Run) -> None:
    assert run.is_refused({"name": "whole", "backup_id": "backup", "whole_image_type": "CBR"}, "IMG.0020")


def test_huaweicloud_images_image_of_a_server(run: Run) -> None:
    """The older resource."""
    body = {"name": "older", "instance_id": SERVER, "image_tags": [{"key": "stage", "value": "test"}]}

    image_id = run.create(body, qcow2())["entities"]["image_id"]

    assert has(run.provider.read(image_id), name="older", __data_origin=f"instance,{SERVER}")
    assert run.provider.tags(image_id) == {"stage": "test"}
    run.provider.destroy(image_id)


def test_opentelekomcloud_ims_image_v2_of_a_server(run: Run) -> None:
    """The firmware is set by an update of its own."""
    body = {"name": "of a server", "description": "a system", "instance_id": SERVER, "min_ram": 1024}

    image_id = run.create(body, qcow2())["entities"]["image_id"]
    firmware = [{"op": "add", "path": "/hw_firmware_type", "value": "uefi"}]
    run.provider.request("PATCH", f"v2/cloudimages/{image_id}", firmware)

    image = run.provider.read(image_id)
    assert has(image, name="of a server", __data_origin=f"instance,{SERVER}", hw_firmware_type="uefi")
    run.provider.destroy(image_id)


def test_opentelekomcloud_ims_image_v2_of_a_volume(run: Run) -> None:
    body = {"name": "of a volume", "volume_id": VOLUME, "os_version": DEBIAN, "type": "ECS"}

    image_id = run.create(body, RAW)["entities"]["image_id"]

    assert has(run.provider.read(image_id), name="of a volume", __data_origin=f"volume,{VOLUME}")
    run.provider.destroy(image_id)


def test_opentelekomcloud_ims_data_image_v2_of_a_volume(run: Run) -> None:
    """With tags, the image is the one of the first sub-job, and no other."""
    disk = {"name": "a disk", "description": "data", "volume_id": VOLUME}

    job = run.create({"data_images": [disk]}, RAW)
    image_id = job["entities"]["sub_jobs_result"][0]["entities"]["image_id"]
    run.provider.tag(image_id, "create", disk="b")

    assert image_id == job["entities"]["image_id"]
    assert has(run.provider.read(image_id), name="a disk", virtual_env_type="DataImage")
    assert run.provider.tags(image_id) == {"disk": "b"}
    run.provider.destroy(image_id)
