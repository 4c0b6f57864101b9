"""What the resource `images_image_copy` of Huawei Cloud's Terraform provider asks, within the region and to
another, call by call (read off `services/ims/resource_huaweicloud_images_image_copy.go`).

Start reading at `Regions`.
"""

from typing import Any, NamedTuple

import pytest
from harness.region import peer_table
from harness.service import Service
from provider_calls import Provider, has
from test_copies import create_image
from test_region_copies import new_name
from test_signature_forms import GOLANGSDK

#: As the resource names the project there, which in the vendor's cloud bears the region's name.
ELSEWHERE = "elsewhere-1"


class Regions(NamedTuple):
    """The clients of a provider for both regions."""

    service: Service
    here: Provider
    there: Provider


@pytest.fixture(scope="module")
def regions(shared_services: Any, tmp_path_factory: pytest.TempPathFactory) -> Regions:
    other: Service = shared_services.get("sqlite")
    other.add_user(ELSEWHERE, ELSEWHERE, "member")
    cloud = other.clouds[ELSEWHERE]
    peers = tmp_path_factory.mktemp("copies") / "peers.toml"
    auth_url = f"{other.url}/identity/v3"
    peers.write_text(
        peer_table(ELSEWHERE, auth_url, cloud.username, cloud.password, cloud.project_name, "RegionOne")
    )
    service = shared_services.get("sqlite", TRANSOM_PEERS_FILE=str(peers))
    return Regions(service, Provider(service, GOLANGSDK), Provider(other, caller=ELSEWHERE))


def test_huaweicloud_images_image_copy(regions: Regions) -> None:
    here, image_id = regions.here, create_image(regions.service)
    body = {"name": new_name(), "description": "a copy", "enterprise_project_id": "0"}

    job = here.wait(here.request("POST", f"v1/cloudimages/{image_id}/copy", body))
    copy_id = job["entities"]["image_id"]
    here.tag(copy_id, "create", stage="test")

    assert has(here.read(copy_id), name=body["name"], __description="a copy", enterprise_project_id="0")
    assert here.tags(copy_id) == {"stage": "test"}
    here.rename(copy_id, "renamed")
    assert here.read(copy_id)["name"] == "renamed"
    here.destroy(copy_id)


def test_huaweicloud_images_image_copy_to_another_region(regions: Regions) -> None:
    """The job is here; tags are set, and the copy is read, changed and destroyed, there."""
    image_id = create_image(regions.service)
    body = {
        "name": new_name(),
        "description": "a copy",
        "region": ELSEWHERE,
        "project_name": ELSEWHERE,
        "agency_name": "carrier",
    }

    path = f"v1/cloudimages/{image_id}/cross_region_copy"
    job = regions.here.wait(regions.here.request("POST", path, body))
    there, copy_id = regions.there, job["entities"]["image_id"]
    there.tag(copy_id, "create", stage="test")

    assert has(there.read(copy_id), name=body["name"], __description="a copy", status="active")
    assert there.tags(copy_id) == {"stage": "test"}
    there.rename(copy_id, "renamed")
    assert there.read(copy_id)["name"] == "renamed"
    there.destroy(copy_id)
