"""Which database this is, and which stores were marked as its own.

A copy of a database must not take itself for the original: the stores they share are the original's. So the
id stands beside the place where it was given, and a process that finds it at another place gives the database
a new one.
"""

import uuid
from typing import NamedTuple

from transom.sql.db import Database, Place, Statement


class DatabaseId(NamedTuple):
    """`copied_from`: the id of the database that this one is a copy of, None if it is not known to be one."""

    id: str
    place: str
    copied_from: str | None


FIND_DATABASE_ID = "select id, place, copied_from from database_id"

INSERT_DATABASE_ID = """
    insert into database_id (one, id, place) values (1, $1, $2) on conflict (one) do nothing"""

# Guarded by what was seen: of several workers that find it out at once, one gives the new id.
RENEW_DATABASE_ID = """
    update database_id set id = $1, place = $2, copied_from = id where id = $3 and place = $4 returning id"""


async def know_database(db: Database) -> tuple[DatabaseId, Place]:
    """Which database answers now, and where it lives. It is given an id when it has none yet, and another one
    when it is a copy."""
    while True:
        place = await db.find_place()
        rows = await db.read(FIND_DATABASE_ID)
        if not rows:
            # Nothing can be removed from a store by a database that has no id.
            await db.transact(Statement(INSERT_DATABASE_ID, (uuid.uuid4().hex, place.id), frees_room=True))
            continue
        found = DatabaseId(*rows[0])
        if found.place == place.id:
            return found, place
        # Another server may have begun to answer between the two looks.
        if await db.find_place() == place:
            await _renew(db, found, place)


async def renew_database_id(db: Database) -> DatabaseId:
    """Give the database another id, as if it were found to be a copy; the id it has then."""
    found, place = await know_database(db)
    await _renew(db, found, place)
    return (await know_database(db))[0]


async def _renew(db: Database, seen: DatabaseId, place: Place) -> None:
    await db.write(RENEW_DATABASE_ID, uuid.uuid4().hex, place.id, seen.id, seen.place)


FIND_OWNED_STORE = "select store from owned_store where store = $1"


async def is_owned_store(db: Database, store: str) -> bool:
    """Whether the store was marked as this database's, or that of one it was copied from."""
    return bool(await db.read(FIND_OWNED_STORE, store))


INSERT_OWNED_STORE = "insert into owned_store (store) values ($1) on conflict (store) do nothing"


async def record_owned_store(db: Database, store: str) -> None:
    await db.transact(Statement(INSERT_OWNED_STORE, (store,), frees_room=True))
