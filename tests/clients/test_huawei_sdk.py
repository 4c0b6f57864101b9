"""Huawei Cloud's own SDK, unmodified, with the key pairs of clouds.yaml: its native sharing calls."""

from typing import Any

import pytest
import yaml
from harness.service import Service
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped]
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException  # type: ignore[import-untyped]
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    GlanceAddImageMemberRequest,
    GlanceAddImageMemberRequestBody,
    GlanceDeleteImageMemberRequest,
    GlanceListImageMembersRequest,
    GlanceShowImageMemberRequest,
    GlanceUpdateImageMemberRequest,
    GlanceUpdateImageMemberRequestBody,
    ImsClient,
)

# The SDK calls its native methods deprecated in favour of the batches; scripts use them all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")


def make_sdk_client(service: Service, name: str) -> Any:
    document = yaml.safe_load((service.data_dir / "clouds.yaml").read_text())
    cloud = document["clouds"][name]
    credentials = BasicCredentials(cloud["ak"], cloud["sk"], cloud["auth"]["project_id"])
    return ImsClient.new_builder().with_credentials(credentials).with_endpoint(service.url).build()


def make_image(service: Service) -> str:
    created = service.client("publisher").post("/v2/images", json={"name": "signed"})
    image_id: str = created.json()["id"]
    return image_id


def test_an_image_is_shared_accepted_and_withdrawn_with_signed_requests(service: Service) -> None:
    publisher, recipient = make_sdk_client(service, "publisher"), make_sdk_client(service, "recipient")
    image_id, project_id = make_image(service), service.clouds["recipient"].project_id

    offered = publisher.glance_add_image_member(
        GlanceAddImageMemberRequest(image_id, GlanceAddImageMemberRequestBody(member=project_id))
    )
    answered = recipient.glance_update_image_member(
        GlanceUpdateImageMemberRequest(
            image_id, project_id, GlanceUpdateImageMemberRequestBody(status="accepted")
        )
    )
    listed = publisher.glance_list_image_members(GlanceListImageMembersRequest(image_id))
    publisher.glance_delete_image_member(GlanceDeleteImageMemberRequest(image_id, project_id))

    assert (offered.status, offered.member_id, offered.image_id) == ("pending", project_id, image_id)
    assert answered.status == "accepted"
    assert [member.status for member in listed.members] == ["accepted"]
    with pytest.raises(ClientRequestException, match="404"):
        recipient.glance_show_image_member(GlanceShowImageMemberRequest(image_id, project_id))


def test_a_signature_over_another_body_changes_nothing(service: Service) -> None:
    client = service.client(None)

    answer = client.post(
        "/v2/images",
        json={"name": "forged"},
        headers={
            "Authorization": "SDK-HMAC-SHA256 Access=X, SignedHeaders=host;x-sdk-date, Signature=" + "0" * 64,
            "X-Sdk-Date": "20261124T000000Z",
            "X-Auth-Token": service.token("publisher"),
        },
    )

    assert answer.status_code == 401
