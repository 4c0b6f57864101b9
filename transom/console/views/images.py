"""Lists of images, and the page that uploads one."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from transom.api.http import Response
from transom.console.visit import Visit
from transom.console.words import is_uuid

_TABS: dict[str, dict[str, str]] = {
    "shared": {"visibility": "shared", "member_status": "accepted"},
    "public": {"visibility": "public"},
    "community": {"visibility": "community"},
}
_SORTS = {
    "new": "created_at:desc",
    "old": "created_at:asc",
    "name": "name:asc",
    "size": "size:desc",
}
#: What people are offered to upload; the API knows which of them it takes.
FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vhdx", "vhd", "iso")


async def show_images(visit: Visit) -> Response:
    """Search is by exact name, id or tag: the API has no other."""
    tab, wanted = visit.query.get("show", "mine"), visit.query.get("q", "").strip()
    sort = visit.query.get("sort", "new")
    if is_uuid(wanted):
        return visit.go(f"/images/{wanted.lower()}")
    owner = visit.query.get("owner", "")
    filters = _TABS.get(tab, {"owner": owner or visit.project_id})
    page = {"sort": _SORTS.get(sort, _SORTS["new"]), "limit": 25, "marker": visit.query.get("after")}
    found = await visit.client.get("/v2/images", **filters, name=wanted, **page)
    if wanted and not found["images"]:
        found = await visit.client.get("/v2/images", **filters, tag=wanted, **page)
    return await visit.page(
        "images.html",
        images=found["images"],
        next_after=_marker(found.get("next")),
        tab=tab if tab in _TABS else "mine",
        q=wanted,
        sort=sort,
        owner=owner,
        did=visit.query.get("did", ""),
    )


def _marker(link: str | None) -> str:
    """Where the next page begins, "" where there is none."""
    return parse_qs(urlsplit(link or "").query).get("marker", [""])[0]


async def show_upload(visit: Visit) -> Response:
    stores = await visit.client.get("/v2/info/stores")
    writable: list[dict[str, Any]] = [one for one in stores["stores"] if not one.get("read-only")]
    left_s = visit.here.row.expires_at // 1_000_000 - int(visit.now.timestamp())
    return await visit.page("upload.html", stores=writable, formats=FORMATS, session_left_s=left_s)
