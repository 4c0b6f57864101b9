"""What the share API asks of webhooks: make, show, change, remove; and the message that a hook is sent."""

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks import Webhook

from transom.clock import now_us
from transom.domain.errors import InvalidError, NotFoundError
from transom.domain.events import Actor, Event, EventData, EventType, NewEvent, Via
from transom.domain.hooks import Hook, soonest_try
from transom.domain.model import Caller
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations
from transom.domain.times import DAY_US
from transom.sharing import hook_rules
from transom.sharing.events import EVERYTHING, EventNames, Viewer, cloud_event, event_id
from transom.sql import events, hooks, outbox
from transom.sql.db import Database, Script, Statement

#: How long the previous secret signs as well, microseconds.
OLD_SECRET_US = DAY_US
_SECRET_BYTES = 32

#: Raises when the hook is not what the client takes it for.
Guard = Callable[[Hook], None]


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


async def create_hook(
    db: Database,
    caller: Caller,
    url: str,
    types: Sequence[str],
    limit: int,
    *,
    is_batch: bool,
    is_global: bool,
) -> Hook:
    """The new hook, which begins at the end of the feed. `limit`: hooks a project may have, negative for no
    limit."""
    project_id = hook_rules.manage_hooks(caller, is_global=is_global)
    hook = Hook(
        id=str(uuid.uuid4()),
        project_id=project_id,
        domain_key=caller.member_ids[1],
        url=url,
        types=tuple(types),
        is_batch=is_batch,
        is_enabled=True,
        is_global=is_global,
        secret=new_secret(),
        old_secret=None,
        old_secret_until=None,
        cursor=0,
        attempts=0,
        next_at=0,
        last_success_at=None,
        last_failure_at=None,
        last_status=None,
        last_error=None,
        created_by=caller.user_id,
        created_at=now_us(),
        updated_at=0,
    )
    return await db.run(lambda: hooks.insert_hook(hook, limit))


async def list_hooks(db: Database, caller: Caller) -> list[Hook]:
    """The hooks of the caller's project that the caller may see."""
    project_id = hook_rules.see_hooks(caller)
    return [hook for hook in await hooks.list_hooks(db, project_id) if hook_rules.sees_hook(caller, hook)]


async def show_hook(db: Database, caller: Caller, hook_id: str) -> Hook:
    hook_rules.see_hooks(caller)
    return _see(caller, await hooks.find_hook(db, hook_id))


async def change_hook(
    db: Database, caller: Caller, actor: Actor, hook_id: str, change: Mapping[str, Any], guard: Guard
) -> Hook:
    """The hook with these fields. One that is enabled again goes on at its cursor, or at the oldest event
    that is kept. One with another URL is tried soon: what failed has failed at the old one. A user who
    enables a hook or changes its URL takes it over: events are sent with that user's rights from now on."""
    oldest, _last = await events.find_kept(db)

    def decide(seen: Hook | None) -> Hook:
        hook = manage(caller, seen)
        guard(hook)
        new = msgspec.structs.replace(hook, **change, updated_at=_moved_on(hook))
        is_enabled_again = new.is_enabled and not hook.is_enabled
        if is_enabled_again or new.url != hook.url:
            new = msgspec.structs.replace(new, created_by=caller.user_id)
        if is_enabled_again:
            return _enabled(new, oldest)
        if new.url != hook.url:
            return msgspec.structs.replace(new, attempts=0, next_at=min(new.next_at, soonest_try(hook)))
        return new

    def tell(seen: Hook, new: Hook) -> Script[None]:
        if seen.is_enabled and not new.is_enabled:
            yield record_disabled(new, actor, "A user has disabled it.")

    return await db.run(lambda: hooks.change_hook(hook_id, decide, tell))


def _enabled(hook: Hook, oldest: int) -> Hook:
    new = msgspec.structs.replace(hook, attempts=0, next_at=soonest_try(hook), last_error=None)
    if hook.cursor >= oldest - 1:
        return new
    lost = f"Events {hook.cursor + 1} to {oldest - 1} are not kept any more, and were not delivered."
    return msgspec.structs.replace(new, cursor=oldest - 1, last_error=lost)


async def change_secret(db: Database, caller: Caller, hook_id: str, guard: Guard) -> Hook:
    """The hook with a new secret; the previous one signs as well for a day."""

    def decide(seen: Hook | None) -> Hook:
        hook = manage(caller, seen)
        guard(hook)
        until = now_us() + OLD_SECRET_US
        return msgspec.structs.replace(
            hook,
            secret=new_secret(),
            old_secret=hook.secret,
            old_secret_until=until,
            updated_at=_moved_on(hook),
        )

    return await db.run(lambda: hooks.change_hook(hook_id, decide, _nothing_more))


async def set_cursor(db: Database, caller: Caller, hook_id: str, cursor: int, guard: Guard) -> Hook:
    """The hook at another place of the feed: back to receive events again, forward to skip what cannot be
    delivered. A next try that was hours away is made soon; failed tries still count.
    InvalidError for a place that the feed does not have."""
    oldest, last = await events.find_kept(db)
    if not oldest - 1 <= cursor <= last:
        raise InvalidError("is not a cursor of what is kept of the feed.")

    def decide(seen: Hook | None) -> Hook:
        hook = manage(caller, seen)
        guard(hook)
        next_at = min(hook.next_at, soonest_try(hook))
        return msgspec.structs.replace(hook, cursor=cursor, next_at=next_at, updated_at=_moved_on(hook))

    return await db.run(lambda: hooks.change_hook(hook_id, decide, _nothing_more))


async def delete_hook(db: Database, caller: Caller, hook_id: str, guard: Guard) -> None:
    def check(seen: Hook | None) -> None:
        guard(manage(caller, seen))

    await db.run(lambda: hooks.delete_hook(hook_id, check))


def _nothing_more(_seen: Hook, _new: Hook) -> Script[None]:
    yield from ()


def _moved_on(hook: Hook) -> int:
    """Later than before, whatever the clocks of workers say."""
    return max(now_us(), hook.updated_at + 1)


def _see(caller: Caller, hook: Hook | None) -> Hook:
    if hook is None or not hook_rules.sees_hook(caller, hook):
        raise NotFoundError("There is no such hook.")
    return hook


def manage(caller: Caller, hook: Hook | None) -> Hook:
    """The hook if the caller may change it. NotFoundError for one that is hidden."""
    seen = _see(caller, hook)
    hook_rules.change_hook(caller, seen)
    return seen


def record_disabled(hook: Hook, actor: Actor, reason: str) -> Statement:
    """Appends the event that the hook is disabled."""
    data = EventData(hook=hook.id, reason=reason)
    event = NewEvent(at=now_us(), type=EventType.HOOK_DISABLED, owner=hook.project_id, data=data)
    return outbox.append(event, actor)


# ---- messages


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The content of one request to a hook. `id`: the same at each try."""

    id: str
    content_type: str
    body: bytes


def viewer_of_hook(hook: Hook, organizations: Organizations) -> Viewer:
    if hook.is_global:
        return EVERYTHING
    own = (hook.project_id, hook.domain_key, *organizations.keys_of(hook.project_id, hook.domain_id))
    return Viewer(project=hook.project_id, member_ids=frozenset(one for one in own if one is not None))


def message_of(hook: Hook, found: Sequence[Event], viewer: Viewer, names: EventNames) -> Message:
    """The events as the hook's project sees them: one, or a batch."""
    shown = [cloud_event(event, viewer, names) for event in found]
    if not hook.is_batch:
        return _message(event_id(found[0]), shown[0])
    first, last = event_id(found[0]), event_id(found[-1])
    return Message(
        id=first if first == last else f"{first}-{last}",
        content_type="application/cloudevents-batch+json",
        body=msgspec.json.encode(shown),
    )


def test_message(hook: Hook) -> Message:
    """An event that stands in no feed."""
    event = Event(
        seq=0,
        at=now_us(),
        type=EventType.HOOK_TEST,
        owner=hook.project_id,
        member_id=None,
        image_id=None,
        family_id=None,
        actor=Actor(via=Via.SHARE),
        data=EventData(hook=hook.id),
    )
    shown = cloud_event(event, viewer_of_hook(hook, NO_ORGANIZATIONS)) | {
        "id": f"evt-test-{uuid.uuid4().hex}"
    }
    del shown["sequence"]
    message = _message(shown["id"], shown)
    if not hook.is_batch:
        return message
    batch = "application/cloudevents-batch+json"
    return msgspec.structs.replace(message, content_type=batch, body=msgspec.json.encode([shown]))


def _message(message_id: str, shown: dict[str, Any]) -> Message:
    return Message(
        id=message_id, content_type="application/cloudevents+json", body=msgspec.json.encode(shown)
    )


def signed_headers(hook: Hook, message: Message, now: int) -> dict[str, str]:
    """The headers of one try (Standard Webhooks 1.0): the time is that of the try, for receivers refuse what
    was signed long ago. While a secret is being changed both sign."""
    seconds = now // 1_000_000
    signing = [hook.secret]
    if hook.old_secret is not None and (hook.old_secret_until or 0) > now:
        signing.append(hook.old_secret)
    moment, text = datetime.fromtimestamp(seconds, UTC), message.body.decode()
    return {
        "Content-Type": message.content_type,
        "User-Agent": "Transom",
        "webhook-id": message.id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(Webhook(one).sign(message.id, moment, text) for one in signing),
    }
