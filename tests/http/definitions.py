"""Metadata definitions as their tests make them and look at them, over HTTP."""

from typing import Any
from uuid import uuid4

import httpx
from harness.service import Service

NAMESPACES = "/v2/metadefs/namespaces"
PROPERTY = {"title": "Title", "type": "string"}
#: The path below a namespace, and what makes one there of the name that is put in place of NAME.
ITEMS: dict[str, dict[str, Any] | None] = {
    "objects": {"name": "NAME", "description": "d", "required": ["p"], "properties": {"p": PROPERTY}},
    "properties": {"name": "NAME", "title": "Title", "type": "string", "enum": ["a", "b"]},
    "tags": None,
    "resource_types": {"name": "NAME", "prefix": "hw_"},
}


def new_name() -> str:
    return f"TEST::{uuid4()}"


def create_namespace(service: Service, **fields: Any) -> str:
    """The path of a new namespace of the publisher's, private unless the fields say otherwise."""
    owner = service.clouds["publisher"].project_id
    body = {"namespace": new_name(), "owner": owner, **fields}
    response = service.client("admin").post(NAMESPACES, json=body)
    assert response.status_code == 201, response.text
    return f"{NAMESPACES}/{body['namespace']}"


def add_item(client: httpx.Client, path: str, kind: str, name: str) -> httpx.Response:
    """The answer to adding something to the namespace at `path`."""
    body = ITEMS[kind]
    if body is None:
        return client.post(f"{path}/{kind}/{name}")
    return client.post(f"{path}/{kind}", json={**body, "name": name})


def names_of(client: httpx.Client, path: str, kind: str) -> list[str]:
    """The names of what the namespace at `path` holds, as its list has them."""
    response = client.get(f"{path}/{kind}")
    assert response.status_code == 200, response.text
    body = response.json()
    listed = body.get(kind, body.get("resource_type_associations"))
    return list(listed) if isinstance(listed, dict) else [one["name"] for one in listed]


def shown(client: httpx.Client, path: str) -> dict[str, Any]:
    response = client.get(path)
    assert response.status_code == 200, response.text
    return dict(response.json())
