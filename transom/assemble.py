"""Assemble the service: settings → database, store, identity → handlers. The only wiring.

A process that serves starts a `Worker` (`process.py`); the parent (`transom serve`) calls `prepare` once
before it starts them.
"""

import asyncio
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from transom.api.bodies import BodyMemory
from transom.api.connections import ConnectionLimits, Watch
from transom.api.dispatch import Dispatcher
from transom.api.forwarded import make_trust
from transom.api.http import Receive, Scope, Send
from transom.api.parts import Parts
from transom.browsers import open_console, prepare_console
from transom.config import Settings, SettingsError
from transom.config.operator_files import find_changed, list_copied
from transom.config.outbound import fetch_limits, fetch_rules
from transom.data.prefetch import Prefetch
from transom.data.recovery import give_up_dead
from transom.data.sweep import sweep
from transom.data.transfer import Transfer
from transom.disk import Room
from transom.domain.errors import UnavailableError
from transom.domain.image_quotas import ImageQuotas
from transom.domain.model import Policy
from transom.identity import Identity
from transom.identity.accounts import create_first_accounts
from transom.identity.builtin import BuiltinIdentity
from transom.identity.clouds import refresh_clouds
from transom.identity.directory import AccountsError
from transom.jobs.runner import Jobs, release_dead
from transom.liveness import Liveness
from transom.operator_files import OperatorFilesInForce, read_policy_files
from transom.outbound import Outbound
from transom.ownership import Ownership
from transom.quotas.projects import Limits
from transom.sharing.background import open_deliveries, open_relay, start_background, start_uses
from transom.sharing.delivery import release_hooks_of_dead
from transom.sharing.recipients import Recipients
from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.migrate import migrate, missing_migrations
from transom.stores import LocalFiles
from transom.stores.cache import Cache
from transom.stores.registry import Stores, open_stores
from transom.stores.threads import in_thread
from transom.telemetry import (
    RequestLog,
    open_closings,
    open_gauge,
    open_gauges,
    open_metrics,
)
from transom.transfers.askers import open_askers
from transom.transfers.object_keys import needs_keystone, open_objects
from transom.transfers.work import sweep_work

if TYPE_CHECKING:
    from transom.identity.keystone_client import KeystoneClient

_log = logging.getLogger(__name__)

_FREE_TEXT = "Bytes that the service may still write, by disk: of the data folder, and of each local store"
_OWNED_TEXT = "Whether the store is this database's to change (1), or is refused (0)"
_FILES_TEXT = "Whether the operator's file is in force as it is on disk (1), or waits for SIGHUP (0)"
_SKEW_TEXT = "How far the database's clock is ahead of this machine's; negative: behind it"

#: Pause between two looks at the disks, seconds.
_LOOK_AT_DISKS_S = 1.0

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Worker:
    """The parts of one worker process and their two ends."""

    def __init__(self, settings: Settings, watch: Watch) -> None:
        self._settings = settings
        self._watch = watch
        self._undo = AsyncExitStack()
        self._is_leaving = False
        self._operator_files: OperatorFilesInForce | None = None

    def read_files(self) -> None:
        """Go by the operator's files as they are in force now."""
        if self._operator_files is not None:
            self._operator_files.read_again()

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
        liveness = _open_liveness(settings)
        undo.callback(liveness.close)
        cache = _open_cache(settings)
        stores = _open_stores(settings)
        set_owned = open_gauges("transom_store_owned", _OWNED_TEXT, "store")
        transfer = Transfer(settings, db, stores, liveness, Ownership(db, stores, set_owned), cache)
        undo.push_async_callback(transfer.close)
        await transfer.removal.recover()
        set_skew = open_gauge("transom_database_clock_skew_seconds", _SKEW_TEXT)
        sweeping = asyncio.create_task(sweep(db, transfer, settings.upload_lease_s / 3, set_skew))
        undo.callback(sweeping.cancel)
        outbound = Outbound(fetch_rules(settings), fetch_limits(settings))
        keystone = _open_keystone(settings, undo) if settings.identity == "keystone" else None
        limits = _open_limits(settings, db, keystone)
        policy = _read_policy(settings)
        objects, askers = open_objects(settings, keystone), open_askers(settings, policy)
        jobs = Jobs(settings, db, transfer, outbound, limits, askers, liveness, objects)
        undo.push_async_callback(jobs.close)
        relay = open_relay(settings, db)
        deliveries = open_deliveries(settings, db, liveness, relay, undo)
        if settings.serve_runs_jobs:
            working = asyncio.create_task(jobs.serve())
            undo.callback(working.cancel)
            start_background(relay, deliveries, db, undo)
        wake_prefetch = _start_prefetch(db, transfer, cache, undo) if cache is not None else _do_nothing
        identity = _open_identity(settings, keystone, policy)
        use_policy = (askers.use_policy, identity.use_policy)
        with _preparing():
            operator_files = OperatorFilesInForce(settings, stores, use_policy, objects.use_table)
        observe, count_login, render_metrics = open_metrics()
        disks = _find_disks(settings, stores)
        undo.callback(asyncio.create_task(_look_at_disks(disks)).cancel)
        parts = Parts(
            settings=settings,
            db=db,
            transfer=transfer,
            limits=limits,
            image_quotas=ImageQuotas(
                settings.image_tag_quota, settings.image_property_quota, settings.image_metadata_limit
            ),
            outbound=outbound,
            objects=objects,
            stores=stores,
            disks=disks,
            cache=cache,
            wake_prefetch=wake_prefetch,
            identity=identity,
            recipients=Recipients(identity if settings.check_recipients else None),
            relay=relay,
            uses=start_uses(db, undo),
            deliveries=deliveries,
            operator_files=operator_files,
            wake_jobs=jobs.wake,
            render_metrics=_with_free_room(_with_files(render_metrics, settings), disks),
            count_login=count_login,
            is_leaving=lambda: self._is_leaving,
        )
        dispatcher = Dispatcher(
            parts,
            self._watch,
            observe if settings.metrics else None,
            RequestLog(settings.log_format) if settings.access_log else None,
            open_console(settings, db, keystone) if settings.has_console else None,
        )
        self._operator_files = operator_files
        # What lives as long as the process need not be looked at by every collection.
        gc.collect()
        gc.freeze()
        return dispatcher.serve

    async def stop(self) -> None:
        await self._undo.aclose()


def _with_files(render: Callable[[], bytes], settings: Settings) -> Callable[[], bytes]:
    tell = open_gauges("transom_file_in_force", _FILES_TEXT, "setting")

    def render_all() -> bytes:
        changed = find_changed(settings)
        for name in list_copied(settings):
            tell(name, name not in changed)
        return render()

    return render_all


def _find_disks(settings: Settings, stores: Stores) -> dict[str, Room]:
    local = {info.id: stores.get(info.id) for info in stores.infos}
    return {
        "data": Room(settings.data_path, settings.disk_reserve),
        **{name: store.room for name, store in local.items() if isinstance(store, LocalFiles)},
    }


async def _look_at_disks(disks: Mapping[str, Room]) -> None:
    """Beside the event loop: one on a network may hang."""
    while True:
        for room in disks.values():
            await in_thread(room.look)
        await asyncio.sleep(_LOOK_AT_DISKS_S)


def _with_free_room(render: Callable[[], bytes], disks: Mapping[str, Room]) -> Callable[[], bytes]:
    tell = open_gauges("transom_disk_free_bytes", _FREE_TEXT, "disk")

    def render_all() -> bytes:
        for name, room in disks.items():
            tell(name, room.free_bytes)
        return render()

    return render_all


def open_watch(settings: Settings) -> Watch:
    limits = ConnectionLimits(
        head_s=settings.head_timeout_s,
        idle_s=settings.keep_alive_s,
        stall_s=settings.stall_timeout_s,
        pace_bytes_s=settings.least_pace_bytes_s,
        most=settings.max_connections,
        most_by_address=settings.max_connections_per_address,
    )
    networks = settings.trusted_networks
    is_trusted = make_trust(networks) if networks else None
    return Watch(limits, BodyMemory(settings.body_memory_bytes), settings.port, is_trusted, open_closings())


def _open_identity(settings: Settings, keystone: "KeystoneClient | None", policy: Policy) -> Identity:
    """Raises AccountsError."""
    if keystone is None:
        return BuiltinIdentity(
            settings.data_path,
            settings.token_lifetime_s,
            policy,
            has_strict_signatures=settings.has_strict_signatures,
            region=settings.region if settings.region_names_project else None,
        )
    from transom.identity.keystone import KeystoneIdentity

    return KeystoneIdentity(
        keystone,
        settings.keystone_cache_s,
        policy,
        has_strict_signatures=settings.has_strict_signatures,
    )


def _open_limits(settings: Settings, db: Database, keystone: "KeystoneClient | None") -> Limits:
    if keystone is None or not settings.use_keystone_limits:
        return Limits(settings, db, None)
    from transom.identity.limits import KeystoneLimits

    service, cache_s = settings.keystone_limits_service, settings.keystone_limits_cache_s
    return Limits(settings, db, KeystoneLimits(keystone, service, settings.region, cache_s))


def _open_keystone(settings: Settings, undo: AsyncExitStack) -> "KeystoneClient":
    """Raises PreparationError for a file of certificates that cannot be read."""
    # Imported here: who has no Keystone does without the 13 MiB of its HTTP client.
    from transom.identity.keystone_client import KeystoneClient, ServiceAccount

    account = ServiceAccount(
        username=settings.keystone_username,
        password=settings.keystone_password,
        project_name=settings.keystone_project_name,
        user_domain=settings.keystone_user_domain,
        project_domain=settings.keystone_project_domain,
    )
    client = KeystoneClient(settings.keystone_auth_url, account, _open_cafile(settings))
    undo.push_async_callback(client.close)
    # Nobody waits for it: Keystone may come up later, but the log says at once what is wrong with it.
    undo.callback(asyncio.create_task(_log_in(client)).cancel)
    return client


def _read_policy(settings: Settings) -> Policy:
    """Raises PreparationError for a file that cannot be understood."""
    with _preparing():
        return read_policy_files(settings)


async def _log_in(client: "KeystoneClient") -> None:
    with suppress(UnavailableError):
        await client.log_in()


def _open_stores(settings: Settings) -> Stores:
    """Raises PreparationError when the keys of one are not where they should be."""
    with _preparing():
        return open_stores(settings)


@contextmanager
def _preparing() -> Iterator[None]:
    """What a setting points to cannot be used: PreparationError says so."""
    try:
        yield
    except SettingsError as error:
        raise PreparationError(str(error)) from None


def _open_cafile(settings: Settings) -> ssl.SSLContext | None:
    """Raises PreparationError when it cannot be read."""
    if not settings.keystone_cafile:
        return None
    try:
        return ssl.create_default_context(cafile=settings.keystone_cafile)
    except OSError as error:
        raise PreparationError(f"keystone_cafile {settings.keystone_cafile}: {error}") from None


async def run_worker(settings: Settings) -> None:
    """Run jobs, and clean up after workers that died, until cancelled. Then what is under way is left to
    others. Raises what `prepare` does."""
    policy = _read_policy(settings)
    async with AsyncExitStack() as undo:
        db = await open_database(settings.database_url, settings.database_pool, settings.disk_reserve)
        undo.push_async_callback(db.close)
        await _require_schema(db, settings)
        liveness = _open_liveness(settings)
        undo.callback(liveness.close)
        sweep_work(settings, liveness)
        stores = _open_stores(settings)
        transfer = Transfer(settings, db, stores, liveness, Ownership(db, stores))
        undo.push_async_callback(transfer.close)
        keystone = _open_keystone(settings, undo) if needs_keystone(settings) else None
        limits = _open_limits(settings, db, keystone)
        outbound = Outbound(fetch_rules(settings), fetch_limits(settings))
        objects, askers = open_objects(settings, keystone), open_askers(settings, policy)
        jobs = Jobs(settings, db, transfer, outbound, limits, askers, liveness, objects)
        undo.push_async_callback(jobs.close)
        with _preparing():
            operator_files = OperatorFilesInForce(settings, stores, (askers.use_policy,), objects.use_table)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, operator_files.read_again)
        sweeping = asyncio.create_task(sweep(db, transfer, settings.upload_lease_s / 3))
        undo.callback(sweeping.cancel)
        relay = open_relay(settings, db)
        deliveries = open_deliveries(settings, db, liveness, relay, undo)
        start_background(relay, deliveries, db, undo)
        await jobs.serve()


def _open_liveness(settings: Settings) -> Liveness:
    """Locks tell of this machine's processes only: in a data folder that machines share, each has its own."""
    return Liveness(settings.data_path / "run" / socket.gethostname())


def _open_cache(settings: Settings) -> Cache | None:
    """The cache of this machine: in a data folder that machines share, each has its own."""
    if not settings.cache_size_bytes:
        return None
    folder = Path(settings.cache_dir) if settings.cache_dir else settings.data_path / "cache"
    return Cache(folder.resolve() / socket.gethostname(), settings.cache_size_bytes)


def _start_prefetch(
    db: Database, transfer: Transfer, cache: Cache, undo: AsyncExitStack
) -> Callable[[], None]:
    prefetch = Prefetch(db, transfer, cache)
    working = asyncio.create_task(prefetch.serve())
    undo.callback(working.cancel)
    return prefetch.wake


def _do_nothing() -> None:
    """There is no cache to wake anybody for."""


async def prepare(settings: Settings, *, owns_clouds: bool) -> None:
    """What is done once, before any worker starts: schema, first accounts, what a crash left behind.

    `owns_clouds`: whether clouds.yaml is to lead to this service.
    Raises UnavailableError when the database cannot be reached, PreparationError when its schema is too old
    and `migrate_on_start` is off, or the accounts or a policy file cannot be used. Of the operator's files
    `operator_files.check_files` is asked before.
    """
    settings.data_path.mkdir(parents=True, exist_ok=True)
    policy = _read_policy(settings)
    prepare_console(settings)
    # In a thread: to hash the first passwords takes longer than all the rest.
    identity = asyncio.to_thread(_prepare_identity, settings, policy, owns_clouds)
    for failed in await asyncio.gather(identity, _prepare_data(settings), return_exceptions=True):
        if failed is not None:
            raise failed


def _prepare_identity(settings: Settings, policy: Policy, owns_clouds: bool) -> None:
    if settings.identity == "keystone":
        _open_cafile(settings)
        return
    try:
        _prepare_accounts(settings, policy, owns_clouds)
    except AccountsError as error:
        raise PreparationError(str(error)) from None


async def _prepare_data(settings: Settings) -> None:
    """What needs no store: a library that reaches one has threads, which do not survive the fork of the
    workers. These remove the bytes that a crash left, before they are ready."""
    db = await open_database(settings.database_url, settings.database_pool, settings.disk_reserve)
    try:
        await _require_schema(db, settings)
        liveness = _open_liveness(settings)
        try:
            await give_up_dead(db, liveness)
            await release_dead(db, liveness)
            await release_hooks_of_dead(db, liveness)
            sweep_work(settings, liveness)
            liveness.forget_dead()
        finally:
            liveness.close()
    finally:
        await db.close()


def _prepare_accounts(settings: Settings, policy: Policy, owns_clouds: bool) -> None:
    """Raises AccountsError for a malformed accounts file."""
    auth_url = f"{settings.advertised_url}/identity/v3"
    is_first = create_first_accounts(settings.data_path, auth_url, settings.region)
    if owns_clouds and not is_first:
        refresh_clouds(settings.data_path, auth_url, settings.region)
    BuiltinIdentity(settings.data_path, settings.token_lifetime_s, policy)


async def _require_schema(db: Database, settings: Settings) -> None:
    if settings.migrate_on_start:
        for version in await migrate(db):
            _log.info("database schema brought to version %d", version)
    elif missing := await missing_migrations(db):
        raise PreparationError(f"The database lacks migrations {missing}: run `transom migrate`.")


class PreparationError(Exception):
    """The service cannot start as things are; the text says what is in the way."""
