"""What pages of other origins can make a browser do here: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from harness import plain_http
from harness.service import Service

from transom.console.pages import PAGES

from .visitor import COOKIE, Visitor

#: Headers of the request → whether it is let through, for what changes something.
OWN: Any = {"Sec-Fetch-Site": "same-origin"}
REFUSED: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "OWN"},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "https://HOST"},
    {},
]


@pytest.fixture(scope="module")
def publisher(server: Service) -> Iterator[Visitor]:
    """One for all tests here, which end no session."""
    with Visitor(server) as visitor:
        visitor.sign_in(server.clouds["publisher"])
        yield visitor


def _fill(headers: dict[str, str], server: Service) -> dict[str, str]:
    host = server.url.removeprefix("http://")
    return {name: value.replace("OWN", server.url).replace("HOST", host) for name, value in headers.items()}


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_what_another_page_sends_changes_nothing(publisher: Visitor, headers: dict[str, str]) -> None:
    server = publisher.service
    fields = {"project": publisher.project_id, "theme": "dark"}

    answer = publisher.http.post("/console/account", data=fields, headers=_fill(headers, server))

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("headers", [OWN, {"Origin": "OWN"}], ids=str)
def test_what_the_consoles_own_page_sends_is_done(publisher: Visitor, headers: dict[str, str]) -> None:
    fields = {"project": publisher.project_id, "theme": "dark"}

    answer = publisher.http.post("/console/account", data=fields, headers=_fill(headers, publisher.service))

    assert answer.status_code == 303


@pytest.mark.parametrize("headers", [one for one in REFUSED if one], ids=str)
def test_another_page_signs_nobody_in_or_out(publisher: Visitor, headers: dict[str, str]) -> None:
    server, cloud = publisher.service, publisher.service.clouds["publisher"]
    sent = _fill(headers, server)
    fields = {"user": cloud.username, "password": cloud.password}

    assert plain_http.post(f"{server.url}/console/login", data=fields, headers=sent).status_code == 403
    assert publisher.http.post("/console/logout", headers=sent).status_code == 403
    assert publisher.http.get("/console/images").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("headers", [*REFUSED[:2], *REFUSED[3:]], ids=str)
def test_another_page_asks_nothing_by_the_cookie(
    publisher: Visitor, headers: dict[str, str], method: str
) -> None:
    sent = _fill(headers, publisher.service)

    answer = publisher.http.request(method, "/console/api/v2/images", headers=sent)

    assert answer.status_code == 403
    assert b"images" not in answer.content or method == "HEAD"


@pytest.mark.parametrize(
    "path", ["/v2/images", "/v1/cloudimages/quota", "/share/v1", "/identity/v3/projects"]
)
def test_the_api_itself_reads_no_cookie(publisher: Visitor, path: str) -> None:
    answer = plain_http.get(f"{publisher.service.url}{path}", cookies={COOKIE: publisher.cookie})

    assert answer.status_code in (300, 401, 404)
    assert publisher.project_id not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/identity/v3/auth/tokens", "/v1/cloudimages/quota", "/metrics", "/readyz", "/console/login", "", "/"],
)
def test_the_script_reaches_the_images_and_shares_only(publisher: Visitor, path: str) -> None:
    assert publisher.ask("GET", path).status_code == 404


def test_the_script_asks_with_the_sessions_token_alone(publisher: Visitor) -> None:
    """Credentials of another kind are taken out on the way."""
    admin = publisher.service.token("admin")
    for name in ("X-Auth-Token", "X-Service-Token", "Authorization"):
        answer = publisher.ask("GET", "/v2/info/stores/detail", **{name: admin})
        assert answer.status_code == 403, name
    assert publisher.ask("GET", "/v2/images").status_code == 200


#: Of each answer below /console.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types transom",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_every_answer_has_the_headers(publisher: Visitor, is_signed_in: bool) -> None:
    """Pages, what leads on, and what is refused: of each route, by each method."""
    missing: dict[str, Any] = {}
    with Visitor(publisher.service) as stranger:
        visitor = publisher if is_signed_in else stranger
        for path in ["/nonexistent", "/static/x/console.css", *PAGES]:
            for method in ("GET", "POST") if path != "/logout" else ("GET",):
                place = f"/console{re.sub(r'{[a-z]+}', 'x', path)}"
                answer = visitor.http.request(method, place, headers=OWN if method == "POST" else {})
                said = {name: answer.headers.get(name) for name in HEADERS}
                if said != HEADERS or "access-control-allow-origin" in answer.headers:
                    missing[f"{method} {path}"] = said
                if "/static/" not in place:
                    assert answer.headers["cache-control"] == "no-store", place
    assert missing == {}


def test_an_image_that_is_a_page_is_saved_and_not_shown(publisher: Visitor) -> None:
    client = publisher.service.client("publisher")
    body = {"name": 'a"b <page>/..', "disk_format": "raw", "container_format": "bare"}
    image_id = client.post("/v2/images", json=body).json()["id"]
    page = b"<html><script>alert(document.domain)</script></html>" + bytes(1024)
    kind = {"Content-Type": "application/octet-stream"}
    assert client.put(f"/v2/images/{image_id}/file", content=page, headers=kind).status_code == 204

    for answer in (
        publisher.http.get(f"/console/images/{image_id}/file"),
        publisher.ask("GET", f"/v2/images/{image_id}/file"),
    ):
        assert answer.content == page
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    saved_as = publisher.http.get(f"/console/images/{image_id}/file").headers["Content-Disposition"]
    assert saved_as == 'attachment; filename="a-b-page.raw"'


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "BREW"])
def test_pages_are_shown_and_sent_and_nothing_else(publisher: Visitor, method: str) -> None:
    answer = publisher.http.request(method, "/console/images", headers=OWN)

    assert answer.status_code in (403, 405)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/x-www-form-urlencoded", b"a=%ff%fe"),
        ("application/x-www-form-urlencoded", b"\xff\xfe"),
        ("application/x-www-form-urlencoded", b"a=b&" * 20000),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * (2 << 20)),
        ("application/json", b"{}"),
        ("multipart/form-data", b"--"),
        ("", b""),
    ],
    ids=["no UTF-8", "bytes", "many fields", "long", "json", "multipart", "none"],
)
def test_a_form_that_cannot_be_read_is_refused(publisher: Visitor, kind: str, content: bytes) -> None:
    headers = {**OWN, **({"Content-Type": kind} if kind else {})}

    answer = publisher.http.post("/console/account", content=content, headers=headers)

    assert answer.status_code in (400, 409, 413)


def test_no_template_takes_text_for_markup_or_brings_script_or_style() -> None:
    """Icons are made as markup by the module that draws them."""
    folder = files("transom.console") / "templates"
    texts = {one.name: one.read_text() for one in folder.iterdir() if one.name.endswith(".html")}
    forbidden = re.compile(r"\|\s*safe|autoescape|Markup|<style|<script(?! src)|\son[a-z]+=|\sstyle=", re.I)

    assert {name: forbidden.findall(text) for name, text in texts.items() if forbidden.search(text)} == {}
    assert len(texts) > 50
