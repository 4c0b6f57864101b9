"""Verified names of publishers."""

import uuid
from typing import Any

import pytest
from conftest import SharedServices
from harness.service import Service

from .calls import problem_of


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


def new_path() -> str:
    return f"/share/v1/publishers/{uuid.uuid4().hex}"


def new_name() -> str:
    return f"Team {uuid.uuid4().hex}"


def test_a_name_is_verified_shown_changed_and_taken_away(service: Service) -> None:
    admin, reader, path = service.client("admin"), service.client("other-reader"), new_path()
    body = {"name": new_name(), "url": "https://images.example.org", "support": "images@example.org"}

    made = admin.put(path, json=body)
    shown = reader.get(path)
    changed = admin.put(path, json={"name": body["name"]}, headers={"If-Match": made.headers["ETag"]})

    assert (made.status_code, shown.status_code, changed.status_code) == (201, 200, 200)
    assert shown.json() == body | {
        "project": path.rpartition("/")[2],
        "verified_at": made.json()["verified_at"],
    }
    assert (changed.json()["url"], changed.json()["support"]) == (None, None)
    assert admin.delete(path).status_code == 204
    problem_of(reader.get(path), "not-found", 404)
    problem_of(admin.delete(path), "not-found", 404)


@pytest.mark.parametrize(
    "like", [str.upper, lambda name: f"  {name.replace(' ', '   ')} ", lambda name: "\uff34" + name[1:]]
)
def test_no_two_publishers_have_names_that_look_alike(service: Service, like: Any) -> None:
    admin, name, path = service.client("admin"), new_name(), new_path()
    assert admin.put(path, json={"name": name}).status_code == 201

    problem_of(admin.put(new_path(), json={"name": like(name)}), "conflict", 409)
    assert admin.put(path, json={"name": like(name)}).status_code == 200


@pytest.mark.parametrize("who", ["publisher", "publisher-manager", "publisher-reader"])
def test_only_an_admin_verifies(server: Service, who: str) -> None:
    path = f"/share/v1/publishers/{server.clouds[who].project_id}"

    problem_of(server.client(who).put(path, json={"name": new_name()}), "forbidden", 403)
    problem_of(server.client(who).delete(path), "forbidden", 403)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/name"),
        ({"name": " "}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": "x" * 256}, "/name"),
        ({"name": "a\u0000b"}, "/name"),
        ({"name": "x", "url": "ftp://x"}, "/url"),
        ({"name": "x", "url": "javascript:alert(1)"}, "/url"),
        ({"name": "x", "url": "https://["}, "/url"),
        ({"name": "x", "support": "x" * 256}, "/support"),
        ({"name": "x", "verified_at": 1}, "/verified_at"),
    ],
)
def test_a_body_that_is_wrong_is_refused_naming_the_field(
    server: Service, body: dict[str, Any], field: str
) -> None:
    response = server.client("admin").put(new_path(), json=body)

    assert problem_of(response, "invalid", 400)["field"] == field


def test_a_verified_name_of_nobody_is_404(server: Service) -> None:
    problem_of(server.client("publisher").get(new_path()), "not-found", 404)
    problem_of(server.client("admin").put("/share/v1/publishers/%20x", json={"name": "x"}), "not-found", 404)
