"""Debian's Chromium, driven by Playwright: one browser for a test process, a context for each visit.

Without it these tests are skipped by name; in CI, which installs it, they fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from harness.service import Cloud

CHROMIUM = Path("/usr/bin/chromium")
IS_MISSING = not CHROMIUM.exists() and not os.environ.get("CI")
NEEDS_CHROMIUM = pytest.mark.skipif(IS_MISSING, reason=f"there is no {CHROMIUM}")
WIDTHS = {"desktop": 1280, "phone": 390}
#: At which pages still fit without scrolling to the side (WCAG 1.4.10), pixels.
NARROWEST = 320
#: Of axe-core: WCAG 2.2 A and AA, and its best practices.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Compile each function when it is first called: axe-core runs for half a second on each page, too short for
#: the interpreter and its statistics to pay.
_COMPILE = "--js-flags=--always-sparkplug"
#: Waits of the browser for what a page does, milliseconds; long, for a machine that does much else.
_PATIENCE_MS = 30_000
#: A text in a layer that can be seen through looks like no other: what is behind it is not around it.
_LIST_LOOKS = """
within => [document.querySelector(within), ...document.querySelectorAll(`${within} *`)].filter(one =>
    (one.matches("input, select, textarea")
        || [...one.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.data.trim()))
    && one.checkVisibility({visibilityProperty: true}) && one.clientWidth !== 1
).map(one => {
    const own = getComputedStyle(one);
    const look = [own.color, own.fontSize, own.fontWeight, own.textShadow];
    for (let behind = one, isSeen = true; behind; behind = behind.parentElement) {
        const style = getComputedStyle(behind);
        look.push(style.opacity, style.filter);
        if (!isSeen) continue;
        look.push(style.backgroundColor, style.backgroundImage);
        isSeen = !style.backgroundColor.startsWith("rgb(");
        const isLayer = ["absolute", "fixed", "sticky"].includes(style.position);
        if (isSeen && isLayer) look.push(crypto.randomUUID());
    }
    return look.filter(part => part !== "none" && part !== "1").join(" ");
})"""


class Chromium:
    """`faults`: what a page complained of since it was last looked at: reports of its policy, errors of its
    script, and what could not be loaded."""

    def __init__(self) -> None:
        from playwright.sync_api import sync_playwright

        self._playwright = sync_playwright().start()
        self._browser = self._launch()
        self._sound_looks: set[str] = set()

    def _launch(self, *options: str) -> Any:
        return self._playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-dev-shm-usage", _COMPILE, *options],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._playwright.stop()

    @contextmanager
    def open_with_large_letters(self, url: str) -> Iterator[Window]:
        """As `open`, by somebody whose browser shows letters twice as large as usual."""
        with (
            self._launch("--blink-settings=defaultFontSize=32,defaultFixedFontSize=26") as browser,
            self._open(browser, url, has_script=True, width=WIDTHS["desktop"], scheme="light") as window,
        ):
            yield window

    @contextmanager
    def open(
        self, url: str, *, has_script: bool = True, width: int = WIDTHS["desktop"], scheme: str = "light"
    ) -> Iterator[Window]:
        """A window of a browser that nobody has used before. `url`: of the service."""
        with self._open(self._browser, url, has_script=has_script, width=width, scheme=scheme) as window:
            yield window

    @contextmanager
    def _open(self, browser: Any, url: str, *, has_script: bool, width: int, scheme: str) -> Iterator[Window]:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            java_script_enabled=has_script,
            color_scheme="dark" if scheme == "dark" else "light",
            ignore_https_errors=True,
            reduced_motion="reduce",
        )
        context.set_default_timeout(_PATIENCE_MS)
        window = Window(context.new_page(), f"{url}/console", self._sound_looks)
        try:
            yield window
        finally:
            context.close()


class Window:
    """One tab. `page`: Playwright's. `sound_looks`: of texts that were found to have enough contrast."""

    def __init__(self, page: Any, root: str, sound_looks: set[str]) -> None:
        self.page = page
        self.root = root
        self._sound_looks = sound_looks
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: Any) -> None:
        # A refusal's status is part of some stories.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def sign_in(self, cloud: Cloud) -> None:
        """With the form's request, but without the form."""
        answer = self.page.request.post(
            f"{self.root}/login",
            form={"user": cloud.username, "password": cloud.password},
            headers={"Sec-Fetch-Site": "same-origin"},
            max_redirects=0,
        )
        assert answer.status == 303, answer.text()

    def go(self, path: str) -> None:
        self.page.goto(f"{self.root}{path}")

    @property
    def text(self) -> str:
        """What the middle of the page says."""
        return str(self.page.inner_text("main"))

    @property
    def focused(self) -> str:
        """The text of what has the focus."""
        return str(self.page.evaluate("document.activeElement?.textContent ?? ''"))

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        root = "document.documentElement"
        return int(self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    def dialogs(self, is_wanted: Callable[[str], bool]) -> Iterator[str]:
        """The paths of the pages that open as dialogs above this one, each while it is open."""
        for link in self.page.locator("a[data-dialog]").all():
            path = str(link.get_attribute("href")).removeprefix("/console")
            if not is_wanted(path):
                continue
            # Some are in menus that are shut.
            link.evaluate("link => link.click()")
            self.page.wait_for_selector("dialog[open]")
            yield path
            self.page.keyboard.press("Escape")
            self.page.wait_for_selector("dialog", state="detached")

    def find_barriers(self, within: str = "html") -> list[str]:
        """At both widths and in both schemes; and at the narrowest width what does not fit. `within`: of the
        page, by a CSS selector.

        Each width is looked at whole in one scheme. The other scheme differs in its colours alone: it is
        looked at when the page has texts that look as none did before, on any page.
        """
        found = []
        for width, scheme in ((WIDTHS["desktop"], "light"), (WIDTHS["phone"], "dark")):
            found += self._find_as_seen(width, scheme, within, {"type": "tag", "values": _RULES})
        for width, scheme in ((WIDTHS["phone"], "light"), (WIDTHS["desktop"], "dark")):
            self._show(width, scheme)
            if not self._list_looks(within) <= self._sound_looks:
                rules = {"type": "rule", "values": ["color-contrast"]}
                found += self._find_as_seen(width, scheme, within, rules)
        self._show(NARROWEST, "light")
        if self.overflow > 0:
            found.append(f"{self.overflow} pixels wider than {NARROWEST}")
        return found

    def _show(self, width: int, scheme: str) -> None:
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_viewport_size({"width": width, "height": 900})

    def _find_as_seen(self, width: int, scheme: str, within: str, rules: dict[str, Any]) -> list[str]:
        """The barriers at a width and in a scheme. If there are none, the looks of the texts are sound."""
        self._show(width, scheme)
        found = self._run_axe(within, rules)
        if not found:
            self._sound_looks |= self._list_looks(within)
        return [f"{width}, {scheme}: {one}" for one in found]

    def _list_looks(self, within: str) -> set[str]:
        """What decides the contrast of the texts: their colours, sizes, and all that is behind them."""
        return set(self.page.evaluate(_LIST_LOOKS, within))

    def _run_axe(self, within: str, rules: dict[str, Any]) -> list[str]:
        from axe_playwright_python.base import AXE_SCRIPT

        # Half a megabyte to parse: once for each document.
        if self.page.evaluate("typeof axe === 'undefined'"):
            self.page.evaluate(AXE_SCRIPT)
        options = {"runOnly": rules, "resultTypes": ["violations"]}
        run = "async ([within, options]) => (await axe.run(within, options)).violations"
        return [
            f"{one['id']}: {node['html'][:200]}"
            for one in self.page.evaluate(run, [within, options])
            for node in one["nodes"]
        ]
