"""The feed of events, and history (`GET /share/v1/events`)."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from transom.api.http import JSON, Headers, Request, Response, encode_json
from transom.api.services import Services
from transom.api.share.problems import ProblemError
from transom.api.share.query import (
    PAGING,
    cut_to_size,
    encode_cursor,
    read_choice,
    read_cursor,
    read_id,
    read_limit,
    read_query,
    wrong_parameter,
)
from transom.api.signing import authenticate
from transom.domain.errors import InvalidError
from transom.domain.events import EventQuery
from transom.domain.model import Caller
from transom.sharing.events import check_types, cloud_event, matching_types
from transom.sharing.history import CursorTooOldError, EventPage, UnknownCursorError, list_events

QUERY = PAGING | {"type", "image", "family", "with", "order", "wait", "all"}
CURSOR = "events"
#: The longest that a reader may wait for an event, seconds.
MOST_WAIT_S = 30


async def show_events(services: Services, request: Request) -> Response:
    """A page of the feed behind `after`; with `wait` the answer waits so long for the next event. 400 for a
    cursor of another list, 410 with the oldest cursor there is when events in between were removed."""
    query = read_query(request, QUERY)
    after = read_cursor(query, CURSOR, tuple[int])
    descending = read_choice(query, "order", ("asc", "desc"), "asc") == "desc"
    wait_s = _read_wait(query)
    if wait_s and descending:
        raise wrong_parameter("wait", "is for order=asc: history has no next event to wait for.")
    asked = EventQuery(
        limit=read_limit(query),
        after=after[0] if after is not None else None,
        descending=descending,
        types=_read_types(query),
        image_id=read_id(query, "image"),
        family_id=read_id(query, "family"),
        other=read_id(query, "with"),
    )
    sees_all = read_choice(query, "all", ("true", "false"), "false") == "true"

    if wait_s:
        request.begin_poll()

    async def find_caller() -> Caller:
        await request.take_turn()
        request.caller = await authenticate(services, request)
        return request.caller

    try:
        page = await list_events(
            services.db,
            services.relay,
            request.caller,
            asked,
            sees_all=sees_all,
            wait_s=wait_s,
            is_leaving=services.is_leaving,
            find_caller=find_caller,
        )
    except UnknownCursorError:
        raise wrong_parameter("after", "is not a cursor that this list gave.") from None
    except CursorTooOldError as error:
        oldest = encode_cursor(CURSOR, (error.oldest,))
        text = "after: what comes next was removed; `oldest` is the first cursor that is good."
        raise ProblemError("cursor-too-old", text, more={"oldest": oldest}) from None
    names = await services.names.find_in(page.events, page.viewer)
    shown = await cut_to_size(
        request,
        page.events,
        lambda event: cloud_event(event, page.viewer, names),
        services.lists.list_size_limit,
    )
    if len(shown) < len(page.events):
        page = msgspec.structs.replace(page, cursor=page.events[len(shown) - 1].seq, has_more=True)
    return _page_response(request, page, shown)


def _page_response(request: Request, page: EventPage, shown: Sequence[msgspec.Raw]) -> Response:
    cursor = encode_cursor(CURSOR, (page.cursor,))
    body: dict[str, Any] = {"events": shown, "cursor": cursor, "next": None}
    headers: Headers = [(b"content-type", JSON), (b"cache-control", b"no-store")]
    if page.has_more:
        kept = [pair for pair in request.query_pairs() if pair[0] != "after"]
        path = quote(request.raw_path, safe="/%")
        body["next"] = f"{path}?{urlencode([*kept, ('after', cursor)])}"
        headers.append((b"link", f'<{body["next"]}>; rel="next"'.encode("ascii")))
    return Response(body=encode_json(body), headers=headers)


def _read_wait(query: dict[str, str]) -> int:
    value = query.get("wait", "0")
    if not (value.isascii() and value.isdigit() and len(value) < 4 and int(value) <= MOST_WAIT_S):
        raise wrong_parameter("wait", f"must be a whole number of seconds from 0 to {MOST_WAIT_S}.")
    return int(value)


def _read_types(query: dict[str, str]) -> list[str] | None:
    if "type" not in query:
        return None
    try:
        patterns = check_types(query["type"].split(","))
    except InvalidError as error:
        raise wrong_parameter("type", str(error)) from None
    return sorted(matching_types(patterns))
