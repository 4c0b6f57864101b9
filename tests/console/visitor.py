"""A visitor of the console as a browser without scripts sends it: cookies, forms, redirects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from types import TracebackType
from typing import Self

import httpx
from harness.service import Cloud, Service

COOKIE = "transom_console"


class Page(HTMLParser):
    """What a page shows and leads to. `text`: without markup; `hidden`: the hidden fields of its forms."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[str] = []
        self.hidden: dict[str, str] = {}
        self.buttons: list[str] = []
        self._pieces: list[str] = []
        self._button: list[str] | None = None
        self.feed(html)
        self.text = re.sub(r"\s+", " ", "".join(self._pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in ("href", "src"):
            if given.get(name):
                self.links.append(given[name])
        if tag == "form":
            self.forms.append(given.get("action", ""))
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given.get("value", "")
        if tag == "button" or (tag == "a" and "button" in given.get("class", "").split()):
            self._button = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("button", "a") and self._button is not None:
            # Those of the frame, and that copy, are icons.
            if words := re.sub(r"\s+", " ", "".join(self._button)).strip():
                self.buttons.append(words)
            self._button = None

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)
        if self._button is not None:
            self._button.append(data)


class Visitor:
    """One browser. `base`: where it reaches the service, by default directly."""

    def __init__(self, service: Service, base: str | None = None) -> None:
        self.service = service
        self.base = base or service.url
        self.http = httpx.Client(base_url=self.base, timeout=30, trust_env=False, verify=False)
        self.project_id = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def sign_in(self, cloud: Cloud, next_page: str = "") -> httpx.Response:
        fields = {"user": cloud.username, "password": cloud.password, "next": next_page}
        answer = self.http.post("/console/login", data=fields, headers=self.own)
        self.project_id = cloud.project_id
        return answer

    @property
    def own(self) -> dict[str, str]:
        """What a browser says of a form of the console's own."""
        return {"Sec-Fetch-Site": "same-origin"}

    @property
    def cookie(self) -> str:
        return self.http.cookies.get(COOKIE) or ""

    def get(self, path: str) -> httpx.Response:
        return self.http.get(f"/console{path}", follow_redirects=True)

    def see(self, path: str) -> Page:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return Page(answer.text)

    def post(
        self, path: str, fields: Mapping[str, str | list[str]], *, project: str | None = None
    ) -> httpx.Response:
        """The answer after the redirect."""
        data = {"project": self.project_id if project is None else project, **fields}
        return self.http.post(f"/console{path}", data=data, headers=self.own, follow_redirects=True)

    def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        """What the script of a page asks of the API."""
        return self.http.request(method, f"/console/api{path}", headers={**self.own, **headers})
