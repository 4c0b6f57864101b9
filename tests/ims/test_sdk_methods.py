"""Every method of Huawei Cloud's own SDK has a story in this folder; what is not here refuses with its code.

The stories are in the files `test_sdk_*.py`, by groups. A method that a new release of the SDK brings fails
here until it has one.
"""

import ast
from pathlib import Path

import pytest
from harness.service import Service
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    CopyImageCrossRegionRequest,
    CopyImageCrossRegionRequestBody,
    CreateDataImageInSafeModeRequest,
    CreateDataImageRequest,
    CreateDataImageRequestBody,
    CreateImageInSafeModeRequest,
    CreateImageRequest,
    CreateImageRequestBody,
    CreateWholeImageRequest,
    CreateWholeImageRequestBody,
    ExportImageInSafeModeRequest,
    ExportImageRequest,
    ExportImageRequestBody,
    ImportImageQuickInSafeModeRequest,
    ImportImageQuickRequest,
    ImsClient,
    QuickImportImageByFileRequestBody,
    RegisterImageRequest,
    RegisterImageRequestBody,
)
from image_calls import create_image
from sdk_calls import make_sdk_client, refused

#: What ends the name of the function that describes a method's request, one for each method of the API.
_DESCRIPTION = "_http_info"

_FILE = CreateImageRequestBody(name="x", image_url="bucket:x.qcow2", min_disk=40, os_version="Debian 12")
_SERVER = CreateImageRequestBody(name="x", instance_id="server")
_VOLUME = CreateImageRequestBody(name="x", volume_id="volume", os_version="Debian 12")
_DATA = CreateDataImageRequestBody(name="x", image_url="bucket:x.vhd", min_disk=40)
_QUICK = QuickImportImageByFileRequestBody(name="x", image_url="bucket:x.raw", min_disk=40)
_WHOLE = CreateWholeImageRequestBody(name="x", instance_id="server", vault_id="vault")
_EXPORT = ExportImageRequestBody(bucket_url="bucket:x.qcow2", file_format="qcow2")
_ELSEWHERE = CopyImageCrossRegionRequestBody(
    name="x", region="eu-nl", project_name="eu-nl", agency_name="carrier"
)
#: Method → what it is asked; an image's id is set by the test. They are about servers, volumes, backups, an
#: object store, other regions.
UNSUPPORTED = [
    ("create_image", CreateImageRequest(_FILE)),
    ("create_image", CreateImageRequest(_SERVER)),
    ("create_image", CreateImageRequest(_VOLUME)),
    ("create_image_in_safe_mode", CreateImageInSafeModeRequest(_FILE)),
    ("create_data_image", CreateDataImageRequest(_DATA)),
    ("create_data_image_in_safe_mode", CreateDataImageInSafeModeRequest(_DATA)),
    ("create_whole_image", CreateWholeImageRequest(_WHOLE)),
    ("import_image_quick", ImportImageQuickRequest(_QUICK)),
    ("import_image_quick_in_safe_mode", ImportImageQuickInSafeModeRequest(_QUICK)),
    ("register_image", RegisterImageRequest(body=RegisterImageRequestBody(image_url="bucket:x.qcow2"))),
    ("export_image", ExportImageRequest(body=_EXPORT)),
    ("export_image_in_safe_mode", ExportImageInSafeModeRequest(body=_EXPORT)),
    ("copy_image_cross_region", CopyImageCrossRegionRequest(body=_ELSEWHERE)),
]


def methods() -> set[str]:
    """Those of the SDK's client, one for each call of the API."""
    described = {name for name in vars(ImsClient) if name.startswith("_") and name.endswith(_DESCRIPTION)}
    return {name.removeprefix("_").removesuffix(_DESCRIPTION) for name in described}


def methods_in_stories() -> set[str]:
    """What the stories call, and what their tables name."""
    trees = [ast.parse(path.read_text()) for path in Path(__file__).parent.glob("test_sdk_*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {str(node.value) for node in nodes if isinstance(node, ast.Constant)}


def test_every_method_of_the_sdk_has_a_story() -> None:
    assert len(methods()) > 50
    assert methods() - methods_in_stories() == set()


@pytest.mark.parametrize(("method", "request_"), UNSUPPORTED, ids=[name for name, _ in UNSUPPORTED])
def test_what_needs_other_services_is_refused_as_unsupported(
    service: Service, method: str, request_: object
) -> None:
    if hasattr(request_, "image_id"):
        request_.image_id = create_image(service)["id"]

    refusal = refused(getattr(make_sdk_client(service, "publisher"), method), request_)

    assert refusal == (400, "IMG.0105")
