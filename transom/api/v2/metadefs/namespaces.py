"""Namespaces of metadata definitions, and the resource types they are for."""

import uuid
from http import HTTPStatus
from typing import Any

from transom.api.http import Request, Response, json_response, no_content
from transom.api.queries import page_link
from transom.api.services import Services
from transom.api.v2.metadefs.query import parse_namespace_query, parse_resource_type
from transom.api.v2.metadefs.wire import (
    MOST_VALUES,
    encode_contents,
    namespace_body,
    namespace_link,
    resource_type_body,
)
from transom.api.versions import base_url
from transom.clock import now_us
from transom.domain.metadefs import (
    Kind,
    Namespace,
    parse_namespace,
    prefix_for,
    with_prefix,
)
from transom.domain.model import Caller
from transom.metadefs import rules
from transom.metadefs.rules import ITEM_RULES
from transom.sql import metadefs

_CONTENTS = ("resource_type_associations", "properties", "objects", "tags")


def see(request: Request, *names: str) -> metadefs.See:
    """The judge of the namespace of the path: may the caller see it, and do with it what the rules of these
    names say?"""
    name, caller = request.params["namespace"], request.caller
    return lambda found: rules.see_namespace(caller, name, found, *names)


def see_unprotected(request: Request, *names: str) -> metadefs.See:
    """As `see`, of a namespace that is to go, or to be emptied."""
    judge = see(request, *names)

    def judge_all(found: Namespace | None) -> Namespace:
        namespace = judge(found)
        rules.require_unprotected(namespace, "namespace", namespace.namespace)
        return namespace

    return judge_all


_PATH = "/v2/metadefs/namespaces"


async def list_namespaces(services: Services, request: Request) -> Response:
    caller, pairs = request.caller, request.query_pairs()
    query = parse_namespace_query(pairs, services.lists)
    rules.use_metadefs(caller, "get_metadef_namespaces", "list_metadef_resource_types")
    after = await _find_marker(services, caller, query.marker) if query.marker is not None else None
    seen_by = rules.lists_namespaces_of(caller)
    page = await metadefs.list_namespaces(services.db, query, seen_by, after)
    seen = [one for one in page if rules.sees_namespace(caller, one)]
    associations = await metadefs.list_associations(services.db, seen)
    body: dict[str, Any] = {
        "namespaces": [
            namespace_body(one) | await encode_contents(one, associations[one.id], request.take_turn)
            for one in seen
        ],
        "first": page_link(_PATH, pairs, None),
        "schema": "/v2/schemas/metadefs/namespaces",
    }
    if page and len(page) == query.limit:
        body["next"] = page_link(_PATH, pairs, page[-1].namespace)
    return json_response(body)


async def _find_marker(services: Services, caller: Caller, name: str) -> Namespace:
    return rules.see_namespace(caller, name, await metadefs.find_namespace(services.db, name))


async def create_namespace(services: Services, request: Request) -> Response:
    """With all that the body says it holds, or not at all."""
    caller = request.caller
    body: Any = await request.json(services.bodies.json_body_limit, MOST_VALUES)
    owner = caller.project_id or ""
    new, items = parse_namespace(body, namespace_id=str(uuid.uuid4()), owner=owner, now=now_us())
    kinds = dict.fromkeys(item.kind for item in items)
    rules.use_metadefs(caller, "add_metadef_namespace", *(ITEM_RULES[kind].add for kind in kinds))
    await services.db.run(lambda: metadefs.create_namespace(new, items))
    link = f"{base_url(services, request)}{namespace_link(new.namespace)}".encode("latin-1")
    shown = namespace_body(new) | {key: body[key] for key in _CONTENTS if key in body}
    return json_response(shown, HTTPStatus.CREATED, [(b"location", link)])


async def show_namespace(services: Services, request: Request) -> Response:
    """With all it holds; the names of its properties are those on `?resource_type=`, if one is given."""
    resource_type = parse_resource_type(request)
    found, items = await metadefs.list_items(services.db, request.params["namespace"], *Kind)
    namespace = see(request, *(ITEM_RULES[kind].list for kind in Kind))(found)
    if resource_type is not None and (prefix := prefix_for(items, resource_type)):
        items = [with_prefix(item, prefix) for item in items]
    contents = await encode_contents(namespace, items, request.take_turn)
    return json_response(namespace_body(namespace) | contents)


async def update_namespace(services: Services, request: Request) -> Response:
    """All that can be changed of it, as the body has it; what it holds stays."""
    name, owner = request.params["namespace"], request.caller.project_id or ""
    body = await request.json(services.bodies.json_body_limit, MOST_VALUES)
    new, _items = parse_namespace(body, namespace_id="", owner=owner, now=now_us())
    judge = see(request, "modify_metadef_namespace")
    changed = await services.db.run(lambda: metadefs.update_namespace(name, judge, new))
    return json_response(namespace_body(changed))


async def delete_namespace(services: Services, request: Request) -> Response:
    name, judge = request.params["namespace"], see_unprotected(request, "delete_metadef_namespace")
    await services.db.run(lambda: metadefs.delete_namespace(name, judge))
    return no_content()


async def list_resource_types(services: Services, request: Request) -> Response:
    rules.use_metadefs(request.caller, "list_metadef_resource_types")
    found = await metadefs.list_resource_types(services.db)
    return json_response({"resource_types": [resource_type_body(one) for one in found]})
