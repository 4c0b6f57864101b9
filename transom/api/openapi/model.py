"""What is said of one call, and the words to say it in."""

from collections.abc import Mapping
from typing import Any

import msgspec

Schema = dict[str, Any]
#: A JSON Schema, the msgspec type that decodes or encodes the body, or None for no body.
Shape = Schema | type | None

JSON = "application/json"
OCTETS = "application/octet-stream"
TEXT = "text/plain"
HTML = "text/html"

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NATURAL: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
ANY: Schema = {}
OBJECT: Schema = {"type": "object"}
DATA: Schema = {}


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of the query (`place` "query") or a header ("header")."""

    name: str
    text: str
    schema: Schema = msgspec.field(default_factory=lambda: STRING)
    place: str = "query"
    required: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A body of one media type (`shape` None: none), and the headers that matter: name → what it says.
    `also`: other media types that it may have → shape."""

    shape: Shape = None
    media_type: str = JSON
    also: Mapping[str, Shape] = msgspec.field(default_factory=dict)
    text: str | None = None
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `answers`: status → the answer of a call that was done; `errors`: the statuses of refusals,
    which all look as the API of the path has them. `is_open`: no token is needed. `bodies`: media type →
    shape."""

    summary: str
    answers: Mapping[int, Answer]
    errors: tuple[int, ...] = ()
    bodies: Mapping[str, Shape] = msgspec.field(default_factory=dict)
    body_is_optional: bool = False
    parameters: tuple[Parameter, ...] = ()
    description: str | None = None
    is_open: bool = False
    example: Any = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one API: `METHOD /path`, as routed → operation. `components`: the schemas they name. Its
    refusals have the schema `error` of these, and the media type `error_type`."""

    tag: str
    text: str
    error: str
    error_type: str = JSON
    operations: Mapping[str, Operation]
    components: Mapping[str, Schema]


def query(name: str, text: str, schema: Schema = STRING) -> Parameter:
    return Parameter(name=name, text=text, schema=schema)


def header(name: str, text: str, schema: Schema = STRING) -> Parameter:
    return Parameter(name=name, text=text, schema=schema, place="header")


def ref(name: str) -> Schema:
    """A schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(of: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": of, **more}


def one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    known = schema["type"]
    kinds = [*known, "null"] if isinstance(known, list) else [known, "null"]
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": kinds, **more}


def closed(required: Schema, optional: Schema | None = None) -> Schema:
    """An object with these properties and no others; those of `required` are always there."""
    return {**record(required, optional), "additionalProperties": False}


def record(required: Schema, optional: Schema | None = None) -> Schema:
    """An object with at least the properties of `required`, and maybe those of `optional` and others."""
    schema: Schema = {"type": "object", "properties": {**required, **(optional or {})}}
    return {**schema, "required": list(required)} if required else schema


def json(shape: Shape, **headers: str) -> Answer:
    """An answer in JSON. Headers are named with underscores for hyphens."""
    return Answer(shape=shape, headers={name.replace("_", "-"): text for name, text in headers.items()})


NOTHING = Answer()
