"""Metadata definitions: namespaces that say which properties images and other resources can have, and what
they mean (Image API v2, "Metadata definition namespaces" and what is below).

A namespace holds objects, properties, tags and associations with resource types. All four are named things
with a body, so one record, `Item`, stands for each of them. What clients may send is said by the shapes; the
same in the words of JSON Schema is published by `api/v2/metadefs/schemas.py`.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from transom.domain.errors import ConflictError, InvalidError, NotFoundError
from transom.domain.fields import check_characters, quoted, read_only
from transom.domain.model import Visibility

MAX_NAME = 80
MAX_DESCRIPTION = 500
MAX_OWNER = 255
#: Definitions in one body.
MOST_ITEMS = 5000
VISIBILITIES = (Visibility.PUBLIC, Visibility.PRIVATE)
#: As JSON has it; a backslash before it would be one that stands for itself.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
PROPERTY_TYPES = ("array", "boolean", "integer", "number", "object", "string")


class Kind(StrEnum):
    """What a namespace holds."""

    OBJECT = "object"
    PROPERTY = "property"
    TAG = "tag"
    RESOURCE_TYPE = "resource_type"


class Present(StrEnum):
    """What becomes of a namespace that is there when another one of its name is loaded: it stays as it is;
    gets what it lacks; gets that, and the new one's word where both have one; goes."""

    KEEP = "keep"
    MERGE = "merge"
    PREFER_NEW = "prefer new"
    OVERWRITE = "overwrite"


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """A namespace without what it holds. `namespace` is its name; `id` never changes and is never shown."""

    id: str
    namespace: str
    display_name: str | None
    description: str | None
    visibility: str
    protected: bool
    owner: str
    created_at: int
    updated_at: int


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a namespace holds. `body`: what its kind has beside the name, as the client wrote it."""

    kind: Kind
    name: str
    body: dict[str, Any]
    created_at: int
    updated_at: int


class ResourceType(msgspec.Struct, frozen=True, kw_only=True):
    """Something that properties can be set on, under the name that Heat has for it."""

    name: str
    created_at: int
    updated_at: int


class NamespaceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the list of namespaces. `resource_types`: any of them; None asks nothing. `marker`:
    the name of a namespace."""

    visibility: str | None = None
    resource_types: tuple[str, ...] | None = None
    sort_key: str = "created_at"
    descending: bool = True
    limit: int = 25
    marker: str | None = None


#: Keys the list of namespaces can be sorted by; null counts as an empty text. `id` was the order of creation.
NAMESPACE_SORT_KEYS: Mapping[str, str] = {
    **{
        key: key
        for key in (
            "namespace",
            "display_name",
            "description",
            "visibility",
            "protected",
            "owner",
            "created_at",
            "updated_at",
        )
    },
    "id": "created_at",
}
#: Keys that items can be sorted by.
ITEM_SORT_KEYS: Mapping[str, str] = {
    "name": "name",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "id": "created_at",
}

# ---- shapes of what clients send. Only the kinds of the values count: nothing reads the defaults.

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
_Short = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
_Natural = Annotated[int, msgspec.Meta(ge=0)]
_Type = Literal["array", "boolean", "integer", "number", "object", "string"]


class _Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a JSON object may have; those without a default it must have."""


class _Shown(_Shape, frozen=True, kw_only=True):
    """What our own answers have besides, so that what was shown can be sent back within a namespace."""

    created_at: str = ""
    updated_at: str = ""
    self_link: str = msgspec.field(default="", name="self")
    schema: str = ""


class _ItemsShape(_Shape, frozen=True, kw_only=True):
    type: _Type = "string"
    enum: list[Any] = []


class _PropertyShape(_Shape, frozen=True, kw_only=True, rename="camel"):
    title: str
    type: _Type
    name: _Short = ""
    description: str = ""
    operators: list[str] = []
    required: list[str] = []
    minimum: int | float = 0
    maximum: int | float = 0
    min_length: _Natural = 0
    max_length: _Natural = 0
    pattern: str = ""
    enum: list[Any] = []
    readonly: bool = False
    default: Any = None
    items: _ItemsShape = _ItemsShape()
    min_items: _Natural = 0
    max_items: _Natural = 0
    unique_items: bool = False
    additional_items: bool = False

    def __post_init__(self) -> None:
        _refuse_repeated(self.required)


class _NamedPropertyShape(_PropertyShape, frozen=True, kw_only=True):
    """One that stands by itself. Only there must `required` name something."""

    name: _Name
    required: Annotated[list[str], msgspec.Meta(min_length=1)] = []


class _ObjectShape(_Shown, frozen=True, kw_only=True):
    name: _Name
    description: str = ""
    required: list[str] = []
    properties: dict[_Name, _PropertyShape] = {}

    def __post_init__(self) -> None:
        _refuse_repeated(self.required)


class _TagShape(_Shown, frozen=True, kw_only=True):
    name: _Name


class _AssociationShape(_Shown, frozen=True, kw_only=True):
    name: _Name
    prefix: _Short = ""
    properties_target: _Short = ""


class _OnlyName(_Shape, frozen=True, kw_only=True):
    name: _Name


class _TagListShape(_Shape, frozen=True, kw_only=True):
    tags: list[_OnlyName]


class _NamespaceShape(_Shown, frozen=True, kw_only=True):
    namespace: _Name
    display_name: _Short = ""
    description: Annotated[str, msgspec.Meta(max_length=MAX_DESCRIPTION)] = ""
    visibility: Literal["public", "private"] = "private"
    protected: bool = False
    owner: Annotated[str, msgspec.Meta(max_length=MAX_OWNER)] = ""
    resource_type_associations: list[_AssociationShape] = []
    properties: dict[_Name, _PropertyShape] = {}
    objects: list[_ObjectShape] = []
    tags: list[_TagShape] = []


def _refuse_repeated(values: list[str]) -> None:
    if len(set(values)) < len(values):
        raise ValueError("Expected each of `required` once")


_SHAPES: Mapping[Kind, type[_Shape]] = {
    Kind.OBJECT: _ObjectShape,
    Kind.PROPERTY: _NamedPropertyShape,
    Kind.TAG: _TagShape,
    Kind.RESOURCE_TYPE: _AssociationShape,
}
#: What the published schema of a kind is called.
_SCHEMA_NAMES: Mapping[Kind, str] = {
    Kind.OBJECT: "object",
    Kind.PROPERTY: "property",
    Kind.TAG: "tag",
    Kind.RESOURCE_TYPE: "resource_type_association",
}
_READ_ONLY = ("self", "schema", "created_at", "updated_at")
#: What an item of a kind keeps of its body; a property keeps all of it.
_KEPT: Mapping[Kind, tuple[str, ...]] = {
    Kind.OBJECT: ("description", "required", "properties"),
    Kind.TAG: (),
    Kind.RESOURCE_TYPE: ("prefix", "properties_target"),
}

# ---- what clients send → records. InvalidError names the field; ForbiddenError for what is read-only.


def parse_namespace(body: Any, *, namespace_id: str, owner: str, now: int) -> tuple[Namespace, list[Item]]:
    """(the namespace, what it holds in the order of the body). `owner`: who owns it when the body does not
    say."""
    _check_shape(body, _NamespaceShape, "namespace")
    namespace = Namespace(
        id=namespace_id,
        namespace=check_name("namespace", body["namespace"]),
        display_name=body.get("display_name"),
        description=body.get("description"),
        visibility=body.get("visibility", Visibility.PRIVATE),
        protected=body.get("protected", False),
        owner=body.get("owner") or owner,
        created_at=now,
        updated_at=now,
    )
    named = [
        *((Kind.RESOURCE_TYPE, one["name"], one) for one in body.get("resource_type_associations", [])),
        *((Kind.OBJECT, one["name"], one) for one in body.get("objects", [])),
        *((Kind.TAG, one["name"], one) for one in body.get("tags", [])),
        *((Kind.PROPERTY, name, one) for name, one in body.get("properties", {}).items()),
    ]
    return namespace, _make_items(named, now)


def parse_item(kind: Kind, body: Any, now: int) -> Item:
    _check_shape(body, _SHAPES[kind], _SCHEMA_NAMES[kind])
    return _make_items([(kind, body["name"], body)], now)[0]


def parse_tags(body: Any, now: int) -> list[Item]:
    """The tags of `{"tags": [{"name": …}, …]}`."""
    _check_shape(body, _TagListShape, "tags")
    return _make_items([(Kind.TAG, one["name"], one) for one in body["tags"]], now)


def _make_items(named: list[tuple[Kind, str, dict[str, Any]]], now: int) -> list[Item]:
    """Each is a microsecond younger than the one before it: by age, they stay in the order they came in."""
    if len(named) > MOST_ITEMS:
        raise InvalidError(f"A request takes at most {MOST_ITEMS} definitions, not {len(named)}.")
    seen: set[tuple[Kind, str]] = set()
    items: list[Item] = []
    for kind, name, body in named:
        check_name(kind, name)
        if (kind, name) in seen:
            raise ConflictError(f"The {kind} {name} is there more than once.")
        seen.add((kind, name))
        at = now + len(items)
        items.append(Item(kind=kind, name=name, body=_kept_body(kind, body), created_at=at, updated_at=at))
    return items


def _kept_body(kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
    if kind in _KEPT:
        return {key: body[key] for key in _KEPT[kind] if key in body}
    return {key: value for key, value in body.items() if key not in _READ_ONLY}


def check_name(field: str, name: str) -> str:
    """The name, unless no URL could name the thing, or no database keep it."""
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidError(f"{field}: the name must have 1 to {MAX_NAME} characters, not {len(name)}.")
    if "/" in name:
        raise InvalidError(f"{field}: the name {quoted(name)} can't contain '/': no URL could name it.")
    check_characters(field.capitalize(), name)
    return name


def _check_shape(body: Any, shape: type[_Shape], schema: str) -> None:
    if not isinstance(body, dict):
        raise InvalidError(f"Provided object does not match schema '{schema}': it is not a JSON object")
    for name in _READ_ONLY:
        if name in body:
            raise read_only(name)
    try:
        msgspec.convert(body, shape)
        _check_texts(body)
    except (msgspec.ValidationError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidError(f"Provided object does not match schema '{schema}': {why}") from None


def _check_texts(body: dict[str, Any]) -> None:
    """No text anywhere in the body has characters that cannot be kept. Looked for in the JSON of each field:
    a walk through a body of 1 MiB would take a second."""
    for field, value in body.items():
        text = msgspec.json.encode(value).decode()
        check_characters(field.capitalize(), "\0" if _ESCAPED_NUL.search(text) else text)


# ---- looking at what a namespace holds


def of_kind(items: Iterable[Item], kind: Kind) -> list[Item]:
    return [item for item in items if item.kind is kind]


def prefix_for(items: Iterable[Item], resource_type: str) -> str:
    """What the names of properties begin with on this type of resource; "" when nothing is said of it."""
    for item in of_kind(items, Kind.RESOURCE_TYPE):
        if item.name == resource_type:
            return str(item.body.get("prefix", ""))
    return ""


def with_prefix(item: Item, prefix: str) -> Item:
    """The property, or the object with its properties, under the names they have with this prefix."""
    if item.kind is Kind.PROPERTY:
        return msgspec.structs.replace(item, name=prefix + item.name)
    if item.kind is not Kind.OBJECT:
        return item
    body = dict(item.body)
    if "properties" in body:
        body["properties"] = {prefix + name: one for name, one in body["properties"].items()}
    if "required" in body:
        body["required"] = [prefix + name for name in body["required"]]
    return msgspec.structs.replace(item, body=body)


def without_prefix(items: Iterable[Item], name: str, resource_type: str) -> str:
    """The name of a property as the namespace has it, given the one it has on this type of resource.
    NotFoundError when it cannot have that there."""
    prefix = prefix_for(items, resource_type)
    if not prefix or not name.startswith(prefix):
        raise NotFoundError(
            f"Property {name} does not start with the prefix of the association with resource type "
            f"{resource_type}, '{prefix}'."
        )
    return name.removeprefix(prefix)


def page_items(
    items: list[Item], sort_key: str, *, descending: bool, marker: str | None, limit: int | None
) -> list[Item]:
    """At most `limit` items (None: all), in order, from past the one named `marker`; NotFoundError when there
    is none of that name."""
    key = ITEM_SORT_KEYS[sort_key]
    items = sorted(items, key=lambda item: (getattr(item, key), item.name), reverse=descending)
    if marker is not None:
        names = [item.name for item in items]
        if marker not in names:
            raise NotFoundError(f"The marker {marker} was not found.")
        items = items[names.index(marker) + 1 :]
    return items if limit is None else items[:limit]


# ---- errors that several places tell


def namespace_absent(name: str) -> NotFoundError:
    return NotFoundError(f"Metadata definition namespace={name} was not found.")


def namespace_exists(name: str) -> ConflictError:
    return ConflictError(f"The metadata definition namespace={name} already exists.")


def item_absent(kind: Kind, name: str, namespace: str) -> NotFoundError:
    return NotFoundError(
        f"The metadata definition {kind} with name={name} was not found in namespace={namespace}."
    )


def item_exists(kind: Kind, name: str, namespace: str) -> ConflictError:
    return ConflictError(
        f"A metadata definition {kind} with name={name} already exists in namespace={namespace}."
    )
