"""Huawei Cloud's SDK for Python, unmodified, is told a region and a key, and no project.

Written from what the clouds' documents say of the identity service and of images: a region is a project of
that name, an image is x86 unless it says otherwise, a current operating system is one that images may name.
"""

from typing import Any

import pytest
import yaml
from harness.service import Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkcore.exceptions.exceptions import SdkException  # type: ignore[import-untyped]
from huaweicloudsdkcore.region.region import Region  # type: ignore[import-untyped]
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    BatchAddMembersRequest,
    BatchAddMembersRequestBody,
    BatchUpdateMembersRequest,
    BatchUpdateMembersRequestBody,
    GlanceCreateImageMetadataRequest,
    GlanceCreateImageMetadataRequestBody,
    ImsClient,
    ListImagesRequest,
    ListOsVersionsRequest,
    ShowJobRequest,
)
from sharing_calls import create_image, list_members, project_of

# The SDK calls this method deprecated; scripts use it all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")


@pytest.fixture
def service(shared_services: Any) -> Service:
    one: Service = shared_services.get("sqlite")
    return one


def make_client(service: Service, caller: str, region: str = "RegionOne", derived: bool = False) -> Any:
    """It keeps what it learns of a key and a region for the life of the process."""
    cloud = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())["clouds"][caller]
    credentials = BasicCredentials(cloud["ak"], cloud["sk"]).with_iam_endpoint(service.url)
    if derived:
        credentials.with_derived_predicate(lambda _request: True)
        # The service's name belongs to each service's client; that for IMS has none.
        credentials._process_derived_auth_params("ims", region)
    builder = ImsClient.new_builder().with_credentials(credentials)
    return builder.with_region(Region(region, service.url)).build()


def make_image(client: Any, **fields: Any) -> Any:
    body = GlanceCreateImageMetadataRequestBody(**fields)
    return client.glance_create_image_metadata(GlanceCreateImageMetadataRequest(body=body))


@pytest.mark.parametrize("derived", [False, True])
@pytest.mark.parametrize("caller", ["publisher", "recipient"])
def test_a_key_works_in_its_own_project(service: Service, caller: str, derived: bool) -> None:
    image = make_image(make_client(service, caller, derived=derived), name="regional")

    assert image.owner == project_of(service, caller)


def test_a_share_is_made_and_accepted(service: Service) -> None:
    publisher, recipient = make_client(service, "publisher"), make_client(service, "recipient")
    image_id, project_id = create_image(service), project_of(service, "recipient")
    pairs = BatchAddMembersRequestBody(images=[image_id], projects=[project_id])
    reply = BatchUpdateMembersRequestBody(images=[image_id], project_id=project_id, status="accepted")

    shared = publisher.batch_add_members(BatchAddMembersRequest(pairs)).job_id
    answered = recipient.batch_update_members(BatchUpdateMembersRequest(reply)).job_id

    jobs = [publisher.show_job(ShowJobRequest(shared)), recipient.show_job(ShowJobRequest(answered))]
    assert [job.status for job in jobs] == ["SUCCESS", "SUCCESS"]
    assert list_members(service, image_id) == {project_id: "accepted"}


def test_another_regions_name_stands_for_no_project(service: Service) -> None:
    with pytest.raises(SdkException):
        make_client(service, "publisher", region="elsewhere-1").list_images(ListImagesRequest())


def test_an_image_that_says_nothing_is_one_for_x86(service: Service) -> None:
    client = make_client(service, "publisher")
    image = make_image(client, name="silent")

    found = {
        architecture: len(
            client.list_images(ListImagesRequest(id=image.id, architecture=architecture)).images
        )
        for architecture in ("x86", "arm")
    }

    assert found == {"x86": 1, "arm": 0}


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ("Ubuntu", "Ubuntu 24.04"),
        ("Ubuntu", "Ubuntu 26.04"),
        ("Windows", "Windows Server 2025"),
        ("Debian", "Debian GNU/Linux 13"),
        ("Rocky Linux", "Rocky Linux 9"),
        ("AlmaLinux", "AlmaLinux 9"),
    ],
)
def test_a_current_operating_system_is_listed_and_may_be_named(
    service: Service, platform: str, name: str
) -> None:
    client = make_client(service, "publisher")
    listed = client.list_os_versions(ListOsVersionsRequest()).body
    versions = [version for entry in listed if entry.platform == platform for version in entry.version_list]

    known = [version for version in versions if version.os_version.startswith(name)]

    assert known, sorted(version.os_version for version in versions)
    image = make_image(client, name="current", os_version=known[0].os_version)
    assert (image.platform, image.os_type, image.os_bit) == (
        platform,
        known[0].os_type,
        str(known[0].os_bit),
    )
