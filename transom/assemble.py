"""Assemble the service: settings → database, store, identity → handlers. The only wiring.

A process that serves starts a `Worker` (`process.py`). The parent (`transom serve`) calls `prepare`
(`prepare.py`) once, before it starts them. `components.py` opens what takes some thought to open.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

from transom.api.connections import Watch
from transom.api.dispatch import Dispatcher
from transom.api.downloads import judge_downloads
from transom.api.http import Receive, Scope, Send
from transom.api.options import (
    AccountOptions,
    BodyLimits,
    CorsOptions,
    FrontOptions,
    ImageOptions,
    ImsLimits,
    ListOptions,
    ShareLimits,
    Site,
    TaskOptions,
)
from transom.api.services import Services
from transom.components import (
    cloud_of,
    find_disks,
    open_cache,
    open_identity,
    open_jobs,
    open_keystone,
    open_limits,
    open_liveness,
    open_names,
    open_objects,
    open_requesters,
    open_stores_of,
    open_transfer,
    preparing,
    read_policy,
    start_scrub_of,
)
from transom.config import Settings, select
from transom.config.copied_files import list_copied
from transom.config.outbound import fetch_limits, fetch_rules, hook_rules
from transom.console_wiring import open_console
from transom.data.prefetch import Prefetch
from transom.data.sweep import sweep
from transom.data.transfer import Transfer
from transom.disk import Room
from transom.domain.image_quotas import ImageQuotas
from transom.domain.model import Policy
from transom.jobs.runner import Jobs
from transom.liveness import Liveness
from transom.operator_files import OperatorFilesInForce, Reloads
from transom.outbound import Outbound, Poster
from transom.ownership import Ownership
from transom.prepare import require_schema
from transom.quotas.projects import Limits
from transom.sharing.background import (
    open_deliveries,
    open_relay,
    start_background,
    start_event_quota,
    start_uses,
)
from transom.sharing.delivery import Delivery
from transom.sharing.idempotency import StoredResponses
from transom.sharing.recipients import Recipients
from transom.sharing.relay import Relay
from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.stores.cache import Cache
from transom.stores.object_access import ObjectAccess
from transom.stores.registry import Stores
from transom.telemetry import (
    RequestLog,
    Scrapes,
    open_gauge,
    open_gauges,
    open_loop_delay,
    open_metrics,
    watch_lost_lines,
)
from transom.threads import Threads
from transom.transfers.requesters import Requesters
from transom.transfers.work_folders import sweep_work, work_folder_of

if TYPE_CHECKING:
    from transom.identity.keystone_client import KeystoneClient

_FREE_TEXT = "Bytes that the service may still write, by disk: of the data folder, and of each local store"
_OWNED_TEXT = "Whether the store is this database's to change (1), or is refused (0)"
_FILES_TEXT = "Whether the operator's file is in force as it is on disk (1), or waits for SIGHUP (0)"
_SKEW_TEXT = "How far the database's clock is ahead of this machine's; negative: behind it"

#: Pause between two looks at a disk, and at the event loop's delay, seconds.
_LOOK_AT_DISKS_S = 1.0
_LOOK_AT_LOOP_S = 0.25

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Worker:
    """The parts of one worker process and their two ends."""

    def __init__(self, settings: Settings, watch: Watch) -> None:
        self._settings = settings
        self._watch = watch
        self._undo = AsyncExitStack()
        self._is_leaving = False
        self._reloads = Reloads()

    def read_files(self) -> None:
        """Go by the operator's files as they are in force now."""
        self._reloads.say()

    def leave(self) -> None:
        """Tell balancers to look elsewhere: a stop was asked, and will come soon."""
        self._is_leaving = True

    async def start(self) -> App:
        """Open everything; after an error all is closed again."""
        async with AsyncExitStack() as undo:
            app = await self._open(undo)
            self._undo = undo.pop_all()
            return app

    async def _open(self, undo: AsyncExitStack) -> App:
        settings = self._settings
        db = await open_database(settings.database_url, settings.database_pool, settings.disk_reserve)
        undo.push_async_callback(db.close)
        policy, cache = read_policy(settings), open_cache(settings)
        set_owned = open_gauges("transom_store_owned", _OWNED_TEXT, "store")
        parts = _open_parts(settings, db, policy, undo, cache, set_owned)
        stores, transfer, requesters = parts.stores, parts.transfer, parts.requesters
        await transfer.removal.clean_up()
        set_skew = open_gauge("transom_database_clock_skew_seconds", _SKEW_TEXT)
        sweeping = asyncio.create_task(sweep(db, transfer, settings.upload_lease_s / 3, set_skew))
        undo.callback(sweeping.cancel)
        if settings.serve_runs_jobs:
            working = asyncio.create_task(parts.jobs.serve())
            undo.callback(working.cancel)
            _start_background(settings, db, parts, undo)
        wake_prefetch = _start_prefetch(db, transfer, cache, undo) if cache is not None else _do_nothing
        identity = open_identity(settings, parts.keystone, policy)
        parts.deliveries.use_names(identity)
        use_policy = (requesters.use_policy, identity.use_policy)
        with preparing():
            operator_files = OperatorFilesInForce(settings, stores, use_policy, parts.objects.use_table)
        observe, count_login, render_metrics = open_metrics()
        if settings.metrics:
            undo.callback(asyncio.create_task(watch_loop(open_loop_delay())).cancel)
            watch_lost_lines()
        disks = find_disks(settings, stores)
        disk_threads = Threads("disks", len(disks))
        for room in disks.values():
            undo.callback(asyncio.create_task(_look_at_disk(room, disk_threads)).cancel)
        services = Services(
            site=select(settings, Site),
            bodies=select(settings, BodyLimits),
            lists=select(settings, ListOptions),
            image_options=select(settings, ImageOptions),
            ims_limits=select(settings, ImsLimits),
            share_limits=select(settings, ShareLimits),
            tasks=select(settings, TaskOptions),
            accounts=select(settings, AccountOptions),
            db=db,
            transfer=transfer,
            limits=parts.limits,
            event_quota=start_event_quota(db, settings.event_quota_per_day, undo),
            image_quotas=ImageQuotas(
                settings.image_tag_quota, settings.image_property_quota, settings.image_metadata_limit
            ),
            outbound=parts.outbound,
            cloud=cloud_of(settings),
            objects=parts.objects,
            stores=stores,
            disks=disks,
            cache=cache,
            wake_prefetch=wake_prefetch,
            identity=identity,
            requesters=requesters,
            recipients=Recipients(identity if settings.check_recipients else None),
            relay=parts.relay,
            uses=start_uses(db, undo),
            stored_responses=StoredResponses(
                db, settings.idempotency_lifetime_h, settings.idempotency_key_quota
            ),
            deliveries=parts.deliveries,
            operator_files=operator_files,
            wake_jobs=parts.jobs.wake,
            render_metrics=Scrapes(
                _with_free_room(_with_files(render_metrics, settings, operator_files), disks),
                look=operator_files.find_changed,
            ).render,
            count_login=count_login,
            is_leaving=lambda: self._is_leaving,
        )
        operator_files.hand_organizations_to(identity, requesters, services.recipients, parts.deliveries)
        undo.callback(asyncio.create_task(judge_downloads(self._watch)).cancel)
        request_log = RequestLog(settings.log_format) if settings.access_log else None
        if request_log is not None:
            undo.callback(request_log.close)
        dispatcher = Dispatcher(
            services,
            _front_options(settings),
            self._watch,
            observe if settings.metrics else None,
            request_log,
            open_console(settings, db, parts.keystone) if settings.has_console else None,
        )
        self._reloads.follow(operator_files.read_again)
        # What lives as long as the process need not be looked at by every collection.
        gc.collect()
        gc.freeze()
        return dispatcher.serve

    async def stop(self) -> None:
        await self._undo.aclose()


def _front_options(settings: Settings) -> FrontOptions:
    return FrontOptions(
        trusted_networks=settings.trusted_networks,
        max_connections_per_address=settings.max_connections_per_address,
        max_request_id_length=settings.max_request_id_length,
        cors=select(settings, CorsOptions) if settings.cors_allowed_origins else None,
    )


def _with_files(
    render: Callable[[], bytes], settings: Settings, files: OperatorFilesInForce
) -> Callable[[], bytes]:
    tell = open_gauges("transom_file_in_force", _FILES_TEXT, "setting")

    def render_all() -> bytes:
        for name in list_copied(settings):
            tell(name, name not in files.changed)
        return render()

    return render_all


async def _look_at_disk(room: Room, threads: Threads) -> None:
    """`threads`: one for each disk, for one on a network may hang."""
    while True:
        await threads.run(room.look)
        await asyncio.sleep(_LOOK_AT_DISKS_S)


async def watch_loop(
    observe: Callable[[float], None],
    pause_s: float = _LOOK_AT_LOOP_S,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Observe again and again by how many seconds the event loop comes round late: so long a request waits
    before anything is done for it."""
    while True:
        due = clock() + pause_s
        await asyncio.sleep(pause_s)
        observe(max(clock() - due, 0.0))


def _with_free_room(render: Callable[[], bytes], disks: Mapping[str, Room]) -> Callable[[], bytes]:
    tell = open_gauges("transom_disk_free_bytes", _FREE_TEXT, "disk")

    def render_all() -> bytes:
        for name, room in disks.items():
            tell(name, room.free_bytes)
        return render()

    return render_all


async def run_worker(settings: Settings, reloads: Reloads) -> None:
    """Run jobs, and clean up after workers that died, until cancelled. Then what is under way is left to
    others. Raises what `prepare` does. `reloads`: says when other files of the operator's are in force."""
    policy = read_policy(settings)
    async with AsyncExitStack() as undo:
        db = await open_database(settings.database_url, settings.database_pool, settings.disk_reserve)
        undo.push_async_callback(db.close)
        await require_schema(db, settings)
        parts = _open_parts(settings, db, policy, undo)
        sweep_work(work_folder_of(settings.data_path), parts.liveness)
        use_policy = (parts.requesters.use_policy,)
        with preparing():
            operator_files = OperatorFilesInForce(settings, parts.stores, use_policy, parts.objects.use_table)
        reloads.follow(operator_files.read_again)
        sweeping = asyncio.create_task(sweep(db, parts.transfer, settings.upload_lease_s / 3))
        undo.callback(sweeping.cancel)
        operator_files.hand_organizations_to(parts.requesters, parts.deliveries)
        if (names := open_names(settings, parts.keystone, policy)) is not None:
            parts.deliveries.use_names(names)
        _start_background(settings, db, parts, undo)
        await parts.jobs.serve()


class _Parts(NamedTuple):
    """What a process has whether it serves or runs jobs alone."""

    liveness: Liveness
    stores: Stores
    transfer: Transfer
    keystone: "KeystoneClient | None"
    limits: Limits
    outbound: Outbound
    objects: ObjectAccess
    requesters: Requesters
    jobs: Jobs
    relay: Relay
    deliveries: Delivery


def _open_parts(
    settings: Settings,
    db: Database,
    policy: Policy,
    undo: AsyncExitStack,
    cache: Cache | None = None,
    report_owned: Callable[[str, bool], None] = lambda _store, _is_owned: None,
) -> _Parts:
    """Opens them, and starts nothing. `report_owned` is told which stores are this database's."""
    liveness = open_liveness(settings)
    undo.callback(liveness.close)
    stores = open_stores_of(settings)
    transfer = open_transfer(settings, db, stores, liveness, Ownership(db, stores, report_owned), cache)
    undo.push_async_callback(transfer.close)
    keystone = open_keystone(settings, undo) if settings.identity == "keystone" else None
    limits = open_limits(settings, db, keystone)
    outbound = Outbound(fetch_rules(settings), fetch_limits(settings))
    objects, requesters = open_objects(settings, keystone), open_requesters(settings, policy)
    jobs = open_jobs(settings, db, transfer, outbound, limits, requesters, liveness, objects)
    undo.push_async_callback(jobs.close)
    relay = open_relay(db, settings.event_lifetime_days, settings.log_format)
    poster = Poster(hook_rules(settings), settings.hook_timeout_s)
    return _Parts(
        liveness=liveness,
        stores=stores,
        transfer=transfer,
        keystone=keystone,
        limits=limits,
        outbound=outbound,
        objects=objects,
        requesters=requesters,
        jobs=jobs,
        relay=relay,
        deliveries=open_deliveries(poster, db, liveness, relay, requesters.find_maker, undo),
    )


def _start_background(settings: Settings, db: Database, parts: _Parts, undo: AsyncExitStack) -> None:
    """What runs beside the jobs, in each process that runs some."""
    start_background(parts.relay, parts.deliveries, db, settings.idempotency_lifetime_h, undo)
    start_scrub_of(settings, db, parts.transfer, parts.liveness, undo)


def _start_prefetch(
    db: Database, transfer: Transfer, cache: Cache, undo: AsyncExitStack
) -> Callable[[], None]:
    prefetch = Prefetch(db, transfer, cache)
    working = asyncio.create_task(prefetch.serve())
    undo.callback(working.cancel)
    return prefetch.wake


def _do_nothing() -> None:
    """There is no cache to wake anybody for."""
