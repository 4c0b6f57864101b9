"""What operators look at: `GET /share/v1/operation`, and what each project has (`GET /share/v1/projects`)."""

from typing import Any

from transom.api.http import Request, Response, json_response
from transom.api.services import Services
from transom.api.share.query import (
    PAGING,
    encode_cursor,
    page_response,
    read_choice,
    read_cursor,
    read_limit,
    read_query,
)
from transom.clock import now_us
from transom.domain.operation import Operation, ProjectUse, StoreUse, UseSort
from transom.domain.times import show_time
from transom.identity import Names
from transom.sharing import operation

QUERY = PAGING | {"sort"}
_NOTHING = StoreUse(images=0, size=0)


async def show_operation(services: Services, request: Request) -> Response:
    """Of the machine that answers: the disks, and whether identity can be reached from it. The rest is of the
    whole service."""
    found = await operation.look(services.db, request.caller)
    identity = services.identity
    took_s = identity.answered_in_s
    body = {
        "looked_at": show_time(now_us()),
        "database": {
            "kind": services.site.database_kind,
            "writable": found.is_writable,
            "latency_ms": found.latency_us / 1000,
        },
        "identity": {
            "kind": services.site.identity,
            "reachable": identity.is_reachable,
            "latency_ms": round(took_s * 1000, 3) if took_s is not None else None,
        },
        "uploads": found.uploads,
        "jobs": found.jobs,
        "events_behind_s": found.behind_us / 1e6,
        "hooks": found.hooks,
        "stores": _show_stores(services, found),
    }
    return json_response(body)


def _show_stores(services: Services, found: Operation) -> list[dict[str, Any]]:
    """Those of the settings in their order, then those that rows name and the settings do not."""
    kinds: dict[str, str | None] = {info.id: info.kind for info in services.stores.infos}
    kinds |= {store: None for store in found.stores if store not in kinds}
    refused = services.transfer.ownership.refused
    return [
        {
            "id": store,
            "type": kind,
            "images": found.stores.get(store, _NOTHING).images,
            "bytes": found.stores.get(store, _NOTHING).size,
            "room": _show_room(services, store),
            "refused": store in refused,
        }
        for store, kind in kinds.items()
    ]


def _show_room(services: Services, store: str) -> dict[str, Any] | None:
    room = services.disks.get(store)
    return {"free_bytes": room.free_bytes, "has_room": not room.lacks()} if room is not None else None


async def list_projects(services: Services, request: Request) -> Response:
    """A page of what each project has, the largest first by `sort`. For admins."""
    query = read_query(request, QUERY)
    sort = UseSort(read_choice(query, "sort", UseSort, UseSort.BYTES))
    # A cursor of a list that is sorted otherwise is no position in this one.
    kind = f"projects/{sort}"
    after = read_cursor(query, kind, tuple[int, str]) or operation.FIRST
    page = await operation.list_projects(services.db, request.caller, sort, after, read_limit(query))
    names = await services.names.find(one.project_id for one in page.projects)
    following = encode_cursor(kind, page.following) if page.following is not None else None
    return page_response(request, [_show(one, names.get(one.project_id)) for one in page.projects], following)


def _show(use: ProjectUse, names: Names | None) -> dict[str, Any]:
    """Names are null where identity does not tell them."""
    return {
        "project": use.project_id,
        "name": names.name if names is not None else None,
        "domain_name": names.domain_name if names is not None else None,
        "images": use.images,
        "bytes": use.size,
        "given": use.given,
        "taken": use.taken,
    }
