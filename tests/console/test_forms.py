"""Forms that are sent twice, or with what no page has put into them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from harness.service import Service

from .visitor import Page, Visitor

KIND = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def family(server: Service) -> str:
    found = server.client("publisher").post("/share/v1/families", json={"name": "of-forms"}).json()
    return str(found["id"])


@pytest.fixture(scope="module")
def hook(server: Service) -> str:
    found = server.client("publisher").post("/share/v1/hooks", json={"url": "https://ci.example.org/forms"})
    return str(found.json()["id"])


def _make_image(server: Service) -> str:
    client = server.client("publisher")
    body = {"name": "of-forms", "disk_format": "raw", "container_format": "bare"}
    image_id = str(client.post("/v2/images", json=body).json()["id"])
    client.put(f"/v2/images/{image_id}/file", content=b"data", headers=KIND)
    return image_id


def _new_family(_server: Service, _family: str) -> tuple[str, str, dict[str, str]]:
    return "/families/new", "/families/new", {"name": "made-twice"}


def _new_version(server: Service, family: str) -> tuple[str, str, dict[str, str]]:
    fields = {"image_id": _make_image(server), "promote": "later", "notes": "Twice."}
    return f"/families/{family}/add", f"/families/{family}/add", fields


def _new_hook(_server: Service, _family: str) -> tuple[str, str, dict[str, str]]:
    return "/hooks/new", "/hooks", {"url": "https://ci.example.org/twice"}


@pytest.mark.parametrize(
    ("form", "listed", "status"),
    [
        (_new_family, "/share/v1/families", 200),
        (_new_version, "/share/v1/families/{family}/versions", 200),
        # Its secret was shown, and is shown to nobody again.
        (_new_hook, "/share/v1/hooks", 409),
    ],
    ids=["family", "version", "webhook"],
)
def test_a_form_that_is_sent_twice_makes_one_thing(
    publisher: Visitor,
    family: str,
    form: Callable[[Service, str], tuple[str, str, dict[str, str]]],
    listed: str,
    status: int,
) -> None:
    def count() -> int:
        path = listed.format(family=family)
        answer = publisher.service.client("publisher").get(path, params={"limit": 1000})
        return len(answer.json()["items"])

    page, target, fields = form(publisher.service, family)
    before, keyed = count(), {**fields, "key": publisher.see(page).hidden["key"]}

    first, again = publisher.post(target, keyed), publisher.post(target, keyed)

    assert (first.status_code, again.status_code) == (200, status)
    assert count() == before + 1
    if status == 200:
        assert again.url == first.url
    # Another form has another key.
    assert publisher.see(page).hidden["key"] != keyed["key"]


@pytest.mark.parametrize("etag", ["", "\u0436", '"a"\r\nX-Auth-Token: b', '"old"'])
@pytest.mark.parametrize("of", ["hook", "settings", "promote"])
def test_a_form_that_does_not_say_what_it_was_made_for_changes_nothing(
    publisher: Visitor, family: str, hook: str, of: str, etag: str
) -> None:
    client = publisher.service.client("publisher")
    places = {
        "hook": (f"/hooks/{hook}", f"/share/v1/hooks/{hook}"),
        "settings": (f"/families/{family}/settings", f"/share/v1/families/{family}"),
        "promote": (f"/families/{family}/versions/1/promote", f"/share/v1/families/{family}"),
    }
    page, path = places[of]
    before: Any = client.get(path).json()
    fields: dict[str, str | list[str]] = {"etag": etag, "url": "https://other.example.org/", "title": "Other"}

    answer = publisher.post(page, fields)

    assert answer.status_code == (412 if etag == '"old"' else 400)
    assert client.get(path).json() == before


def _rules(visitor: Visitor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = visitor.service.client("other").get("/share/v1/rules").json()["items"]
    return found


def test_a_rule_is_kept_undone_removed_and_made_again(
    server: Service, open_visitor: Callable[[Service, str], Visitor]
) -> None:
    visitor, recipient = open_visitor(server, "other"), server.clouds["recipient"].project_id
    fields = {"publisher": "project", "who": "recipient", "answer": "rejected"}

    kept = Page(visitor.post("/inbox/rules", fields).text)
    assert [one["publisher"] for one in _rules(visitor)] == [{"project": recipient}]
    assert "everybody else" in kept.text
    assert "Undo" in kept.buttons
    visitor.post("/inbox/rules", {"remove": f"projects/{recipient}"})
    assert _rules(visitor) == []

    visitor.post("/inbox/rules", fields)
    changed = Page(visitor.post("/inbox/rules", {**fields, "answer": "accepted"}).text)
    assert [one["answer"] for one in _rules(visitor)] == ["accepted"]
    # It was there before, with another answer.
    assert "Undo" not in changed.buttons
    gone = visitor.post("/inbox/rules", {"remove": f"projects/{recipient}"})
    assert _rules(visitor) == []
    assert f'value="{recipient}"' in gone.text
    assert visitor.post("/inbox/rules", {"remove": f"projects/{recipient}"}).status_code == 404


def test_a_rule_for_everybody_is_the_default_and_one_without_a_project_is_refused(
    server: Service, open_visitor: Callable[[Service, str], Visitor]
) -> None:
    visitor = open_visitor(server, "other")

    page = visitor.post("/inbox/rules", {"publisher": "everybody", "answer": "rejected"})
    assert "wait for your answer" not in Page(page.text).text
    assert [one["publisher"] for one in _rules(visitor)] == [{"everybody": True}]
    visitor.post("/inbox/rules", {"remove": "everybody"})

    for who, why in (("", "Name one project."), ("nobody-has-this-name", "no project of this name")):
        refused = visitor.post("/inbox/rules", {"publisher": "project", "who": who, "answer": "accepted"})
        assert refused.status_code == 400
        assert why in refused.text
    assert _rules(visitor) == []


def test_a_rule_names_a_project_that_has_offered_something(
    server: Service, open_visitor: Callable[[Service, str], Visitor]
) -> None:
    visitor = open_visitor(server, "other")
    publisher = server.clouds["publisher"].project_id
    own, theirs, stranger = server.client("other"), server.client("publisher"), uuid.uuid4().hex
    for project in (publisher, stranger):
        assert own.put(f"/share/v1/rules/projects/{project}", json={"answer": "accepted"}).is_success
    image = theirs.post("/v2/images", json={"name": "heard-of"}).json()["id"]
    to = {"images": [image], "projects": [server.clouds["other"].project_id]}
    assert theirs.post("/share/v1/offers", json=to).json()["offered"] == 1

    text = visitor.see("/inbox/rules").text

    assert f"publisherproject {publisher[:8]}…{publisher[-4:]}" in text
    assert f"project {stranger}" in text
    for project in (publisher, stranger):
        own.delete(f"/share/v1/rules/projects/{project}")
    theirs.delete(f"/v2/images/{image}")
