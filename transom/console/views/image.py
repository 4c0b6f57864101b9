"""One image: what it is, who has it, and what can be done with it."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from transom.api.http import Response
from transom.console import passing
from transom.console.client import Answer, cursor_of, segment
from transom.console.views.history import described
from transom.console.visit import Form, Visit
from transom.console.words import file_name
from transom.domain.errors import InvalidError, NotFoundError

_PATCH = {"content-type": "application/openstack-images-v2.1-json-patch"}
#: Fields that the page shows in their own places; the rest are properties.
_OWN = frozenset(
    {
        *("id", "name", "status", "visibility", "owner", "size", "virtual_size", "checksum", "os_hash_algo"),
        *("os_hash_value", "disk_format", "container_format", "min_disk", "min_ram", "protected", "tags"),
        *("os_hidden", "created_at", "updated_at", "self", "file", "schema", "stores", "direct_url"),
        *("locations", "owner_specified"),
    }
)
_NOTHING = Answer(HTTPStatus.NOT_FOUND, {}, None)
#: What the service says of families.
FAMILY = "os_share_"
#: Act → the change that it is.
_CHANGES: dict[str, tuple[str, Any]] = {
    "hide": ("os_hidden", True),
    "show": ("os_hidden", False),
    "protect": ("protected", True),
    "unprotect": ("protected", False),
}
#: Acts that a page explains before they are done.
EXPLAINED = frozenset({"deactivate", "delete"})
#: Shares among which the last use is looked for.
MOST_SEARCHED = 100


async def get_image(visit: Visit) -> dict[str, Any]:
    found: dict[str, Any] = await visit.client.get(path_of(visit.param("id")))
    return found


async def get_own_image(visit: Visit) -> dict[str, Any]:
    """ForbiddenError for another project's."""
    image = await get_image(visit)
    visit.require_owner(image["owner"])
    return image


def path_of(image_id: str) -> str:
    return f"/v2/images/{segment(image_id)}"


async def show_image(visit: Visit) -> Response:
    image = await get_image(visit)
    is_owner = image["owner"] == visit.project_id
    share = f"/share/v1/images/{segment(image['id'])}"
    ask = visit.client.try_get
    query = visit.query
    manages = visit.is_ours(image["owner"])
    page: dict[str, Any] = {"limit": 25, "status": query.get("status"), "after": query.get("after")}
    shares, summary, item, family, events = await asyncio.gather(
        ask(f"{share}/shares", **page) if manages else _nothing(),
        ask(f"{share}/shares/summary") if manages else _nothing(),
        _nothing() if is_owner else ask(f"/share/v1/inbox/images/{segment(image['id'])}"),
        _nothing() if is_owner else _find_current(visit, image),
        ask("/share/v1/events", image=image["id"], order="desc", limit=6),
    )
    return await visit.page(
        "image.html",
        image=image,
        is_owner=is_owner,
        manages=manages,
        properties=properties_of(image),
        family=_family_of(image),
        shares=_body(shares),
        summary=_body(summary),
        item=_body(item),
        current=_body(family),
        events=described(visit, events.body["events"]) if events.status == HTTPStatus.OK else None,
        next_after=cursor_of(shares.body["next"]) if shares.status == HTTPStatus.OK else "",
        answer=query.get("status", ""),
        did=query.get("did", ""),
        count=query.get("n", ""),
        again=query.get("again", ""),
        kept=query.get("u", ""),
    )


async def _nothing() -> Answer:
    return _NOTHING


def _body(answer: Answer) -> Any:
    return answer.body if answer.status == HTTPStatus.OK else None


async def _find_current(visit: Visit, image: Mapping[str, Any]) -> Answer:
    """The current version of the family that the image belongs to, for who has been given another."""
    family_id = await _find_family_id(visit, image)
    return (
        await visit.client.try_get(f"/share/v1/families/{segment(family_id)}/current")
        if family_id
        else _NOTHING
    )


async def _find_family_id(visit: Visit, image: Mapping[str, Any]) -> str:
    """Of the family that the image is a version of, "" where there is none."""
    name = image.get(f"{FAMILY}family")
    if not name:
        return ""
    found = await visit.client.try_get("/share/v1/families", name=name, owner=image["owner"])
    items = found.body["items"] if found.status == HTTPStatus.OK else []
    return str(items[0]["id"]) if items else ""


def properties_of(image: Mapping[str, Any]) -> dict[str, Any]:
    """What users wrote of it, by name."""
    return {key: image[key] for key in sorted(image) if key not in _OWN and not key.startswith(FAMILY)}


def _family_of(image: Mapping[str, Any]) -> dict[str, Any]:
    """What the service wrote of it; empty where the image belongs to no family."""
    return {key.removeprefix(FAMILY): image[key] for key in image if key.startswith(FAMILY)}


async def download(visit: Visit) -> Response:
    image = await get_image(visit)
    saved_as = file_name(image["name"], image["id"], image["disk_format"])
    return await passing.download(
        visit.request, image["id"], visit.token, saved_as, visit.client.answer_request
    )


async def show_act(visit: Visit) -> Response:
    act = visit.param("act")
    if act not in EXPLAINED:
        raise NotFoundError("There is no such page.")
    image = await get_own_image(visit)
    share = f"/share/v1/images/{segment(image['id'])}/shares"
    summary, shares, family_id = await asyncio.gather(
        visit.client.try_get(f"{share}/summary"),
        visit.client.try_get(share, limit=MOST_SEARCHED),
        _find_family_id(visit, image),
    )
    return await visit.page(
        f"image_{act}.html",
        image=image,
        family=_family_of(image),
        family_id=family_id,
        summary=_body(summary),
        last_use=find_last_use(shares.body["items"]) if shares.status == HTTPStatus.OK else None,
    )


def find_last_use(shares: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of those who have it, the one that used it last; None where nobody has."""
    used = [one for one in shares if one["usage"]["last_used_at"]]
    return max(used, key=lambda one: str(one["usage"]["last_used_at"]), default=None)


async def act(visit: Visit) -> Response:
    form = await visit.form()
    act, path = visit.param("act"), path_of(visit.param("id"))
    if act == "delete":
        await visit.client.do("DELETE", path)
        return visit.go("/images", did="deleted")
    if act in ("deactivate", "reactivate"):
        await visit.client.do("POST", f"{path}/actions/{act}")
    elif act in _CHANGES:
        field, value = _CHANGES[act]
        await _patch(visit, [{"op": "replace", "path": f"/{field}", "value": value}])
    elif act == "visibility":
        await _patch(visit, [{"op": "replace", "path": "/visibility", "value": form.one("visibility")}])
    else:
        raise NotFoundError("There is no such page.")
    return visit.go(f"/images/{visit.param('id')}", did=act)


async def show_edit(visit: Visit) -> Response:
    image = await get_own_image(visit)
    return await visit.page("image_edit.html", image=image, properties=properties_of(image))


async def edit(visit: Visit) -> Response:
    form = await visit.form()
    image = await get_image(visit)
    changes = list(_find_changes(image, form))
    if changes:
        await _patch(visit, changes)
    return visit.go(f"/images/{image['id']}", did="edited")


def _find_changes(image: Mapping[str, Any], form: Form) -> list[dict[str, Any]]:
    """The steps of a JSON patch from the image to the form. InvalidError for what is no number."""
    wanted: dict[str, Any] = {
        "name": form.one("name") or None,
        "min_disk": _read_number(form, "min_disk"),
        "min_ram": _read_number(form, "min_ram"),
        "visibility": form.one("visibility") or image["visibility"],
        "tags": sorted({tag.strip() for tag in form.one("tags").split(",") if tag.strip()}),
    }
    changes = [
        {"op": "replace", "path": f"/{field}", "value": value}
        for field, value in wanted.items()
        if (sorted(image[field]) if field == "tags" else image[field]) != value
    ]
    for name, value in properties_of(image).items():
        if form.has(f"keep-{name}"):
            if (given := form.one(f"property-{name}")) != value:
                changes.append({"op": "replace", "path": _pointer(name), "value": given})
        else:
            changes.append({"op": "remove", "path": _pointer(name)})
    if name := form.one("new_name"):
        changes.append({"op": "add", "path": _pointer(name), "value": form.one("new_value")})
    return changes


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _read_number(form: Form, name: str) -> int:
    text = form.one(name) or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidError(f"{name} must be a whole number, not {text[:40]!r}.")
    return int(text)


async def _patch(visit: Visit, changes: list[dict[str, Any]]) -> None:
    await visit.client.do("PATCH", path_of(visit.param("id")), changes, _PATCH)
