"""Open the components of a process as its settings ask: identity, limits, stores, cache, Keystone.

What cannot be opened is told as PreparationError. `assemble.py` puts the components together.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from transom.api.bodies import BodyMemory
from transom.api.connections import ConnectionLimits, Watch
from transom.api.forwarded import make_trust
from transom.config import Settings, SettingsError
from transom.disk import Room
from transom.domain.errors import UnavailableError
from transom.domain.model import Policy
from transom.identity import Identity
from transom.identity.builtin import BuiltinIdentity
from transom.liveness import Liveness
from transom.operator_files import read_policy_files
from transom.quotas.projects import Limits
from transom.sql.db import Database
from transom.stores import LocalFiles
from transom.stores.cache import Cache
from transom.stores.registry import Stores, open_stores
from transom.telemetry import open_closings

if TYPE_CHECKING:
    from transom.identity.keystone_client import KeystoneClient


class PreparationError(Exception):
    """The service cannot start as things are; the text says what is in the way."""


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


def find_disks(settings: Settings, stores: Stores) -> dict[str, Room]:
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


def open_limits(settings: Settings, db: Database, keystone: "KeystoneClient | None") -> Limits:
    if keystone is None or not settings.use_keystone_limits:
        return Limits(settings, db, None)
    from transom.identity.limits import KeystoneLimits

    service, cache_s = settings.keystone_limits_service, settings.keystone_limits_cache_s
    return Limits(settings, db, KeystoneLimits(keystone, service, settings.region, cache_s))


def open_keystone(settings: Settings, undo: AsyncExitStack) -> "KeystoneClient":
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
        return open_stores(settings)


@contextmanager
def preparing() -> Iterator[None]:
    """What a setting points to cannot be used: PreparationError says so."""
    try:
        yield
    except SettingsError as error:
        raise PreparationError(str(error)) from None


def open_liveness(settings: Settings) -> Liveness:
    """Locks tell of this machine's processes only: in a data folder that machines share, each has its own."""
    return Liveness(settings.data_path / "run" / socket.gethostname())


def open_cache(settings: Settings) -> Cache | None:
    """The cache of this machine: in a data folder that machines share, each has its own."""
    if not settings.cache_size_bytes:
        return None
    folder = Path(settings.cache_dir) if settings.cache_dir else settings.data_path / "cache"
    return Cache(folder.resolve() / socket.gethostname(), settings.cache_size_bytes)
