"""The calls of the IMS API, where it has others than the Image API v2 or answers otherwise."""

from transom.api.openapi.ims_objects import IMS_OBJECTS
from transom.api.openapi.model import (
    ANY,
    BOOLEAN,
    HTML,
    INTEGER,
    JSON,
    NATURAL,
    NOTHING,
    OBJECT,
    STRING,
    Answer,
    Operation,
    Schema,
    Table,
    array,
    closed,
    json,
    nullable,
    one_of,
    query,
    record,
    ref,
)
from transom.api.openapi.v2 import IF_MATCH, IF_NONE_MATCH, LIST_PARAMETERS, image_schema, page
from transom.api.v2.schemas import SCHEMAS
from transom.domain.fields import IMS_DISK_FORMATS
from transom.domain.os_versions import TAGS
from transom.domain.recipients import KINDS_BY_PLURAL, MemberType

_LIST_ERRORS = (403, 404)
_SEEN = (403, 404)
_CHANGED = (403, 404, 409, 413)
_ON_IMAGE = "/v1/{project_id}/cloudimages/{image_id}"
_TAGS = "/v2/{project_id}/images/{image_id}/tags"

_TAG = record({"key": STRING}, {"value": nullable(STRING)})
_SOUGHT = array(record({"key": STRING}, {"values": nullable(array(STRING))}))
_PATCH = array(record({"op": one_of("add", "remove", "replace"), "path": STRING}, {"value": ANY}))
_JOB = json(closed({"job_id": STRING}))
_LISTING = (
    *LIST_PARAMETERS,
    query("__imagetype", "`gold`, `private`, `shared` or `market`."),
    query("enterprise_project_id", "Images of this enterprise project; `0`: the default one."),
    query("changes-since", "Images that were changed since this time."),
)
_IMAGE = {
    **SCHEMAS["image"],
    "properties": {
        **SCHEMAS["image"]["properties"],
        "disk_format": {**nullable(STRING), "enum": [None, *IMS_DISK_FORMATS]},
        "__whole_image": BOOLEAN,
        "active_at": STRING,
    },
}
_V1_IMAGE = record(
    {
        "id": STRING,
        "name": nullable(STRING),
        "status": STRING,
        "is_public": BOOLEAN,
        "owner": nullable(STRING),
        "size": nullable(INTEGER),
        "deleted": BOOLEAN,
        "created_at": STRING,
        "updated_at": STRING,
        "properties": {"type": "object", "additionalProperties": STRING},
    }
)
_OS_VERSION = closed(
    {"platform": STRING, "os_version_key": STRING, "os_version": STRING, "os_bit": INTEGER, "os_type": STRING}
)
_RECIPIENTS = record(
    {"images": array(STRING, minItems=1)},
    {name: nullable(array(STRING)) for name in KINDS_BY_PLURAL},
)
_RESULT = record(
    {"image_id": STRING, "status": one_of("SUCCESS", "FAIL")},
    {
        **{f"{kind}_id": STRING for kind in MemberType},
        "error_code": STRING,
        "fail_reason": STRING,
    },
)
_SUB_JOB = closed(
    {
        "job_id": STRING,
        "job_type": STRING,
        "begin_time": STRING,
        "end_time": nullable(STRING),
        "status": one_of("INIT", "RUNNING", "SUCCESS", "FAIL"),
        "error_code": nullable(STRING),
        "fail_reason": nullable(STRING),
        "entities": closed({}, {"image_id": STRING, "image_name": STRING}),
    }
)
_ENTITIES = closed(
    {},
    {
        "results": array(_RESULT),
        "image_id": STRING,
        "image_name": STRING,
        "process_percent": {"type": "number", "minimum": 0, "maximum": 1},
        "current_task": STRING,
        "sub_jobs_result": array(_SUB_JOB),
        "sub_jobs_list": array(STRING),
        "error_code": nullable(STRING),
        "error": nullable(STRING),
    },
)
_RESOURCE = closed(
    {"resource_id": STRING, "resource_name": STRING, "resource_detail": OBJECT, "tags": array(_TAG)}
)
_COPY_BODY = record(
    {"name": STRING}, {"description": STRING, "enterprise_project_id": STRING, "cmk_id": STRING}
)

_REGION_BODY = record(
    {"name": STRING, "region": STRING, "project_name": STRING, "agency_name": STRING},
    {"description": nullable(STRING)},
)


def _version(of: str) -> Operation:
    return Operation(summary=f"Show the version that {of} names", answers={300: json(ref("Versions"))})


def _list_of_images(summary: str, shape: Schema) -> Operation:
    return Operation(summary=summary, answers={200: json(shape)}, errors=_LIST_ERRORS, parameters=_LISTING)


def _patch(summary: str) -> Operation:
    return Operation(
        summary=summary,
        bodies={JSON: _PATCH},
        answers={200: json(ref("ImsImage"), ETag="The version that was answered.")},
        errors=(*_CHANGED, 412, 415),
        parameters=(IF_MATCH,),
    )


def _delete_image() -> Operation:
    return Operation(
        summary="Delete an image with its data",
        answers={204: NOTHING},
        bodies={JSON: ANY},
        body_is_optional=True,
        errors=(*_CHANGED, 412),
        parameters=(IF_MATCH,),
    )


def _list_of_members() -> Operation:
    return Operation(
        summary="List the recipients of an image, in pages",
        answers={
            200: json(
                closed(
                    {
                        "members": array(ref("ImsMember")),
                        "schema": STRING,
                        "page_info": closed({"current_count": NATURAL}, {"next_marker": STRING}),
                    }
                )
            )
        },
        errors=_SEEN,
        parameters=(
            query("limit", "Recipients in a page."),
            query("marker", "`next_marker` of the page before."),
        ),
    )


def _show_member() -> Operation:
    return Operation(summary="Show a recipient", answers={200: json(ref("ImsMember"))}, errors=_SEEN)


def _copy() -> Operation:
    return Operation(
        summary="Copy an image; a job", bodies={JSON: _COPY_BODY}, answers={200: _JOB}, errors=_CHANGED
    )


def _tagging(summary: str, shape: Schema | None = None) -> Operation:
    bodies = {} if shape is None else {JSON: shape}
    return Operation(summary=summary, answers={204: NOTHING}, bodies=bodies, errors=_CHANGED)


_PAIRS = record({"tags": array(_TAG, minItems=1)})
_IMAGES = {
    "GET /v1": _version("the path"),
    "GET /v1.1": _version("the path"),
    "GET /v2": _version("the path"),
    "GET /v2/cloudimages": _list_of_images(
        "List images in long pages",
        closed({"images": array(ref("ImsImage"))}, {"page_info": closed({"next_marker": STRING})}),
    ),
    "GET /v2/images": _list_of_images("List images", page("images", ref("ImsImage"))),
    "GET /v1.1/images/detail": _list_of_images(
        "List images in the shape of the Image API v1", closed({"images": array(_V1_IMAGE)})
    ),
    "POST /v2/images": Operation(
        summary="Create an image without data",
        bodies={JSON: ref("NewImsImage")},
        answers={201: json(ref("ImsImage"), ETag="Its version.", Location="The image.")},
        errors=(403, 409, 413),
    ),
    "GET /v2/images/{image_id}": Operation(
        summary="Show an image",
        answers={200: json(ref("ImsImage"), ETag="The version that was answered."), 304: NOTHING},
        errors=(*_SEEN, 412),
        parameters=(IF_NONE_MATCH, IF_MATCH),
    ),
    "PATCH /v2/images/{image_id}": _patch("Change an image"),
    "PATCH /v2/cloudimages/{image_id}": _patch("Change an active image"),
    "DELETE /v2/images/{image_id}": _delete_image(),
    "DELETE /v1.1/images/{image_id}": _delete_image(),
    "HEAD /v1/images/{image_id}": Operation(
        summary="Show an image as headers", answers={200: Answer(media_type=HTML)}, errors=_SEEN
    ),
    "GET /v1/cloudimages/quota": Operation(
        summary="Show what the project has of what it may have",
        answers={
            200: json(
                closed(
                    {
                        "quotas": closed(
                            {
                                "resources": array(
                                    closed(
                                        {
                                            "type": STRING,
                                            "used": INTEGER,
                                            "quota": INTEGER,
                                            "min": INTEGER,
                                            "max": INTEGER,
                                        }
                                    )
                                )
                            }
                        )
                    }
                )
            )
        },
        errors=(403,),
    ),
    "GET /v1/cloudimages/os_version": Operation(
        summary="List the operating systems that images may name",
        answers={200: json(array(closed({"platform": STRING, "version_list": array(_OS_VERSION)})))},
        errors=(403,),
        parameters=(query("tag", "Those that go with it; repeatable.", one_of(*TAGS)),),
    ),
    **IMS_OBJECTS,
}
_SHARING = {
    "POST /v1/cloudimages/members": Operation(
        summary="Share images with projects, domains and organisations; a job",
        bodies={JSON: _RECIPIENTS},
        answers={200: _JOB},
        errors=_CHANGED,
        example={
            "images": ["3a1b2f06-2bb4-4ad2-9c7e-6a4bcb1dc4b5"],
            "projects": ["8989447062e04a818baf9e073fd04fa7"],
        },
    ),
    "PUT /v1/cloudimages/members": Operation(
        summary="Accept or reject images; a job",
        bodies={
            JSON: record(
                {
                    "images": array(STRING, minItems=1),
                    "project_id": STRING,
                    "status": one_of("accepted", "rejected"),
                },
                {"vault_id": nullable(STRING)},
            )
        },
        answers={200: _JOB},
        errors=_CHANGED,
    ),
    "DELETE /v1/cloudimages/members": Operation(
        summary="Withdraw images; a job", bodies={JSON: _RECIPIENTS}, answers={200: _JOB}, errors=_CHANGED
    ),
    f"GET {_ON_IMAGE}/members": _list_of_members(),
    "GET /v2/images/{image_id}/members": _list_of_members(),
    f"GET {_ON_IMAGE}/members/{{member_id}}": _show_member(),
    "GET /v2/images/{image_id}/members/{member_id}": _show_member(),
    "POST /v2/images/{image_id}/members": Operation(
        summary="Share an image with a project",
        bodies={JSON: record({"member": STRING})},
        answers={200: json(ref("ImsMember"))},
        errors=_CHANGED,
    ),
    "PUT /v2/images/{image_id}/members/{member_id}": Operation(
        summary="Accept or reject an image",
        bodies={JSON: record({"status": one_of("accepted", "rejected")}, {"vault_id": nullable(STRING)})},
        answers={200: json(ref("ImsMember"))},
        errors=_CHANGED,
    ),
    "DELETE /v2/images/{image_id}/members/{member_id}": Operation(
        summary="Withdraw an image", answers={204: NOTHING}, errors=_CHANGED
    ),
    "GET /v1/{project_id}/jobs/{job_id}": Operation(
        summary="Show a job and what came of it", answers={200: json(ref("ImsJob"))}, errors=_SEEN
    ),
    "GET /v1/cloudimages/job/{job_id}": Operation(
        summary="Show how far a job is", answers={200: json(ref("ImsJob"))}, errors=_SEEN
    ),
    "POST /v1/cloudimages/{image_id}/copy": _copy(),
    "POST /v2/cloudimages/{image_id}/copy": _copy(),
    "POST /v1/cloudimages/{image_id}/cross_region_copy": Operation(
        summary="Copy an image to another region; a job",
        bodies={JSON: _REGION_BODY},
        answers={200: _JOB},
        errors=_CHANGED,
    ),
}
_TAGGING = {
    "PUT /v2/images/{image_id}/tags/{tag}": _tagging("Tag an image with a key"),
    "DELETE /v2/images/{image_id}/tags/{tag}": _tagging("Take a tag off"),
    "PUT /v1/cloudimages/tags": _tagging(
        "Tag an image", record({"image_id": STRING}, {"tag": STRING, "image_tag": _TAG})
    ),
    f"DELETE {_ON_IMAGE}/tags/delete": _tagging("Take several tags off", _PAIRS),
    f"POST {_ON_IMAGE}/tags/delete": _tagging("Take several tags off", _PAIRS),
    f"POST {_TAGS}": _tagging("Tag an image", record({"tag": _TAG})),
    f"POST {_TAGS}/action": _tagging(
        "Tag with several, or take several off",
        record({"action": one_of("create", "delete"), "tags": array(_TAG, minItems=1)}),
    ),
    f"DELETE {_TAGS}/action": _tagging("Take the key `action` off"),
    f"DELETE {_TAGS}/{{key}}": _tagging("Take a key off"),
    f"GET {_TAGS}": Operation(
        summary="List the tags of an image", answers={200: json(closed({"tags": array(_TAG)}))}, errors=_SEEN
    ),
    "GET /v1/cloudimages/tags": Operation(
        summary="List the tags of the images that a list finds",
        answers={200: json(closed({"tags": array(STRING)}))},
        errors=_LIST_ERRORS,
        parameters=(*_LISTING, query("page", "Which page of tags, from 1.")),
    ),
    "GET /v2/{project_id}/images/tags": Operation(
        summary="List the keys, and their values, of all images of the project",
        answers={200: json(closed({"tags": array(closed({"key": STRING, "values": array(STRING)}))}))},
        errors=(403,),
    ),
    "POST /v2/{project_id}/images/resource_instances/action": Operation(
        summary="Find or count images by tags",
        bodies={
            JSON: record(
                {"action": one_of("filter", "count")},
                {
                    "tags": _SOUGHT,
                    "tags_any": _SOUGHT,
                    "not_tags": _SOUGHT,
                    "not_tags_any": _SOUGHT,
                    "without_any_tag": BOOLEAN,
                    "matches": array(record({"key": STRING, "value": STRING})),
                    "limit": STRING,
                    "offset": STRING,
                },
            )
        },
        answers={200: json(closed({"total_count": NATURAL}, {"resources": array(_RESOURCE)}))},
        errors=(403, 413),
    ),
}

IMS = Table(
    tag="ims",
    text=(
        "The image service API of Huawei Cloud and Open Telekom Cloud. Its rules hold below `/ims`, for "
        "signed requests, and on paths that only it has; a path that the Image API v2 has as well is below "
        "`/ims` here."
    ),
    error="ImsError",
    operations={**_IMAGES, **_SHARING, **_TAGGING},
    components={
        "ImsError": closed({"error": closed({"code": STRING, "message": STRING})}),
        "ImsImage": image_schema(_IMAGE, STRING),
        "NewImsImage": {
            "type": "object",
            "properties": {"name": STRING},
            "additionalProperties": {"type": ["string", "boolean", "integer", "array", "null"]},
        },
        "ImsMember": closed(
            {
                "member_id": STRING,
                "image_id": STRING,
                "status": one_of("pending", "accepted", "rejected"),
                "created_at": STRING,
                "updated_at": STRING,
                "schema": STRING,
                "member_type": one_of(*MemberType),
            },
            {"urn": STRING, "vault_id": STRING},
        ),
        "ImsJob": closed(
            {
                "job_id": STRING,
                "job_type": STRING,
                "begin_time": STRING,
                "end_time": nullable(STRING),
                "status": one_of("INIT", "RUNNING", "SUCCESS", "FAIL"),
                "error_code": nullable(STRING),
                "fail_reason": nullable(STRING),
                "entities": _ENTITIES,
            }
        ),
    },
)
