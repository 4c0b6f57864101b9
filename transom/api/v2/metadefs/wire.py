"""Records of metadata definitions → JSON shapes. What has no value is left out."""

from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import quote

from transom.api.pieces import TakeTurn, encode_all
from transom.api.wire import timestamp
from transom.domain.metadefs import MOST_ITEMS, Item, Kind, Namespace, ResourceType, of_kind

#: Most values in a body that brings definitions: twenty of each.
MOST_VALUES = 20 * MOST_ITEMS

_NAMESPACES = "/v2/metadefs/namespaces"
#: What a URL's segment may have unescaped (RFC 3986, `pchar`): `OS::Compute::Quota` stays readable.
_PCHAR = "!$&'()*+,;=:@"


def namespace_link(name: str) -> str:
    return f"{_NAMESPACES}/{quote(name, safe=_PCHAR)}"


def namespace_body(namespace: Namespace) -> dict[str, Any]:
    """The namespace itself, without what it holds."""
    described = {"display_name": namespace.display_name, "description": namespace.description}
    return {
        "namespace": namespace.namespace,
        **{key: value for key, value in described.items() if value is not None},
        "visibility": namespace.visibility,
        "protected": namespace.protected,
        "owner": namespace.owner,
        **_times(namespace),
        "self": namespace_link(namespace.namespace),
        "schema": "/v2/schemas/metadefs/namespace",
    }


async def encode_contents(namespace: Namespace, items: Iterable[Item], take_turn: TakeTurn) -> dict[str, Any]:
    """What a namespace holds, given oldest first, as it is shown within it; only kinds it has any of."""
    by_kind = {kind: of_kind(items, kind) for kind in Kind}
    types, objects = by_kind[Kind.RESOURCE_TYPE], by_kind[Kind.OBJECT]
    shown: dict[str, Any] = {}
    if types:
        shown["resource_type_associations"] = await encode_all(
            types, partial(item_body, namespace), take_turn
        )
    if properties := by_kind[Kind.PROPERTY]:
        shown["properties"] = properties_body(properties)
    if objects:
        shown["objects"] = await encode_all(objects, partial(stored_body, namespace), take_turn)
    if tags := by_kind[Kind.TAG]:
        shown["tags"] = [{"name": item.name} for item in reversed(tags)]
    return shown


def properties_body(properties: Iterable[Item]) -> dict[str, Any]:
    """The properties by name."""
    return {item.name: item.body for item in properties}


def item_body(namespace: Namespace, item: Item) -> dict[str, Any]:
    """The item by itself, with what was sent of it."""
    match item.kind:
        case Kind.PROPERTY:
            return {**item.body, "name": item.name}
        case Kind.OBJECT:
            return {
                "name": item.name,
                **item.body,
                **_times(item),
                "self": f"{namespace_link(namespace.namespace)}/objects/{quote(item.name, safe=_PCHAR)}",
                "schema": "/v2/schemas/metadefs/object",
            }
        case _:
            return {"name": item.name, **item.body, **_times(item)}


def stored_body(namespace: Namespace, item: Item) -> dict[str, Any]:
    """The item as it is looked up: an object has its lists then, be they empty."""
    body = item_body(namespace, item)
    return {"required": [], "properties": {}, **body} if item.kind is Kind.OBJECT else body


def resource_type_body(one: ResourceType) -> dict[str, Any]:
    return {"name": one.name, **_times(one)}


def _times(record: Namespace | Item | ResourceType) -> dict[str, str]:
    return {"created_at": timestamp(record.created_at), "updated_at": timestamp(record.updated_at)}
