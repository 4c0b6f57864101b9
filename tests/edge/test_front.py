"""`/` as a browser sees it, and as clients do (images-v2, 1.1)."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from harness.service import Service

#: As Firefox and Chrome send it.
BROWSERS = [
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Text/HTML",
]
CLIENTS = [
    "*/*",
    "application/json",
    "application/json, text/html",
    "text/html;q=0, */*",
    "text/html; q=0.0",
    "text/plain",
    "",
]


class _Page(HTMLParser):
    """What of a page loads, runs or leads elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.mark.parametrize("accept", BROWSERS)
def test_a_browser_gets_a_page_that_says_what_this_is(server: Service, accept: str) -> None:
    response = server.client(None).get("/", headers={"Accept": accept})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "image service" in response.text
    assert f"{server.url}/identity/v3" in response.text
    assert f"{server.url}/v2" in response.text


@pytest.mark.parametrize("accept", CLIENTS)
def test_a_client_gets_the_versions(server: Service, accept: str) -> None:
    response = server.client(None).get("/", headers={"Accept": accept})

    assert response.status_code == 300
    assert response.json()["versions"]


@pytest.mark.parametrize("accept", [*BROWSERS, *CLIENTS])
def test_caches_are_told_that_it_depends_on_what_is_accepted(server: Service, accept: str) -> None:
    assert server.client(None).get("/", headers={"Accept": accept}).headers["Vary"] == "Accept"


def test_the_page_has_a_head_too(server: Service) -> None:
    response = server.client(None).head("/", headers={"Accept": BROWSERS[0]})

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("path", ["/versions", "/nonexistent", "/v2/images"])
def test_no_other_path_has_a_page(server: Service, path: str) -> None:
    response = server.client(None).get(path, headers={"Accept": BROWSERS[0]})

    assert "image service" not in response.text


def test_the_page_loads_and_runs_nothing(server: Service) -> None:
    response = server.client(None).get("/", headers={"Accept": BROWSERS[0]})
    page = _Page()
    page.feed(response.text)

    assert not {"script", "link", "img", "iframe", "form", "object", "embed", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]


def test_the_policy_lets_the_style_of_the_page_pass(server: Service) -> None:
    response = server.client(None).get("/", headers={"Accept": BROWSERS[0]})
    style = re.search(r"<style>(.*?)</style>", response.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in response.headers["Content-Security-Policy"]


def test_a_host_cannot_put_markup_into_the_page(server: Service) -> None:
    """`&` and `'` may stand in a host (RFC 3986, 3.2.2)."""
    headers = {"Accept": BROWSERS[0], "Host": "a&lt;'b"}

    response = server.client(None).get("/", headers=headers)

    assert "a&amp;lt;&#x27;b/v2" in response.text
