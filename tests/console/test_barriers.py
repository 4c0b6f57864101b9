"""Every page and every dialog is looked at: no barrier at any width, in either scheme, full or empty."""

from __future__ import annotations

import pytest

from transom.api.router import Router
from transom.console.pages import PAGES
from transom.console.views import hooks, image, versions

from .browsing import NEEDS_CHROMIUM, WIDTHS, Chromium, Window
from .story import ACCOUNTS, Story

#: What a browser gets that is no page of the frame.
OTHERS = {
    "/": "leads on",
    "/login": "is before the frame",
    "/images/{id}/file": "is saved",
    "/activity/export": "is saved",
    "/operator/audit/export": "is saved",
    "/account/clouds.yaml": "is saved",
}
ACTS = {
    "/images/{id}/{act}": image.EXPLAINED,
    "/hooks/{id}/{act}": hooks.EXPLAINED,
    "/families/{id}/versions/{number}/{act}": versions.ACTS,
}
#: Of which the story has pages.
VISITORS = [
    *(name for name, *_ in ACCOUNTS if name in ("web-ops", "shop-ops", "image-builder", "new-ops")),
    "admin",
]


def _patterns() -> set[str]:
    """Of all pages, with their acts one by one."""
    paths = {path for path, page in PAGES.items() if "GET" in page.methods and path not in OTHERS}
    return (paths - ACTS.keys()) | {path.replace("{act}", act) for path, acts in ACTS.items() for act in acts}


_ROUTER: Router = Router(("GET", pattern, None) for pattern in _patterns())


def _pattern_of(path: str) -> str:
    match = _ROUTER.find(path.partition("?")[0].split("/")[1:])
    assert match is not None, path
    return match.template


def test_the_story_shows_every_page_that_has_a_route(story: Story) -> None:
    pages = story.pages()

    shown = {_pattern_of(path) for paths in pages.values() for path in paths.values()}

    assert _patterns() - shown == set()
    assert set(pages) == set(VISITORS)


@NEEDS_CHROMIUM
@pytest.mark.parametrize("account", VISITORS)
def test_no_page_and_no_dialog_has_a_barrier(chromium: Chromium, story: Story, account: str) -> None:
    found: dict[str, list[str]] = {}
    questions: set[str] = set()
    opened: set[str] = set()
    with chromium.open(story.service.url) as window:
        window.sign_in(story.service.clouds[account])
        for path in story.pages()[account].values():
            window.go(path)
            found[path] = window.find_barriers()
            if window.page.locator("main #dialog").count():
                questions.add(_pattern_of(path))
            opened |= _look_at_dialogs(window, path, opened, found)
        assert not window.faults
    assert {place: barriers for place, barriers in found.items() if barriers} == {}
    # What asks before it is done is reached as a dialog.
    assert questions - opened == set()


@NEEDS_CHROMIUM
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values())
def test_a_text_that_is_hard_to_read_in_one_scheme_at_one_width_is_found(
    chromium: Chromium, story: Story, width: int, scheme: str
) -> None:
    """On a page that has been found to have no barrier."""
    side = "min" if width == max(WIDTHS.values()) else "max"
    where = f"(prefers-color-scheme: {scheme}) and ({side}-width: {width}px)"
    rule = f"@media {where} {{ main p {{ color: gray; opacity: 0.5; }} }}"
    with chromium.open(story.service.url) as window:
        window.sign_in(story.service.clouds["web-ops"])
        window.go("/account")
        assert window.find_barriers() == []

        window.page.evaluate("rule => document.styleSheets[0].insertRule(rule)", rule)

        found = window.find_barriers()
    assert {one.partition(":")[0] for one in found} == {f"{width}, {scheme}"}
    assert all("color-contrast" in one for one in found)


@NEEDS_CHROMIUM
def test_letters_may_be_twice_as_large(chromium: Chromium, story: Story) -> None:
    """WCAG 1.4.4: nothing is cut off, and nothing is beyond the side of the window."""
    wide, cut = {}, {}
    for account, pages in story.pages().items():
        with chromium.open_with_large_letters(story.service.url) as window:
            window.sign_in(story.service.clouds[account])
            for path in pages.values():
                window.go(path)
                assert window.page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
                wide[path], cut[path] = window.overflow, window.page.evaluate(_CUT_OFF)
    assert {path: pixels for path, pixels in wide.items() if pixels > 0} == {}
    assert {path: texts for path, texts in cut.items() if texts} == {}


#: The texts that do not fit into what they are in, but for what only screen readers get: of a class, or a
#: pixel wide.
_CUT_OFF = """[...document.querySelectorAll("body *:not(.sr)")].filter(one => one.clientWidth > 1
    && [getComputedStyle(one).overflowX, getComputedStyle(one).overflowY].includes("hidden")
    && (one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
).map(one => one.textContent.trim().slice(0, 80))"""


def _look_at_dialogs(window: Window, path: str, opened: set[str], found: dict[str, list[str]]) -> set[str]:
    """The patterns of those that the page opens, but for those that were looked at."""
    new: set[str] = set()
    for target in window.dialogs(lambda target: _pattern_of(target) not in opened | new):
        pattern = _pattern_of(target)
        new.add(pattern)
        found[f"{path} → {pattern}"] = window.find_barriers("dialog[open]")
    return new


@NEEDS_CHROMIUM
def test_signing_in_and_the_list_of_keys_have_no_barrier(chromium: Chromium, story: Story) -> None:
    with chromium.open(story.service.url) as window:
        window.go("/login")
        assert window.find_barriers() == []
        window.sign_in(story.service.clouds["web-ops"])
        window.go("/inbox")
        window.page.keyboard.press("?")
        window.page.wait_for_selector("dialog[open]")
        assert "accept, reject it" in window.page.inner_text("dialog")
        assert window.find_barriers() == []


@NEEDS_CHROMIUM
def test_an_offer_is_made_and_a_version_promoted_by_keys_alone(chromium: Chromium, story: Story) -> None:
    client, image_id = story.builder, story.make_image("image-builder", "by-keys", 1)
    family = client.post("/share/v1/families", json={"name": "by-keys"}).json()["id"]
    client.post(f"/share/v1/families/{family}/versions", json={"image_id": image_id, "promote": False})
    with chromium.open(story.service.url) as window:
        window.sign_in(story.service.clouds["image-builder"])
        keys = window.page.keyboard
        window.go(f"/families/{family}")
        _tab_to(window, "Offer to projects…")
        keys.press("Enter")
        window.page.wait_for_selector("dialog[open]")
        assert window.page.evaluate("document.activeElement.id") == "to"
        keys.type("web-team")
        _tab_to(window, "Offer", element="button")
        keys.press("Enter")
        window.page.wait_for_selector(".note:has-text('Offered to 1')")

        window.go(f"/families/{family}")
        _tab_to(window, "Promote… version 1")
        keys.press("Enter")
        window.page.wait_for_selector("dialog[open]")
        assert window.focused == "Cancel"
        _tab_to(window, "Promote version 1", element="button")
        keys.press("Enter")
        window.page.wait_for_selector(".note:has-text('Version 1 is current now.')")
    members = client.get(f"/share/v1/families/{family}/members").json()["items"]
    assert [one["name"] for one in members] == ["web-team"]
    assert client.get(f"/share/v1/families/{family}/current").json()["number"] == 1
    client.delete(f"/share/v1/families/{family}")


def _tab_to(window: Window, text: str, element: str = "a") -> None:
    """By the Tab key, as often as it takes."""
    for _ in range(80):
        window.page.keyboard.press("Tab")
        where = window.page.evaluate("document.activeElement.localName")
        if where == element and window.focused.split() == text.split():
            return
    raise AssertionError(f"no {element} {text!r} is reached")
