"""One family: its versions, members, history and settings."""

import asyncio
from typing import Any

from transom.api.http import Response
from transom.console.client import cursor_of, segment
from transom.console.views.families import FAMILIES
from transom.console.views.history import described
from transom.console.visit import Visit

_OFFERS = "/share/v1/inbox/families"


def path_of(visit: Visit) -> str:
    return f"{FAMILIES}/{segment(visit.param('id'))}"


async def get_own_family(visit: Visit) -> dict[str, Any]:
    """ForbiddenError for another project's."""
    family: dict[str, Any] = await visit.client.get(path_of(visit))
    visit.require_owner(family["owner"]["project"])
    return family


async def show_versions(visit: Visit) -> Response:
    """The family with a page of its versions. A recipient who may not list these sees the rest."""
    path = path_of(visit)
    family, versions, offer = await asyncio.gather(
        visit.client.get(path),
        visit.client.try_get(f"{path}/versions", limit=25, after=visit.query.get("after")),
        visit.client.try_get(f"{_OFFERS}/{segment(visit.param('id'))}"),
    )
    items = versions.body["items"] if versions.status == 200 else []
    return await visit.page(
        "family.html",
        part="versions",
        **_head(visit, family, offer.body if offer.status == 200 else None),
        versions=items,
        next_after=cursor_of(versions.body["next"]) if versions.status == 200 else "",
        candidates=[one for one in items if one["state"] == "candidate"],
        previous=_find_previous(items),
    )


def _head(visit: Visit, family: dict[str, Any], offer: dict[str, Any] | None = None) -> dict[str, Any]:
    """`offer`: that of the family to this project."""
    return {
        "family": family,
        "offer": offer,
        "is_owner": visit.is_ours(family["owner"]["project"]),
        "did": visit.query.get("did", ""),
        "count": visit.query.get("n", ""),
        "number": visit.query.get("number", ""),
    }


def _find_previous(versions: list[dict[str, Any]]) -> int | None:
    """The version to roll back to: the one that was current before."""
    current = next((one["number"] for one in versions if one["state"] == "current"), None)
    older = [one for one in versions if one["state"] == "superseded" and one["number"] != current]
    return max((one["promoted_at"] or "", one["number"]) for one in older)[1] if older else None


async def show_members(visit: Visit) -> Response:
    """A page of its members, filtered by their answer."""
    path = path_of(visit)
    status = visit.query.get("status", "")
    family, members = await asyncio.gather(
        visit.client.get(path),
        visit.client.get(f"{path}/members", status=status, limit=25, after=visit.query.get("after")),
    )
    return await visit.page(
        "family_members.html",
        part="members",
        **_head(visit, family),
        members=members["items"],
        next_after=cursor_of(members["next"]),
        status_filter=status,
    )


async def show_history(visit: Visit) -> Response:
    """A page of its events, the newest first."""
    family, events = await asyncio.gather(
        visit.client.get(path_of(visit)),
        visit.client.get(
            "/share/v1/events",
            family=visit.param("id"),
            order="desc",
            limit=25,
            after=visit.query.get("after"),
        ),
    )
    return await visit.page(
        "family_history.html",
        part="history",
        **_head(visit, family),
        events=described(visit, events["events"]),
        next_after=cursor_of(events["next"]),
    )


async def show_settings(visit: Visit) -> Response:
    """The form of its texts, with the tag that the change has to name."""
    answer = await visit.client.try_get(path_of(visit))
    family = visit.client.require(answer).body
    return await visit.page("family_settings.html", part="settings", **_head(visit, family), etag=answer.etag)


async def change_settings(visit: Visit) -> Response:
    """Write the form; an empty field removes the text. Refused when somebody changed it meanwhile."""
    form = await visit.form()
    until = form.one("provided_until")
    body = {
        "title": form.one("title") or None,
        "description": form.one("description") or None,
        "support_url": form.one("support_url") or None,
        "provided_until": f"{until}T23:59:59Z" if until else None,
    }
    await visit.client.do("PATCH", path_of(visit), body, form.unchanged())
    return visit.go(f"/families/{visit.param('id')}/settings", did="edited")


async def show_delete(visit: Visit) -> Response:
    family = await get_own_family(visit)
    return await visit.page("family_delete.html", family=family, wrong="")


async def delete(visit: Visit) -> Response:
    form = await visit.form()
    family = await visit.client.get(path_of(visit))
    if form.one("typed") != family["name"]:
        return await visit.page("family_delete.html", 400, family=family, wrong="Type the family's name.")
    await visit.client.do("DELETE", path_of(visit))
    return visit.go("/families", did="deleted")
