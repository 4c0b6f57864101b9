"""The end of one share: when it is, and another one."""

from http import HTTPStatus
from typing import Any

from transom.api.http import Response
from transom.console.client import Refusal, segment
from transom.console.views.shares import PARTS, end_of
from transom.console.visit import Visit


async def show_image_terms(visit: Visit) -> Response:
    return await _show(visit, "images")


async def change_image_terms(visit: Visit) -> Response:
    return await _change(visit, "images")


async def show_family_terms(visit: Visit) -> Response:
    return await _show(visit, "families")


async def change_family_terms(visit: Visit) -> Response:
    return await _change(visit, "families")


async def _show(visit: Visit, kind: str, wrong: str = "", status: int = HTTPStatus.OK) -> Response:
    to = visit.query.get("to", "")
    answer = visit.client.require(await visit.client.try_get(_path_of(visit, kind, to)))
    return await visit.page(
        "share_terms.html",
        status,
        here=kind,
        page=f"/{kind}/{visit.param('id')}",
        to=to,
        whom=answer.body.get("name") or to.partition("/")[2],
        share=answer.body,
        etag=answer.etag,
        today=visit.now.date().isoformat(),
        wrong=wrong,
    )


async def _change(visit: Visit, kind: str) -> Response:
    form = await visit.form()
    day = form.one("expires_at")
    body: dict[str, Any] = {"expires_at": end_of(day) if day else None}
    headers = form.unchanged()
    try:
        await visit.client.do("PATCH", _path_of(visit, kind, visit.query.get("to", "")), body, headers)
    except Refusal as refusal:
        if refusal.status != HTTPStatus.BAD_REQUEST:
            raise
        return await _show(visit, kind, refusal.detail, HTTPStatus.BAD_REQUEST)
    part = "" if kind == "images" else "/members"
    return visit.go(f"/{kind}/{visit.param('id')}{part}", did="terms")


def _path_of(visit: Visit, kind: str, to: str) -> str:
    """`to`: `projects/<id>` …"""
    recipients, _, own_id = to.partition("/")
    thing = f"/share/v1/{kind}/{segment(visit.param('id'))}/{PARTS[kind]}"
    return f"{thing}/{segment(recipients)}/{segment(own_id)}"
