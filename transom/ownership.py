"""Whether the stores are this database's to change; asked before anything is written or removed there.

A store may only be changed by the database that its mark names (`domain/ownership.py`). A copy of a database
has an id of its own (`sql/owners.py`), so that it does not meet its own name in the stores of the original.
Reading goes past all of this.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from transom.domain.errors import NotOwnedError, StoreFullError, TransomError, UnavailableError
from transom.domain.ownership import CHANGEABLE, Mark, Standing, describe, judge, parse_mark, render_mark
from transom.sql.db import Database, Place
from transom.sql.owners import is_owned_store, know_database, record_owned_store
from transom.stores import LocalFiles, Markable
from transom.stores.registry import Stores

_log = logging.getLogger(__name__)

#: A mark that was just written is read once more: somebody else may have written theirs.
_LOOKS = 3


class Finding(NamedTuple):
    """What a store is to the database. `owner`: the id of the database that its mark names, None without a
    mark; `wanted`: the mark that would make it the database's own."""

    standing: Standing
    owner: str | None
    is_copy: bool
    is_known: bool
    wanted: Mark


class Ownership:
    """Knows for one process what the stores are to its database. `report`: called with each store that
    can be written and whether it may be changed, whenever that was looked at."""

    def __init__(
        self, db: Database, stores: Stores, report: Callable[[str, bool], None] = lambda _store, _may: None
    ) -> None:
        self._db = db
        self._stores = stores
        self._report = report
        self._standings: dict[str, Standing] = {}

    @property
    def refused(self) -> Mapping[str, str]:
        """The stores that may not be changed, as they were last seen, each with its standing."""
        return {
            store: standing.value for store, standing in self._standings.items() if standing not in CHANGEABLE
        }

    async def require(self, store_id: str) -> None:
        """Return when the store may be changed; it is marked, if no database owns it. Raises
        NotOwnedError, and UnavailableError when that cannot be known now."""
        found = await self._settle(store_id)
        if found is not None and found.standing not in CHANGEABLE:
            raise NotOwnedError(describe(found.standing, store_id, is_copy=found.is_copy))

    async def settle_all(self) -> None:
        """Mark the stores that no database owns, and report those that may not be changed."""
        await asyncio.gather(*(self._try_to_settle(info.id) for info in self._stores.writable))

    async def look(self, store_id: str) -> Finding | None:
        """What the store is to the database; None of one that is never changed. Changes nothing there."""
        store = self._stores.get(store_id)
        if not isinstance(store, Markable):
            return None
        database, place = await know_database(self._db)
        # Before the mark is read: it is written before the row, by whichever process is the first.
        is_known = await is_owned_store(self._db, store_id)
        content = await store.read_mark()
        mark = None if content is None else parse_mark(content)
        wanted = Mark(database=database.id, store=store_id)
        if mark is None or mark.database != database.id:
            wanted = msgspec.structs.replace(wanted, beside=await self._find_way(store_id, place))
        return Finding(
            standing=judge(mark, wanted, is_known=is_known),
            owner=mark.database if mark is not None else None,
            is_copy=mark is not None and mark.database == database.copied_from,
            is_known=is_known,
            wanted=wanted,
        )

    async def _find_way(self, store_id: str, place: Place) -> str | None:
        """As the function of that name; None of a store that has no folder."""
        store = self._stores.get(store_id)
        if not isinstance(store, LocalFiles) or place.file is None:
            return None
        address = self._stores.require(store_id).address
        return await store.threads.finish(_find_way, Path(address), place.file)

    async def adopt(self, store_id: str) -> None:
        """Make the store the database's own. The database that owned it may not change it any more."""
        found = await self.look(store_id)
        if found is not None:
            await self._mark(store_id, found)

    async def _try_to_settle(self, store_id: str) -> None:
        try:
            await self._settle(store_id)
        except TransomError as error:
            _log.warning("whose store %s is cannot be known now: %s", store_id, error)

    async def _settle(self, store_id: str) -> Finding | None:
        for _ in range(_LOOKS):
            found = await self.look(store_id)
            if found is None:
                return None
            if found.standing in (Standing.FREE, Standing.MOVED):
                try:
                    await self._mark(store_id, found)
                except StoreFullError:
                    return found  # Nobody else has it, and to remove something is what makes room.
                continue
            if found.standing is Standing.OWN and not found.is_known:
                await record_owned_store(self._db, store_id)
            self._record(store_id, found)
            return found
        raise UnavailableError(f"The mark of store {store_id} changes while it is looked at.")

    async def _mark(self, store_id: str, found: Finding) -> None:
        """First in the store: a mark that is missing later was taken away."""
        store = self._stores.get(store_id)
        if isinstance(store, Markable):
            await store.write_mark(render_mark(found.wanted))
        await record_owned_store(self._db, store_id)
        _log.info("store %s now belongs to this database, %s", store_id, found.wanted.database)

    def _record(self, store_id: str, found: Finding) -> None:
        before, self._standings[store_id] = self._standings.get(store_id), found.standing
        self._report(store_id, found.standing in CHANGEABLE)
        if found.standing in (before, Standing.OWN):
            return
        told = describe(found.standing, store_id, is_copy=found.is_copy)
        _log.error("%s Nothing is written or removed there; see `transom stores status`.", told)


def _find_way(folder: Path, file: Path) -> str | None:
    """The way from the store's folder to the database's file, if a folder that holds both moves with both."""
    folder, home = folder.resolve(), file.parent
    if not folder.is_relative_to(home):
        return None
    there = next(one for one in (folder, *folder.parents) if one.is_dir())
    # What is mounted there may be mounted elsewhere, beside another file of that name.
    return os.path.relpath(file, folder) if _mount_of(there) == _mount_of(home) else None


def _mount_of(folder: Path) -> str:
    """The mount that the folder is in; "" for each folder alike where the system does not tell."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        told = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    return next((line for line in told.splitlines() if line.startswith("mnt_id:")), "")
