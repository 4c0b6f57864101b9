"""Webhooks (`/share/v1/hooks`): a URL, a filter, and how far it has got in the feed of events."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from transom.api.actors import actor_of, giving_actor_of
from transom.api.http import Request, Response, json_response, no_content
from transom.api.services import Services
from transom.api.share.body import invalid, read_body
from transom.api.share.conditions import require_tag, tag_of, tagged_response
from transom.api.share.query import (
    PAGING,
    encode_cursor,
    page_response,
    read_cursor,
    read_limit,
    read_query,
)
from transom.clock import now_us
from transom.domain.errors import InvalidError
from transom.domain.hooks import Hook
from transom.domain.times import show_time
from transom.sharing import hook_rules, hooks
from transom.sharing.events import check_types

_FEED = "events"
_LIST = "hooks"
_PLACE = "/share/v1/hooks"


class HookBody(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    types: list[str] = msgspec.field(default_factory=lambda: ["*"])
    batch: bool = False
    scope: Literal["project", "all"] = "project"


class HookPatch(msgspec.Struct, forbid_unknown_fields=True):
    url: str | msgspec.UnsetType = msgspec.UNSET
    types: list[str] | msgspec.UnsetType = msgspec.UNSET
    batch: bool | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class CursorBody(msgspec.Struct, forbid_unknown_fields=True):
    after: str


async def create_hook(services: Services, request: Request) -> Hook:
    """Make a webhook, which begins at the end of the feed. Raises InvalidError for a URL or a type that it
    cannot have, LimitExceededError beyond `hook_quota`, and ForbiddenError for the scope `all` unless the
    caller is an admin."""
    body = await read_body(services, request, HookBody)
    is_global = body.scope == "all"
    hook_rules.manage_hooks(request.caller, is_global=is_global)
    return await hooks.create_hook(
        services.db,
        request.caller,
        _check_url(services, body.url),
        _check_types(body.types),
        services.share_limits.hook_quota,
        is_batch=body.batch,
        is_global=is_global,
    )


def show_created(request: Request, hook: Hook) -> Response:
    """201 with the secret, which no other answer shows."""
    shown = {**_show(hook), "secret": hook.secret}
    location = (b"location", f"{request.prefix}{_PLACE}/{hook.id}".encode())
    return tagged_response(request, shown, _tag(hook), HTTPStatus.CREATED, [location])


async def list_hooks(services: Services, request: Request) -> Response:
    """A page of them, oldest first. All are read: a project has `hook_quota` at most."""
    query = read_query(request, PAGING)
    limit = read_limit(query)
    after = read_cursor(query, _LIST, tuple[int, str]) or (0, "")
    listed = await hooks.list_hooks(services.db, request.caller)
    found = [hook for hook in listed if _position_of(hook) > after]
    page = found[:limit]
    following = encode_cursor(_LIST, _position_of(page[-1])) if len(found) > limit else None
    return page_response(request, [_show(hook) for hook in page], following)


def _position_of(hook: Hook) -> tuple[int, str]:
    return hook.created_at, hook.id


async def show_hook(services: Services, request: Request) -> Response:
    """The webhook, without its secret. NotFoundError for another project's."""
    hook = await hooks.show_hook(services.db, request.caller, request.params["hook_id"])
    return tagged_response(request, _show(hook), _tag(hook))


async def change_hook(services: Services, request: Request) -> Response:
    """Change the fields that the body names, and deliver what waits. 412 when `If-Match` names another
    state."""
    body = await read_body(services, request, HookPatch)
    change: dict[str, Any] = {}
    if body.url is not msgspec.UNSET:
        change["url"] = _check_url(services, body.url)
    if body.types is not msgspec.UNSET:
        change["types"] = _check_types(body.types)
    if body.batch is not msgspec.UNSET:
        change["is_batch"] = body.batch
    if body.enabled is not msgspec.UNSET:
        change["is_enabled"] = body.enabled
    hook_id = request.params["hook_id"]
    actor = giving_actor_of(services, request) if body.enabled is True else actor_of(request)
    hook = await hooks.change_hook(services.db, request.caller, actor, hook_id, change, _guard(request))
    services.deliveries.wake()
    return tagged_response(request, _show(hook), _tag(hook))


async def change_secret(services: Services, request: Request) -> Hook:
    """A new secret, shown here alone; the previous one signs as well for a day."""
    hook_id = request.params["hook_id"]
    return await hooks.change_secret(services.db, request.caller, hook_id, _guard(request))


def show_secret(_request: Request, hook: Hook) -> Response:
    """The new secret, and until when the old one signs as well."""
    until = hook.old_secret_until or 0
    return json_response({"secret": hook.secret, "old_secret_until": show_time(until)})


async def test_hook(services: Services, request: Request) -> None:
    """Send an event, whatever the hook's filter; the hook shows what came of it."""
    hook = await hooks.show_hook(services.db, request.caller, request.params["hook_id"])
    hooks.manage(request.caller, hook)
    services.deliveries.test(hook)


def show_test(_request: Request, _nothing: None) -> Response:
    """202: the event is on its way."""
    return Response(HTTPStatus.ACCEPTED)


async def set_cursor(services: Services, request: Request) -> Response:
    """Deliver again, or leave out: go on behind this event of the feed. InvalidError for a cursor whose
    events are not kept any more."""
    body = await read_body(services, request, CursorBody)
    try:
        cursor = read_cursor({"after": body.after}, _FEED, tuple[int])
        assert cursor is not None, "`after` is there"  # noqa: S101
        hook_id, guard = request.params["hook_id"], _guard(request)
        hook = await hooks.set_cursor(services.db, request.caller, hook_id, cursor[0], guard)
    except InvalidError:
        raise invalid("/after", "is not a cursor of what is kept of the feed.") from None
    services.deliveries.wake()
    return tagged_response(request, _show(hook), _tag(hook))


async def delete_hook(services: Services, request: Request) -> Response:
    await hooks.delete_hook(services.db, request.caller, request.params["hook_id"], _guard(request))
    return no_content()


def _check_url(services: Services, url: str) -> str:
    try:
        services.deliveries.check_url(url)
    except InvalidError as error:
        raise invalid("/url", str(error)) from None
    return url


def _check_types(types: list[str]) -> tuple[str, ...]:
    try:
        return check_types(types)
    except InvalidError as error:
        raise invalid("/types", str(error)) from None


def _guard(request: Request) -> Callable[[Hook], None]:
    return partial(_require, request)


def _require(request: Request, hook: Hook) -> None:
    require_tag(request, _tag(hook))


def _tag(hook: Hook) -> str:
    return tag_of(hook.id, hook.updated_at)


def _show(hook: Hook) -> dict[str, Any]:
    is_waiting = hook.is_enabled and hook.next_at > now_us()
    return {
        "id": hook.id,
        "url": hook.url,
        "types": hook.types,
        "batch": hook.is_batch,
        "enabled": hook.is_enabled,
        "scope": "all" if hook.is_global else "project",
        "cursor": encode_cursor(_FEED, (hook.cursor,)),
        "failed_tries": hook.attempts,
        "next_try_at": show_time(hook.next_at) if is_waiting else None,
        "last_success_at": _optional_time(hook.last_success_at),
        "last_failure_at": _optional_time(hook.last_failure_at),
        "last_status": hook.last_status,
        "last_error": hook.last_error,
        "created_at": show_time(hook.created_at),
        "updated_at": show_time(hook.updated_at),
    }


def _optional_time(at: int | None) -> str | None:
    return show_time(at) if at is not None else None
