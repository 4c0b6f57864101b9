"""What namespaces hold: objects, properties, tags, associations with resource types.

The calls are alike for all of them: each handler is told which kind it is about (`__init__.py`).
"""

from functools import partial
from http import HTTPStatus

from transom.api.http import Request, Response, json_response, no_content
from transom.api.pieces import encode_all
from transom.api.services import Services
from transom.api.v2.metadefs.namespaces import see, see_unprotected
from transom.api.v2.metadefs.query import choose_items, parse_resource_type
from transom.api.v2.metadefs.wire import MOST_VALUES, item_body, properties_body, stored_body
from transom.clock import now_us
from transom.domain.metadefs import Item, Kind, Namespace, item_absent, parse_item, parse_tags, without_prefix
from transom.metadefs import rules
from transom.metadefs.rules import ITEM_RULES
from transom.sql import metadefs

#: What counts as yes in a header (oslo.utils, `bool_from_string`).
_YES = frozenset({"1", "t", "true", "on", "y", "yes"})


async def list_items(kind: Kind, services: Services, request: Request) -> Response:
    found, items = await metadefs.list_items(services.db, request.params["namespace"], kind)
    namespace = see(request, ITEM_RULES[kind].list)(found)
    match kind:
        case Kind.PROPERTY:
            return json_response({"properties": properties_body(items)})
        case Kind.RESOURCE_TYPE:
            shown = await encode_all(items, partial(item_body, namespace), request.take_turn)
            return json_response({"resource_type_associations": shown})
        case Kind.TAG:
            page = choose_items(request, kind, items, services.lists)
            return json_response({"tags": [{"name": item.name} for item in page]})
        case Kind.OBJECT:
            page = choose_items(request, kind, items, services.lists)
            shown = await encode_all(page, partial(stored_body, namespace), request.take_turn)
            # Without the slash that every other link starts with: so Glance has it.
            return json_response({"objects": shown, "schema": "v2/schemas/metadefs/objects"})


async def add_item(kind: Kind, services: Services, request: Request) -> Response:
    body = await request.json(services.bodies.json_body_limit, MOST_VALUES)
    return await _add(services, request, parse_item(kind, body, now_us()))


async def add_tag(services: Services, request: Request) -> Response:
    """The tag that the path names."""
    return await _add(services, request, parse_item(Kind.TAG, {"name": request.params["name"]}, now_us()))


async def _add(services: Services, request: Request, item: Item) -> Response:
    name, judge = request.params["namespace"], see(request, ITEM_RULES[item.kind].add)
    namespace = await services.db.run(lambda: metadefs.add_items(name, judge, [item]))
    return json_response(item_body(namespace, item), HTTPStatus.CREATED)


async def replace_tags(services: Services, request: Request) -> Response:
    """Give the namespace these tags in place of those it has, or beside them (`X-Openstack-Append`). With no
    tags nothing changes, as in Glance."""
    tags = parse_tags(await request.json(services.bodies.json_body_limit, MOST_VALUES), now_us())
    keeps_others = (request.header(b"x-openstack-append") or "").strip().lower() in _YES
    replaced = Kind.TAG if tags and not keeps_others else None
    name, judge = request.params["namespace"], see(request, "add_metadef_tags")
    await services.db.run(lambda: metadefs.add_items(name, judge, tags, replaces=replaced))
    return json_response({"tags": [{"name": tag.name} for tag in tags]}, HTTPStatus.CREATED)


async def show_item(kind: Kind, services: Services, request: Request) -> Response:
    return await _show(kind, request.params["name"], services, request)


async def _show(kind: Kind, name: str, services: Services, request: Request) -> Response:
    found, item = await metadefs.find_item(services.db, request.params["namespace"], kind, name)
    namespace = see(request, ITEM_RULES[kind].get)(found)
    if item is None:
        raise item_absent(kind, name, namespace.namespace)
    return json_response(stored_body(namespace, item))


async def show_property(services: Services, request: Request) -> Response:
    """By its name, or by the one it has on `?resource_type=`."""
    name, resource_type = request.params["name"], parse_resource_type(request)
    if resource_type is not None:
        found, types = await metadefs.list_items(services.db, request.params["namespace"], Kind.RESOURCE_TYPE)
        see(request, ITEM_RULES[Kind.PROPERTY].get, ITEM_RULES[Kind.RESOURCE_TYPE].get)(found)
        name = without_prefix(types, name, resource_type)
    return await _show(Kind.PROPERTY, name, services, request)


async def update_item(kind: Kind, services: Services, request: Request) -> Response:
    """All of it, as the body has it, its name too."""
    new = parse_item(kind, await request.json(services.bodies.json_body_limit, MOST_VALUES), now_us())
    name, judge = request.params["namespace"], see(request, ITEM_RULES[kind].modify)
    namespace, changed = await services.db.run(
        lambda: metadefs.update_item(name, judge, request.params["name"], new)
    )
    return json_response(item_body(namespace, changed))


async def remove_item(kind: Kind, services: Services, request: Request) -> Response:
    name, judge = request.params["namespace"], see(request, ITEM_RULES[kind].remove)
    item = request.params["name"]

    def require_unprotected(namespace: Namespace) -> None:
        rules.require_unprotected(namespace, kind, item)

    await services.db.run(lambda: metadefs.delete_item(name, judge, kind, item, require_unprotected))
    return no_content()


async def remove_items(kind: Kind, services: Services, request: Request) -> Response:
    """All of this kind."""
    name, judge = request.params["namespace"], see_unprotected(request, *ITEM_RULES[kind].clear)
    await services.db.run(lambda: metadefs.delete_items(name, judge, kind))
    return no_content()
