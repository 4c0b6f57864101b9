"""The OpenAPI document: it is valid, says something of every route, is in the docs and is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from harness.service import Service
from openapi_spec_validator import OpenAPIV31SpecValidator

from transom.api.openapi.document import ims_path
from transom.api.openapi.model import Operation, Table
from transom.api.openapi.tables import IMS_TABLE, TABLES
from transom.api.routes import IMS_ROUTES, ROUTES, Route, openapi_document

DOCS = Path(__file__).parents[2] / "docs"
OWN = {f"{route.method} {route.path}" for route in ROUTES}


def _documented() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(openapi_document(has_identity=True))
    return document


def _key(route: Route) -> str:
    return f"{route.method} {route.path}"


def _told(tables: tuple[Table, ...]) -> dict[str, Operation]:
    return {key: operation for table in tables for key, operation in table.operations.items()}


def test_it_is_valid_openapi() -> None:
    errors = [error.message for error in OpenAPIV31SpecValidator(_documented()).iter_errors()]

    assert errors == []


@pytest.mark.parametrize(
    ("routes", "tables"), [(ROUTES, TABLES), (IMS_ROUTES, (IMS_TABLE,))], ids=["own", "ims"]
)
def test_every_route_is_told_of_once_and_nothing_else_is(
    routes: tuple[Route, ...], tables: tuple[Table, ...]
) -> None:
    told = [key for table in tables for key in table.operations]

    assert sorted(told) == sorted({_key(route) for route in routes})


@pytest.mark.parametrize(
    ("routes", "tables"), [(ROUTES, TABLES), (IMS_ROUTES, (IMS_TABLE,))], ids=["own", "ims"]
)
def test_a_call_that_needs_a_body_says_of_what_kind(
    routes: tuple[Route, ...], tables: tuple[Table, ...]
) -> None:
    told = _told(tables)
    needing = {_key(route) for route in routes if route.takes_body}
    refusing = {_key(route) for route in routes if route.takes_body is False}

    assert needing <= {key for key, operation in told.items() if operation.bodies}
    assert not refusing & {key for key, operation in told.items() if operation.bodies}


def test_every_body_of_the_share_api_has_an_example() -> None:
    lacking = [
        key
        for key, operation in _told(TABLES).items()
        if key.partition(" ")[2].startswith("/share/v1") and operation.bodies and operation.example is None
    ]

    assert not lacking


def test_every_call_of_the_ims_api_has_a_path_of_its_own() -> None:
    document = _documented()["paths"]

    for route in IMS_ROUTES:
        assert document[ims_path(route, OWN)][route.method.lower()]["tags"] == ["ims"]


def test_docs_have_it_as_it_is() -> None:
    now = msgspec.json.format(openapi_document(has_identity=True), indent=1).decode() + "\n"

    assert (DOCS / "openapi.json").read_text() == now, "transom openapi > docs/openapi.json"


def test_it_is_served_to_everybody(service: Service) -> None:
    answer = service.client(None).get("/openapi.json")

    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == openapi_document(has_identity=True)


def test_without_built_in_accounts_it_has_no_identity() -> None:
    paths = json.loads(openapi_document(has_identity=False))["paths"]

    assert not [path for path in paths if path.startswith("/identity")]
