"""What people do in the console, in Firefox. A program of its own environment (`requirements/firefox.in`).

It reads from its input where the service is and who may sign in (`firefox.py`), says which flows went well,
and ends with the error of the first that did not.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from marionette_driver import By, Wait
from marionette_driver.keys import Keys
from marionette_driver.marionette import Marionette

PATIENCE_S = 30


class Tab:
    """The one tab that Firefox shows."""

    def __init__(self, browser: Any, facts: Any) -> None:
        self.browser = browser
        self.facts = facts

    def go(self, path: str) -> None:
        self.browser.navigate(f"{self.facts['url']}/console{path}")

    def sign_in(self, name: str, password: str = "") -> None:
        self.browser.delete_all_cookies()
        self.go("/login")
        self.fill("#user", name)
        self.fill("#password", password or self.facts["passwords"][name])
        self.click("//button[.='Sign in']")

    def find(self, xpath: str) -> Any:
        """The first that is seen, as soon as it is."""

        def look(browser: Any) -> Any:
            found = browser.find_elements(By.XPATH, xpath)
            return next((one for one in found if one.is_displayed()), None)

        return Wait(self.browser, timeout=PATIENCE_S).until(look, message=f"waiting for {xpath}")

    def see(self, text: str) -> Any:
        return self.find(f"//*[contains(normalize-space(.), '{text}')]")

    def note(self, text: str) -> Any:
        return self.find(f"//*[contains(@class, 'note')][contains(normalize-space(.), '{text}')]")

    def click(self, xpath: str) -> None:
        self.find(xpath).click()

    def fill(self, selector: str, text: str) -> None:
        self.browser.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def press(self, key: str) -> None:
        self.browser.actions.sequence("key", "keyboard").key_down(key).key_up(key).perform()


def sign_in_wrong_and_right(tab: Tab) -> None:
    tab.sign_in("web-ops", "wrong")
    tab.note("Name, password or domain is wrong.")
    tab.sign_in("web-ops")
    tab.find("//h1[.='Inbox']")


def accept_and_undo(tab: Tab) -> None:
    tab.sign_in("web-ops")
    tab.go("/inbox")
    tab.click("//button[normalize-space(.)='Accept nginx-base']")
    tab.note("You accepted nginx-base")
    tab.click("//button[.='Undo']")
    tab.note("it waits again")


def answer_by_keys(tab: Tab) -> None:
    tab.go("/inbox")
    tab.press("j")
    tab.press("a")
    tab.note("You accepted")
    tab.press("u")
    tab.note("it waits again")
    tab.press("?")
    tab.find("//dialog[@open]//dd[.='undo']")
    tab.press(Keys.ESCAPE)


def hear_of_an_offer(tab: Tab) -> None:
    tab.go("/inbox")
    facts = tab.facts
    body = json.dumps({"images": [facts["image"]], "projects": [facts["recipient"]]}).encode()
    headers = {"X-Auth-Token": facts["token"], "Content-Type": "application/json"}
    request = urllib.request.Request(f"{facts['url']}/share/v1/offers", body, headers)
    urllib.request.urlopen(request, timeout=30).close()
    tab.see("1 new.")
    tab.click("//a[.='Show']")
    tab.find("//a[normalize-space(.)='told-at-once']")


def promote_and_roll_back(tab: Tab) -> None:
    tab.sign_in("image-builder")
    tab.go(f"/families/{tab.facts['family']}")
    tab.click("//a[normalize-space(.)='Promote… version 4']")
    tab.find("//dialog[@open]//a[.='Cancel']")
    tab.click("//dialog//button[.='Promote version 4']")
    tab.note("Version 4 is current now.")
    tab.click("//a[contains(., 'Roll back to 3')]")
    tab.click("//dialog//button[.='Roll back to 3']")
    tab.note("Version 3 is current now.")


def upload_with_a_checksum(tab: Tab) -> None:
    tab.go("/images/upload")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "from-firefox.raw")
        file.write_bytes(bytes(range(256)) * 4000)
        tab.browser.find_element(By.CSS_SELECTOR, "#file").send_keys(str(file))
        tab.see("1.02 MB, raw")
        tab.fill("#sum", hashlib.sha512(file.read_bytes()).hexdigest())
        tab.click("//button[normalize-space(.)='Upload']")
        tab.see("done, checksum as expected")


FLOWS = [
    sign_in_wrong_and_right,
    accept_and_undo,
    answer_by_keys,
    hear_of_an_offer,
    promote_and_roll_back,
    upload_with_a_checksum,
]


def main() -> None:
    facts = json.load(sys.stdin)
    browser = Marionette(bin=facts["firefox"], headless=True)
    browser.start_session()
    try:
        for flow in FLOWS:
            flow(Tab(browser, facts))
            sys.stdout.write(f"{flow.__name__.replace('_', ' ')}: ok\n")
        version = browser.session_capabilities["browserVersion"]
        sys.stdout.write(f"{len(FLOWS)} flows in Firefox {version}\n")
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
