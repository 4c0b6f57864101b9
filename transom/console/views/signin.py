"""Signing in and out, and choosing the project."""

from http import HTTPStatus
from urllib.parse import unquote

from transom.api.http import Response
from transom.console.identity import SecondFactorError
from transom.console.visit import Visit, read_cookie
from transom.domain.errors import UnauthenticatedError, UnavailableError

_WRONG = "Name, password or domain is wrong."
_MORE = "This account needs a second factor, which the console cannot ask for."
_LONGEST_NEXT = 2000


async def show_home(visit: Visit) -> Response:
    return visit.go(visit.home)


async def show_login(visit: Visit) -> Response:
    if visit.session is not None:
        return visit.redirect(_next_page(visit, visit.query.get("next", "")))
    return _show_form(visit, next_page=visit.query.get("next", ""), did=visit.query.get("did", ""))


async def log_in(visit: Visit) -> Response:
    """Whoever is signed in already, perhaps somebody else in another tab: from now on it is who says so
    here."""
    form = await visit.form_of_any_project()
    user, domain = form.one("user"), form.one("domain") or "Default"
    last = read_cookie(visit.request, "transom_project")
    try:
        cookies = await visit.signing.sign_in(visit.client, user, form.raw("password"), domain, last)
    except SecondFactorError:
        return _show_form(visit, HTTPStatus.UNAUTHORIZED, _MORE, form.one("next"), user, domain)
    except UnauthenticatedError:
        return _show_form(visit, HTTPStatus.UNAUTHORIZED, _WRONG, form.one("next"), user, domain)
    except UnavailableError as error:
        status = HTTPStatus.SERVICE_UNAVAILABLE
        return _show_form(visit, status, str(error), form.one("next"), user, domain)
    visit.headers.extend(cookies)
    if visit.session is not None:
        await visit.signing.end(visit.session)
    return visit.redirect(_next_page(visit, form.one("next")))


def _show_form(
    visit: Visit,
    status: int = HTTPStatus.OK,
    error: str = "",
    next_page: str = "",
    user: str = "",
    domain: str = "Default",
    did: str = "",
) -> Response:
    return visit.show(
        "login.html",
        status,
        error=error,
        next_page=next_page,
        user=user,
        domain=domain,
        did=did,
        keystone_url=visit.signing.keystone_url,
    )


def _next_page(visit: Visit, wanted: str) -> str:
    """Pages of the console alone: a link that someone sends may not lead elsewhere from here."""
    is_path = wanted.startswith("/") and not wanted.startswith("//") and wanted.isascii()
    if (
        not is_path
        or not wanted.isprintable()
        or "\\" in wanted
        or " " in wanted
        or len(wanted) > _LONGEST_NEXT
        or _leaves_console(wanted)
    ):
        wanted = visit.home
    return visit.url("") + wanted


def _leaves_console(path: str) -> bool:
    """Whether browsers, which take out `.` and `..`, encoded ones too, may come to pages beside ours."""
    segments = unquote(path.partition("?")[0].partition("#")[0]).split("/")
    return not {".", ".."}.isdisjoint(segments)


async def log_out(visit: Visit) -> Response:
    # Whatever project the form was made for: who wants to leave, leaves.
    visit.headers.extend(await visit.signing.sign_out(visit.here))
    return visit.go("/login", did="signed_out")


async def show_projects(visit: Visit) -> Response:
    projects = await visit.signing.list_projects(visit.here)
    wanted = visit.query.get("q", "").strip().casefold()
    found = [one for one in projects if wanted in one.name.casefold() or wanted == one.id]
    return await visit.page(
        "projects.html", projects=found, total=len(projects), q=wanted, next=visit.query.get("next", "")
    )


async def change_project(visit: Visit) -> Response:
    """From whatever project the form was made for."""
    form = await visit.form_of_any_project()
    cookies = await visit.signing.change_project(visit.client, visit.here, form.one("to"))
    visit.headers.extend(cookies)
    return visit.redirect(_next_page(visit, form.one("next")))
