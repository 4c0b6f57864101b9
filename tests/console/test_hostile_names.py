"""What people write is text on every page: nothing of it runs, steers the reading, or breaks the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.forks import forked_service

from .browsing import NARROWEST, NEEDS_CHROMIUM, WIDTHS, Chromium, Window
from .story import Story

pytestmark = NEEDS_CHROMIUM

#: Markup, an attribute, a template's expression, a change of direction, and 255 characters without a blank.
HOSTILE = '<script>alert(1)</script>"><img/src=x/onerror=alert(1)>{{7*7}}\u202egnp.exe'
#: Of the frame, and of all pages.
FOREIGN = (
    "script:not([src^='/console/static/']), img, iframe, main script, [onerror], [style], a[href*='alert']"
)


def _spell(text: str) -> str:
    return f"{HOSTILE}{text.replace(' ', '_')}".ljust(255, "x")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with forked_service(tmp_path_factory.mktemp("hostile")) as service:
        yield Story(service, _spell)


@pytest.mark.parametrize("account", ["web-ops", "shop-ops", "image-builder", "new-ops", "admin"])
def test_what_people_write_is_text_on_every_page(chromium: Chromium, hostile: Story, account: str) -> None:
    wrong: dict[str, list[str]] = {}
    said = 0
    with chromium.open(hostile.service.url) as window:
        window.sign_in(hostile.service.clouds[account])
        for path in hostile.pages()[account].values():
            window.go(path)
            said += "U+202Egnp.exe" in window.text
            wrong[path] = _look(window)
        assert not window.faults
    assert {path: found for path, found in wrong.items() if found} == {}
    assert said


def _look(window: Window) -> list[str]:
    found = [f"{window.page.locator(FOREIGN).count()} elements that are not ours"]
    found = [] if found[0].startswith("0 ") else found
    if "\u202e" in window.page.content():
        found.append("steers the reading")
    for width in (WIDTHS["desktop"], NARROWEST):
        window.page.set_viewport_size({"width": width, "height": 900})
        if window.overflow > 0:
            found.append(f"{window.overflow} pixels wider than {width}")
    window.page.set_viewport_size({"width": WIDTHS["desktop"], "height": 900})
    return found
