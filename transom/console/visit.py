"""One request for a page: who asks, how the API is asked, how links are made."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from transom.api.heads import read_pairs
from transom.api.http import Headers, Request, Response
from transom.console.client import Client, with_query
from transom.console.commands import commands_of
from transom.console.guard import HEADERS
from transom.console.render import render, render_in_pieces, time_words
from transom.console.session import Session
from transom.console.signing import Signing
from transom.console.static import static_files
from transom.domain.errors import ForbiddenError, InvalidError

ROOT = "/console"
SUMMARY = "/share/v1/inbox/summary"
_MOST_FIELDS = 5000
_LONGEST_FORM = 1 << 20
_FORM = "application/x-www-form-urlencoded"


class WrongProjectError(Exception):
    """The form was made for another project than the one that the session is in now."""

    def __init__(self, project_id: str) -> None:
        super().__init__(project_id)
        self.project_id = project_id


class WrongUserError(Exception):
    """The form was made for another user than the one who is signed in now."""


class Visit:
    """`base_url`: where browsers reach the service, `prefix`: its path. `client` asks as the session's user.
    `sections`: the parts of the menu that there are."""

    def __init__(
        self,
        request: Request,
        base_url: str,
        prefix: str,
        session: Session | None,
        client: Client,
        signing: Signing,
        sections: frozenset[str],
    ) -> None:
        self.request = request
        self.base_url = base_url
        self.session = session
        self.client = client
        self.signing = signing
        self._summary: asyncio.Task[Any] | None = None
        self.now = datetime.now(UTC)
        self.prefix = prefix
        self.url = partial(page_url, prefix)
        self._query: dict[str, str] | None = None
        self.theme = read_cookie(request, "transom_theme") or ""
        self.has_keys = read_cookie(request, "transom_keys") != "off"
        self.headers: Headers = []
        self.sections = sections

    @property
    def here(self) -> Session:
        """The session. Only on pages that need one."""
        if self.session is None:
            raise RuntimeError(f"{self.request.path} needs no session")
        return self.session

    @property
    def project_id(self) -> str:
        return self.here.project_id

    def require_member(self) -> None:
        """Raises ForbiddenError for who may look alone: a form would be refused."""
        if not self.here.box.may_act:
            raise ForbiddenError("Your role looks, and changes nothing.")

    def require_owner(self, project_id: str) -> None:
        """The same for what belongs to another project."""
        if not self.is_ours(project_id):
            raise ForbiddenError("It belongs to another project.")

    def is_ours(self, project_id: str) -> bool:
        """Whether the user may do what the project may: its own users, and administrators of the service."""
        return project_id == self.project_id or self.here.box.may_operate

    @property
    def token(self) -> str:
        """Of the project. Raises ForbiddenError where the user has none."""
        token = self.here.box.token
        if token is None:
            raise ForbiddenError("You are in no project.")
        return token

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, of several the last. Raises InvalidError."""
        if self._query is None:
            self._query = dict(self.request.query_pairs())
        return self._query

    def query_all(self, name: str) -> list[str]:
        """All values of a parameter."""
        return [value for key, value in self.request.query_pairs() if key == name and value]

    @property
    def auth_url(self) -> str:
        """Of the identity service, for clients."""
        return self.signing.keystone_url or f"{self.base_url}/identity/v3"

    @property
    def home(self) -> str:
        return "/inbox" if "inbox" in self.sections else "/images"

    def param(self, name: str) -> str:
        """A variable of the path."""
        return self.request.params[name]

    async def form(self) -> "Form":
        """The fields that a browser sent. Raises InvalidError, and WrongUserError or WrongProjectError where
        a form was made for another user or project."""
        form = await self.form_of_any_project()
        if self.session is None:
            return form
        if form.one("made-for") not in ("", self.session.row.user_id):
            raise WrongUserError
        if (meant := form.one("project")) != self.session.project_id:
            raise WrongProjectError(meant)
        return form

    async def form_of_any_project(self) -> "Form":
        """The same where the project does not matter."""
        if self.request.content_type != _FORM:
            raise InvalidError("The form is not of the type that a browser sends.")
        raw = await self.request.body(_LONGEST_FORM)
        if not raw.isascii() or raw.count(b"&") >= _MOST_FIELDS:
            raise InvalidError("The form cannot be read.")
        pairs = read_pairs(raw)
        # A browser ends the lines of a text so; on a page that shows it again they end as lines do.
        return Form([(name, value.replace("\r\n", "\n")) for name, value in pairs])

    def static(self, name: str) -> str:
        return f"{self.prefix}{ROOT}/static/{static_files()[name].tag}/{name}"

    def begin(self) -> None:
        """Ask for what the frame of a page shows, while the page asks for its own."""
        if self.session is not None and self.session.box.token is not None:
            self._summary = asyncio.create_task(self.client.try_get(SUMMARY, is_shown=False))

    async def page(self, template: str, /, status: int = HTTPStatus.OK, **facts: Any) -> Response:
        """A page within the frame."""
        summary = await self.summary()
        facts["waiting"] = count_waiting(summary) if summary is not None else None
        found = {**self._frame(), **facts}
        return await render_in_pieces(self.request, template, status, found, self.headers)

    def end(self) -> None:
        """It has been answered, be it by an error."""
        if self._summary is not None:
            self._summary.cancel()

    async def summary(self) -> dict[str, Any] | None:
        """What waits in the inbox; None where it is not to be had."""
        if self._summary is None:
            return None
        answer = await self._summary
        return answer.body if answer.status == HTTPStatus.OK else None

    def show(self, template: str, /, status: int = HTTPStatus.OK, **facts: Any) -> Response:
        """A short page: one of the service's own words."""
        return render(self.request, template, status, {**self._frame(), **facts}, self.headers)

    def go(self, path: str, **query: Any) -> Response:
        """See another page (303), by GET."""
        return self.redirect(self.url(path, **query))

    def redirect(self, url: str) -> Response:
        no_store = (b"cache-control", b"no-store")
        headers = [*HEADERS, (b"location", url.encode("ascii")), no_store, *self.headers]
        return Response(HTTPStatus.SEE_OTHER, headers=headers)

    def _frame(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "static": self.static,
            "visit": self,
            "session": self.session,
            "calls": self.client.calls,
            "commands": commands_of,
            "new_key": secrets.token_urlsafe,
            "api": self.base_url,
            "here": "",
            "script": "console.js",
            "waiting": None,
            **time_words(self.now),
        }


class Given(dict[str, str]):
    """What a form is filled with when it is shown; a field that is not among these is empty."""

    def __missing__(self, name: str) -> str:
        return ""


class Form:
    """What a browser sent, in order."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def one(self, name: str) -> str:
        """The last value, without blanks around it; "" if there is none."""
        return next((value.strip() for key, value in reversed(self._pairs) if key == name), "")

    def raw(self, name: str) -> str:
        """As it was sent: a password may end in a blank."""
        return next((value for key, value in reversed(self._pairs) if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name and value]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self._pairs)

    def given(self, *names: str) -> "Given":
        """Those of the fields that are not empty."""
        return Given({name: value for name in names if (value := self.one(name))})

    def once(self) -> dict[str, str]:
        """The header by which a form that is sent twice makes one thing."""
        return _header("idempotency-key", self.one("key"))

    def unchanged(self) -> dict[str, str]:
        """The condition that the form was made under. InvalidError where there is none."""
        found = _header("if-match", self.one("etag"))
        if not found:
            raise InvalidError("The form does not say what it was made for.")
        return found


def _header(name: str, value: str) -> dict[str, str]:
    """Nothing where a header cannot hold the value."""
    return {name: value} if value and value.isascii() and value.isprintable() else {}


def page_url(prefix: str, path: str, **query: Any) -> str:
    """A link to a page. `path` below /console; a list holds several values of a parameter."""
    if not query:
        return _link(f"{prefix}{ROOT}{path}")
    fixed = {name: tuple(value) if isinstance(value, list) else value for name, value in query.items()}
    return _link(f"{prefix}{ROOT}{path}", **fixed)


@lru_cache(maxsize=1024, typed=True)
def _link(path: str, /, **query: Any) -> str:
    return with_query(quote(path, safe="/%"), query)


def count_waiting(summary: dict[str, Any]) -> int:
    """How many offers wait for an answer; counted up to a limit."""
    return int(summary["images"]["pending"]) + int(summary["families"]["pending"])


def read_cookie(request: Request, name: str) -> str | None:
    """The first cookie of the name."""
    for part in (request.joined(b"cookie") or "").replace(",", ";").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None
