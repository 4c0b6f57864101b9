"""The calls of the IMS API that make images of objects, servers and volumes, and export images to objects."""

from transom.api.openapi.model import (
    ANY,
    JSON,
    OBJECT,
    STRING,
    Operation,
    Schema,
    array,
    closed,
    json,
    nullable,
    record,
)

_CHANGED = (403, 404, 409, 413)
_TAG = record({"key": STRING}, {"value": nullable(STRING)})
_JOB = json(closed({"job_id": STRING}))
_GIGABYTES: Schema = {"type": ["integer", "string"]}
_MADE = {"name": STRING, "image_url": STRING, "min_disk": _GIGABYTES}
_OF_ALL_MADE: dict[str, Schema] = {
    "description": nullable(STRING),
    "tags": nullable(array(STRING)),
    "image_tags": nullable(array(_TAG)),
    "enterprise_project_id": nullable(STRING),
    "cmk_id": nullable(STRING),
}
_OF_SYSTEMS: dict[str, Schema] = {
    "type": nullable(STRING),
    "os_version": nullable(STRING),
    "architecture": nullable(STRING),
    "hw_firmware_type": nullable(STRING),
    "min_ram": ANY,
    "max_ram": ANY,
    "is_config": ANY,
}


def _making(summary: str, required: dict[str, Schema], more: dict[str, Schema] | None = None) -> Operation:
    """An image made of an object."""
    given = {**_OF_ALL_MADE, **(more or {})}
    return Operation(
        summary=summary, bodies={JSON: record(required, given)}, answers={200: _JOB}, errors=_CHANGED
    )


def _data_image() -> Operation:
    return _making("Make a data image of an object; a job", _MADE, {"os_type": nullable(STRING)})


def _export() -> Operation:
    body = record({"bucket_url": STRING}, {"file_format": nullable(STRING), "is_quick_export": ANY})
    return Operation(
        summary="Export an image to an object; a job",
        bodies={JSON: body},
        answers={200: _JOB},
        errors=_CHANGED,
    )


IMS_OBJECTS = {
    "POST /v2/cloudimages/action": _making(
        "Make an image of an object, with up to three data images, of a server or of volumes; a job",
        {},
        {
            **_OF_SYSTEMS,
            "name": nullable(STRING),
            "image_url": nullable(STRING),
            "min_disk": _GIGABYTES,
            "is_quick_import": ANY,
            "data_images": nullable(array(OBJECT)),
            "instance_id": nullable(STRING),
            "volume_id": nullable(STRING),
        },
    ),
    "POST /v1/cloudimages/wholeimages/action": _making(
        "Make an image of a server with its volumes; a job",
        {"name": STRING, "instance_id": STRING},
        {
            "min_ram": ANY,
            "max_ram": ANY,
            "vault_id": nullable(STRING),
            "backup_id": nullable(STRING),
            "whole_image_type": nullable(STRING),
        },
    ),
    "POST /v2/cloudimages/quickimport/action": _making(
        "Make an image of an object of raw data or zvhd2; a job",
        _MADE,
        {**_OF_SYSTEMS, "os_type": nullable(STRING)},
    ),
    "POST /v1/cloudimages/dataimages/action": _data_image(),
    "POST /v2/cloudimages/dataimages/action": _data_image(),
    "PUT /v1/cloudimages/{image_id}/upload": Operation(
        summary="Fill an image with an object; a job",
        bodies={JSON: record({"image_url": STRING})},
        answers={200: _JOB},
        errors=_CHANGED,
    ),
    "POST /v1/cloudimages/{image_id}/file": _export(),
    "POST /v2/cloudimages/{image_id}/file": _export(),
}
