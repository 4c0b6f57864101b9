"""What happened: the project's history, and all projects' for operators."""

from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from typing import Any

from transom.api.http import Response, encode_json
from transom.console.client import Refusal, cursor_of
from transom.console.events import TYPES, Reader, describe
from transom.console.guard import HEADERS
from transom.console.recipients import read_recipients
from transom.console.visit import ROOT, Visit
from transom.console.words import is_uuid
from transom.domain.errors import InvalidError

_EVENTS = "/share/v1/events"
#: Filter → the list in which a name is looked up.
_NAMED = {"image": "/v2/images", "family": "/share/v1/families"}
#: First part of a page's path → the filter by what the page is of.
_KINDS = {"images": "image", "families": "family"}
#: Events that tell who changed something meanwhile.
_LATEST = 3
_NONE: dict[str, Any] = {"events": [], "next": None}
#: A download of the history ends here.
_MOST_EXPORTED = 100_000
_GROUPS = {
    "": "Everything",
    "share.*": "Shares of images",
    "family.*": "Families",
    "image.*": "Images closed, deleted, deactivated",
    "hook.*": "Webhooks",
}


async def show_activity(visit: Visit) -> Response:
    return await _show(visit, "activity.html", is_all=False)


async def show_audit(visit: Visit) -> Response:
    return await _show(visit, "audit.html", is_all=True)


async def _show(visit: Visit, template: str, *, is_all: bool) -> Response:
    filters = _filters(visit)
    wanted, wrong = await _resolve(visit, filters)
    page = {"order": "desc", "limit": 25, "after": visit.query.get("after"), **_scope(is_all)}
    found = await visit.client.get(_EVENTS, **page, **wanted) if not wrong else _NONE
    return await visit.page(
        template,
        here="audit" if is_all else "activity",
        path="/operator/audit" if is_all else "/activity",
        events=described(visit, found["events"]),
        next_after=cursor_of(found["next"]),
        filters=filters,
        wrong=wrong,
        groups=_GROUPS,
        types=TYPES,
        oldest_told=found["next"] is None,
    )


def _filters(visit: Visit) -> dict[str, str]:
    query = visit.query
    found = {name: query.get(name, "").strip() for name in ("type", "image", "family")}
    return {**found, "with_": query.get("with", "").strip()}


async def _resolve(visit: Visit, filters: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The filters with ids for names, and what is wrong with them."""
    found, wrong = dict(filters), []
    if filters["with_"]:
        named = await read_recipients(visit.signing.ask, visit.token, filters["with_"])
        found["with_"] = next(iter(named.names), "")
        wrong += [f"{line}: {why}." for line, why in named.wrong]
    for kind, path in _NAMED.items():
        if (name := filters[kind]) and not is_uuid(name):
            answer = await visit.client.get(path, name=name, limit=2, is_shown=False)
            ids = [one["id"] for one in answer.get("items", answer.get("images", []))]
            found[kind] = ids[0] if ids else ""
            if len(ids) != 1:
                wrong.append(f"{name}: {'several have' if ids else f'you see no {kind} of'} this name.")
    return found, wrong


def _scope(is_all: bool) -> dict[str, str]:
    return {"all": "true"} if is_all else {}


async def find_latest(visit: Visit) -> list[dict[str, Any]]:
    """What happened last to the family or image that the page is of; nothing where the history does not
    tell."""
    kind = _KINDS.get(visit.request.path.removeprefix(ROOT).split("/")[1])
    if kind is None:
        return []
    found = await visit.client.try_get(
        _EVENTS, **{kind: visit.param("id")}, order="desc", limit=_LATEST, is_shown=False
    )
    return described(visit, found.body["events"]) if found.status == HTTPStatus.OK else []


def described(visit: Visit, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events as pages show them. `day`: of the first of a day, the newest first."""
    link = {"image": visit.url("/images"), "family": visit.url("/families")}
    row = visit.here.row
    own = Reader(visit.project_id, row.user_id, row.user_name)
    days = [str(one["time"])[:10] for one in events]
    return [
        {
            "at": one["time"],
            "day": one["time"] if number == 0 or days[number - 1] != days[number] else None,
            "text": describe(one, own, link),
            "event": one,
        }
        for number, one in enumerate(events)
    ]


async def export_activity(visit: Visit) -> Response:
    return await _export(visit, is_all=False)


async def export_audit(visit: Visit) -> Response:
    return await _export(visit, is_all=True)


async def _export(visit: Visit, *, is_all: bool) -> Response:
    """The events that the filters leave, the newest first, one JSON object a line."""
    wanted, wrong = await _resolve(visit, _filters(visit))
    if wrong:
        raise InvalidError(" ".join(wrong))
    query = {"order": "desc", "limit": 1000, **wanted, **_scope(is_all)}
    first = await visit.client.get(_EVENTS, **query)

    async def write() -> AsyncGenerator[bytes, None]:
        page, count = first, 0
        while True:
            yield b"".join(encode_json(one) + b"\n" for one in page["events"])
            count += len(page["events"])
            after = cursor_of(page["next"])
            if not after or count >= _MOST_EXPORTED:
                return
            try:
                page = await visit.client.get(_EVENTS, **query, after=after)
            except Refusal:
                return

    headers = [
        *HEADERS,
        (b"content-type", b"application/x-ndjson"),
        (b"content-disposition", b'attachment; filename="events.jsonl"'),
        (b"cache-control", b"no-store"),
    ]
    return Response(headers=headers, chunks=write())
