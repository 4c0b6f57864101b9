"""The published JSON schemas: GET /v2/schemas/{image, images, member, members, task, tasks}."""

from typing import Any

from transom.api.dialect import Dialect
from transom.api.http import Request, Response, json_response
from transom.api.services import Services
from transom.domain.fields import FIELDS, IMS_DISK_FORMATS, UUID_PATTERN, Field
from transom.domain.model import MemberStatus

_TEXT = {"type": "string"}


def _property_schema(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": field.types[0] if len(field.types) == 1 else list(field.types),
        "description": field.description,
    }
    if field.read_only:
        schema["readOnly"] = True
    if field.enum is not None:
        schema["enum"] = list(field.enum)
    if field.pattern is not None:
        schema["pattern"] = field.pattern
    if field.name == "tags":
        schema["items"] = {"type": "string", "maxLength": field.max_length}
    elif field.name == "locations":
        schema["items"] = _LOCATION
    elif field.max_length is not None:
        schema["maxLength"] = field.max_length
    return schema


_LOCATION = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "maxLength": 255},
        "metadata": {"type": "object"},
        "validation_data": {
            "description": "Values to be used to populate the corresponding image properties.",
            "type": "object",
            "writeOnly": True,
            "additionalProperties": False,
            "properties": {
                "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
                "os_hash_algo": {"type": "string", "maxLength": 64},
                "os_hash_value": {"type": "string", "maxLength": 128},
            },
            "required": ["os_hash_algo", "os_hash_value"],
        },
    },
    "required": ["url", "metadata"],
}

_PROPERTIES = {name: _property_schema(field) for name, field in FIELDS.items()}
_IMAGE: dict[str, Any] = {
    "name": "image",
    "properties": _PROPERTIES,
    "additionalProperties": _TEXT,
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
# Clients hold what they are shown, and are about to change, against the schema.
_IMS_FORMATS = {**_PROPERTIES["disk_format"], "enum": [None, *IMS_DISK_FORMATS]}
_IMS_IMAGE = {**_IMAGE, "properties": {**_PROPERTIES, "disk_format": _IMS_FORMATS}}

_MEMBER = {
    "name": "member",
    "properties": {
        "created_at": {"type": "string", "description": "Date and time of image member creation"},
        "image_id": {
            "type": "string",
            "description": "An identifier for the image",
            "pattern": UUID_PATTERN,
        },
        "member_id": {"type": "string", "description": "An identifier for the image member (project id)"},
        "status": {
            "type": "string",
            "description": "The status of this image member",
            "enum": list(MemberStatus),
        },
        "updated_at": {
            "type": "string",
            "description": "Date and time of last modification of image member",
        },
        "schema": {"type": "string", "readOnly": True},
    },
}


def _list_of(image: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "images",
        "properties": {
            "images": {"type": "array", "items": image},
            "first": _TEXT,
            "next": _TEXT,
            "schema": _TEXT,
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


_IMS_IMAGES = _list_of(_IMS_IMAGE)

SCHEMAS: dict[str, dict[str, Any]] = {
    "image": _IMAGE,
    "images": _list_of(_IMAGE),
    "member": _MEMBER,
    "members": {
        "name": "members",
        "properties": {"members": {"type": "array", "items": _MEMBER}, "schema": _TEXT},
        "links": [{"rel": "describedby", "href": "{schema}"}],
    },
}


_TASK_LISTED = {
    "id": {"type": "string", "description": "An identifier for the task", "pattern": UUID_PATTERN},
    "type": {
        "type": "string",
        "description": "The type of task represented by this content",
        "enum": ["import", "api_image_import", "location_import"],
    },
    "status": {
        "type": "string",
        "description": "The current status of this task",
        "enum": ["pending", "processing", "success", "failure"],
    },
    "owner": {"type": "string", "description": "An identifier for the owner of this task"},
    "image_id": {"type": "string", "description": "Image associated with the task"},
    "request_id": {"type": "string", "description": "Human-readable informative request-id"},
    "user_id": {"type": "string", "description": "User associated with the task"},
    "expires_at": {
        "type": ["null", "string"],
        "description": "Datetime when this resource would be subject to removal",
    },
    "created_at": {"type": "string", "description": "Datetime when this resource was created"},
    "updated_at": {"type": "string", "description": "Datetime when this resource was updated"},
    "self": {"type": "string", "readOnly": True},
    "schema": {"type": "string", "readOnly": True},
}
SCHEMAS["task"] = {
    "name": "task",
    "properties": {
        **_TASK_LISTED,
        "input": {"type": ["null", "object"], "description": "The parameters required by task, JSON blob"},
        "result": {"type": ["null", "object"], "description": "The result of current task, JSON blob"},
        "message": {
            "type": "string",
            "description": "Human-readable informative message only included when appropriate "
            "(usually on failure)",
        },
    },
}
SCHEMAS["tasks"] = {
    "name": "tasks",
    "properties": {
        "tasks": {"type": "array", "items": {"name": "task", "properties": _TASK_LISTED}},
        "schema": _TEXT,
    },
    # A list also has links to its pages, which its schema has never described.
    "links": [{"rel": "describedby", "href": "{schema}"}],
}


async def show_image_schema(_services: Services, request: Request) -> Response:
    return json_response(_IMS_IMAGE if request.dialect is Dialect.IMS else _IMAGE)


async def show_images_schema(_services: Services, request: Request) -> Response:
    return json_response(_IMS_IMAGES if request.dialect is Dialect.IMS else SCHEMAS["images"])


async def show_member_schema(_services: Services, _request: Request) -> Response:
    return json_response(SCHEMAS["member"])


async def show_task_schema(_services: Services, _request: Request) -> Response:
    return json_response(SCHEMAS["task"])


async def show_tasks_schema(_services: Services, _request: Request) -> Response:
    return json_response(SCHEMAS["tasks"])


async def show_members_schema(_services: Services, _request: Request) -> Response:
    return json_response(SCHEMAS["members"])
