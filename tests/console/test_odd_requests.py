"""Pages that are asked for with what no page of the console links to, and those that only few see: no 500."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from harness.service import Service

from transom.console.pages import PAGES

from .visitor import Page, Visitor


@pytest.fixture
def family(server: Service) -> Iterator[str]:
    """A family with a version, offered to `recipient`, who has accepted it."""
    publisher, recipient = server.client("publisher"), server.clouds["recipient"].project_id
    image = {"disk_format": "raw", "container_format": "bare"}
    image_id = publisher.post("/v2/images", json=image).json()["id"]
    kind = {"Content-Type": "application/octet-stream"}
    publisher.put(f"/v2/images/{image_id}/file", content=b"data", headers=kind)
    family_id: str = publisher.post("/share/v1/families", json={"name": f"of-{image_id}"}).json()["id"]
    publisher.post(f"/share/v1/families/{family_id}/versions", json={"image_id": image_id})
    offer: dict[str, Any] = {"families": [family_id], "projects": [recipient]}
    assert publisher.post("/share/v1/offers", json=offer).json()["offered"] == 1
    answer = {"families": [family_id], "answer": "accepted"}
    assert server.client("recipient").post("/share/v1/answers", json=answer).json()["changed"] == 1
    yield family_id
    publisher.delete(f"/share/v1/families/{family_id}")
    publisher.delete(f"/v2/images/{image_id}")


def test_a_family_is_withdrawn_from_one_member(publisher: Visitor, server: Service, family: str) -> None:
    recipient = server.clouds["recipient"].project_id

    page = publisher.see(f"/families/{family}/withdraw?to=projects/{recipient}")

    assert recipient in page.text
    assert "Withdraw" in page.buttons


def test_a_member_is_refused_the_page_that_withdraws_the_family(recipient: Visitor, family: str) -> None:
    assert recipient.get(f"/families/{family}/withdraw?everybody=1").status_code == 403


@pytest.mark.parametrize(("kind", "status"), [("image", 200), ("other", 400), ("", 400)])
def test_a_note_is_of_an_image_or_a_family(
    recipient: Visitor, server: Service, family: str, kind: str, status: int
) -> None:
    current = server.client("recipient").get(f"/share/v1/families/{family}/current").json()

    assert recipient.get(f"/inbox?did=accepted&id={kind}:{current['image']['id']}").status_code == status


def test_a_refusal_is_headed_by_the_title_of_the_problem(publisher: Visitor, server: Service) -> None:
    image_id = server.client("publisher").post("/v2/images", json={"name": "headed"}).json()["id"]
    family = server.client("publisher").post("/share/v1/families", json={"name": "headed"}).json()["id"]

    late = publisher.post(f"/families/{family}/versions/7/remove", {"etag": '"of-before"'})
    wrong = publisher.post(f"/images/{image_id}/edit", {"name": "x", "min_disk": "much"})

    assert "<h1>There is nothing here</h1>" in late.text
    assert "<h1>This cannot be read</h1>" in wrong.text
    refused = publisher.post(f"/families/{family}/settings", {"etag": "no-tag", "title": "New"})
    assert "<h1>The request is not valid</h1>" in refused.text


def test_properties_called_as_what_a_dict_can_do_are_properties(publisher: Visitor, server: Service) -> None:
    properties = {name: f"of {name}" for name in ("items", "get", "keys", "update")}
    document = {"name": "odd", "disk_format": "raw", "container_format": "bare", **properties}
    image_id = server.client("publisher").post("/v2/images", json=document).json()["id"]

    page = publisher.see(f"/images/{image_id}")

    assert [value for value in properties.values() if value not in page.text] == []
    assert server.client("publisher").delete(f"/v2/images/{image_id}").status_code == 204


def test_everything_is_withdrawn_from_a_project_once_its_name_is_typed(
    publisher: Visitor, server: Service, family: str
) -> None:
    to = f"projects/{server.clouds['recipient'].project_id}"
    shares = f"/share/v1/shares?to={to}"

    assert "What it has of publisher." in publisher.see(f"/shared?to={to}").text
    assert "Withdraw everything from recipient?" in publisher.see(f"/shared/withdraw?to={to}").text
    fields = {"to": to, "whom": "recipient", "reason": ""}
    assert publisher.post("/shared/withdraw", {**fields, "typed": "publisher"}).status_code == 400
    assert server.client("publisher").get(shares).json()["items"] != []

    assert publisher.post("/shared/withdraw", {**fields, "typed": "recipient"}).status_code == 200

    assert server.client("publisher").get(shares).json()["items"] == []


def test_a_family_is_answered_and_left_from_its_page(
    recipient: Visitor, server: Service, family: str
) -> None:
    offer = f"/share/v1/inbox/families/{family}"

    def status() -> str:
        return str(server.client("recipient").get(offer).json()["status"])

    assert {"Reject"} <= set(recipient.see(f"/families/{family}").buttons)
    recipient.post("/inbox/answer", {"show": "accepted", "reject": f"family:{family}"})
    assert status() == "rejected"
    assert {"Accept"} <= set(recipient.see(f"/families/{family}").buttons)
    recipient.post("/inbox/answer", {"show": "rejected", "accept": f"family:{family}"})
    assert status() == "accepted"

    question = recipient.see(f"/inbox/leave?id=family:{family}")

    assert "publisher would have to offer it again" in question.text
    recipient.post("/inbox/answer", {"show": "accepted", "leave": f"family:{family}"})
    assert server.client("recipient").get(offer).status_code == 404


def test_the_history_names_the_user_who_looks(publisher: Visitor, server: Service, family: str) -> None:
    # An event is told once it is numbered, which follows the change.
    told = server.client("publisher").get(f"/share/v1/events?family={family}&wait=30").json()["events"]

    assert told
    assert f"by {server.clouds['publisher'].username}" in publisher.see(f"/families/{family}/history").text


def test_a_share_gets_another_end_and_loses_it(publisher: Visitor, server: Service, family: str) -> None:
    to = f"projects/{server.clouds['recipient'].project_id}"
    page, member = f"/families/{family}/terms?to={to}", f"/share/v1/families/{family}/members/{to}"

    def change(day: str, etag: str = "") -> int:
        found = re.search('name="etag" value="([^"]+)"', publisher.get(page).text)
        assert found is not None
        return publisher.post(page, {"expires_at": day, "etag": etag or html.unescape(found[1])}).status_code

    def end() -> str | None:
        found: str | None = server.client("publisher").get(member).json()["expires_at"]
        return found

    assert end() is None
    assert change("2090-01-02") == 200
    assert str(end()).startswith("2090-01-02T23:59:59")
    assert (change("2090-01-03", etag='"old"'), change("2001-01-01"), change("today")) == (412, 400, 400)
    assert str(end()).startswith("2090-01-02T23:59:59")
    assert change("") == 200
    assert end() is None


def test_who_deletes_a_version_is_offered_to_revoke_it(
    publisher: Visitor, server: Service, family: str
) -> None:
    image = server.client("publisher").get(f"/share/v1/families/{family}/current").json()["image"]["id"]

    assert f"/console/families/{family}/versions/1/revoke" in publisher.get(f"/images/{image}/delete").text


def test_a_recipient_of_a_revoked_version_reads_why(
    publisher: Visitor, recipient: Visitor, server: Service, family: str
) -> None:
    image = server.client("publisher").get(f"/share/v1/families/{family}/current").json()["image"]["id"]
    page = f"/families/{family}/versions/1/revoke"
    fields = {"etag": html.unescape(publisher.see(page).hidden["etag"]), "when": "now"}
    assert publisher.post(page, fields).status_code == 400
    publisher.post(page, {**fields, "reason": "CVE-2026-1"})

    shown = recipient.see(f"/images/{image}").text

    assert "This version is revoked. CVE-2026-1" in shown
    assert "deactivated" in shown


def test_all_offers_of_a_project_are_answered_at_once(
    publisher: Visitor, server: Service, open_visitor: Callable[[Service, str], Visitor]
) -> None:
    server.add_user("at-once", "at-once", "member")
    other, client = open_visitor(server, "at-once"), server.client("publisher")
    images = [client.post("/v2/images", json={"name": f"all-{n}"}).json()["id"] for n in range(3)]
    client.post("/share/v1/offers", json={"images": images, "projects": [other.project_id]})

    page = Page(other.post("/inbox/answer", {"all-accept": publisher.project_id}).text)

    assert "You accepted 3 offers." in page.text
    inbox = server.client("at-once").get("/share/v1/inbox?status=accepted").json()["items"]
    assert {one["image"]["id"] for one in inbox} == set(images)


def test_who_answers_what_was_withdrawn_is_told_by_whom_and_why(
    publisher: Visitor, recipient: Visitor, server: Service
) -> None:
    client = server.client("publisher")
    image_id = client.post("/v2/images", json={"name": "taken-back"}).json()["id"]
    whom = {"images": [image_id], "projects": [recipient.project_id]}
    assert client.post("/share/v1/offers", json=whom).json()["offered"] == 1
    client.post("/share/v1/withdrawals", json={**whom, "reason": "Wrong kernel."})
    feed = f"/share/v1/events?image={image_id}&type=share.withdrawn&wait=20"
    assert server.client("recipient").get(feed).json()["events"]

    page = recipient.post("/inbox/answer", {"accept": f"image:{image_id}"})

    text = Page(page.text).text
    assert "It could not be answered: publisher withdrew taken-back from this project just now" in text
    assert "“Wrong kernel.”" in text
    client.delete(f"/v2/images/{image_id}")


#: These end the session, or ask for another one.
_OF_SESSION = frozenset({"/login", "/logout", "/project"})
_FORMS = sorted(path for path, page in PAGES.items() if "POST" in page.methods and path not in _OF_SESSION)
_ACTS = ("promote", "revoke", "visibility", "secret", "cursor", "no-such-act")


@pytest.mark.parametrize("path", _FORMS)
def test_a_form_without_its_fields_breaks_no_page(
    publisher: Visitor, recipient: Visitor, server: Service, family: str, path: str
) -> None:
    client = server.client("publisher")
    hook = client.post("/share/v1/hooks", json={"url": "https://ci.example.org/"}).json()["id"]
    image = client.get(f"/share/v1/families/{family}/current").json()["image"]["id"]
    # One that the project could add to the family, for lists of these.
    other = client.post("/v2/images", json={"disk_format": "raw", "container_format": "bare"}).json()
    kind = {"Content-Type": "application/octet-stream"}
    assert client.put(other["file"], content=b"data", headers=kind).status_code == 204
    filled = {
        path.replace("{id}", own_id).replace("{number}", "1").replace("{act}", act)
        for own_id in (family, image, hook)
        for act in _ACTS
    }

    answers = [who.post(one, {}) for who in (recipient, publisher) for one in sorted(filled)]
    client.delete(f"/share/v1/hooks/{hook}")
    client.delete(other["self"])

    assert [f"{one.request.url}" for one in answers if one.status_code >= 500] == []
