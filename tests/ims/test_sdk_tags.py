"""Huawei Cloud's own SDK tags images, takes tags off, and finds images by them, by each method."""

from uuid import uuid4

import pytest
from harness.service import Service
from huaweicloudsdkims.v2 import (  # type: ignore[import-untyped]
    AddImageTagRequest,
    AddImageTagRequestBody,
    AddOrUpdateTagsRequestBody,
    BatchAddOrDeleteTagsRequest,
    BatchAddOrDeleteTagsRequestBody,
    BatchDeleteTagsRequest,
    BatchDeleteTagsRequestBody,
    CreateOrUpdateTagsRequest,
    DeleteImageTagRequest,
    GlanceCreateTagRequest,
    GlanceDeleteTagRequest,
    ListImageByTagsRequest,
    ListImageByTagsRequestBody,
    ListImagesTagsRequest,
    ListImageTagsRequest,
    ListTagsRequest,
    ResourceTag,
    TagKeyValue,
    Tags,
)
from sdk_calls import make_sdk_client, refused, unfilled
from sharing_calls import UNKNOWN_ID, create_image

# The SDK calls its native methods deprecated; scripts use them all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Method .* is deprecated:DeprecationWarning")


def test_an_image_is_tagged_and_found_by_each_method(service: Service) -> None:
    client = make_sdk_client(service, "publisher")
    key = f"k{uuid4().hex[:12]}"
    image_id = create_image(service, name=f"sdk-{key}")

    client.glance_create_tag(GlanceCreateTagRequest(image_id, "native"))
    client.create_or_update_tags(
        CreateOrUpdateTagsRequest(AddOrUpdateTagsRequestBody(image_id=image_id, tag="text.1"))
    )
    client.create_or_update_tags(
        CreateOrUpdateTagsRequest(
            AddOrUpdateTagsRequestBody(image_id=image_id, image_tag=ResourceTag("pair", "2"))
        )
    )
    client.add_image_tag(AddImageTagRequest(image_id, AddImageTagRequestBody(ResourceTag(key, "3"))))
    client.batch_add_or_delete_tags(
        BatchAddOrDeleteTagsRequest(
            image_id, BatchAddOrDeleteTagsRequestBody("create", [ResourceTag("x", "4"), ResourceTag("y", "")])
        )
    )

    of_image = client.list_image_tags(ListImageTagsRequest(image_id))
    of_project = client.list_images_tags(ListImagesTagsRequest())
    of_list = client.list_tags(ListTagsRequest(id=image_id, limit=3, page=2))
    found = client.list_image_by_tags(
        ListImageByTagsRequest(
            ListImageByTagsRequestBody(
                action="filter",
                limit="1",
                offset="0",
                tags=[Tags(key, ["3"])],
                matches=[TagKeyValue("resource_name", "sdk-")],
                without_any_tag=False,
            )
        )
    )
    counted = client.list_image_by_tags(
        ListImageByTagsRequest(ListImageByTagsRequestBody(action="count", tags_any=[Tags(key, [])]))
    )

    assert unfilled(of_list) | unfilled(found) - {"resources.tags.value"} == set()
    assert (counted.resources, counted.total_count) == (None, 1)
    everything = sorted([(key, "3"), ("native", ""), ("pair", "2"), ("text", "1"), ("x", "4"), ("y", "")])
    assert [(tag.key, tag.value) for tag in of_image.tags] == everything
    assert [tag.values for tag in of_project.tags if tag.key == key] == [["3"]]
    assert of_list.tags == ["text=1", "x=4", "y"]
    (resource,) = found.resources
    assert (found.total_count, counted.total_count) == (1, 1)
    assert (resource.resource_id, resource.resource_name) == (image_id, f"sdk-{key}")
    assert resource.resource_detail.status == "queued"
    assert [(tag.key, tag.value) for tag in resource.tags] == everything


def test_tags_are_taken_off_by_each_method(service: Service) -> None:
    client = make_sdk_client(service, "publisher")
    image_id = create_image(service, tags=["batch=1", "both=1", "key=1", "left=1", "native"])

    client.glance_delete_tag(GlanceDeleteTagRequest(image_id, "native"))
    client.delete_image_tag(DeleteImageTagRequest(image_id, "key"))
    client.batch_add_or_delete_tags(
        BatchAddOrDeleteTagsRequest(
            image_id, BatchAddOrDeleteTagsRequestBody("delete", [ResourceTag("both", "1")])
        )
    )
    client.batch_delete_tags(
        BatchDeleteTagsRequest(image_id, BatchDeleteTagsRequestBody([ResourceTag("batch", "1")]))
    )

    left = client.list_image_tags(ListImageTagsRequest(image_id)).tags
    assert [(tag.key, tag.value) for tag in left] == [("left", "1")]
    assert refused(client.delete_image_tag, DeleteImageTagRequest(image_id, "key")) == (404, "IMG.9010")


def test_a_refused_tag_is_told_with_its_code(service: Service) -> None:
    client, image_id = make_sdk_client(service, "publisher"), create_image(service)
    eleven = [ResourceTag(f"k{number}", "") for number in range(11)]

    of_unknown = refused(client.list_image_tags, ListImageTagsRequest(UNKNOWN_ID))
    malformed = refused(client.glance_create_tag, GlanceCreateTagRequest(image_id, "ä"))
    too_many = refused(
        client.batch_add_or_delete_tags,
        BatchAddOrDeleteTagsRequest(image_id, BatchAddOrDeleteTagsRequestBody("create", eleven)),
    )

    assert [of_unknown, malformed] == [(404, "IMG.0027"), (400, "IMG.0115")]
    assert too_many == (413, "IMG.0116")
