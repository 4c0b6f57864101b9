"""Queries as people type them for curl: what the server beneath refuses, and what to send instead."""

import json
from urllib.parse import quote

import pytest
from harness.service import Service

from edge.sockets import exchange


def test_quotes_that_are_encoded_as_the_docs_say_are_read(server: Service) -> None:
    """docs/api.md, Lists."""
    created = server.client("publisher").post("/v2/images", json={"name": "quoted, twice"}).json()

    query = quote('in:"quoted, twice"', safe="")
    status, _, body = exchange(server, _list(server, f"name={query}&limit=1000"))

    assert status == 200
    assert created["id"] in {image["id"] for image in json.loads(body)["images"]}


@pytest.mark.parametrize("query", ['name=in:"a,b"', "name=<a>"])
def test_raw_quotes_and_brackets_are_refused_beneath(server: Service, query: str) -> None:
    """docs/deviations.md says so. When this fails, the server has begun to pass them on: then answer them."""
    status, _, body = exchange(server, _list(server, query))

    assert (status, body) == (400, b"")


def _list(service: Service, query: str) -> bytes:
    token = service.token("publisher")
    return f"GET /v2/images?{query} HTTP/1.1\r\nHost: images\r\nX-Auth-Token: {token}\r\n".encode()
