"""Whose a store is: what its mark says, and what follows from it for a database that would change it.

Every store that can be written has a mark, an object that names the one database which may write and remove
there. Without it a copy of the database, started with the same stores, would take for left over what is
somebody's data by now.
"""

from enum import StrEnum

import msgspec

_NOTE = "This is a store of an image service. Do not remove this mark: docs/stores.md says what it is for."


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a store. `database`: the id of the database that owns it; `store`: how that names it.
    `beside`: the way from the folder to the database's file, where one moves with the other; else None."""

    database: str
    store: str
    beside: str | None = None
    note: str = _NOTE


class Standing(StrEnum):
    """What a store is to a database."""

    #: It owns the store, and the mark says so.
    OWN = "own"
    #: The store has no mark, and the database has never known it: it may take it.
    FREE = "free"
    #: The store lies in the database's own folder, and both were moved or copied together.
    MOVED = "moved"
    #: The mark names another database.
    FOREIGN = "foreign"
    #: The mark names another store of this database.
    MIXED_UP = "mixed up"
    #: The database has marked a store of this id, and this one has no mark.
    UNMARKED = "unmarked"


#: Where data may be written and removed, once the mark is right.
CHANGEABLE = frozenset({Standing.OWN, Standing.FREE, Standing.MOVED})


def judge(mark: Mark | None, wanted: Mark, *, is_known: bool) -> Standing:
    """`wanted`: the mark that would make the store the database's own; `is_known`: the database has marked a
    store of that id before."""
    if mark is None:
        return Standing.UNMARKED if is_known else Standing.FREE
    if mark.database == wanted.database:
        return Standing.OWN if mark.store == wanted.store else Standing.MIXED_UP
    # Whatever ids they had: a file in that place is the database of this very folder, and no other.
    if mark.store == wanted.store and wanted.beside is not None and mark.beside == wanted.beside:
        return Standing.MOVED
    return Standing.FOREIGN


def describe(standing: Standing, store: str, *, is_copy: bool) -> str:
    """What is in the way, for logs and answers. `is_copy`: the database is a copy of the one that
    the mark names."""
    if standing is Standing.FOREIGN:
        owner = "the database that this one is a copy of" if is_copy else "another database"
        return f"The store {store} belongs to {owner}."
    if standing is Standing.MIXED_UP:
        return f"The store {store} is marked as another store of this database."
    if standing is Standing.UNMARKED:
        return f"The store {store} has no mark, so it is not the one that this database has used."
    return f"The store {store} is this database's own."


def parse_mark(content: bytes) -> Mark:
    """A mark that cannot be understood counts as that of another database."""
    try:
        return msgspec.json.decode(content, type=Mark)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Mark(database="unknown", store="unknown")


def render_mark(mark: Mark) -> bytes:
    return msgspec.json.format(msgspec.json.encode(mark)) + b"\n"
