"""The calls of metadata definitions. Shapes are those of `api/v2/metadefs/schemas.py`, which are served."""

from typing import Any

from transom.api.openapi.model import (
    JSON,
    NATURAL,
    NOTHING,
    STRING,
    Operation,
    Schema,
    Table,
    array,
    closed,
    header,
    json,
    one_of,
    query,
    record,
    ref,
)
from transom.api.v2.metadefs.schemas import SCHEMAS
from transom.domain.metadefs import NAMESPACE_SORT_KEYS, VISIBILITIES

_SPACES = "/v2/metadefs/namespaces"
_SPACE = f"{_SPACES}/{{namespace}}"
_SEEN = (403, 404)
_CHANGED = (403, 404, 409, 413)
_PAGE = (
    query("limit", "Entries in a page.", NATURAL),
    query("marker", "The name of the last entry of the page before."),
    query("sort_dir", "The direction.", one_of("asc", "desc")),
)
_RESOURCE_TYPE = query("resource_type", "Names of properties with the prefix that they have on this type.")
#: Kind in a path → (one of it, for people; its schema).
_KINDS = {
    "objects": ("an object", "MetadefObject"),
    "properties": ("a property", "MetadefProperty"),
    "tags": ("a tag", "MetadefTag"),
}


def _component(published: Schema, name: str, **more: Any) -> Schema:
    """A published schema, whose definitions lie beside it, as a component of this name."""
    moved: Schema = _move(published, f"#/components/schemas/{name}/$defs/")
    definitions = moved.pop("definitions", None)
    kept = {key: value for key, value in moved.items() if key not in ("name", "links")}
    return {**kept, "type": "object", **({"$defs": definitions} if definitions else {}), **more}


def _move(value: Any, to: str) -> Any:
    if isinstance(value, dict):
        return {key: _move(inner, to) for key, inner in value.items()}
    if isinstance(value, list):
        return [_move(inner, to) for inner in value]
    return value.replace("#/definitions/", to) if isinstance(value, str) else value


def _item_calls(kind: str, one: str, schema: str) -> dict[str, Operation]:
    """The calls that are alike for what a namespace holds."""
    return {
        f"DELETE {_SPACE}/{kind}": Operation(
            summary=f"Remove all {kind} of a namespace", answers={204: NOTHING}, errors=_CHANGED
        ),
        f"GET {_SPACE}/{kind}/{{name}}": Operation(
            summary=f"Show {one} of a namespace", answers={200: json(ref(schema))}, errors=_SEEN
        ),
        f"PUT {_SPACE}/{kind}/{{name}}": Operation(
            summary=f"Replace {one} of a namespace",
            bodies={JSON: ref(schema)},
            answers={200: json(ref(schema))},
            errors=_CHANGED,
        ),
        f"DELETE {_SPACE}/{kind}/{{name}}": Operation(
            summary=f"Remove {one} of a namespace", answers={204: NOTHING}, errors=_CHANGED
        ),
    }


def _new(schema: str, one: str) -> Operation:
    return Operation(
        summary=f"Add {one} to a namespace",
        bodies={JSON: ref(schema)},
        answers={201: json(ref(schema))},
        errors=_CHANGED,
    )


_NAMES = array(closed({"name": STRING}))
_ALIKE = {
    key: operation
    for kind, (one, schema) in _KINDS.items()
    for key, operation in _item_calls(kind, one, schema).items()
}

METADEFS = Table(
    tag="metadata definitions",
    text="What the properties of images and other resources mean (Image API v2).",
    error="Error",
    operations={
        **_ALIKE,
        "GET /v2/metadefs/resource_types": Operation(
            summary="List the types of resources",
            answers={
                200: json(
                    closed(
                        {
                            "resource_types": array(
                                closed({"name": STRING, "created_at": STRING, "updated_at": STRING})
                            )
                        }
                    )
                )
            },
            errors=(403,),
        ),
        f"GET {_SPACES}": Operation(
            summary="List namespaces",
            answers={200: json(ref("MetadefNamespaces"))},
            errors=(403, 404),
            parameters=(
                *_PAGE,
                query("visibility", "Namespaces of this visibility.", one_of(*VISIBILITIES)),
                query("resource_types", "Namespaces of these types of resources: `a,b`."),
                query("sort_key", "What to sort by.", one_of(*NAMESPACE_SORT_KEYS)),
            ),
        ),
        f"POST {_SPACES}": Operation(
            summary="Add a namespace with what it holds",
            bodies={JSON: ref("MetadefNamespace")},
            answers={201: json(ref("MetadefNamespace"), Location="The namespace.")},
            errors=(403, 409, 413),
        ),
        f"GET {_SPACE}": Operation(
            summary="Show a namespace with what it holds",
            answers={200: json(ref("MetadefNamespace"))},
            errors=_SEEN,
            parameters=(_RESOURCE_TYPE,),
        ),
        f"PUT {_SPACE}": Operation(
            summary="Change a namespace; what it holds stays",
            bodies={JSON: ref("MetadefNamespace")},
            answers={200: json(ref("MetadefNamespace"))},
            errors=_CHANGED,
        ),
        f"DELETE {_SPACE}": Operation(
            summary="Remove a namespace with what it holds", answers={204: NOTHING}, errors=_CHANGED
        ),
        f"GET {_SPACE}/objects": Operation(
            summary="List the objects of a namespace",
            answers={200: json(closed({"objects": array(ref("MetadefObject")), "schema": STRING}))},
            errors=_SEEN,
            parameters=(*_PAGE, query("sort_key", "What to sort by.")),
        ),
        f"POST {_SPACE}/objects": _new("MetadefObject", "an object"),
        f"GET {_SPACE}/properties": Operation(
            summary="List the properties of a namespace",
            answers={
                200: json(
                    closed(
                        {"properties": {"type": "object", "additionalProperties": ref("MetadefPropertyBody")}}
                    )
                )
            },
            errors=_SEEN,
        ),
        f"POST {_SPACE}/properties": _new("MetadefProperty", "a property"),
        f"GET {_SPACE}/properties/{{name}}": Operation(
            summary="Show a property of a namespace",
            answers={200: json(ref("MetadefProperty"))},
            errors=_SEEN,
            parameters=(_RESOURCE_TYPE,),
        ),
        f"GET {_SPACE}/tags": Operation(
            summary="List the tags of a namespace",
            answers={200: json(closed({"tags": _NAMES}))},
            errors=_SEEN,
            parameters=(*_PAGE, query("sort_key", "What to sort by.")),
        ),
        f"POST {_SPACE}/tags": Operation(
            summary="Replace the tags of a namespace, or add to them",
            bodies={JSON: record({"tags": array(record({"name": STRING}))})},
            answers={201: json(closed({"tags": _NAMES}))},
            errors=_CHANGED,
            parameters=(header("X-Openstack-Append", "`true`: keep the tags that are there."),),
        ),
        f"POST {_SPACE}/tags/{{name}}": Operation(
            summary="Add a tag to a namespace", answers={201: json(ref("MetadefTag"))}, errors=_CHANGED
        ),
        f"GET {_SPACE}/resource_types": Operation(
            summary="List the associations of a namespace with types of resources",
            answers={200: json(closed({"resource_type_associations": array(ref("MetadefResourceType"))}))},
            errors=_SEEN,
        ),
        f"POST {_SPACE}/resource_types": _new(
            "MetadefResourceType", "an association with a type of resource"
        ),
        f"DELETE {_SPACE}/resource_types/{{name}}": Operation(
            summary="Remove an association with a type of resource", answers={204: NOTHING}, errors=_CHANGED
        ),
        **{
            f"GET /v2/schemas/metadefs/{name}": Operation(
                summary=f"The JSON schema of {name} of metadata definitions",
                answers={200: json(ref("PublishedSchema"))},
            )
            for name in SCHEMAS
        },
    },
    components={
        "MetadefNamespace": _component(SCHEMAS["namespace"], "MetadefNamespace"),
        "MetadefNamespaces": closed(
            {"namespaces": array(ref("MetadefNamespace")), "first": STRING, "schema": STRING},
            {"next": STRING},
        ),
        "MetadefObject": _component(SCHEMAS["object"], "MetadefObject"),
        "MetadefProperty": _component(SCHEMAS["property"], "MetadefProperty"),
        #: In a list its name stands before it.
        "MetadefPropertyBody": _component(
            SCHEMAS["property"], "MetadefPropertyBody", required=["title", "type"]
        ),
        "MetadefTag": _component(SCHEMAS["tag"], "MetadefTag"),
        "MetadefResourceType": _component(SCHEMAS["resource_type"], "MetadefResourceType"),
    },
)
