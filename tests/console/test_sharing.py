"""Sharing in a browser: offers are made, answered, taken back; families go from version to version."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from harness.service import Service

from .browsing import NEEDS_CHROMIUM, Chromium, Window

pytestmark = NEEDS_CHROMIUM
SCRIPTS = pytest.mark.parametrize("has_script", [True, False], ids=["script", "no script"])


@pytest.fixture
def has_script() -> bool:
    """Unless a test is made for both."""
    return True


@pytest.fixture
def recipient(chromium: Chromium, server: Service, has_script: bool) -> Iterator[Window]:
    with chromium.open(server.url, has_script=has_script) as window:
        window.sign_in(server.clouds["recipient"])
        yield window


@pytest.fixture
def publisher(chromium: Chromium, server: Service, has_script: bool) -> Iterator[Window]:
    with chromium.open(server.url, has_script=has_script) as window:
        window.sign_in(server.clouds["publisher"])
        yield window


def _make_image(service: Service, name: str) -> str:
    client = service.client("publisher")
    body = {"name": name, "disk_format": "raw", "container_format": "bare"}
    image_id = str(client.post("/v2/images", json=body).json()["id"])
    kind = {"Content-Type": "application/octet-stream"}
    client.put(f"/v2/images/{image_id}/file", content=os.urandom(1000), headers=kind)
    return image_id


def _offer(service: Service, name: str, **terms: Any) -> str:
    image_id = _make_image(service, name)
    body = {"images": [image_id], "projects": [service.clouds["recipient"].project_id], **terms}
    done = service.client("publisher").post("/share/v1/offers", json=body)
    assert done.json()["offered"] == 1, done.text
    return image_id


def _status(service: Service, image_id: str) -> str | None:
    answer = service.client("recipient").get(f"/share/v1/inbox/images/{image_id}")
    return str(answer.json()["status"]) if answer.status_code == 200 else None


@SCRIPTS
def test_an_offer_is_accepted_undone_and_rejected(
    recipient: Window, server: Service, has_script: bool
) -> None:
    name = f"answered-{has_script}"
    image_id = _offer(server, name, message="Please move by Friday.")
    recipient.go("/inbox")
    assert "Please move by Friday." in recipient.text

    recipient.page.get_by_role("button", name=f"Accept {name}").click()
    recipient.page.wait_for_selector(f".note:has-text('You accepted {name}')")
    assert _status(server, image_id) == "accepted"
    recipient.page.get_by_role("button", name="Undo").click()
    recipient.page.wait_for_selector(".note:has-text('it waits again')")
    assert _status(server, image_id) == "pending"
    recipient.page.get_by_role("button", name=f"Reject {name}").click()
    recipient.page.wait_for_selector(f".note:has-text('You rejected {name}')")
    assert _status(server, image_id) == "rejected"
    assert not recipient.faults


@SCRIPTS
def test_several_offers_are_answered_at_once_and_one_is_gone_meanwhile(
    recipient: Window, server: Service, has_script: bool
) -> None:
    ids = [_offer(server, f"many-{has_script}-{number}") for number in range(3)]
    recipient.go("/inbox")
    for number in range(3):
        recipient.page.get_by_label(f"Select many-{has_script}-{number}").check()
    body = {"images": ids[:1], "everybody": True}
    server.client("publisher").post("/share/v1/withdrawals", json=body)

    recipient.page.locator(".bulk").get_by_role("button", name="Accept").click()
    recipient.page.wait_for_selector(".note:has-text('1 could not be answered')")

    assert [_status(server, one) for one in ids] == [None, "accepted", "accepted"]


def test_the_other_offers_stay_as_they_are(recipient: Window, server: Service) -> None:
    """What is selected stays selected, and only what differs is laid out anew."""
    for number in range(3):
        _offer(server, f"beside-{number}")
    recipient.go("/inbox")
    card = {
        number: recipient.page.locator(".offer", has=recipient.page.get_by_label(f"Select beside-{number}"))
        for number in range(3)
    }
    recipient.page.get_by_label("Select beside-0").check()
    kept = [card[number].element_handle() for number in (0, 2)]

    recipient.page.get_by_role("button", name="Reject beside-1").click()
    recipient.page.wait_for_selector(".note:has-text('You rejected beside-1')")

    assert card[1].count() == 0
    assert [one.evaluate("card => card.isConnected") for one in kept] == [True, True]
    assert recipient.page.get_by_label("Select beside-0").is_checked()
    assert recipient.page.locator("[data-selected]").inner_text() == "1 selected"
    # Whatever differs, as the number of those that wait in the menu of each, is as on the page made anew.
    shown = recipient.page.locator(".offers").inner_html()
    recipient.page.reload()
    assert recipient.page.locator(".offers").inner_html() == shown


def test_the_inbox_is_read_and_answered_by_keys_alone(recipient: Window, server: Service) -> None:
    image_id = _offer(server, "by-keys")
    recipient.go("/inbox")
    recipient.page.keyboard.press("j")
    assert recipient.focused.strip() == "by-keys"
    recipient.page.keyboard.press("x")
    assert recipient.page.get_by_label("Select by-keys").is_checked()
    recipient.page.keyboard.press("a")
    recipient.page.wait_for_selector(".note:has-text('You accepted by-keys')")
    assert _status(server, image_id) == "accepted"
    recipient.page.keyboard.press("u")
    recipient.page.wait_for_selector(".note:has-text('it waits again')")
    assert _status(server, image_id) == "pending"


BADGE = ".nav [data-waiting]"


def _waiting(page: Any) -> int:
    return int(page.get_attribute(BADGE, "data-waiting"))


def test_a_new_offer_is_told_in_all_tabs_without_a_reload(recipient: Window, server: Service) -> None:
    """One tab asks for both."""
    asked: list[Any] = []
    tabs = recipient.page.context
    tabs.on("request", lambda one: asked.append(one.frame.page) if "wait=" in one.url else None)
    recipient.go("/inbox")
    second = tabs.new_page()
    second.goto(f"{recipient.root}/families")
    wanted = _waiting(second) + 1
    _offer(server, "told-at-once")

    second.wait_for_selector(f"{BADGE}:has-text('{wanted}')")
    recipient.page.wait_for_selector("[data-news]:has-text('1 new.')")
    assert set(asked) <= {recipient.page}
    recipient.page.get_by_role("link", name="Show", exact=True).click()
    recipient.page.wait_for_selector(".offer:has-text('told-at-once')")
    assert not recipient.faults


def test_an_offer_is_told_that_came_before_the_feed_was_asked(recipient: Window, server: Service) -> None:
    made: list[str] = []

    def offer_first(route: Any) -> None:
        if not made:
            made.append(_offer(server, "before-the-feed"))
            feed = server.client("recipient").get(f"/share/v1/events?image={made[0]}&wait=25")
            assert feed.json()["events"]
        route.continue_()

    recipient.page.route("**/share/v1/events?*", offer_first)
    recipient.go("/inbox")

    recipient.page.wait_for_selector("[data-news]:has-text('1 new.')")
    assert made


def test_an_offer_is_told_in_a_tab_whose_script_had_not_begun(recipient: Window, server: Service) -> None:
    """The other tab heard of it meanwhile, and need not hear of another."""
    recipient.go("/inbox")
    second = recipient.page.context.new_page()
    told: list[int] = []

    def offer_first(route: Any) -> None:
        _offer(server, "before-the-script")
        recipient.page.wait_for_selector("[data-news]:has-text('1 new.')")
        told.append(_waiting(second))
        route.continue_()

    second.route("**/console.js", offer_first)
    second.goto(f"{recipient.root}/families")

    second.wait_for_selector(f"{BADGE}:has-text('{told[0] + 1}')")


def test_a_tab_that_nobody_sees_leaves_the_asking_to_another(recipient: Window, server: Service) -> None:
    recipient.page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => true });")
    recipient.go("/inbox")
    second = recipient.page.context.new_page()
    second.goto(f"{recipient.root}/families")
    wanted = _waiting(second) + 1
    _offer(server, "seen-in-one")

    second.wait_for_selector(f"{BADGE}:has-text('{wanted}')")
    recipient.page.wait_for_selector("[data-news]:has-text('1 new.')")


@SCRIPTS
def test_an_image_is_offered_to_a_list_and_bad_lines_stop_all_of_it(
    publisher: Window, server: Service, has_script: bool
) -> None:
    image_id = _make_image(server, f"to-a-list-{has_script}")
    ids = [f"{number:032x}" for number in range(20)]
    publisher.go(f"/images/{image_id}")
    publisher.page.get_by_role("link", name="Offer to projects…").click()
    publisher.page.wait_for_selector("dialog[open]" if has_script else "#dialog")
    publisher.page.fill("#to", "\n".join(["recipient,of a table", *ids, "nobody-knows-this"]))
    publisher.page.get_by_role("button", name="Offer", exact=True).click()
    publisher.page.wait_for_selector("text=Nobody was offered anything")
    assert "nobody-knows-this" in publisher.text
    assert server.client("publisher").get(f"/share/v1/images/{image_id}/shares").json()["items"] == []

    publisher.page.fill("#to", "\n".join(["recipient,of a table", *ids]))
    publisher.page.get_by_role("button", name="Offer", exact=True).click()
    publisher.page.wait_for_selector(".note:has-text('Offered to 21 projects')")
    counts = server.client("publisher").get(f"/share/v1/images/{image_id}/shares/summary").json()
    assert counts["pending"] == 21
    assert not publisher.faults


@SCRIPTS
def test_who_has_it_already_is_told_before_it_is_offered(
    chromium: Chromium, server: Service, has_script: bool
) -> None:
    first, second, third = (f"{number:032x}" for number in range(3))
    image_id = _offer(server, f"had-{has_script}")
    post = server.client("publisher").post
    post("/share/v1/offers", json={"images": [image_id], "projects": [first]})
    server.client("recipient").post("/share/v1/answers", json={"images": [image_id], "answer": "rejected"})

    with chromium.open(server.url, has_script=has_script) as window:
        window.sign_in(server.clouds["publisher"])
        window.go(f"/images/{image_id}/offer")
        window.page.fill("#to", f"{first}\n{second}\nrecipient")
        window.page.get_by_role("button", name="Offer", exact=True).click()
        window.page.wait_for_selector("text=Offer to 2 projects?")
        assert f"1 is asked already: {first}." in window.text
        assert "1 has rejected it, and is asked again: recipient." in window.text
        assert _status(server, image_id) == "rejected"

        # Another list is another question.
        window.page.fill("#to", f"{first}\n{third}")
        window.page.get_by_role("button", name="Offer to 2").click()
        window.page.wait_for_selector("text=Offer to 1 project?")
        window.page.get_by_role("button", name="Offer to 1").click()
        window.page.wait_for_selector(".note:has-text('Offered to 1 project; 1 had it already.')")
        assert not window.faults

    counts = server.client("publisher").get(f"/share/v1/images/{image_id}/shares/summary").json()
    assert (counts["pending"], counts["rejected"]) == (2, 1)


@SCRIPTS
def test_a_share_is_withdrawn_with_a_reason_and_many_by_their_number(
    publisher: Window, server: Service, has_script: bool
) -> None:
    image_id = _offer(server, f"to-withdraw-{has_script}")
    ids = [f"{number:032x}" for number in range(30)]
    body = {"images": [image_id], "projects": ids}
    server.client("publisher").post("/share/v1/offers", json=body)
    recipient_id = server.clouds["recipient"].project_id

    publisher.go(f"/images/{image_id}/withdraw?to=projects/{recipient_id}")
    publisher.page.fill("#reason", "Licence ended.")
    publisher.page.get_by_role("button", name="Withdraw").click()
    publisher.page.wait_for_selector(".note:has-text('Withdrawn from 1 project')")
    assert _status(server, image_id) is None

    publisher.go(f"/images/{image_id}/withdraw?everybody=1")
    publisher.page.fill("#typed", "31")
    publisher.page.get_by_role("button", name="Withdraw from 30").click()
    publisher.page.wait_for_selector("text=Type 30 to show that you mean it.")
    publisher.page.fill("#typed", "30")
    publisher.page.get_by_role("button", name="Withdraw from 30").click()
    publisher.page.wait_for_selector(".note:has-text('Withdrawn from 30')")


@SCRIPTS
def test_a_family_is_made_promoted_rolled_back_revoked_and_restored(
    publisher: Window, server: Service, has_script: bool
) -> None:
    first, second = _make_image(server, "story-1"), _make_image(server, "story-2")
    page = publisher.page
    publisher.go("/families/new")
    page.fill("#name", f"story-{has_script}".lower())
    page.get_by_role("button", name="Make family").click()
    page.wait_for_selector("text=The family is made.")
    root = page.url.partition("?")[0].removeprefix(publisher.root)
    for image_id, when in ((first, "now"), (second, "later")):
        publisher.go(f"{root}/add?image={image_id}")
        page.check(f"input[value={when}]")
        page.get_by_role("button", name="Add version").click()
        page.wait_for_selector(".note[role=status]")
    page.get_by_role("link", name="Promote… version 2").first.click()
    page.get_by_role("button", name="Promote version 2").click()
    page.wait_for_selector("text=Version 2 is current now.")
    page.get_by_role("link", name="Roll back to 1…").click()
    page.get_by_role("button", name="Roll back to 1").click()
    page.wait_for_selector("text=Version 1 is current now.")
    page.get_by_role("link", name="Revoke… version 2").click()
    page.fill("#reason", "CVE-2026-41020")
    page.get_by_role("button", name="Revoke version 2").click()
    page.wait_for_selector("text=Version 2 is revoked.")
    assert "Revoked: CVE-2026-41020" in publisher.text
    assert server.client("publisher").get(f"/v2/images/{second}").json()["status"] == "deactivated"
    page.get_by_role("link", name="Restore… version 2").click()
    page.get_by_role("button", name="Restore version 2").click()
    page.wait_for_selector("text=Version 2 is restored.")
    assert not publisher.faults


@SCRIPTS
def test_two_publishers_do_not_undo_each_other(publisher: Window, server: Service, has_script: bool) -> None:
    client, name = server.client("publisher"), f"contended-{has_script}".lower()
    family = client.post("/share/v1/families", json={"name": name}).json()["id"]
    for number in range(2):
        body = {"image_id": _make_image(server, f"contended-{number}")}
        client.post(f"/share/v1/families/{family}/versions", json=body)
    publisher.go(f"/families/{family}/versions/1/promote")
    current = client.get(f"/share/v1/families/{family}/current")
    condition = {"If-Match": current.headers["ETag"]}
    assert client.put(f"/share/v1/families/{family}/current", json={"number": 1}, headers=condition)
    history = {"family": family, "order": "desc", "limit": 1}
    while client.get("/share/v1/events", params=history).json()["events"][0]["data"]["family"]["number"] != 1:
        time.sleep(0.05)

    publisher.page.get_by_role("button", name="Roll back to 1").click()

    publisher.page.wait_for_selector("text=Somebody was faster")
    assert "What happened last" in publisher.text
    assert f"Version 1 of {name} became current" in publisher.text
    assert f"by {server.clouds['publisher'].username}" in publisher.text


def test_what_one_may_not_do_has_no_button(chromium: Chromium, server: Service) -> None:
    """Readers of both sides, and a stranger; the API would say 403, or 404."""
    image_id = _offer(server, "only-looked-at")
    with chromium.open(server.url) as window:
        window.sign_in(server.clouds["publisher-reader"])
        window.go(f"/images/{image_id}")
        assert window.page.get_by_role("link", name="Download").is_visible()
        for name in ("Offer to projects…", "Withdraw…", "Edit", "Delete…"):
            assert window.page.get_by_role("link", name=name).count() == 0, name
        assert "More actions" not in window.page.content()
    with chromium.open(server.url) as window:
        window.sign_in(server.clouds["recipient-reader"])
        window.go("/inbox")
        assert "only-looked-at" in window.text
        assert window.page.get_by_role("button", name="Accept").count() == 0
    with chromium.open(server.url) as window:
        window.sign_in(server.clouds["other"])
        window.go(f"/images/{image_id}")
        assert "There is nothing here" in window.text
