"""The published JSON schemas of metadata definitions: GET /v2/schemas/metadefs/….

What the service takes is decided by the shapes in `domain/metadefs.py`; a test holds the two together.
"""

from typing import Any

from transom.api.http import Request, Response, json_response
from transom.api.services import Services
from transom.domain.metadefs import MAX_DESCRIPTION, MAX_NAME, MAX_OWNER, PROPERTY_TYPES, VISIBILITIES

Schema = dict[str, Any]

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_NAME = {"type": "string", "maxLength": MAX_NAME}
_SHOWN_TEXT = {"type": "string", "readOnly": True}
# In JSON Schema's eyes no string is null; the last entry is there because clients have always seen it.
_PROPERTY_TYPE = {"type": "string", "enum": [*PROPERTY_TYPES, None]}
_COUNT = {"$ref": "#/definitions/positiveInteger"}
_COUNT_FROM_0 = {"$ref": "#/definitions/positiveIntegerDefault0"}
_TEXTS = {"$ref": "#/definitions/stringArray"}
_PROPERTIES = {"$ref": "#/definitions/property"}


def _time(of_what: str) -> Schema:
    return {
        "type": "string",
        "readOnly": True,
        "description": f"Date and time of {of_what}",
        "format": "date-time",
    }


_PROPERTY_FIELDS: Schema = {
    "name": _NAME,
    "title": _TEXT,
    "description": _TEXT,
    "operators": {"type": "array", "items": _TEXT},
    "type": _PROPERTY_TYPE,
    "required": _TEXTS,
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "maxLength": _COUNT,
    "minLength": _COUNT_FROM_0,
    "pattern": {"type": "string", "format": "regex"},
    "enum": {"type": "array"},
    "readonly": _FLAG,
    "default": {},
    "items": {"type": "object", "properties": {"type": _PROPERTY_TYPE, "enum": {"type": "array"}}},
    "maxItems": _COUNT,
    "minItems": _COUNT_FROM_0,
    "uniqueItems": {"type": "boolean", "default": False},
    "additionalItems": _FLAG,
}
_DEFINITIONS: Schema = {
    "positiveInteger": {"type": "integer", "minimum": 0},
    "positiveIntegerDefault0": {"allOf": [_COUNT, {"default": 0}]},
    "stringArray": {"type": "array", "items": _TEXT, "uniqueItems": True},
}
_WITH_PROPERTY: Schema = {
    **_DEFINITIONS,
    "property": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["title", "type"],
            "properties": _PROPERTY_FIELDS,
        },
    },
}


def _schema(name: str, properties: Schema, required: list[str], definitions: Schema | None = None) -> Schema:
    schema: Schema = {
        "name": name,
        "properties": properties,
        "additionalProperties": False,
        "required": required,
    }
    return schema if definitions is None else {**schema, "definitions": definitions}


_NAMESPACE = _schema(
    "namespace",
    {
        "namespace": {**_NAME, "description": "The unique namespace text."},
        "display_name": {
            **_NAME,
            "description": "The user friendly name for the namespace. Used by UI if available.",
        },
        "description": {
            "type": "string",
            "description": "Provides a user friendly description of the namespace.",
            "maxLength": MAX_DESCRIPTION,
        },
        "visibility": {
            "type": "string",
            "description": "Scope of namespace accessibility.",
            "enum": list(VISIBILITIES),
        },
        "protected": {**_FLAG, "description": "If true, namespace will not be deletable."},
        "owner": {"type": "string", "description": "Owner of the namespace.", "maxLength": MAX_OWNER},
        "created_at": _time("namespace creation"),
        "updated_at": _time("the last namespace modification"),
        "schema": _SHOWN_TEXT,
        "self": _SHOWN_TEXT,
        "resource_type_associations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": _TEXT, "prefix": _TEXT, "properties_target": _TEXT},
            },
        },
        "properties": _PROPERTIES,
        "objects": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": _TEXT,
                    "description": _TEXT,
                    "required": _TEXTS,
                    "properties": _PROPERTIES,
                },
            },
        },
        "tags": {"type": "array", "items": {"type": "object", "properties": {"name": _TEXT}}},
    },
    ["namespace"],
    _WITH_PROPERTY,
)
_OBJECT = _schema(
    "object",
    {
        "name": _NAME,
        "description": _TEXT,
        "required": _TEXTS,
        "properties": _PROPERTIES,
        "schema": _SHOWN_TEXT,
        "self": _SHOWN_TEXT,
        "created_at": _time("object creation"),
        "updated_at": _time("the last object modification"),
    },
    ["name"],
    _WITH_PROPERTY,
)
_PROPERTY = _schema(
    "property",
    _PROPERTY_FIELDS,
    ["type", "title", "name"],
    {**_DEFINITIONS, "stringArray": {**_DEFINITIONS["stringArray"], "minItems": 1}},
)
_TAG = _schema(
    "tag",
    {
        "name": _NAME,
        "created_at": _time("tag creation"),
        "updated_at": _time("the last tag modification"),
    },
    ["name"],
)
_ASSOCIATION = _schema(
    "resource_type_association",
    {
        "name": {
            **_NAME,
            "description": "Name of the resource type, the one that Heat has for it wherever there is one.",
        },
        "prefix": {
            **_NAME,
            "description": (
                "What stands before the names of the namespace's properties when they are set on this "
                "resource type, with its separator (a colon, say)."
            ),
        },
        "properties_target": {
            **_NAME,
            "description": (
                "Which of its sets of properties is meant, on resource types that have several: a volume has "
                "metadata of its own, and that of its image."
            ),
        },
        "created_at": _time("resource type association"),
        "updated_at": _time("the last resource type association modification"),
    },
    ["name"],
)


def _collection(name: str, item: Schema) -> Schema:
    """The schema of a list of items, `properties` being an object of them."""
    own = {key: value for key, value in item.items() if key != "definitions"}
    if name == "properties":
        own["required"] = ["type", "title"]
        items: Schema = {"type": "object", "additionalProperties": own}
    else:
        items = {"type": "array", "items": own}
    collection: Schema = {
        "name": name,
        "properties": {name: items, "first": _TEXT, "next": _TEXT, "schema": _TEXT},
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }
    return collection if "definitions" not in item else {**collection, "definitions": item["definitions"]}


#: By the last part of the path.
SCHEMAS: dict[str, Schema] = {
    "namespace": _NAMESPACE,
    "namespaces": _collection("namespaces", _NAMESPACE),
    "object": _OBJECT,
    "objects": _collection("objects", _OBJECT),
    "property": _PROPERTY,
    "properties": _collection("properties", _PROPERTY),
    "tag": _TAG,
    "tags": _collection("tags", _TAG),
    "resource_type": _ASSOCIATION,
    "resource_types": _collection("resource_type_associations", _ASSOCIATION),
}


async def show_schema(name: str, _services: Services, _request: Request) -> Response:
    return json_response(SCHEMAS[name])
