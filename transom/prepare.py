"""What is done once, before any worker starts: schema, first accounts, what a crash left behind."""

import asyncio
import logging

from transom.components import PreparationError, open_cafile, open_liveness, read_policy
from transom.config import Settings
from transom.data.recovery import give_up_dead
from transom.domain.model import Policy
from transom.identity.accounts import create_first_accounts
from transom.identity.builtin import BuiltinIdentity
from transom.identity.clouds import refresh_clouds
from transom.identity.directory import AccountsError
from transom.jobs.runner import release_dead
from transom.sharing.delivery import release_hooks_of_dead
from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.migrate import migrate, missing_migrations
from transom.sql.property_indexes import make_property_indexes
from transom.threads import Threads
from transom.transfers.work_folders import sweep_work, work_folder_of

_log = logging.getLogger(__name__)


async def prepare(settings: Settings, *, owns_clouds: bool) -> None:
    """What is done once, before any worker starts: schema, first accounts, what a crash left behind.

    `owns_clouds`: whether clouds.yaml is to lead to this service.
    Raises UnavailableError when the database cannot be reached, PreparationError when its schema is too old
    and `migrate_on_start` is off, or the accounts or a policy file cannot be used. Of the operator's files
    `operator_files.check_files` is asked before.
    """
    settings.data_path.mkdir(parents=True, exist_ok=True)
    policy = read_policy(settings)
    # In a thread: to hash the first passwords takes longer than all the rest.
    threads = Threads("identity", 1)
    identity = threads.run(_prepare_identity, settings, policy, owns_clouds)
    results = await asyncio.gather(identity, _prepare_data(settings), return_exceptions=True)
    # Workers are forked next, which threads would not survive.
    threads.close()
    threads.join()
    for failed in results:
        if failed is not None:
            raise failed


def _prepare_identity(settings: Settings, policy: Policy, owns_clouds: bool) -> None:
    if settings.identity == "keystone":
        open_cafile(settings)
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
        await require_schema(db, settings)
        liveness = open_liveness(settings)
        try:
            await give_up_dead(db, liveness)
            await release_dead(db, liveness)
            await release_hooks_of_dead(db, liveness)
            sweep_work(work_folder_of(settings.data_path), liveness)
            liveness.forget_dead()
        finally:
            liveness.close()
            liveness.threads.join()
    finally:
        await db.close()


def _prepare_accounts(settings: Settings, policy: Policy, owns_clouds: bool) -> None:
    """Raises AccountsError for a malformed accounts file."""
    auth_url = f"{settings.advertised_url}/identity/v3"
    is_first = create_first_accounts(settings.data_path, auth_url, settings.region)
    if owns_clouds and not is_first:
        refresh_clouds(settings.data_path, auth_url, settings.region)
    BuiltinIdentity(settings.data_path, settings.token_lifetime_s, policy)


async def require_schema(db: Database, settings: Settings) -> None:
    if settings.migrate_on_start:
        if versions := await migrate(db):
            _log.info("database schema brought to version %d", versions[-1])
        await make_property_indexes(db, settings.with_indexes, drops=False)
    elif missing := await missing_migrations(db):
        raise PreparationError(f"The database lacks migrations {missing}: run `transom migrate`.")
