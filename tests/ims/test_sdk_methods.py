"""Every method of Huawei Cloud's own SDK: it does what it is for, or is refused with the code that says why.

The service has an S3 service beside it, and another one to copy images to; there are no servers, volumes and
backups. What the answers hold is told by the files `test_sdk_*.py`, by groups of methods. A method that a new
release of the SDK brings fails here until it has a row. Start reading at `WORKS`.
"""

import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from harness.objects import OPEN_TO_ALL, Bucket, object_settings
from harness.region import peer_table
from harness.service import Service
from harness.swift import Swift
from huaweicloudsdkims import v2 as sdk  # type: ignore[import-untyped]
from sdk_calls import finish, make_sdk_client, refused
from sharing_calls import create_image, create_shared_image, project_of, share
from test_copies import create_image as create_filled_image
from test_copies import download

# The SDK calls its native methods deprecated; scripts use them all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")

#: What ends the name of the function that describes a method's request, one for each method of the API.
_DESCRIPTION = "_http_info"
DATA = bytes(range(256)) * 1024
DEBIAN = "Debian GNU/Linux 10.0.0 64bit"
REGION = "elsewhere-1"
RECIPIENT = "recipient"


class World(NamedTuple):
    """The service, the S3 service's bucket, and the service of the other region."""

    service: Service
    bucket: Bucket
    other: Service

    @property
    def recipient(self) -> str:
        return project_of(self.service, RECIPIENT)

    def image(self, **fields: Any) -> str:
        """The id of an image without data."""
        return create_image(self.service, **fields)

    def filled(self) -> str:
        return create_filled_image(self.service, DATA)

    def shared(self) -> str:
        """The id of an image that the recipient has not answered to yet."""
        return create_shared_image(self.service)

    def object(self) -> str:
        return self.bucket.put(f"{secrets.token_hex(4)}.raw", DATA)

    def job(self) -> str:
        return str(share(self.service, self.image())["job_id"])


@pytest.fixture(scope="module")
def world(shared_services: Any, swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("methods")
    other: Service = shared_services.get("sqlite")
    cloud = other.clouds["other"]
    auth_url = f"{other.url}/identity/v3"
    peers = folder / "peers.toml"
    peers.write_text(
        peer_table(REGION, auth_url, cloud.username, cloud.password, cloud.project_name, "RegionOne")
    )
    settings = object_settings(swift.endpoint, folder, OPEN_TO_ALL)
    service = shared_services.get("sqlite", TRANSOM_PEERS_FILE=str(peers), **settings)
    return World(service, Bucket(swift), other)


# ---- what the methods that make something have made


def _none(_world: World, _answer: Any) -> None:
    """The answer says it all."""


def _job(world: World, answer: Any) -> Any:
    """The job, which has done all that it was to do."""
    job = finish(make_sdk_client(world.service, "publisher"), answer.job_id)
    assert job.status == "SUCCESS", job
    return job


def _image(world: World, answer: Any) -> None:
    """An image with the data."""
    assert download(world.service, "publisher", _job(world, answer).entities.image_id) == DATA


def _image_elsewhere(world: World, answer: Any) -> None:
    assert download(world.other, "other", _job(world, answer).entities.image_id) == DATA


def _object(world: World, answer: Any) -> None:
    _job(world, answer)
    assert world.bucket.get("exported") == DATA
    world.bucket.delete("exported")


class Row(NamedTuple):
    """`ask`: the request; `check`: raises when what was to be made is not there."""

    ask: Callable[[World], Any]
    check: Callable[[World, Any], Any] = _none
    caller: str = "publisher"


# ---- requests that several methods take


def _from_object(world: World, **more: Any) -> Any:
    return sdk.CreateImageRequestBody(
        name="made", image_url=world.object(), min_disk=40, os_version=DEBIAN, **more
    )


def _data_image(world: World) -> Any:
    return sdk.CreateDataImageRequestBody(name="made", image_url=world.object(), min_disk=40)


def _quick(world: World) -> Any:
    return sdk.QuickImportImageByFileRequestBody(
        name="made", image_url=world.object(), min_disk=40, os_version=DEBIAN
    )


def _export(world: World) -> Any:
    return sdk.ExportImageRequestBody(bucket_url=world.bucket.ref("exported"), file_format="raw")


def _elsewhere(world: World) -> Any:
    return sdk.CopyImageCrossRegionRequestBody(
        name=f"copy-{secrets.token_hex(4)}",
        region=REGION,
        project_name=world.other.clouds["other"].project_name,
        agency_name="carrier",
    )


def _tag() -> Any:
    return sdk.ResourceTag("stage", "test")


_COPY = sdk.CopyImageInRegionRequestBody(name="copied")

#: Every method that works here → what it is asked.
WORKS: dict[str, Row] = {
    # images
    "glance_create_image_metadata": Row(
        lambda world: sdk.GlanceCreateImageMetadataRequest(
            sdk.GlanceCreateImageMetadataRequestBody(name="made")
        )
    ),
    "glance_delete_image": Row(lambda world: sdk.GlanceDeleteImageRequest(world.image())),
    "glance_list_images": Row(lambda world: sdk.GlanceListImagesRequest(limit=1)),
    "glance_show_image": Row(lambda world: sdk.GlanceShowImageRequest(world.image())),
    "glance_update_image": Row(
        lambda world: sdk.GlanceUpdateImageRequest(
            world.image(), [sdk.GlanceUpdateImageRequestBody(op="replace", path="/name", value="new")]
        )
    ),
    "list_images": Row(lambda world: sdk.ListImagesRequest(limit=1)),
    "update_image": Row(
        lambda world: sdk.UpdateImageRequest(
            world.filled(), [sdk.UpdateImageRequestBody(op="replace", path="/name", value="new")]
        )
    ),
    # images of objects and back, and copies
    "create_image": Row(lambda world: sdk.CreateImageRequest(_from_object(world)), _image),
    "create_image_in_safe_mode": Row(
        lambda world: sdk.CreateImageInSafeModeRequest(_from_object(world)), _image
    ),
    "create_data_image": Row(lambda world: sdk.CreateDataImageRequest(_data_image(world)), _image),
    "create_data_image_in_safe_mode": Row(
        lambda world: sdk.CreateDataImageInSafeModeRequest(_data_image(world)), _image
    ),
    "import_image_quick": Row(lambda world: sdk.ImportImageQuickRequest(_quick(world)), _image),
    "import_image_quick_in_safe_mode": Row(
        lambda world: sdk.ImportImageQuickInSafeModeRequest(_quick(world)), _image
    ),
    "register_image": Row(
        lambda world: sdk.RegisterImageRequest(
            world.image(disk_format="raw", container_format="bare"),
            sdk.RegisterImageRequestBody(image_url=world.object()),
        ),
        _image,
    ),
    "export_image": Row(lambda world: sdk.ExportImageRequest(world.filled(), _export(world)), _object),
    "export_image_in_safe_mode": Row(
        lambda world: sdk.ExportImageInSafeModeRequest(world.filled(), _export(world)), _object
    ),
    "copy_image_in_region": Row(lambda world: sdk.CopyImageInRegionRequest(world.filled(), _COPY), _image),
    "copy_image_in_region_in_safe_mode": Row(
        lambda world: sdk.CopyImageInRegionInSafeModeRequest(world.filled(), _COPY), _image
    ),
    "copy_image_cross_region": Row(
        lambda world: sdk.CopyImageCrossRegionRequest(world.filled(), _elsewhere(world)), _image_elsewhere
    ),
    # jobs
    "show_job": Row(lambda world: sdk.ShowJobRequest(world.job())),
    "show_job_progress": Row(lambda world: sdk.ShowJobProgressRequest(world.job())),
    # sharing
    "batch_add_members": Row(
        lambda world: sdk.BatchAddMembersRequest(
            sdk.BatchAddMembersRequestBody(images=[world.image()], projects=[world.recipient])
        ),
        _job,
    ),
    "batch_delete_members": Row(
        lambda world: sdk.BatchDeleteMembersRequest(
            sdk.BatchAddMembersRequestBody(images=[world.shared()], projects=[world.recipient])
        ),
        _job,
    ),
    "batch_update_members": Row(
        lambda world: sdk.BatchUpdateMembersRequest(
            sdk.BatchUpdateMembersRequestBody(
                images=[world.shared()], project_id=world.recipient, status="accepted"
            )
        ),
        caller=RECIPIENT,
    ),
    "glance_add_image_member": Row(
        lambda world: sdk.GlanceAddImageMemberRequest(
            world.image(), sdk.GlanceAddImageMemberRequestBody(member=world.recipient)
        )
    ),
    "glance_delete_image_member": Row(
        lambda world: sdk.GlanceDeleteImageMemberRequest(world.shared(), world.recipient)
    ),
    "glance_list_image_members": Row(lambda world: sdk.GlanceListImageMembersRequest(world.shared())),
    "glance_show_image_member": Row(
        lambda world: sdk.GlanceShowImageMemberRequest(world.shared(), world.recipient)
    ),
    "glance_update_image_member": Row(
        lambda world: sdk.GlanceUpdateImageMemberRequest(
            world.shared(), world.recipient, sdk.GlanceUpdateImageMemberRequestBody(status="accepted")
        ),
        caller=RECIPIENT,
    ),
    "list_image_members": Row(lambda world: sdk.ListImageMembersRequest(world.shared())),
    "show_image_member": Row(lambda world: sdk.ShowImageMemberRequest(world.shared(), world.recipient)),
    # tags
    "add_image_tag": Row(
        lambda world: sdk.AddImageTagRequest(world.image(), sdk.AddImageTagRequestBody(_tag()))
    ),
    "batch_add_or_delete_tags": Row(
        lambda world: sdk.BatchAddOrDeleteTagsRequest(
            world.image(), sdk.BatchAddOrDeleteTagsRequestBody("create", [_tag()])
        )
    ),
    "batch_delete_tags": Row(
        lambda world: sdk.BatchDeleteTagsRequest(world.image(), sdk.BatchDeleteTagsRequestBody([_tag()]))
    ),
    "create_or_update_tags": Row(
        lambda world: sdk.CreateOrUpdateTagsRequest(
            sdk.AddOrUpdateTagsRequestBody(image_id=world.image(), tag="stage.test")
        )
    ),
    "delete_image_tag": Row(
        lambda world: sdk.DeleteImageTagRequest(world.image(tags=["stage=test"]), "stage")
    ),
    "glance_create_tag": Row(lambda world: sdk.GlanceCreateTagRequest(world.image(), "stage")),
    "glance_delete_tag": Row(lambda world: sdk.GlanceDeleteTagRequest(world.image(tags=["stage"]), "stage")),
    "list_image_by_tags": Row(
        lambda world: sdk.ListImageByTagsRequest(
            sdk.ListImageByTagsRequestBody(action="count", tags=[sdk.Tags("stage", [])])
        )
    ),
    "list_image_tags": Row(lambda world: sdk.ListImageTagsRequest(world.image())),
    "list_images_tags": Row(lambda world: sdk.ListImagesTagsRequest()),
    "list_tags": Row(lambda world: sdk.ListTagsRequest(limit=1)),
    # the service
    "glance_list_image_member_schemas": Row(lambda world: sdk.GlanceListImageMemberSchemasRequest()),
    "glance_list_image_schemas": Row(lambda world: sdk.GlanceListImageSchemasRequest()),
    "glance_show_image_member_schemas": Row(lambda world: sdk.GlanceShowImageMemberSchemasRequest()),
    "glance_show_image_schemas": Row(lambda world: sdk.GlanceShowImageSchemasRequest()),
    "list_os_versions": Row(lambda world: sdk.ListOsVersionsRequest()),
    "list_versions": Row(lambda world: sdk.ListVersionsRequest()),
    "show_image_quota": Row(lambda world: sdk.ShowImageQuotaRequest()),
    "show_version": Row(lambda world: sdk.ShowVersionRequest(version="v2")),
}

_SERVER = sdk.CreateImageRequestBody(name="x", instance_id="server")
_VOLUME = sdk.CreateImageRequestBody(name="x", volume_id="volume", os_version=DEBIAN)
_DISK = sdk.CreateImageRequestBody(data_images=[sdk.CreateDataImage(name="x", volume_id="volume")])
_BACKUP = sdk.CreateWholeImageRequestBody(name="x", backup_id="backup")
_VAULTS = sdk.CreateWholeImageRequestBody(name="x", backup_id="backup", whole_image_type="CBR")
_VAULT = sdk.CreateWholeImageRequestBody(name="x", instance_id="server", vault_id="vault")
_WHOLE = sdk.CreateWholeImageRequestBody(name="x", instance_id="server")
_KEY = sdk.CopyImageInRegionRequestBody(name="x", cmk_id="key")
#: (method, what it is asked, the code of its refusal): what this service does not do, by whatever method.
REFUSED: list[tuple[str, Callable[[World], Any], str]] = [
    ("create_image", lambda world: sdk.CreateImageRequest(_SERVER), "IMG.0105"),
    ("create_image", lambda world: sdk.CreateImageRequest(_VOLUME), "IMG.0105"),
    ("create_image", lambda world: sdk.CreateImageRequest(_DISK), "IMG.0105"),
    ("create_image", lambda world: sdk.CreateImageRequest(_from_object(world, cmk_id="key")), "IMG.0095"),
    ("create_image_in_safe_mode", lambda world: sdk.CreateImageInSafeModeRequest(_SERVER), "IMG.0105"),
    ("create_whole_image", lambda world: sdk.CreateWholeImageRequest(_WHOLE), "IMG.0105"),
    ("create_whole_image", lambda world: sdk.CreateWholeImageRequest(_VAULT), "IMG.0184"),
    ("create_whole_image", lambda world: sdk.CreateWholeImageRequest(_BACKUP), "IMG.0127"),
    ("create_whole_image", lambda world: sdk.CreateWholeImageRequest(_VAULTS), "IMG.0020"),
    (
        "copy_image_in_region",
        lambda world: sdk.CopyImageInRegionRequest(world.filled(), _KEY),
        "IMG.0095",
    ),
]


def methods() -> set[str]:
    """Those of the SDK's client, one for each call of the API."""
    described = {name for name in vars(sdk.ImsClient) if name.startswith("_") and name.endswith(_DESCRIPTION)}
    return {name.removeprefix("_").removesuffix(_DESCRIPTION) for name in described}


def test_every_method_of_the_sdk_has_a_row() -> None:
    assert len(methods()) > 50
    assert methods() == {*WORKS, *(method for method, _, _ in REFUSED)}


@pytest.mark.parametrize("method", WORKS)
def test_a_method_does_what_it_is_for(world: World, method: str) -> None:
    row = WORKS[method]
    request = row.ask(world)

    answer = getattr(make_sdk_client(world.service, row.caller), method)(request)

    assert answer.status_code in (200, 201, 204, 300)
    row.check(world, answer)


@pytest.mark.parametrize(
    ("method", "ask", "code"), REFUSED, ids=[f"{method}-{code}" for method, _, code in REFUSED]
)
def test_what_is_not_done_here_is_refused_with_the_code_that_says_why(
    world: World, method: str, ask: Callable[[World], Any], code: str
) -> None:
    call = getattr(make_sdk_client(world.service, "publisher"), method)

    assert refused(call, ask(world)) == (400, code)


#: Without an object store and other regions, which the settings do not name.
UNSUPPORTED = [
    "create_image",
    "create_image_in_safe_mode",
    "create_data_image",
    "create_data_image_in_safe_mode",
    "import_image_quick",
    "import_image_quick_in_safe_mode",
    "register_image",
    "export_image",
    "export_image_in_safe_mode",
    "copy_image_cross_region",
]


@pytest.mark.parametrize("method", UNSUPPORTED)
def test_what_needs_settings_that_are_not_there_is_refused_as_unsupported(world: World, method: str) -> None:
    plain = world._replace(service=world.other)

    call = getattr(make_sdk_client(plain.service, "publisher"), method)

    assert refused(call, WORKS[method].ask(plain)) == (400, "IMG.0105")
