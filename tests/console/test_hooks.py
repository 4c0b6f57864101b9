"""Webhooks in the console: made with a secret that is shown once, tried, failing, changed, and gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import SharedServices
from harness.receiver import Receiver
from harness.service import Service

from .visitor import Page, Visitor

#: The receivers of these tests are on this machine.
INSIDE = {"TRANSOM_HOOK_SCHEMES": "http,https", "TRANSOM_HOOK_HOSTS": "127.0.0.1", "TRANSOM_HOOK_QUOTA": "-1"}


@pytest.fixture(scope="module")
def inside(shared_services: SharedServices) -> Service:
    return shared_services.get("sqlite", **INSIDE)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def owner(inside: Service, open_visitor: Callable[[Service, str], Visitor]) -> Visitor:
    return open_visitor(inside, "publisher")


def _make(visitor: Visitor, url: str, **fields: str | list[str]) -> tuple[str, str]:
    """(page of the new hook, its secret)"""
    answer = visitor.post("/hooks", {"url": url, **fields})
    assert answer.status_code == 200, answer.text
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)
    assert found is not None
    links = [link for link in Page(answer.text).links if "/hooks/" in link]
    return links[0].removeprefix("/console"), found[0]


def _hook(visitor: Visitor, page: str) -> dict[str, Any]:
    found: dict[str, Any] = visitor.service.client("publisher").get(f"/share/v1{page}").json()
    return found


def _offer(service: Service, name: str) -> None:
    client = service.client("publisher")
    image_id = client.post("/v2/images", json={"name": name}).json()["id"]
    body = {"images": [image_id], "projects": [service.clouds["recipient"].project_id]}
    assert client.post("/share/v1/offers", json=body).json()["offered"] == 1


def test_a_webhook_is_made_tried_and_sent_what_happens(owner: Visitor, receiver: Receiver) -> None:
    page, secret = _make(owner, f"{receiver.origin}/hook", types=["share.*"])

    answer = owner.post(f"{page}/test", {})
    tried = receiver.take()
    _offer(owner.service, "told of")
    offered = receiver.take()

    assert "A test is on its way" in answer.text
    for one in (tried, offered):
        one.verify(secret)
    assert [one.events[0]["type"] for one in (tried, offered)] == [
        "transom.hook.test",
        "transom.share.offered",
    ]
    assert _hook(owner, page)["types"] == ["share.*"]
    assert secret not in owner.get(page).text
    assert owner.post(f"{page}/delete", {}).url.path == "/console/hooks"
    assert owner.get(page).status_code == 404


def test_a_disabled_webhook_shows_what_waits_and_passes_it_over(owner: Visitor, receiver: Receiver) -> None:
    page, _ = _make(owner, f"{receiver.origin}/disabled")
    owner.post(f"{page}/disable", {})
    _offer(owner.service, "waits for it")
    owner.service.client("publisher").get("/share/v1/events?wait=5&limit=1")

    shown = _see_until(owner, page, "waits for it")
    assert "disabled" in shown.text
    assert "Enable" in shown.buttons
    assert re.search(r"disabled\s*all\s*\d+\+?, since", owner.see("/hooks").text)
    owner.post(f"{page}/cursor", {"back": "0"})
    assert "Everything that it is for has been sent." in owner.see(page).text
    assert re.search(r"disabled\s*all\s*nothing", owner.see("/hooks").text)
    owner.post(f"{page}/cursor", {"back": "500"})
    assert "waits for it" in owner.see(page).text or "more than 10 events" in owner.see(page).text
    owner.post(f"{page}/delete", {})


def _see_until(visitor: Visitor, page: str, text: str) -> Page:
    """An event has its number, and is seen, soon after it happened."""
    for _ in range(60):
        shown = visitor.see(page)
        if text in shown.text:
            return shown
        visitor.service.client("publisher").get("/share/v1/events?wait=1&type=hook.test")
    raise AssertionError(shown.text)


def test_a_new_secret_is_shown_once_and_that_of_before_signs_as_well(
    owner: Visitor, receiver: Receiver
) -> None:
    page, secret = _make(owner, f"{receiver.origin}/renewed")

    answer = owner.post(f"{page}/secret", {})
    new = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)
    assert new is not None
    assert new[0] != secret
    owner.post(f"{page}/test", {})
    tried = receiver.take()

    tried.verify(secret)
    tried.verify(new[0])
    owner.post(f"{page}/delete", {})


def test_a_change_by_somebody_else_is_not_overwritten(owner: Visitor, receiver: Receiver) -> None:
    page, _ = _make(owner, f"{receiver.origin}/changed")
    etag = owner.see(page).hidden["etag"]
    client = owner.service.client("publisher")
    client.patch(f"/share/v1{page}", json={"batch": True})

    late = owner.post(page, {"etag": etag, "url": f"{receiver.origin}/mine", "types": ["image.*"]})

    assert late.status_code == 412
    assert "Somebody was faster" in late.text
    assert _hook(owner, page)["url"].endswith("/changed")
    owner.post(f"{page}/delete", {})


def test_a_url_that_may_not_be_sent_to_is_refused_with_the_reason(owner: Visitor) -> None:
    answer = owner.post("/hooks", {"url": "http://10.0.0.1/", "types": ["image.*"]})

    assert answer.status_code == 400
    assert "10.0.0.1" in answer.text
    assert 'role="alert"' in answer.text


def test_readers_look_and_change_nothing(
    owner: Visitor, receiver: Receiver, open_visitor: Callable[[Service, str], Visitor]
) -> None:
    page, _ = _make(owner, f"{receiver.origin}/read")
    reader = open_visitor(owner.service, "publisher-reader")

    assert reader.see(page).buttons == []
    assert reader.see("/hooks").buttons == []
    refused = reader.post(f"{page}/disable", {})
    assert refused.status_code == 403
    assert "It takes the role member in publisher. Your roles there: reader." in refused.text
    assert open_visitor(owner.service, "other").get(page).status_code == 404
    owner.post(f"{page}/delete", {})


def test_operators_see_how_many_fail_and_what_each_project_has(
    owner: Visitor, receiver: Receiver, open_visitor: Callable[[Service, str], Visitor]
) -> None:
    page, _ = _make(owner, f"{receiver.origin}/counted")
    owner.post(f"{page}/disable", {})
    _offer(owner.service, "of the publisher")
    operator = open_visitor(owner.service, "admin")
    state = owner.service.client("admin").get("/share/v1/operation").json()

    health = operator.see("/operator")
    projects = operator.see("/operator/projects?sort=images")

    assert f"{state['hooks']['disabled']} disabled" in health.text
    assert "takes writes" in health.text
    assert "publisher" in projects.text
    assert owner.get("/operator/projects").status_code == 403
    owner.post(f"{page}/delete", {})
