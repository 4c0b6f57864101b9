"""Versions of a family: added, promoted, revoked, restored, taken out."""

import asyncio
from http import HTTPStatus
from typing import Any

from transom.api.http import Response
from transom.console.client import Refusal, segment
from transom.console.views.family import get_own_family, path_of
from transom.console.visit import Form, Given, Visit
from transom.domain.errors import InvalidError, NotFoundError

#: What a page asks about before it is done.
ACTS = frozenset({"promote", "revoke", "restore", "remove"})


async def show_add(visit: Visit) -> Response:
    return await _show_add(visit, Given(image_id=visit.query.get("image", "")), "")


async def _show_add(visit: Visit, given: Given, wrong: str, status: int = HTTPStatus.OK) -> Response:
    family, images = await asyncio.gather(
        get_own_family(visit),
        visit.client.get(
            "/v2/images", owner=visit.project_id, status="active", sort="created_at:desc", limit=100
        ),
    )
    free = [one for one in images["images"] if "os_share_family" not in one]
    return await visit.page("version_add.html", status, family=family, images=free, given=given, wrong=wrong)


async def add(visit: Visit) -> Response:
    """Publish the image of the form; the form again, with the reason, when that is refused."""
    form = await visit.form()
    given = form.given("image_id", "notes", "name")
    body = {**given, "promote": form.one("promote") == "now"}
    try:
        made = await visit.client.do("POST", f"{path_of(visit)}/versions", body, form.once())
    except Refusal as refusal:
        if refusal.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
            raise
        return await _show_add(visit, given, refusal.detail, refusal.status)
    did = "promoted" if body["promote"] else "added"
    return visit.go(f"/families/{visit.param('id')}", did=did, number=made.body["number"])


async def show_act(visit: Visit) -> Response:
    """Ask before the act of the path is done. NotFoundError for an act or a version that there is not."""
    act = visit.param("act")
    if act not in ACTS:
        raise NotFoundError("There is no such page.")
    path = path_of(visit)
    family, version, current = await asyncio.gather(
        get_own_family(visit),
        visit.client.try_get(f"{path}/versions/{segment(visit.param('number'))}"),
        visit.client.try_get(f"{path}/current"),
    )
    found = visit.client.require(version)
    return await visit.page(
        f"version_{act}.html",
        family=family,
        version=found.body,
        etag=current.etag if act == "promote" else found.etag,
        current=current.body if current.status == HTTPStatus.OK else None,
        wrong="",
    )


async def act(visit: Visit) -> Response:
    """Do it, if the version is as the page showed it, and go back to the family."""
    form = await visit.form()
    act, number = visit.param("act"), visit.param("number")
    if not (number.isascii() and number.isdigit() and len(number) < 18):
        raise NotFoundError("There is no such version.")
    headers = form.unchanged()
    path = path_of(visit)
    version = f"{path}/versions/{number}"
    if act == "promote":
        await visit.client.do("PUT", f"{path}/current", {"number": int(number)}, headers)
    elif act == "revoke":
        await visit.client.do("POST", f"{version}/revoke", _read_revocation(form), headers)
    elif act == "restore":
        await visit.client.do("POST", f"{version}/restore", None, headers)
    elif act == "remove":
        await visit.client.do("DELETE", version, None, headers)
    else:
        raise NotFoundError("There is no such page.")
    did = {"promote": "promoted", "revoke": "revoked", "restore": "restored", "remove": "taken"}[act]
    return visit.go(f"/families/{visit.param('id')}", did=did, number=number)


def _read_revocation(form: Form) -> dict[str, Any]:
    reason, day = form.one("reason"), form.one("at")
    if not reason:
        raise InvalidError("A reason is needed: those who use the version read it.")
    if form.one("when") == "later":
        if not day:
            raise InvalidError("The day of the revocation is missing.")
        return {"reason": reason, "at": f"{day}T00:00:00Z"}
    return {"reason": reason}
