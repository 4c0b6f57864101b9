"""What operators look at: the health of the parts, the stores and the cache."""

import asyncio
from http import HTTPStatus

from transom.api.http import Response
from transom.console.client import Answer, Refusal, cursor_of, segment
from transom.console.recipients import read_recipients
from transom.console.visit import Visit
from transom.domain.errors import NotFoundError

_OPERATION = "/share/v1/operation"
_SORTS = ("bytes", "images", "given", "taken")


async def show_health(visit: Visit) -> Response:
    operation, ready = await asyncio.gather(visit.client.get(_OPERATION), visit.client.try_get("/readyz"))
    return await visit.page(
        "health.html",
        operation=operation,
        ready=ready.body if ready.status == HTTPStatus.OK else None,
        why=_message(ready),
    )


def _message(answer: Answer) -> str:
    return "" if answer.status == HTTPStatus.OK else Refusal(answer, "").detail


async def show_stores(visit: Visit) -> Response:
    stores, operation, cache = await asyncio.gather(
        visit.client.get("/v2/info/stores/detail"),
        visit.client.try_get(_OPERATION),
        visit.client.try_get("/v2/cache"),
    )
    counted = operation.body["stores"] if operation.status == HTTPStatus.OK else []
    return await visit.page(
        "stores.html",
        stores=stores["stores"],
        counted={one["id"]: one for one in counted},
        cache=cache.body if cache.status == HTTPStatus.OK else None,
        did=visit.query.get("did", ""),
    )


async def show_projects(visit: Visit) -> Response:
    sort = visit.query.get("sort", "")
    sort = sort if sort in _SORTS else _SORTS[0]
    found = await visit.client.get("/share/v1/projects", sort=sort, limit=25, after=visit.query.get("after"))
    return await visit.page(
        "usage.html", projects=found["items"], next_after=cursor_of(found["next"]), sort=sort
    )


async def change_cache(visit: Visit) -> Response:
    form = await visit.form()
    if image_id := form.one("queue"):
        await visit.client.do("PUT", f"/v2/cache/{segment(image_id)}")
        return visit.go("/operator/stores", did="queued")
    if image_id := form.one("remove"):
        await visit.client.do("DELETE", f"/v2/cache/{segment(image_id)}")
        return visit.go("/operator/stores", did="removed")
    if form.has("clear"):
        await visit.client.do("DELETE", "/v2/cache")
        return visit.go("/operator/stores", did="cleared")
    raise NotFoundError("There is no such act.")


async def show_publishers(visit: Visit) -> Response:
    """One project's verified name: the API lists none."""
    wanted = visit.query.get("q", "").strip()
    project_id, wrong, publisher = "", "", None
    if wanted:
        found = await read_recipients(visit.signing.ask, visit.token, wanted)
        project_id = next(iter(found.names), "")
        wrong = found.wrong[0][1] if found.wrong else ""
    if project_id:
        answer = await visit.client.try_get(f"/share/v1/publishers/{segment(project_id)}")
        publisher = answer.body if answer.status == HTTPStatus.OK else None
    return await visit.page(
        "publishers.html",
        q=wanted,
        project_id=project_id,
        project_name=found.names.get(project_id, project_id) if wanted else "",
        wrong=wrong,
        publisher=publisher,
        did=visit.query.get("did", ""),
    )


async def change_publisher(visit: Visit) -> Response:
    form = await visit.form()
    project_id = form.one("publisher")
    path = f"/share/v1/publishers/{segment(project_id)}"
    if form.has("withdraw"):
        await visit.client.do("DELETE", path)
        return visit.go("/operator/publishers", q=project_id, did="withdrawn")
    await visit.client.do("PUT", path, form.given("name", "url", "support"))
    return visit.go("/operator/publishers", q=project_id, did="verified")
