"""What sharing does in the background: number events, remove what has ended or is too old, record usage,
deliver to webhooks."""

import asyncio
from contextlib import AsyncExitStack

from transom.liveness import Liveness
from transom.outbound import Poster
from transom.quotas.events import EventQuota
from transom.sharing.delivery import Delivery, FindMaker
from transom.sharing.families import due
from transom.sharing.idempotency import serve_removal
from transom.sharing.relay import Relay
from transom.sharing.sweep import Sweep
from transom.sharing.usage import Uses
from transom.sql.db import Database
from transom.telemetry import open_gauge, open_lines

_BEHIND_TEXT = "How long the oldest event has waited for its number, which makes it visible"


def open_relay(db: Database, event_lifetime_days: int, log_format: str) -> Relay:
    """What numbers events, and wakes requests that wait for one."""
    set_behind = open_gauge("transom_events_behind_seconds", _BEHIND_TEXT)
    log_changes = open_lines("transom.sharing.relay", log_format)
    return Relay(db, event_lifetime_days, set_behind, log_changes)


def open_deliveries(
    poster: Poster,
    db: Database,
    liveness: Liveness,
    relay: Relay,
    find_maker: FindMaker,
    undo: AsyncExitStack,
) -> Delivery:
    """What sends events to webhooks. `find_maker`: who made a hook, as that caller is now."""
    deliveries = Delivery(db, poster, liveness, relay.readers, find_maker)
    undo.push_async_callback(deliveries.close)
    return deliveries


def start_background(
    relay: Relay, deliveries: Delivery, db: Database, idempotency_lifetime_h: int, undo: AsyncExitStack
) -> None:
    """Start the loops, in each process that runs jobs. Several processes may run them at once: row locks and
    leases in the database keep them apart."""
    responses = serve_removal(db, idempotency_lifetime_h)
    for serving in (relay.serve(), Sweep(db).serve(), due.serve(db), responses, deliveries.serve()):
        undo.callback(asyncio.create_task(serving).cancel)


def start_uses(db: Database, undo: AsyncExitStack) -> Uses:
    """What writes down uses of shared images, from now on."""
    uses = Uses(db)
    undo.push_async_callback(uses.close)
    undo.callback(asyncio.create_task(uses.serve()).cancel)
    return uses


def start_event_quota(db: Database, event_quota_per_day: int, undo: AsyncExitStack) -> EventQuota:
    """What knows which projects have caused their events of the day, from now on."""
    quota = EventQuota(db, event_quota_per_day)
    undo.callback(asyncio.create_task(quota.serve()).cancel)
    return quota
