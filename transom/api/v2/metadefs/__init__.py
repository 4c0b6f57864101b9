"""Metadata definitions (Image API v2, "Metadata definitions"): the whole surface is the table below.

Objects, properties, tags and associations are handled alike (`items.py`): each call says which kind it is
about.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from transom.api.http import Request, Response
from transom.api.services import Services
from transom.api.v2.metadefs import items, namespaces, schemas
from transom.domain.metadefs import Kind

Handler = Callable[[Services, Request], Awaitable[Response]]

_SPACES = "/v2/metadefs/namespaces"
_SPACE = f"{_SPACES}/{{namespace}}"
_OBJECT, _PROPERTY, _TAG, _TYPE = Kind.OBJECT, Kind.PROPERTY, Kind.TAG, Kind.RESOURCE_TYPE

#: (method, path, handler, whether a body is taken: see `routes.Route`).
ROUTES: list[tuple[str, str, Handler, bool | None]] = [
    ("GET", "/v2/metadefs/resource_types", namespaces.list_resource_types, False),
    ("GET", _SPACES, namespaces.list_namespaces, None),
    ("POST", _SPACES, namespaces.create_namespace, True),
    ("GET", _SPACE, namespaces.show_namespace, False),
    ("PUT", _SPACE, namespaces.update_namespace, True),
    ("DELETE", _SPACE, namespaces.delete_namespace, False),
    ("GET", f"{_SPACE}/objects", partial(items.list_items, _OBJECT), None),
    ("POST", f"{_SPACE}/objects", partial(items.add_item, _OBJECT), True),
    ("DELETE", f"{_SPACE}/objects", partial(items.remove_items, _OBJECT), None),
    ("GET", f"{_SPACE}/objects/{{name}}", partial(items.show_item, _OBJECT), False),
    ("PUT", f"{_SPACE}/objects/{{name}}", partial(items.update_item, _OBJECT), True),
    ("DELETE", f"{_SPACE}/objects/{{name}}", partial(items.remove_item, _OBJECT), False),
    ("GET", f"{_SPACE}/properties", partial(items.list_items, _PROPERTY), False),
    ("POST", f"{_SPACE}/properties", partial(items.add_item, _PROPERTY), True),
    ("DELETE", f"{_SPACE}/properties", partial(items.remove_items, _PROPERTY), None),
    ("GET", f"{_SPACE}/properties/{{name}}", items.show_property, None),
    ("PUT", f"{_SPACE}/properties/{{name}}", partial(items.update_item, _PROPERTY), True),
    ("DELETE", f"{_SPACE}/properties/{{name}}", partial(items.remove_item, _PROPERTY), None),
    ("GET", f"{_SPACE}/tags", partial(items.list_items, _TAG), None),
    ("POST", f"{_SPACE}/tags", items.replace_tags, True),
    ("DELETE", f"{_SPACE}/tags", partial(items.remove_items, _TAG), None),
    ("GET", f"{_SPACE}/tags/{{name}}", partial(items.show_item, _TAG), False),
    ("POST", f"{_SPACE}/tags/{{name}}", items.add_tag, False),
    ("PUT", f"{_SPACE}/tags/{{name}}", partial(items.update_item, _TAG), True),
    ("DELETE", f"{_SPACE}/tags/{{name}}", partial(items.remove_item, _TAG), False),
    ("GET", f"{_SPACE}/resource_types", partial(items.list_items, _TYPE), False),
    ("POST", f"{_SPACE}/resource_types", partial(items.add_item, _TYPE), True),
    ("DELETE", f"{_SPACE}/resource_types/{{name}}", partial(items.remove_item, _TYPE), False),
    *(
        ("GET", f"/v2/schemas/metadefs/{name}", partial(schemas.show_schema, name), False)
        for name in schemas.SCHEMAS
    ),
]
