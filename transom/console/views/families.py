"""Families: those of the project, those it is a member of, and a new one."""

from http import HTTPStatus

from transom.api.http import Response
from transom.console.client import Refusal, cursor_of
from transom.console.visit import Given, Visit

FAMILIES = "/share/v1/families"


async def show_families(visit: Visit) -> Response:
    role = "member" if visit.query.get("show") == "member" else "owner"
    found = await visit.client.get(FAMILIES, role=role, limit=25, after=visit.query.get("after"))
    return await visit.page(
        "families.html",
        families=found["items"],
        next_after=cursor_of(found["next"]),
        role=role,
        did=visit.query.get("did", ""),
    )


async def show_new(visit: Visit) -> Response:
    return await visit.page("family_new.html", given=Given(), wrong="", field="")


async def create(visit: Visit) -> Response:
    form = await visit.form()
    given = form.given("name", "title", "description", "support_url")
    try:
        made = await visit.client.do("POST", FAMILIES, given, form.once())
    except Refusal as refusal:
        if refusal.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT):
            raise
        return await visit.page(
            "family_new.html", refusal.status, given=given, wrong=refusal.detail, field=refusal.field
        )
    return visit.go(f"/families/{made.body['id']}", did="created")
