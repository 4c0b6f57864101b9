"""Huawei Cloud's own SDK creates, lists, updates, copies and deletes images, and finds all there is of them.

What an answer declares and leaves empty is named here, with the reason: nothing else may be empty.
"""

from typing import Any

import pytest
from harness.service import Service
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    CopyImageInRegionInSafeModeRequest,
    CopyImageInRegionRequest,
    CopyImageInRegionRequestBody,
    GlanceCreateImageMetadataRequest,
    GlanceCreateImageMetadataRequestBody,
    GlanceDeleteImageRequest,
    GlanceDeleteImageRequestBody,
    GlanceListImagesRequest,
    GlanceShowImageRequest,
    GlanceUpdateImageRequest,
    GlanceUpdateImageRequestBody,
    ListImagesRequest,
    ShowJobProgressRequest,
    ShowJobRequest,
    UpdateImageRequest,
    UpdateImageRequestBody,
)
from image_calls import UNKNOWN_ID, create_active_image, create_image, new_mark, show_image
from sdk_calls import finish, make_sdk_client, refused, unfilled
from sharing_calls import answer, share

# The SDK calls its native methods deprecated; scripts use them all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")

#: Where the data lies is nobody's business.
KEPT_BACK = {"image_location"}
#: Of an image that nobody gave them to: each is a choice (a support, a note), or of a service that is not
#: here (backups, keys, a market, charges, other projects' enterprise).
OPTIONAL = {
    *("account_code", "backup_id", "data_origin", "description", "hw_firmware_type"),
    *("hw_vif_multiqueue_enabled", "image_displayname", "is_offshelved", "lazyloading", "max_ram"),
    *("originalimagename", "os_feature_list", "os_shutdown_timeout", "productcode", "sequence_num"),
    *("support_agent_list", "support_amd", "support_arm", "support_diskintensive", "support_fc_inject"),
    *("support_highperformance", "support_kvm_gpu_type", "support_kvm_hi1822_hisriov"),
    *("support_kvm_hi1822_hivirtionet", "support_kvm_infiniband", "support_largememory", "support_xen"),
    *("support_xen_gpu_type", "support_xen_hana", "system__cmkid"),
    "system_support_market",
}
#: Not known before there is data.
OF_DATA = {"checksum", "size", "virtual_size", "image_size"}


def attributes_of(answer: Any) -> dict[str, str]:
    """Attribute of a typed answer → its name on the wire."""
    return dict(answer.attribute_map)


def views(client: Any, image_id: str) -> list[Any]:
    """The image as each of the methods that show one tells of it."""
    (listed,) = client.list_images(ListImagesRequest(id=image_id)).images
    (native,) = client.glance_list_images(GlanceListImagesRequest(id=image_id)).images
    return [
        listed,
        native,
        client.glance_show_image(GlanceShowImageRequest(image_id)),
        client.update_image(UpdateImageRequest(image_id, [])),
        client.glance_update_image(GlanceUpdateImageRequest(image_id, [])),
    ]


# ---- each attribute


def test_an_image_is_told_in_full_by_every_method_that_shows_one(service: Service) -> None:
    image_id = create_active_image(
        service, name="typed", disk_format="raw", tags=["a=b"], min_disk=40, min_ram=64
    )

    seen = views(make_sdk_client(service, "publisher"), image_id)

    shown = show_image(service, image_id)
    for image in seen:
        assert unfilled(image) <= KEPT_BACK | OPTIONAL
        told = {name: shown[key] for name, key in attributes_of(image).items() if key in shown}
        assert {name: getattr(image, name) for name in told} == told
    assert (shown["status"], shown["size"], shown["__image_size"]) == ("active", 10, "10")
    assert (shown["enterprise_project_id"], shown["__root_origin"]) == ("0", "file")
    assert (shown["_sys_enterprise_project_id"], shown["__is_config_init"]) == ("0", "false")


def test_what_was_said_of_an_image_is_told_by_every_method_that_shows_one(service: Service) -> None:
    client = make_sdk_client(service, "publisher")
    plain = client.list_images(ListImagesRequest(id=create_image(service)["id"])).images[0]
    names = {key for name, key in attributes_of(plain).items() if name in OPTIONAL}
    switches = {key for key in names if "_support_" in key and "gpu_type" not in key and "agent" not in key}
    given = dict.fromkeys(names - switches, "7") | dict.fromkeys(switches, "true")
    given |= {"hw_firmware_type": "uefi", "hw_vif_multiqueue_enabled": "true"}
    given |= dict.fromkeys(names & {"__is_offshelved", "__lazyloading"}, "true")
    image_id = create_active_image(service, name="typed", disk_format="raw", **given)

    for image in views(client, image_id):
        assert unfilled(image) <= KEPT_BACK
        told = {name: given[key] for name, key in attributes_of(image).items() if key in given}
        assert {name: str(getattr(image, name)).lower() for name in told} == told


# ---- creation, lists, updates, deletion


def test_an_image_is_created_shown_and_deleted(service: Service) -> None:
    client = make_sdk_client(service, "publisher")
    body = GlanceCreateImageMetadataRequestBody(
        name="by the SDK",
        os_version="Windows Server 2019 Standard 64bit",
        disk_format="vhd",
        container_format="bare",
        min_disk=40,
        min_ram=1024,
        protected=False,
        tags=["a=b"],
        visibility="private",
    )

    created = client.glance_create_image_metadata(GlanceCreateImageMetadataRequest(body))
    shown = client.glance_show_image(GlanceShowImageRequest(created.id))

    assert unfilled(created) == OF_DATA | {"properties"}
    for image in (created, shown):
        assert (image.name, image.status, image.visibility) == ("by the SDK", "queued", "private")
        assert (image.os_version, image.os_type) == ("Windows Server 2019 Standard 64bit", "Windows")
        assert (image.platform, image.os_bit) == ("Windows", "64")
        assert (image.imagetype, image.isregistered, image.image_source_type) == ("private", "true", "uds")
        assert (image.disk_format, image.container_format) == ("vhd", "bare")
        assert (image.min_disk, image.min_ram, image.protected) == (40, 1024, False)
        assert (image.tags, image.virtual_env_type) == (["a=b"], "FusionCompute")
        assert (image.owner, image.root_origin) == (service.clouds["publisher"].project_id, "file")
        assert (image._self, image.schema) == (f"/v2/images/{created.id}", "/v2/schemas/image")
        assert image.created_at == image.updated_at
        assert image.created_at.endswith("Z")
    request = GlanceDeleteImageRequest(created.id, GlanceDeleteImageRequestBody(delete_backup=True))
    assert client.glance_delete_image(request).status_code == 204
    assert refused(client.glance_show_image, GlanceShowImageRequest(created.id)) == (404, "IMG.0027")


def test_every_filter_of_the_extensions_list_can_be_given(service: Service) -> None:
    tag = new_mark()
    image_id = create_active_image(
        service, name="typed", tags=[tag], min_disk=40, __os_version="CentOS 7.6 64bit", protected=True
    )

    listed = make_sdk_client(service, "publisher").list_images(
        ListImagesRequest(
            imagetype="private",
            isregistered="true",
            os_bit="64",
            os_type="Linux",
            platform="CentOS",
            support_kvm="true",
            container_format="bare",
            disk_format="zvhd2",
            enterprise_project_id="0",
            id=image_id,
            limit=2,
            min_disk=40,
            min_ram=0,
            name="typed",
            owner=service.clouds["publisher"].project_id,
            protected=True,
            sort_dir="asc",
            sort_key="name",
            status="active",
            tag=tag,
            virtual_env_type="FusionCompute",
            visibility="private",
            flavor_id="s3.large.2",
            created_at="gt:2018-10-01 00:00:00",
            updated_at="gt:2018-10-01T00:00:00Z",
        )
    )

    assert [image.id for image in listed.images] == [image_id]


def test_the_extensions_list_is_walked_by_its_marker(service: Service) -> None:
    tag = new_mark()
    ids = [create_image(service, tags=[tag])["id"] for _ in range(3)]
    client = make_sdk_client(service, "publisher")

    first = client.list_images(ListImagesRequest(tag=tag, limit=2))
    rest = client.list_images(ListImagesRequest(tag=tag, limit=2, marker=first.page_info.next_marker))

    assert [image.id for image in first.images + rest.images] == ids[::-1]
    assert rest.page_info is None


def test_the_native_list_is_walked_by_its_links(service: Service) -> None:
    tag = new_mark()
    ids = [create_image(service, tags=[tag])["id"] for _ in range(3)]
    client = make_sdk_client(service, "publisher")

    first = client.glance_list_images(GlanceListImagesRequest(tag=tag, limit=2, isregistered=True))
    rest = client.glance_list_images(
        GlanceListImagesRequest(tag=tag, limit=2, marker=first.images[-1].id, protected=False)
    )

    assert [image.id for image in first.images + rest.images] == ids[::-1]
    assert first.first == f"/v2/images?__isregistered=true&limit=2&tag={tag}"
    assert f"marker={ids[1]}" in first.next
    assert (rest.next, rest.schema) == (None, "/v2/schemas/images")


def test_what_waits_for_an_answer_is_found(service: Service) -> None:
    tag = new_mark()
    image_id = create_image(service, tags=[tag])["id"]
    share(service, image_id)

    listed = make_sdk_client(service, "recipient").list_images(
        ListImagesRequest(member_status="pending", visibility="shared", imagetype="shared", tag=tag)
    )

    assert [(image.id, image.visibility, image.imagetype) for image in listed.images] == [
        (image_id, "shared", "shared")
    ]


def test_an_image_is_updated_by_the_extension(service: Service) -> None:
    image_id = create_active_image(service, tags=["a=b"])
    body = [
        UpdateImageRequestBody(op="replace", path="/name", value="typed"),
        UpdateImageRequestBody(op="replace", path="/__description", value="by the SDK"),
        UpdateImageRequestBody(op="replace", path="/min_ram", value="1024"),
        UpdateImageRequestBody(op="add", path="/max_ram", value="4096"),
        UpdateImageRequestBody(op="add", path="/hw_firmware_type", value="bios"),
        UpdateImageRequestBody(op="replace", path="/enterprise_project_id", value="0"),
    ]

    image = make_sdk_client(service, "publisher").update_image(UpdateImageRequest(image_id, body))

    assert (image.id, image.name, image.description) == (image_id, "typed", "by the SDK")
    assert (image.min_ram, image.max_ram, image.hw_firmware_type) == (1024, "4096", "bios")
    assert (image.status, image.visibility, image.imagetype) == ("active", "private", "private")
    assert (image.enterprise_project_id, image.os_type, image.platform) == ("0", "Linux", "Other")
    assert (image.size, image.image_size, image.tags) == (10, "10", ["a=b"])
    assert image._self == f"/v2/images/{image_id}"


def test_an_image_is_updated_natively(service: Service) -> None:
    body = [
        GlanceUpdateImageRequestBody(op="replace", path="/name", value="typed"),
        GlanceUpdateImageRequestBody(op="add", path="/__description", value="by the SDK"),
    ]
    request = GlanceUpdateImageRequest(create_image(service)["id"], body)

    image = make_sdk_client(service, "publisher").glance_update_image(request)

    assert (image.name, image.description, image.status) == ("typed", "by the SDK", "queued")
    assert (image.os_version, image.os_bit) == ("Other Linux(64 bit)", "64")
    assert (image.isregistered, image.image_source_type) == ("true", "uds")


def test_an_update_that_is_refused_says_why(service: Service) -> None:
    client, image_id = make_sdk_client(service, "publisher"), create_image(service)["id"]
    body = [UpdateImageRequestBody(op="replace", path="/name", value="new")]

    of_queued = refused(client.update_image, UpdateImageRequest(image_id, body))
    of_absent = refused(client.update_image, UpdateImageRequest(UNKNOWN_ID, body))

    assert [of_queued, of_absent] == [(400, "IMG.0046"), (400, "IMG.0027")]


# ---- copies


@pytest.mark.parametrize("mode", ["plain", "safe"])
def test_an_image_is_copied(service: Service, mode: str) -> None:
    client, image_id = make_sdk_client(service, "publisher"), create_active_image(service, name="original")
    body = CopyImageInRegionRequestBody(name="copied", description="for the lab", enterprise_project_id="0")

    if mode == "plain":
        taken = client.copy_image_in_region(CopyImageInRegionRequest(image_id, body))
    else:
        taken = client.copy_image_in_region_in_safe_mode(CopyImageInRegionInSafeModeRequest(image_id, body))
    job = finish(client, taken.job_id)
    told = client.show_job_progress(ShowJobProgressRequest(taken.job_id))
    (copy,) = client.list_images(ListImagesRequest(id=job.entities.image_id)).images

    assert (job.job_type, job.status) == ("imsCopyImageInRegionJob", "SUCCESS")
    assert (job.entities.image_name, job.entities.process_percent) == ("copied", 1)
    assert (told.entities.image_id, told.entities.image_name) == (copy.id, "copied")
    assert (told.status, told.entities.process_percent) == ("SUCCESS", 1)
    assert (copy.name, copy.description, copy.originalimagename) == ("copied", "for the lab", image_id)
    assert (copy.status, copy.size, copy.enterprise_project_id) == ("active", 10, "0")


def test_a_copy_before_acceptance_is_refused_and_after_it_is_made(service: Service) -> None:
    client, image_id = make_sdk_client(service, "recipient"), create_active_image(service)
    request = CopyImageInRegionRequest(image_id, CopyImageInRegionRequestBody(name="mine"))
    share(service, image_id)

    before = refused(client.copy_image_in_region, request)
    answer(service, "accepted", image_id)
    job = finish(client, client.copy_image_in_region(request).job_id)

    assert before == (400, "IMG.0196")
    assert job.status == "SUCCESS"
    (copy,) = client.list_images(ListImagesRequest(id=job.entities.image_id)).images
    assert (copy.owner, copy.imagetype) == (service.clouds["recipient"].project_id, "private")


def test_a_job_that_is_not_there_is_told_so(service: Service) -> None:
    client = make_sdk_client(service, "publisher")

    asked = [(client.show_job, ShowJobRequest), (client.show_job_progress, ShowJobProgressRequest)]

    assert [refused(call, request("0" * 32)) for call, request in asked] == [(400, "IMG.9006")] * 2
