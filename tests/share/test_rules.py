"""Rules: how a project answers at once what others offer it."""

import uuid
from typing import Any

import pytest
from conftest import SharedServices
from harness.service import MakeService, Service

from .calls import problem_of

PUBLISHERS = ["projects/a-project", "domains/a-domain", "everybody"]


@pytest.fixture(scope="module")
def server(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite")


def path_of(name: str) -> str:
    return f"/share/v1/rules/{name}"


def new_project() -> str:
    """The path of a rule that no other test has."""
    return path_of(f"projects/{uuid.uuid4().hex}")


@pytest.mark.parametrize("name", PUBLISHERS)
def test_a_rule_is_made_shown_changed_and_removed(service: Service, name: str) -> None:
    client = service.client("recipient")

    made = client.put(path_of(name), json={"answer": "accepted"})
    shown = client.get(path_of(name))
    changed = client.put(path_of(name), json={"answer": "rejected"})

    assert (made.status_code, changed.status_code) == (201, 200)
    assert shown.json() == made.json()
    assert shown.headers["ETag"] == made.headers["ETag"] != changed.headers["ETag"]
    assert changed.json()["answer"] == "rejected"
    assert client.delete(path_of(name)).status_code == 204
    problem_of(client.get(path_of(name)), "not-found", 404)
    problem_of(client.delete(path_of(name)), "not-found", 404)


@pytest.mark.parametrize(
    ("name", "publisher"),
    [
        ("projects/a-project", {"project": "a-project"}),
        ("domains/a-domain", {"domain": "a-domain"}),
        ("everybody", {"everybody": True}),
    ],
)
def test_a_rule_names_its_publisher(server: Service, name: str, publisher: dict[str, Any]) -> None:
    client = server.client("other")
    shown = client.put(path_of(name), json={"answer": "accepted"}).json()

    # Other tests offer this project images, which none is to answer for them.
    assert client.delete(path_of(name)).status_code == 204
    assert shown["publisher"] == publisher
    assert set(shown) == {"publisher", "answer", "updated_at"}


def test_rules_are_listed_page_by_page(service: Service) -> None:
    client = service.client("recipient-manager")
    for number in range(5):
        client.put(path_of(f"projects/listed-{number}"), json={"answer": "accepted"})

    found, page = [], client.get("/share/v1/rules", params={"limit": 2})
    while True:
        found += [one["publisher"].get("project") for one in page.json()["items"]]
        if page.json()["next"] is None:
            break
        page = client.get(page.json()["next"])

    assert [one for one in found if one and one.startswith("listed-")] == [f"listed-{n}" for n in range(5)]
    assert len(found) == len(set(found))


def test_rules_are_the_projects_own(server: Service) -> None:
    path = new_project()
    server.client("recipient").put(path, json={"answer": "accepted"})

    for stranger in ("publisher", "other", "admin"):
        problem_of(server.client(stranger).get(path), "not-found", 404)
        problem_of(server.client(stranger).delete(path), "not-found", 404)


def test_a_reader_looks_and_changes_nothing(server: Service) -> None:
    path, reader = new_project(), server.client("recipient-reader")
    server.client("recipient").put(path, json={"answer": "accepted"})

    assert reader.get(path).status_code == 200
    problem_of(reader.put(path, json={"answer": "rejected"}), "forbidden", 403)
    problem_of(reader.delete(path), "forbidden", 403)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"answer": "pending"}, "/answer"),
        ({"answer": None}, "/answer"),
        ({}, "/answer"),
        ({"answer": "accepted", "until": "x"}, "/until"),
        ([], ""),
    ],
)
def test_a_body_that_is_wrong_is_refused_naming_the_field(server: Service, body: Any, field: str) -> None:
    response = server.client("recipient").put(new_project(), json=body)

    assert problem_of(response, "invalid", 400)["field"] == field


@pytest.mark.parametrize(
    "name", ["nobody", "users/x", "projects/a%2Fb", "projects/%20x", "projects/" + "x" * 256]
)
def test_a_publisher_that_none_can_be_is_404(server: Service, name: str) -> None:
    problem_of(server.client("recipient").put(path_of(name), json={"answer": "accepted"}), "not-found", 404)


def test_conditions_hold(server: Service) -> None:
    client, path = server.client("recipient"), new_project()

    made = client.put(path, json={"answer": "accepted"}, headers={"If-None-Match": "*"})
    again = client.put(path, json={"answer": "rejected"}, headers={"If-None-Match": "*"})
    known = client.get(path, headers={"If-None-Match": made.headers["ETag"]})
    stale = client.delete(path, headers={"If-Match": '"other"'})

    assert (made.status_code, known.status_code) == (201, 304)
    problem_of(again, "precondition-failed", 412)
    problem_of(stale, "precondition-failed", 412)
    assert client.delete(path, headers={"If-Match": made.headers["ETag"]}).status_code == 204


def test_a_project_has_no_more_rules_than_the_quota(make_service: MakeService) -> None:
    client = make_service("sqlite", TRANSOM_SHARE_RULE_QUOTA="1").client("recipient")
    client.put(path_of("everybody"), json={"answer": "rejected"})

    over = client.put(path_of("projects/x"), json={"answer": "accepted"})

    problem_of(over, "limit", 413)
    assert client.put(path_of("everybody"), json={"answer": "accepted"}).status_code == 200


@pytest.mark.parametrize("api", ["images-v2", "ims"])
def test_a_rule_answers_offers_of_both_image_apis(service: Service, api: str) -> None:
    """One that rejects leaves the image unlisted, and accepts by hand all the same."""
    publisher, recipient = service.client("publisher"), service.client("recipient")
    rule = path_of(f"projects/{service.clouds['publisher'].project_id}")
    project = service.clouds["recipient"].project_id
    for answer in ("rejected", "accepted"):
        recipient.put(rule, json={"answer": answer})
        image_id = publisher.post(
            "/v2/images", json={"visibility": "shared", "disk_format": "raw", "container_format": "bare"}
        ).json()["id"]
        if api == "ims":
            body: dict[str, Any] = {"images": [image_id], "projects": [project]}
            assert publisher.post("/v1/cloudimages/members", json=body).status_code == 200
        else:
            made = publisher.post(f"/v2/images/{image_id}/members", json={"member": project})
            assert (made.status_code, made.json()["status"]) == (200, answer)

        shown = publisher.get(f"/v2/images/{image_id}/members/{project}").json()
        listed = [one["id"] for one in recipient.get("/v2/images", params={"limit": 1000}).json()["images"]]

        assert (shown["status"], image_id in listed) == (answer, answer == "accepted")
    assert recipient.delete(rule).status_code == 204
