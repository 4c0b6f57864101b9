"""Open the components of a process as its settings ask, and give each the few values of them that it needs.

What cannot be opened is told as PreparationError. `assemble.py` puts the components together.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from transom.api.bodies import BodyMemory
from transom.api.connections import Watch
from transom.api.forwarded import make_trust
from transom.api.watched import ConnectionLimits
from transom.config import Settings, SettingsError, select
from transom.config.object_buckets import read_buckets
from transom.config.stores import object_store, store_options
from transom.data.certificates import Certificates, KeyManager
from transom.data.scrub import ScrubOptions, start_scrub
from transom.data.transfer import Transfer
from transom.data.uploads import UploadRules
from transom.disk import Room
from transom.domain.errors import UnavailableError
from transom.domain.model import Policy
from transom.domain.times import HOUR_US, SECOND_US
from transom.identity import Identity, NameSource
from transom.identity.builtin import BuiltinIdentity
from transom.identity.current_roles import CurrentRoles
from transom.jobs.runner import JobOptions, Jobs
from transom.liveness import Liveness
from transom.operator_files import read_policy_files
from transom.outbound import Outbound
from transom.ownership import Ownership
from transom.quotas.projects import Limits
from transom.sql.db import Database
from transom.stores import LocalFiles
from transom.stores.cache import Cache
from transom.stores.object_access import ObjectAccess
from transom.stores.registry import Stores, open_stores
from transom.telemetry import open_closings
from transom.transfers.options import Cloud, ImportOptions, PluginOptions, TransferOptions
from transom.transfers.requesters import Requesters
from transom.transfers.work_folders import work_folder_of

if TYPE_CHECKING:
    from transom.identity.keystone_client import KeystoneClient


class PreparationError(Exception):
    """The service cannot start as things are; the text says what is in the way."""


def open_watch(settings: Settings) -> Watch:
    """What keeps to the limits of connections, and of memory for bodies."""
    limits = ConnectionLimits(
        head_s=settings.head_timeout_s,
        idle_s=settings.keep_alive_s,
        stall_s=settings.stall_timeout_s,
        pace_bytes_s=settings.least_pace_bytes_s,
        total=settings.max_connections,
        by_address=settings.max_connections_per_address,
    )
    networks = settings.trusted_networks
    is_trusted = make_trust(networks) if networks else None
    return Watch(limits, BodyMemory(settings.body_memory_bytes), settings.port, is_trusted, open_closings())


def find_disks(settings: Settings, stores: Stores) -> dict[str, Room]:
    """The disks of this machine that fill: the data folder's as `data`, local stores' by their ids."""
    local = {info.id: stores.get(info.id) for info in stores.infos}
    return {
        "data": Room(settings.data_path, settings.disk_reserve),
        **{name: store.room for name, store in local.items() if isinstance(store, LocalFiles)},
    }


def open_identity(settings: Settings, keystone: "KeystoneClient | None", policy: Policy) -> Identity:
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


def open_names(settings: Settings, keystone: "KeystoneClient | None", policy: Policy) -> NameSource | None:
    """Who knows names, for a worker that answers no requests; None on a machine without the accounts."""
    if settings.identity == "keystone":
        return open_identity(settings, keystone, policy)
    accounts = CurrentRoles(settings.data_path)
    return accounts if accounts.is_known else None


def open_limits(settings: Settings, db: Database, keystone: "KeystoneClient | None") -> Limits:
    """The limits of projects: Keystone's if `use_keystone_limits`, else the settings'."""
    if keystone is None or not settings.use_keystone_limits:
        return Limits(settings.image_count_quota, settings.user_storage_quota, db, None)
    from transom.identity.limits import KeystoneLimits

    service, cache_s = settings.keystone_limits_service, settings.keystone_limits_cache_s
    limits = KeystoneLimits(keystone, service, settings.region, cache_s)
    return Limits(settings.image_count_quota, settings.user_storage_quota, db, limits)


def open_keystone(settings: Settings, undo: AsyncExitStack) -> "KeystoneClient":
    """Raises PreparationError for a file of certificates that cannot be read."""
    # Imported here: a service without Keystone does not need the 13 MiB of its HTTP client.
    from transom.identity.keystone_client import KeystoneClient, ServiceAccount

    account = ServiceAccount(
        username=settings.keystone_username,
        password=settings.keystone_password,
        project_name=settings.keystone_project_name,
        user_domain=settings.keystone_user_domain,
        project_domain=settings.keystone_project_domain,
    )
    client = KeystoneClient(settings.keystone_auth_url, account, open_cafile(settings))
    undo.push_async_callback(client.close)
    # Nobody waits for it: Keystone may come up later, but the log says at once what is wrong with it.
    undo.callback(asyncio.create_task(_log_in(client)).cancel)
    return client


async def _log_in(client: "KeystoneClient") -> None:
    with suppress(UnavailableError):
        await client.log_in()


def open_cafile(settings: Settings) -> ssl.SSLContext | None:
    """Raises PreparationError when it cannot be read."""
    if not settings.keystone_cafile:
        return None
    try:
        return ssl.create_default_context(cafile=settings.keystone_cafile)
    except OSError as error:
        raise PreparationError(f"keystone_cafile {settings.keystone_cafile}: {error}") from None


def read_policy(settings: Settings) -> Policy:
    """Raises PreparationError for a file that cannot be understood."""
    with preparing():
        return read_policy_files(settings)


def open_stores_of(settings: Settings) -> Stores:
    """Raises PreparationError when the keys of one are not where they should be."""
    with preparing():
        return open_stores(store_options(settings))


def open_transfer(
    settings: Settings,
    db: Database,
    stores: Stores,
    liveness: Liveness,
    ownership: Ownership,
    cache: Cache | None = None,
) -> Transfer:
    """All that moves image data. `cache`: None on a machine that has none."""
    rules = UploadRules(
        size_cap=settings.image_size_cap,
        project_quota=settings.user_storage_quota,
        upload_memory=settings.upload_memory_bytes,
        lease_us=settings.upload_lease_s * SECOND_US,
        hashing_algorithm=settings.hashing_algorithm,
        must_match_format=settings.require_image_format_match,
        nonfatal_checks=settings.nonfatal_checks,
    )
    return Transfer(rules, open_certificates(settings), db, stores, liveness, ownership, cache)


def open_certificates(settings: Settings) -> Certificates:
    """Where certificates of signed images are looked for: in a folder, in Barbican, in neither."""
    folder = settings.image_signature_certificates_dir
    key_manager = KeyManager(
        keystone_auth_url=settings.keystone_auth_url,
        keystone_cafile=settings.keystone_cafile,
        region=settings.region,
    )
    return Certificates(
        Path(folder) if folder else None, key_manager if settings.image_signature_barbican else None
    )


def open_requesters(settings: Settings, policy: Policy) -> Requesters:
    """A worker on a machine without the accounts, as with Keystone, knows the roles of the request alone."""
    current = CurrentRoles(settings.data_path)
    is_known = settings.identity == "builtin" and current.is_known
    return Requesters(policy, current.roles_of if is_known else None)


def open_objects(settings: Settings, keystone: "KeystoneClient | None") -> ObjectAccess:
    """Contacts nothing. Raises SettingsError for a table of buckets that cannot be understood."""
    store, table = object_store(settings), read_buckets(settings.object_store_buckets_file)
    if keystone is not None:
        # Imported here: a service without Keystone does not need its HTTP client.
        from transom.identity.keystone_keys import find_key_of

        return ObjectAccess(store, table, partial(find_key_of, keystone))
    current = CurrentRoles(settings.data_path)
    return ObjectAccess(store, table, current.find_key if current.is_known else None)


def open_jobs(
    settings: Settings,
    db: Database,
    transfer: Transfer,
    outbound: Outbound,
    limits: Limits,
    requesters: Requesters,
    liveness: Liveness,
    objects: ObjectAccess,
) -> Jobs:
    """What runs jobs; nothing runs before `Jobs.serve`."""
    options = JobOptions(
        at_once=settings.jobs_at_once,
        attempts=settings.job_attempts,
        lease_us=settings.upload_lease_s * SECOND_US,
        job_lifetime_us=settings.job_lifetime_s * SECOND_US,
        task_lifetime_us=settings.task_time_to_live * HOUR_US,
        kept_bytes=settings.kept_jobs_bytes,
    )
    transfers = TransferOptions(
        cloud=cloud_of(settings),
        imports=select(settings, ImportOptions),
        plugins=select(settings, PluginOptions),
        work_folder=work_folder_of(settings.data_path),
        disk_reserve=settings.disk_reserve,
        object_size_cap=settings.object_size_cap,
        location_hash=settings.hashing_algorithm if settings.do_secure_hash else None,
    )
    return Jobs(options, transfers, db, transfer, outbound, limits, requesters, liveness, objects)


def cloud_of(settings: Settings) -> Cloud:
    """The cloud around this service, which has none with the built-in identity."""
    return Cloud(
        auth_url=settings.keystone_auth_url if settings.identity == "keystone" else None,
        cafile=settings.keystone_cafile,
        region=settings.region,
        own_url=settings.own_url,
        peers_file=settings.peers_file,
    )


def start_scrub_of(
    settings: Settings, db: Database, transfer: Transfer, liveness: Liveness, undo: AsyncExitStack
) -> None:
    """As `start_scrub`, by the settings."""
    options = ScrubOptions(
        pace=settings.scrub_pace_bytes_s,
        pause_us=settings.scrub_pause_h * HOUR_US,
        repairs=settings.scrub_repairs,
        lease_us=settings.upload_lease_s * SECOND_US,
    )
    start_scrub(options, db, transfer.stores, transfer.ownership, liveness, undo)


@contextmanager
def preparing() -> Iterator[None]:
    """What a setting points to cannot be used: PreparationError says so."""
    try:
        yield
    except SettingsError as error:
        raise PreparationError(str(error)) from None


def open_liveness(settings: Settings) -> Liveness:
    """Locks tell of this machine's processes only: in a data folder that machines share, each has its own."""
    return Liveness(settings.data_path / "run" / socket.gethostname(), settings.upload_lease_s / 2)


def open_cache(settings: Settings) -> Cache | None:
    """The cache of this machine: in a data folder that machines share, each has its own."""
    if not settings.cache_size_bytes:
        return None
    folder = Path(settings.cache_dir) if settings.cache_dir else settings.data_path / "cache"
    return Cache(folder.resolve() / socket.gethostname(), settings.cache_size_bytes)
