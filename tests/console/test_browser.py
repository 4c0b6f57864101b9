"""The console in a browser: signing in, images, uploads, under the whole policy and at each width."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.loopback import Handler, LoopbackServer
from harness.service import Service

from .browsing import NEEDS_CHROMIUM, Chromium, Window

pytestmark = NEEDS_CHROMIUM

#: Names that people could have given to steer what others see.
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "\u202egnp.exe",
    "x" * 255,
]


@pytest.fixture
def window(chromium: Chromium, server: Service) -> Iterator[Window]:
    """Of the publisher."""
    with chromium.open(server.url) as window:
        window.sign_in(server.clouds["publisher"])
        yield window


def _make_image(service: Service, **fields: Any) -> str:
    body = {"name": "made", "disk_format": "raw", "container_format": "bare", **fields}
    answer = service.client("publisher").post("/v2/images", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _upload(window: Window, file: Path, **fields: str) -> None:
    window.go("/images/upload")
    window.page.set_input_files("#file", file)
    window.page.wait_for_selector("[data-about]:has-text('B,')")
    for name, value in fields.items():
        window.page.fill(f"#{name}", value)
    window.page.get_by_role("button", name="Upload").click()


@pytest.mark.parametrize("has_script", [True, False])
def test_one_signs_in_looks_and_signs_out(chromium: Chromium, server: Service, has_script: bool) -> None:
    cloud = server.clouds["publisher"]
    with chromium.open(server.url, has_script=has_script) as window:
        window.go("/images?show=public")
        window.page.fill("#user", cloud.username)
        window.page.fill("#password", "wrong")
        window.page.get_by_role("button", name="Sign in").click()
        assert "Name, password or domain is wrong." in window.text
        window.page.fill("#password", cloud.password)
        window.page.get_by_role("button", name="Sign in").click()
        window.page.wait_for_url("**/images?show=public")
        window.page.get_by_role("button", name="Sign out").click()
        assert "You are signed out." in window.text
        window.go("/images")
        assert window.page.url.endswith("/login?next=%2Fimages")
        assert not window.faults


def test_an_upload_arrives_with_the_checksum_that_was_expected(window: Window, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "disk-1.raw").write_bytes(content)

    _upload(window, tmp_path / "disk-1.raw", sum=hashlib.sha512(content).hexdigest().upper())
    window.page.wait_for_selector("text=done, checksum as expected")
    window.page.get_by_role("link", name="Open image").click()

    window.page.wait_for_selector("h1:has-text('disk-1')")
    assert hashlib.sha512(content).hexdigest() in window.text
    assert not window.faults


def test_a_checksum_that_differs_is_told_in_red(window: Window, tmp_path: Path) -> None:
    (tmp_path / "disk-2.raw").write_bytes(os.urandom(5000))

    _upload(window, tmp_path / "disk-2.raw", sum="0" * 32)
    window.page.wait_for_selector(".pill.bad:has-text('checksum differs')")

    assert "delete it" in window.text
    assert window.page.get_by_role("link", name="Delete…").is_visible()
    window.page.get_by_role("link", name="Deactivate…").click()
    window.page.get_by_role("button", name="Deactivate").click()
    window.page.wait_for_selector("text=It is deactivated: its data cannot be read.")


def test_a_checksum_of_another_algorithm_is_not_said_to_differ(window: Window, tmp_path: Path) -> None:
    content = os.urandom(5000)
    (tmp_path / "disk-5.raw").write_bytes(content)

    _upload(window, tmp_path / "disk-5.raw", sum=hashlib.sha256(content).hexdigest())
    window.page.wait_for_selector(".pill.wait:has-text('checksum not compared')")

    assert "The service computes MD5 and SHA512" in window.text
    assert hashlib.sha512(content).hexdigest() in window.text
    assert not window.faults


def test_data_that_the_service_refuses_is_told_with_the_reason(window: Window, tmp_path: Path) -> None:
    (tmp_path / "fake.qcow2").write_bytes(b"QFI\xfb" + bytes(2000))

    _upload(window, tmp_path / "fake.qcow2")
    window.page.wait_for_selector(".pill.bad:has-text('stopped')")

    assert "The image stays without data" in window.text
    assert window.page.get_by_role("button", name="Try again").is_visible()


def test_an_upload_that_broke_off_is_sent_again_to_the_same_image(window: Window, tmp_path: Path) -> None:
    (tmp_path / "disk-3.raw").write_bytes(os.urandom(200_000))
    broken: list[str] = []

    def break_once(route: Any) -> None:
        if broken:
            route.continue_()
        else:
            broken.append(route.request.url)
            route.abort()

    window.page.route("**/file", break_once)
    _upload(window, tmp_path / "disk-3.raw")
    window.page.wait_for_selector(".pill.wait:has-text('again in')")
    window.page.wait_for_selector(".pill.good:has-text('done')")

    link = window.page.get_by_role("link", name="Open image").get_attribute("href")
    assert str(link).rpartition("/")[2] in broken[0]


def test_a_question_leaves_other_uploads_where_they_are(window: Window, tmp_path: Path) -> None:
    page = window.page
    held: list[Any] = []
    for name in ("held.raw", "wrong.raw"):
        (tmp_path / name).write_bytes(os.urandom(5000))

    def hold_first(route: Any) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/file", hold_first)
    _upload(window, tmp_path / "held.raw")
    page.wait_for_selector("h2:has-text('held')")
    page.set_input_files("#file", tmp_path / "wrong.raw")
    page.fill("#sum", "0" * 32)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_selector(".pill.bad:has-text('checksum differs')")
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete image").click()

    page.wait_for_selector("#uploads .note:has-text('The image was deleted.')")
    assert page.locator("#uploads h2:has-text('held')").is_visible()
    held[0].continue_()
    page.wait_for_selector(".pill.good:has-text('done')")
    assert not window.faults


def test_a_session_that_ends_in_an_upload_is_told_and_the_file_kept(
    chromium: Chromium, server: Service, tmp_path: Path
) -> None:
    (tmp_path / "disk-4.raw").write_bytes(os.urandom(100_000))
    cloud = server.clouds["publisher"]
    with chromium.open(server.url) as window:
        window.sign_in(cloud)
        window.go("/images/upload")
        window.page.set_input_files("#file", tmp_path / "disk-4.raw")
        window.page.context.clear_cookies()
        window.page.get_by_role("button", name="Upload").click()
        window.page.wait_for_selector("text=Your session has ended.")
        window.page.get_by_role("button", name="Sign in").click()
        dialog = window.page.get_by_role("dialog", name="Your session has ended")
        dialog.get_by_label("User name").fill(cloud.username)
        dialog.get_by_label("Password").fill(cloud.password)
        dialog.get_by_role("button", name="Sign in").click()
        dialog.wait_for(state="hidden")
        window.page.get_by_role("button", name="Try again").click()
        window.page.wait_for_selector(".pill.good:has-text('done')")
        assert not window.faults


def test_a_form_is_sent_again_after_its_session_ended(chromium: Chromium, server: Service) -> None:
    image_id, cloud = _make_image(server, name="before"), server.clouds["publisher"]
    with chromium.open(server.url) as window:
        window.sign_in(cloud)
        window.go(f"/images/{image_id}/edit")
        window.page.fill("#name", "after")
        window.page.context.clear_cookies()
        window.page.get_by_role("button", name="Save").click()
        dialog = window.page.get_by_role("dialog", name="Your session has ended")
        dialog.get_by_label("User name").fill(cloud.username)
        dialog.get_by_label("Password").fill("wrong")
        dialog.get_by_role("button", name="Sign in").click()
        dialog.get_by_text("Name, password or domain is wrong.").wait_for()
        dialog.get_by_label("Password").fill(cloud.password)
        dialog.get_by_role("button", name="Sign in").click()
        dialog.wait_for(state="hidden")
        assert window.focused == "Save"
        assert server.client("publisher").get(f"/v2/images/{image_id}").json()["name"] == "before"
        window.page.get_by_role("button", name="Save").click()
        window.page.wait_for_selector("text=The change is made.")
        assert server.client("publisher").get(f"/v2/images/{image_id}").json()["name"] == "after"
        assert not window.faults


@pytest.mark.parametrize("has_script", [True, False])
def test_an_image_is_edited_protected_and_deleted(
    chromium: Chromium, server: Service, has_script: bool
) -> None:
    image_id = _make_image(server, name="to-be-edited", os_distro="debian")
    with chromium.open(server.url, has_script=has_script) as window:
        window.sign_in(server.clouds["publisher"])
        window.go(f"/images/{image_id}/edit")
        window.page.fill("#name", "edited")
        window.page.fill("#tags", "b, a")
        window.page.fill("#new_name", "hw_disk_bus")
        window.page.fill("#new_value", "scsi")
        window.page.get_by_role("button", name="Save").click()
        window.page.wait_for_selector("text=The change is made.")
        shown = server.client("publisher").get(f"/v2/images/{image_id}").json()
        assert (shown["name"], sorted(shown["tags"])) == ("edited", ["a", "b"])
        assert (shown["hw_disk_bus"], shown["os_distro"]) == ("scsi", "debian")

        window.page.get_by_label("More actions").click()
        window.page.get_by_role("button", name="Protect from deletion").click()
        window.page.wait_for_selector("text=Nobody can delete it now")
        window.page.get_by_label("More actions").click()
        window.page.get_by_role("link", name="Delete…").click()
        window.page.wait_for_selector("text=It is protected.")
        window.page.get_by_role("link", name="Cancel").click()
        window.page.get_by_label("More actions").click()
        window.page.get_by_role("button", name="Allow deletion").click()
        window.page.wait_for_selector("text=It can be deleted now.")
        window.page.get_by_label("More actions").click()
        window.page.get_by_role("link", name="Delete…").click()
        window.page.get_by_role("button", name="Delete image").click()
        window.page.wait_for_selector("text=The image was deleted.")
        assert server.client("publisher").get(f"/v2/images/{image_id}").status_code == 404
        assert not window.faults


@pytest.mark.parametrize("has_script", [True, False])
def test_an_image_is_downloaded_as_it_was_uploaded(
    chromium: Chromium, server: Service, has_script: bool
) -> None:
    content, image_id = os.urandom(200_000), _make_image(server, name="to be saved")
    kind = {"Content-Type": "application/octet-stream"}
    server.client("publisher").put(f"/v2/images/{image_id}/file", content=content, headers=kind)
    with chromium.open(server.url, has_script=has_script) as window:
        window.sign_in(server.clouds["publisher"])
        window.go(f"/images/{image_id}")
        assert hashlib.sha512(content).hexdigest() in window.text
        with window.page.expect_download() as download:
            window.page.get_by_role("link", name="Download").click()
        assert download.value.suggested_filename == "to-be-saved.raw"
        assert Path(download.value.path()).read_bytes() == content
        assert not window.faults


def test_a_dialog_gives_the_focus_back(window: Window, server: Service) -> None:
    image_id = _make_image(server, name="asked-about")
    window.go(f"/images/{image_id}")
    window.page.get_by_label("More actions").click()
    window.page.get_by_role("link", name="Delete…").click()
    window.page.wait_for_selector("dialog[open]")

    assert window.focused == "Cancel"
    window.page.keyboard.press("Escape")
    window.page.wait_for_selector("dialog", state="detached")
    assert window.page.evaluate("document.activeElement.ariaLabel") == "More actions"


@pytest.mark.parametrize("closed_by", ["Back", "Escape", "Cancel", "Delete"])
def test_a_dialog_leaves_no_entry_in_the_history(window: Window, server: Service, closed_by: str) -> None:
    image_id = _make_image(server, name="asked-about")
    window.go("/hooks")
    window.go(f"/images/{image_id}")
    window.page.get_by_label("More actions").click()
    window.page.get_by_role("link", name="Delete…").click()
    dialog = window.page.get_by_role("dialog")
    dialog.wait_for()

    if closed_by == "Back":
        window.page.go_back()
    elif closed_by == "Escape":
        window.page.keyboard.press("Escape")
    else:
        dialog.get_by_text(closed_by, exact=closed_by == "Cancel").last.click()
    dialog.wait_for(state="detached")
    window.page.wait_for_function("history.state === null")
    closed_at = window.page.url
    window.page.go_back()

    led_to = "/images?did=deleted" if closed_by == "Delete" else f"/images/{image_id}"
    assert closed_at == window.root + led_to
    assert window.page.url == f"{window.root}/hooks"


def test_a_second_tab_in_another_project_does_nothing_in_the_first(
    chromium: Chromium, server: Service
) -> None:
    server.add_user("two-tabs", "tabs-one", "member")
    server.add_user("two-tabs-other", "tabs-two", "member")
    server.run("accounts", "grant", "two-tabs", "--project", "tabs-two", "--role", "member")
    with chromium.open(server.url) as window:
        window.sign_in(server.clouds["two-tabs"])
        first = window.page
        made = server.client("two-tabs").post("/v2/images", json={"name": "of-one"}).json()["id"]
        first.goto(f"{window.root}/images/{made}/edit")
        second = first.context.new_page()
        second.goto(f"{window.root}/images")
        second.get_by_text("tabs-one").first.click()
        second.get_by_role("button", name="tabs-two").click()
        second.wait_for_selector(".switch b:has-text('tabs-two')")
        first.fill("#name", "changed")
        first.get_by_role("button", name="Save").click()
        first.wait_for_selector("text=Nothing was done.")
        assert server.client("two-tabs").get(f"/v2/images/{made}").json()["name"] == "of-one"
        first.get_by_role("button", name="Go back to tabs-one").click()
        first.wait_for_selector(".switch b:has-text('tabs-one')")


def test_a_tab_of_who_was_signed_in_before_does_nothing(chromium: Chromium, server: Service) -> None:
    first, second = (server.add_user(f"tab-of-{name}", "one-desk", "member") for name in ("first", "second"))
    made = server.client("tab-of-first").post("/v2/images", json={"name": "before"}).json()["id"]
    with chromium.open(server.url) as window:
        window.sign_in(first)
        tab = window.page
        tab.goto(f"{window.root}/images/{made}/edit")
        window.page = tab.context.new_page()
        window.go("/images")
        window.page.get_by_role("button", name="Sign out").click()
        window.sign_in(second)
        tab.fill("#name", "after")
        tab.get_by_role("button", name="Save").click()
        tab.wait_for_selector("text=Nothing was done.")
        assert tab.get_by_role("link", name="Go on as tab-of-second").is_visible()
        assert server.client("tab-of-first").get(f"/v2/images/{made}").json()["name"] == "before"


@pytest.mark.parametrize("name", HOSTILE, ids=["script", "attribute", "template", "direction", "long"])
def test_a_hostile_name_is_text_on_every_page(window: Window, server: Service, name: str) -> None:
    image_id = _make_image(server, name=name, tags=[name], **{"prop" + name[:40]: name})

    for path in ("/images", f"/images/{image_id}", f"/images/{image_id}/edit", f"/images/{image_id}/delete"):
        window.go(path)
        shown = name.replace("\u202e", "U+202E")
        assert shown in window.page.content().replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"')
        assert window.overflow <= 0, path
    assert not window.faults


class Elsewhere(LoopbackServer):
    """Another origin of the same site, to which the browser sends the cookie: its page has a form for
    `target`."""

    def __init__(self, target: str) -> None:
        form = f"<form method=post action='{target}'><input name=project><button>Send</button></form>"

        class Page(Handler):
            def respond(self) -> None:
                self.answer(200, form.encode(), {"Content-Type": "text/html"})

        super().__init__(Page)


def test_a_page_of_another_origin_does_nothing_here(chromium: Chromium, server: Service) -> None:
    image_id, cloud = _make_image(server, name="not-theirs"), server.clouds["publisher"]
    with (
        Elsewhere(f"{server.url}/console/images/{image_id}/delete") as elsewhere,
        chromium.open(server.url) as window,
    ):
        window.sign_in(cloud)
        window.page.goto(f"{elsewhere.origin}/")
        window.page.fill("input", cloud.project_id)
        window.page.get_by_role("button", name="Send").click()
        window.page.wait_for_selector("text=This request came from a page of another site.")
        assert server.client("publisher").get(f"/v2/images/{image_id}").status_code == 200

        window.page.goto(f"{elsewhere.origin}/")
        with window.page.expect_response("**/api/v2/images") as refused:
            ask = "url => fetch(url, { mode: 'no-cors', credentials: 'include' }).catch(() => null)"
            window.page.evaluate(ask, f"{window.root}/api/v2/images")
        assert refused.value.status == 403


def test_operators_have_pages_that_others_do_not_see(chromium: Chromium, server: Service) -> None:
    with chromium.open(server.url) as window:
        window.sign_in(server.clouds["admin"])
        window.go("/operator")
        assert "takes writes" in window.text
    with chromium.open(server.url) as window:
        window.sign_in(server.clouds["publisher"])
        window.go("/images")
        assert "Operator" not in window.page.inner_text(".side")
        window.go("/operator")
        assert "You may not do that" in window.text
        assert "It takes the role admin. Your roles in publisher: member" in window.text


def test_the_commands_of_a_page_say_what_it_shows(window: Window, server: Service) -> None:
    """They are run, with curl's arguments taken apart, and their answers have the page's facts."""
    image_id = _make_image(server, name="as-commands", min_disk=7)
    window.go(f"/images/{image_id}")
    window.page.get_by_text("As commands").click()
    lines = [line for line in window.page.locator(".calls code").all_inner_texts() if "curl" in line]
    first = re.search(r"'(http[^']+)'", lines[0])
    assert first is not None
    answer = server.client("publisher").get(first[1])
    assert (answer.json()["name"], answer.json()["min_disk"]) == ("as-commands", 7)
    for line in lines:
        address = re.search(r"'(http[^']+)'", line)
        assert address is not None
        assert server.client("publisher").get(address[1]).status_code == 200
