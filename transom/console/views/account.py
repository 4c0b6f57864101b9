"""What belongs to the user: projects, sessions, how the pages look, and a clouds.yaml without a password."""

import re
from datetime import UTC, datetime

import yaml

from transom.api.http import Response
from transom.clock import now_us
from transom.console.guard import HEADERS
from transom.console.visit import Visit
from transom.domain.errors import InvalidError, NotFoundError

_THEMES = ("", "light", "dark")


async def show_account(visit: Visit) -> Response:
    projects = await visit.signing.list_projects(visit.here)
    rows = await visit.signing.sessions.rows.list_of(visit.here.row.user_id, now_us())
    return await visit.page(
        "account.html", projects=projects, sessions=rows, did=visit.query.get("did", ""), stamp=_stamp
    )


def _stamp(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us / 1_000_000, UTC).isoformat()


async def change_account(visit: Visit) -> Response:
    """End a session of the user's own, or keep how the pages are to look."""
    form = await visit.form()
    if key_hash := form.one("end"):
        if not await visit.signing.sessions.rows.remove_of(key_hash, visit.here.row.user_id):
            raise NotFoundError("There is no such session any more.")
        return visit.go("/account", did="ended")
    if form.one("theme") not in _THEMES:
        raise InvalidError("theme must be light, dark or empty.")
    keys = "" if form.has("keys") else "off"
    visit.headers.append(visit.signing.plain_cookie("transom_theme", form.one("theme")))
    visit.headers.append(visit.signing.plain_cookie("transom_keys", keys))
    return visit.go("/account", did="kept")


async def download_clouds(visit: Visit) -> Response:
    """For the command line: one cloud for each project. The password is asked for there."""
    row = visit.here.row
    clouds = {}
    for project in await visit.signing.list_projects(visit.here):
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", project.name).strip("-") or project.id
        auth = {"auth_url": visit.auth_url, "username": row.user_name, "project_id": project.id}
        auth["user_domain_name"] = row.domain_name or "Default"
        clouds[name if name not in clouds else project.id] = {"auth": auth, "image_api_version": "2"}
    headers = [
        *HEADERS,
        (b"content-type", b"application/yaml; charset=utf-8"),
        (b"content-disposition", b'attachment; filename="clouds.yaml"'),
        (b"cache-control", b"no-store"),
    ]
    return Response(body=yaml.safe_dump({"clouds": clouds}, sort_keys=False).encode(), headers=headers)
