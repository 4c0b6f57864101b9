"""Routes and tables → the document (OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.0)."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from transom import __version__
from transom.api.openapi.model import JSON, Answer, Operation, Parameter, Schema, Shape, Table
from transom.api.openapi.route import RouteLike
from transom.api.openapi.tables import IMS_TABLE, TABLES

Document = dict[str, Any]

_REFS = "#/components/schemas/{name}"
_VARIABLE = re.compile(r"\{([a-z_]+)\}")
#: Refusals that any call may get: a URL that cannot be read, a request id that is too long, a database that
#: is away.
_EVERYWHERE = (400, 431, 503)
#: Those that a request may get before its path is looked up.
_UNREAD = (400, 431)
_TEXT = """\
Every call of this image service. Where two APIs have a path in common, the call of the OpenStack Image API
v2 is at the path, and that of the IMS API below `/ims`, where every call of both can be reached; a signed
request has the rules of the IMS API without `/ims`, too. Errors have the form of the call's API. Those of the
Image API v2 are JSON to who accepts `application/json`, else a page or text. `500` is a fault of the service.
"""
_SECURITY = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Auth-Token",
        "description": "A token of the identity service.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`SDK-HMAC-SHA256 …`: the request signed with an access key.",
    },
}


def make_document(
    routes: Iterable[RouteLike], ims_routes: Iterable[RouteLike], *, has_identity: bool
) -> Document:
    """The document. Of a route that no table has it says only that it is there; a test finds it."""
    tables = [table for table in TABLES if has_identity or table.tag != "identity"]
    own = {f"{route.method} {route.path}": route for route in routes}
    paths: dict[str, dict[str, Any]] = {}
    for route in own.values():
        if has_identity or not route.path.startswith("/identity"):
            table, operation = _find(tables, route)
            paths.setdefault(route.path, {})[route.method.lower()] = _describe(
                route.path, route.method, operation, table
            )
    for route in ims_routes:
        table, operation = _find([IMS_TABLE], route)
        path = ims_path(route, own)
        paths.setdefault(path, {})[route.method.lower()] = _describe(path, route.method, operation, table)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Transom",
            "version": __version__,
            "summary": "An image service built around sharing",
            "description": _TEXT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": table.tag, "description": table.text} for table in (*tables, IMS_TABLE)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(_components((*tables, IMS_TABLE)).items())),
            "responses": dict(sorted(_refusals((*tables, IMS_TABLE)).items())),
            "securitySchemes": _SECURITY,
        },
    }


def ims_path(route: RouteLike, own: Iterable[str]) -> str:
    """Where a call of the IMS API is in the document. `own`: `METHOD /path` of the other calls."""
    return f"/ims{route.path}" if f"{route.method} {route.path}" in own else route.path


def _find(tables: Iterable[Table], route: RouteLike) -> tuple[Table, Operation]:
    key = f"{route.method} {route.path}"
    for table in tables:
        if key in table.operations:
            return table, table.operations[key]
    own = next((table for table in tables if route.path.startswith(f"/{table.tag}/")), None)
    return own or TABLES[0], Operation(summary=key, answers={}, bodies={JSON: {}} if route.takes_body else {})


def _describe(path: str, method: str, operation: Operation, table: Table) -> Document:
    parameters: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _VARIABLE.findall(path)
    ]
    parameters += map(_describe_parameter, operation.parameters)
    described: Document = {
        "operationId": operation_id(method, path),
        "summary": operation.summary,
        "tags": [table.tag],
        "responses": _describe_answers(operation, table),
        "security": [] if operation.is_open else [{"token": []}, {"signature": []}],
    }
    if operation.description:
        described["description"] = operation.description
    if parameters:
        described["parameters"] = parameters
    if operation.bodies:
        described["requestBody"] = _describe_bodies(operation)
    return described


def operation_id(method: str, path: str) -> str:
    """`get_v2_images_image_id`, unique for a method and a path."""
    words = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")
    end = "_" if path.endswith("/") and len(path) > 1 else ""
    return f"{method.lower()}_{words or 'root'}{end}"


def _describe_parameter(parameter: Parameter) -> Document:
    described: Document = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.text,
        "schema": parameter.schema,
    }
    return {**described, "required": True} if parameter.required else described


def _describe_bodies(operation: Operation) -> Document:
    example = {} if operation.example is None else {"example": operation.example}
    content = {
        media_type: {"schema": schema_of(shape), **example} for media_type, shape in operation.bodies.items()
    }
    return {"required": not operation.body_is_optional, "content": content}


def _describe_answers(operation: Operation, table: Table) -> Document:
    described = {
        str(status): _describe_answer(status, answer) for status, answer in operation.answers.items()
    }
    guarded = () if operation.is_open else (401,)
    for status in {*operation.errors, *_EVERYWHERE, *guarded}:
        described[str(status)] = {"$ref": f"#/components/responses/{_refusal_name(table, status)}"}
    return dict(sorted(described.items()))


def _refusal_name(table: Table, status: int) -> str:
    return f"{table.error}{status}"


def _refusals(tables: Iterable[Table]) -> Document:
    """The answers of refusals. To HEAD they have no body."""
    return {
        _refusal_name(table, status): {
            "description": _phrase(status),
            "content": {table.error_type: {"schema": _refusal_schema(table, status)}},
        }
        for table in tables
        for operation in table.operations.values()
        for status in (*operation.errors, *_EVERYWHERE, 401)
    }


def _refusal_schema(table: Table, status: int) -> Schema:
    own = {"$ref": f"#/components/schemas/{table.error}"}
    if table is IMS_TABLE and status in _UNREAD:
        # Which API a path below /v2 is of is not known before it could be read.
        return {"anyOf": [own, {"$ref": "#/components/schemas/Error"}]}
    return own


def _describe_answer(status: int, answer: Answer) -> Document:
    described: Document = {"description": answer.text or _phrase(status)}
    if answer.shape is not None:
        forms = {answer.media_type: answer.shape, **answer.also}
        described["content"] = {
            media_type: {"schema": schema_of(shape)} for media_type, shape in forms.items()
        }
    if answer.headers:
        described["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
        }
    return described


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def schema_of(shape: Shape) -> Schema:
    """The schema of a body; a type's is a reference to its component."""
    if isinstance(shape, dict):
        return shape
    (schema,), _components = msgspec.json.schema_components([shape], ref_template=_REFS)
    return schema


def _components(tables: Iterable[Table]) -> dict[str, Schema]:
    types = [
        shape
        for table in tables
        for operation in table.operations.values()
        for shape in (*operation.bodies.values(), *(one.shape for one in operation.answers.values()))
        if isinstance(shape, type)
    ]
    _schemas, found = msgspec.json.schema_components(types, ref_template=_REFS)
    for table in tables:
        found.update(table.components)
    return found
