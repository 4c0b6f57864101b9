"""Webhooks: which there are, what came of their deliveries, and what can be done about them."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from transom.api.http import Response
from transom.console.client import Refusal, segment
from transom.console.views.history import described
from transom.console.visit import Form, Given, Visit
from transom.domain.errors import InvalidError, NotFoundError

_HOOKS = "/share/v1/hooks"
_EVENTS = "/share/v1/events"
#: What a hook may be told of: pattern → words.
GROUPS = {
    "share.*": "Shares of images: offered, accepted, withdrawn, …",
    "family.*": "Families: versions, promotions, members",
    "image.*": "Images: closed, deleted, deactivated",
    "hook.*": "Webhooks: one was disabled",
}
#: How far back a hook can be set, events.
REPLAYS = (10, 100, 500)
#: Events that wait and are shown.
_MOST_WAITING = 10
#: Acts that a page explains before they are done.
EXPLAINED = frozenset({"secret", "delete"})
_CREATING = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class Waiting(NamedTuple):
    """What a webhook has yet to send. `has_more`: than the events that are here."""

    events: list[dict[str, Any]]
    has_more: bool


async def show_hooks(visit: Visit) -> Response:
    hooks = (await visit.client.get(_HOOKS))["items"]
    waiting = await asyncio.gather(*(_find_waiting(visit, hook, is_shown=False) for hook in hooks))
    return await visit.page(
        "hooks.html", hooks=list(zip(hooks, waiting, strict=True)), did=visit.query.get("did", "")
    )


async def show_new(visit: Visit) -> Response:
    return await _show_form(visit, Given(), list(GROUPS))


async def _show_form(
    visit: Visit, given: Given, types: list[str], status: int = HTTPStatus.OK, wrong: str = ""
) -> Response:
    return await visit.page(
        "hook_new.html", status, given=given, types=types, groups=GROUPS, wrong=wrong, hook=None
    )


async def create(visit: Visit) -> Response:
    """The answer shows the secret: it is kept nowhere that could show it again."""
    form = await visit.form()
    body: dict[str, Any] = {**_read_settings(form), "scope": form.one("scope") or "project"}
    try:
        made = (await visit.client.do("POST", _HOOKS, body, form.once())).body
    except Refusal as refusal:
        if refusal.status not in _CREATING:
            raise
        given = form.given("url", "scope", "batch")
        return await _show_form(visit, given, form.all("types"), refusal.status, refusal.detail)
    return await visit.page("hook_secret.html", hook=made, secret=made["secret"], until=None)


def _read_settings(form: Form) -> dict[str, Any]:
    types = form.all("types")
    is_everything = not types or set(types) >= set(GROUPS)
    return {"url": form.one("url"), "batch": form.has("batch"), "types": ["*"] if is_everything else types}


async def show_hook(visit: Visit) -> Response:
    path = _path(visit)
    answer = visit.client.require(await visit.client.try_get(path))
    hook = answer.body
    waiting = await _find_waiting(visit, hook)
    return await visit.page(
        "hook.html",
        hook=hook,
        etag=answer.etag,
        events=described(visit, waiting.events),
        has_more=waiting.has_more,
        groups=GROUPS,
        replays=REPLAYS,
        did=visit.query.get("did", ""),
    )


async def _find_waiting(visit: Visit, hook: dict[str, Any], *, is_shown: bool = True) -> Waiting:
    """The oldest of what waits; nothing where it is not to be had."""
    answer = await visit.client.try_get(
        _EVENTS,
        is_shown=is_shown,
        after=hook["cursor"],
        limit=_MOST_WAITING,
        type=_types_of(hook),
        all=_all_of(hook),
    )
    if answer.status != HTTPStatus.OK:
        return Waiting([], has_more=False)
    return Waiting(answer.body["events"], has_more=bool(answer.body["next"]))


def _path(visit: Visit) -> str:
    return f"{_HOOKS}/{segment(visit.param('id'))}"


def _types_of(hook: Mapping[str, Any]) -> str:
    return "" if "*" in hook["types"] else ",".join(hook["types"])


def _all_of(hook: Mapping[str, Any]) -> str:
    return "true" if hook["scope"] == "all" else ""


async def change(visit: Visit) -> Response:
    """Where it sends what."""
    form = await visit.form()
    await visit.client.do("PATCH", _path(visit), _read_settings(form), form.unchanged())
    return _back(visit, "changed")


def _back(visit: Visit, did: str) -> Response:
    return visit.go(f"/hooks/{visit.param('id')}", did=did)


async def show_act(visit: Visit) -> Response:
    """What is asked before it is done."""
    act = visit.param("act")
    if act not in EXPLAINED:
        raise NotFoundError("There is no such page.")
    hook = await visit.client.get(_path(visit))
    return await visit.page(f"hook_{'renew' if act == 'secret' else 'delete'}.html", hook=hook)


async def act(visit: Visit) -> Response:
    form, wanted, path = await visit.form(), visit.param("act"), _path(visit)
    if wanted in ("enable", "disable"):
        await visit.client.do("PATCH", path, {"enabled": wanted == "enable"})
        return _back(visit, f"{wanted}d")
    if wanted == "test":
        await visit.client.do("POST", f"{path}/test")
        return _back(visit, "tested")
    if wanted == "secret":
        done = (await visit.client.do("POST", f"{path}/secret")).body
        hook = await visit.client.get(path)
        facts = {"hook": hook, "secret": done["secret"], "until": done["old_secret_until"]}
        return await visit.page("hook_secret.html", **facts)
    if wanted == "cursor":
        return await _move(visit, path, form.one("back"))
    if wanted == "delete":
        await visit.client.do("DELETE", path)
        return visit.go("/hooks", did="deleted")
    raise NotFoundError("There is no such act.")


async def _move(visit: Visit, path: str, back: str) -> Response:
    """So many events of the feed back, or, 0, past all that waits."""
    if back not in ("0", *map(str, REPLAYS)):
        raise InvalidError("A hook is set back by one of the numbers that the page offers.")
    hook = await visit.client.get(path)
    # The cursor of a page is the place of its last event: those after it are sent.
    query = {"order": "desc", "limit": int(back) + 1, "all": _all_of(hook)}
    page = await visit.client.get(_EVENTS, **query)
    if back != "0" and not page["next"]:
        # There are no more. A history of what is in no feed is empty, and its cursor stands before them all.
        page = await visit.client.get(_EVENTS, **query, type="hook.test")
    await visit.client.do("PUT", f"{path}/cursor", {"after": page["cursor"]})
    return _back(visit, "passed" if back == "0" else "replayed")
