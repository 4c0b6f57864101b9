"""The console: one request below /console in, its answer out."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from transom.api.http import Headers, HttpError, Request, Response
from transom.api.router import Router
from transom.api.routes import ROUTES
from transom.console import guard, passing
from transom.console.client import AnswerRequest, Client, Refusal
from transom.console.identity import AskIdentity
from transom.console.pages import PAGES, Page
from transom.console.render import accepts_gzip
from transom.console.session import Session, SessionRows, Sessions
from transom.console.signing import Signing
from transom.console.static import static_files
from transom.console.views.history import find_latest
from transom.console.visit import ROOT, Visit, WrongProjectError, WrongUserError, read_cookie
from transom.domain.errors import (
    BodyTooLargeError,
    ClientGoneError,
    ForbiddenError,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    StoreFullError,
    TransomError,
    UnauthenticatedError,
    UnavailableError,
)
from transom.domain.escapes import unescape

_log = logging.getLogger(__name__)
_SAFE = ("GET", "HEAD")
_STATUS: dict[type[TransomError], HTTPStatus] = {
    InvalidError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    LimitExceededError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    StoreFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
#: Headings, where the API's own title says no more.
_TITLES = {
    400: "This cannot be read",
    403: "You may not do that",
    404: "There is nothing here",
    405: "This page cannot do that",
    409: "Something changed meanwhile",
    412: "Somebody was faster",
    413: "That is more than is allowed",
    503: "The service cannot answer now",
}
#: What to do next, where there is something to do.
_ADVICE = {
    404: "It may have been deleted or withdrawn, or it was never shared with this project. What is hidden "
    "from you looks just like what is not there.",
    409: "Go back, look at what is there now, and try again.",
    412: "Go back, look at what is there now, and try again.",
    413: "Remove what is no longer needed, or ask who operates the service for a higher limit.",
    503: "Nothing was changed. Try again in a moment.",
}


class Console:
    """`answer_request` is the API's own entry. `rows`: where sessions are kept. `ask_keystone`: None with the
    built-in identity, which is asked as a part of the API. `public_endpoint`: "": as requests say.
    `keystone_url`: "" with the built-in identity."""

    def __init__(
        self,
        public_endpoint: str,
        keystone_url: str,
        rows: SessionRows,
        answer_request: AnswerRequest,
        ask_keystone: AskIdentity | None,
    ) -> None:
        self._public_endpoint = public_endpoint
        self._keystone_url = keystone_url
        self._sessions = Sessions(rows)
        self._answer_request = answer_request
        self._ask_keystone = ask_keystone
        served = {route.path for route in ROUTES}
        pages = {path: page for path, page in PAGES.items() if not page.needs or page.needs in served}
        self._router = Router((method, path, page) for path, page in pages.items() for method in page.methods)
        self._sections = frozenset(page.section for page in pages.values() if page.section)

    async def answer(self, request: Request) -> tuple[str, Response]:
        """(what the request counts as, the answer). Raises TransomError and HttpError only for what is asked
        below /console/api, whose answers are the API's."""
        base_url = (self._public_endpoint or request.origin.url).rstrip("/")
        segments = _segments(request)
        if segments[:1] == ["static"]:
            return f"{ROOT}/static", _serve_static(request, segments[1:])
        is_for_script = segments[:1] == ["api"]
        cookie = read_cookie(request, self._cookie_name(base_url))
        try:
            guard.require_own_page(
                request, base_url, is_for_script=is_for_script, has_cookie=cookie is not None
            )
            session = await self._sessions.find(cookie)
        except TransomError as error:
            if is_for_script:
                raise
            visit = self._visit(request, base_url, None)
            return ROOT, self._show_error(visit, error)
        if is_for_script:
            route, response = await passing.pass_on(request, segments[1:], session, self._answer_request)
            return f"{ROOT}/api{route}", response
        return await self._answer_page(request, base_url, segments, session)

    async def _answer_page(
        self, request: Request, base_url: str, segments: list[str], session: Session | None
    ) -> tuple[str, Response]:
        visit = self._visit(request, base_url, session)
        found = self._router.find(segments or [""])
        if found is None:
            return ROOT, self._show_error(visit, NotFoundError("There is no such page."))
        request.params = found.params
        method = "GET" if request.method == "HEAD" else request.method
        page: Page | None = found.methods.get(method)
        if page is None:
            allowed = ", ".join(found.methods).encode()
            return ROOT, self._show_status(visit, HTTPStatus.METHOD_NOT_ALLOWED, "", [(b"allow", allowed)])
        route = f"{ROOT}{found.template}".rstrip("/")
        if page.needs_session and session is None:
            return route, self._ask_to_sign_in(visit)
        if page.needs_project and session is not None and session.box.token is None:
            return route, visit.go("/project")
        return route, await self._run(visit, page, method)

    async def _run(self, visit: Visit, page: Page, method: str) -> Response:
        """What the page answers, be it an error."""
        if page.needs_session and method == "GET":
            visit.begin()
        try:
            if page.asks and method == "GET":
                visit.require_member()
            return await page.methods[method](visit)
        except WrongProjectError as error:
            return self._show_wrong_project(visit, error.project_id)
        except WrongUserError:
            return visit.show("wrong_user.html", HTTPStatus.CONFLICT)
        except Refusal as refusal:
            if refusal.status == HTTPStatus.UNAUTHORIZED and visit.session is not None:
                await self._sessions.end(visit.session)
                return self._ask_to_sign_in(visit)
            return self._show_status(
                visit,
                refusal.status,
                refusal.detail,
                title=refusal.title,
                events=await find_latest(visit) if refusal.status == HTTPStatus.PRECONDITION_FAILED else (),
            )
        except ClientGoneError:
            raise
        except (TransomError, HttpError) as error:
            return self._show_error(visit, error)
        except Exception:  # noqa: BLE001 (the last boundary: whatever it is, the browser gets an answer)
            _log.exception("unexpected error", extra={"fields": {"request_id": visit.request.request_id}})
            return self._show_status(visit, HTTPStatus.INTERNAL_SERVER_ERROR, "The server has erred.")
        finally:
            visit.end()

    def _visit(self, request: Request, base_url: str, session: Session | None) -> Visit:
        token = session.box.token if session is not None else None
        client = Client(self._answer_request, request, token)
        signing = Signing(
            self._sessions,
            self._ask_keystone or _ask_builtin(client),
            cookie_name=self._cookie_name(base_url),
            cookie_path=f"{urlsplit(base_url).path}{ROOT}",
            is_secure=base_url.startswith("https:"),
            keystone_url=self._keystone_url,
        )
        return Visit(request, base_url, urlsplit(base_url).path, session, client, signing, self._sections)

    @staticmethod
    def _cookie_name(base_url: str) -> str:
        """The prefix lets a browser take it from https only; on plain http it would take none of that
        name."""
        return "__Secure-transom_console" if base_url.startswith("https:") else "transom_console"

    def _ask_to_sign_in(self, visit: Visit) -> Response:
        if visit.request.method not in _SAFE:
            keystone_url = visit.signing.keystone_url
            return visit.show(
                "session_over.html",
                HTTPStatus.UNAUTHORIZED,
                user="",
                domain="Default",
                keystone_url=keystone_url,
            )
        target = visit.request.path.removeprefix(ROOT)
        query = visit.request.query.decode("ascii", "replace")
        return visit.go("/login", next=f"{target}?{query}" if query else target)

    def _show_error(self, visit: Visit, error: TransomError | HttpError) -> Response:
        if isinstance(error, HttpError):
            return self._show_status(visit, error.status, str(error), error.headers)
        status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), HTTPStatus.CONFLICT)
        return self._show_status(visit, status, str(error))

    def _show_status(
        self,
        visit: Visit,
        status: int,
        detail: str,
        headers: Headers | None = None,
        title: str = "",
        events: Sequence[dict[str, Any]] = (),
    ) -> Response:
        """`events`: what happened to the thing of the page, the newest first."""
        visit.headers.extend(headers or [])
        return visit.show(
            "error.html",
            status,
            code=int(status),
            heading=_find_heading(status, title),
            detail=detail,
            advice=_say_role(visit) if status == HTTPStatus.FORBIDDEN else _ADVICE.get(status, ""),
            events=events,
            request_id=visit.request.request_id,
        )

    def _show_wrong_project(self, visit: Visit, meant: str) -> Response:
        names = {project.id: project.name for project in visit.here.box.projects}
        return visit.show(
            "wrong_project.html", HTTPStatus.CONFLICT, meant=meant, meant_name=names.get(meant, "")
        )


def _find_heading(status: int, title: str) -> str:
    """`title`: that of the API's problem; of those that a status has several of, it says which."""
    phrase = HTTPStatus(status).phrase
    says_more = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT) and title not in ("", phrase)
    return title if says_more else _TITLES.get(status, title or phrase)


def _say_role(visit: Visit) -> str:
    """Which role the page takes. The roles are those of the rules that come with the service."""
    if visit.session is None:
        return ""
    box, project = visit.session.box, visit.session.row.project_name
    held = ", ".join(box.roles) or "none"
    if visit.request.path.startswith(f"{ROOT}/operator"):
        return f"It takes the role admin. Your roles in {project}: {held}."
    if not box.may_act:
        return f"It takes the role member in {project}. Your roles there: {held}."
    return (
        f"Your roles in {project}: {held}. They change what {project} owns; what belongs to another project "
        "is changed by that project, and what the operator decides takes the role admin."
    )


def _segments(request: Request) -> list[str]:
    """Of the path below /console, decoded one by one. Unreadable bytes are replaced: no page has them."""
    raw = request.raw_path.removeprefix(ROOT.encode())
    return [unescape(part).decode(errors="replace") for part in raw.split(b"/")[1:]]


def _ask_builtin(client: Client) -> AskIdentity:
    async def ask(method: str, path: str, token: str | None, document: Any) -> tuple[int, str | None, Any]:
        headers = {"x-subject-token": token} if token and method == "DELETE" else None
        answer = await client.ask(method, f"/identity/v3{path}", document, headers, token=token)
        return answer.status, answer.headers.get("x-subject-token"), answer.body

    return ask


def _serve_static(request: Request, segments: list[str]) -> Response:
    tag, name = segments if len(segments) == 2 else ("", "")
    file = static_files().get(name)
    if file is None or file.tag != tag or request.method not in _SAFE:
        return Response(
            HTTPStatus.NOT_FOUND, b"Not found", [*guard.HEADERS, (b"content-type", b"text/plain")]
        )
    headers = [*guard.HEADERS, *file.headers]
    if accepts_gzip(request):
        return Response(HTTPStatus.OK, file.packed, [*headers, (b"content-encoding", b"gzip")])
    return Response(HTTPStatus.OK, file.plain, headers)
