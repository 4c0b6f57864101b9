"""Metadata definitions: rows ↔ `Namespace`, `Item`, `ResourceType`.

Each change is a script that locks the namespace it is about, lets `see` judge what it found, and writes: so
two changes of one namespace come after each other, and the second one is judged by what the first one left.
`see` is given the namespace, None if there is none of that name, and returns it or raises.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from transom.domain.metadefs import (
    NAMESPACE_SORT_KEYS,
    Item,
    Kind,
    Namespace,
    NamespaceQuery,
    Present,
    ResourceType,
    item_absent,
    item_exists,
    namespace_exists,
)
from transom.domain.model import Visibility
from transom.sql.conditions import Values
from transom.sql.db import Database, Row, Script, Statement
from transom.sql.images import to_json

See = Callable[[Namespace | None], Namespace]

_NAMESPACE = (
    "space.id, space.namespace, space.display_name, space.description, space.visibility, space.protected, "
    "space.owner, space.created_at, space.updated_at"
)
_NAMESPACE_WIDTH = _NAMESPACE.count(",") + 1
_ITEM = "item.kind, item.name, item.body, item.created_at, item.updated_at"

_decode_body = msgspec.json.Decoder(dict[str, Any], float_hook=float).decode


def _namespace_of_row(row: Row) -> Namespace:
    """A namespace from a row that starts with _NAMESPACE."""
    return Namespace(
        id=row[0],
        namespace=row[1],
        display_name=row[2],
        description=row[3],
        visibility=row[4],
        protected=bool(row[5]),
        owner=row[6],
        created_at=row[7],
        updated_at=row[8],
    )


def _item_of_row(row: Row) -> Item:
    """An item from a row of _ITEM."""
    return Item(
        kind=Kind(row[0]), name=row[1], body=_decode_body(row[2]), created_at=row[3], updated_at=row[4]
    )


# ---- reading


FIND_NAMESPACE = f"select {_NAMESPACE} from metadef_namespace as space where space.namespace = $1"


async def find_namespace(db: Database, name: str) -> Namespace | None:
    rows = await db.read(FIND_NAMESPACE, name)
    return _namespace_of_row(rows[0]) if rows else None


FIND_ITEM = f"""
    select {_NAMESPACE}, {_ITEM}
    from metadef_namespace as space
    left join metadef_item as item on item.namespace_id = space.id and item.kind = $2 and item.name = $3
    where space.namespace = $1"""

# By primary key, as far as it goes.
LIST_ITEMS = f"""
    select {_NAMESPACE}, {_ITEM}
    from metadef_namespace as space
    left join metadef_item as item on item.namespace_id = space.id
         and item.kind in (select value from jsonb_array_elements_text(cast($2 as jsonb)))
    where space.namespace = $1
    order by item.created_at, item.name"""


async def find_item(
    db: Database, namespace: str, kind: Kind, name: str
) -> tuple[Namespace | None, Item | None]:
    """(the namespace, the item in it), each as far as it exists."""
    found, items = _with_items(await db.read(FIND_ITEM, namespace, kind, name))
    return found, items[0] if items else None


async def list_items(db: Database, namespace: str, *kinds: Kind) -> tuple[Namespace | None, list[Item]]:
    """(the namespace, what it holds of these kinds, oldest first)."""
    return _with_items(await db.scan(LIST_ITEMS, namespace, to_json(kinds)))


def _with_items(rows: list[Row]) -> tuple[Namespace | None, list[Item]]:
    if not rows:
        return None, []
    found = [row[_NAMESPACE_WIDTH:] for row in rows]
    return _namespace_of_row(rows[0]), [_item_of_row(row) for row in found if row[0] is not None]


#: Columns that may be null: null sorts as "".
_SORT_COLUMNS = {key: f"coalesce(space.{key}, '')" for key in ("display_name", "description")}


async def list_namespaces(
    db: Database,
    query: NamespaceQuery,
    seen_by: str | None,
    after: Namespace | None,
) -> list[Namespace]:
    """A page of the namespaces that the project `seen_by` owns or that are public (None: of all), those past
    `after` if it is given. The name, which no two share, makes the order total.

    There are as many namespaces as admins make, not users; the usual order has an index, any other is sorted.
    """
    values = Values()
    where = ["1 = 1"]
    if seen_by is not None:
        where.append(f"(space.owner = {values.add(seen_by)} or space.visibility = '{Visibility.PUBLIC}')")
    if query.visibility is not None:
        where.append(f"space.visibility = {values.add(query.visibility)}")
    if query.resource_types is not None:
        where.append(
            "exists (select 1 from metadef_item as item where item.namespace_id = space.id"
            f" and item.kind = '{Kind.RESOURCE_TYPE}' and item.name in"
            f" (select value from jsonb_array_elements_text(cast({values.add(to_json(query.resource_types))}"
            " as jsonb))))"
        )
    key = NAMESPACE_SORT_KEYS[query.sort_key]
    column = _SORT_COLUMNS.get(key, f"space.{key}")
    if after is not None:
        marks = f"{values.add(_sort_value(after, key))}, {values.add(after.namespace)}"
        where.append(f"({column}, space.namespace) {'<' if query.descending else '>'} ({marks})")
    way = "desc" if query.descending else "asc"
    sql = (
        f"select {_NAMESPACE} from metadef_namespace as space where {' and '.join(where)} "
        f"order by {column} {way}, space.namespace {way} limit {values.add(query.limit)}"
    )
    return [_namespace_of_row(row) for row in await db.scan(sql, *values.collected)]


def _sort_value(namespace: Namespace, key: str) -> Any:
    value = getattr(namespace, key)
    return "" if value is None else value


LIST_ASSOCIATIONS = f"""
    select item.namespace_id, {_ITEM}
    from metadef_item as item
    where item.namespace_id in (select value from jsonb_array_elements_text(cast($1 as jsonb)))
      and item.kind = '{Kind.RESOURCE_TYPE}'
    order by item.created_at, item.name"""


async def list_associations(db: Database, namespaces: Iterable[Namespace]) -> dict[str, list[Item]]:
    """The resource types of each namespace, by its id, oldest first."""
    found: dict[str, list[Item]] = {one.id: [] for one in namespaces}
    for row in await db.scan(LIST_ASSOCIATIONS, to_json(list(found))):
        found[row[0]].append(_item_of_row(row[1:]))
    return found


LIST_RESOURCE_TYPES = "select name, created_at, updated_at from metadef_resource_type order by name"


async def list_resource_types(db: Database) -> list[ResourceType]:
    return [
        ResourceType(name=row[0], created_at=row[1], updated_at=row[2])
        for row in await db.scan(LIST_RESOURCE_TYPES)
    ]


# ---- changing a namespace


# Names are given out one after the other: of two that want one, the second finds it taken.
LOCK_NAMES = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
_LOCK_NAMES = Statement(LOCK_NAMES, ("metadef_namespace",), is_lock=True)

LOCK_NAMESPACE = f"{FIND_NAMESPACE} for update"


def _lock(name: str, see: See) -> Script[Namespace]:
    rows = yield Statement(LOCK_NAMESPACE, (name,))
    return see(_namespace_of_row(rows[0]) if rows else None)


INSERT_NAMESPACE = """
    insert into metadef_namespace (id, namespace, display_name, description, visibility, protected, owner,
                                   created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (namespace) do nothing
    returning id"""


def create_namespace(new: Namespace, items: Sequence[Item]) -> Script[None]:
    """The namespace with all it holds, or ConflictError when the name is taken."""
    yield _LOCK_NAMES
    if not (yield Statement(INSERT_NAMESPACE, msgspec.structs.astuple(new))):
        raise namespace_exists(new.namespace)
    yield from _insert_items(new.id, items)


UPDATE_NAMESPACE = """
    update metadef_namespace
    set namespace = $2, display_name = $3, description = $4, visibility = $5, protected = $6, owner = $7,
        updated_at = $8
    where id = $1
      and not exists (select 1 from metadef_namespace as other where other.namespace = $2 and other.id <> $1)
    returning id"""


def update_namespace(name: str, see: See, new: Namespace) -> Script[Namespace]:
    """The namespace as it is now: all that can be changed is as `new` has it. ConflictError for a name that
    another one has."""
    yield _LOCK_NAMES
    old = yield from _lock(name, see)
    return (yield from _replace(old, new))


def _replace(old: Namespace, new: Namespace) -> Script[Namespace]:
    changed = msgspec.structs.replace(new, id=old.id, created_at=old.created_at)
    *values, _created, updated = msgspec.structs.astuple(changed)
    if not (yield Statement(UPDATE_NAMESPACE, (*values, updated))):
        raise namespace_exists(new.namespace)
    return changed


DELETE_NAMESPACE = "delete from metadef_namespace where id = $1"


def delete_namespace(name: str, see: See) -> Script[None]:
    """Delete it with all it holds."""
    namespace = yield from _lock(name, see)
    yield Statement(DELETE_NAMESPACE, (namespace.id,))


# ---- changing what a namespace holds


_ITEM_COLUMNS = 6
#: So many rows have fewer values than either database takes in one statement.
_ROWS_AT_ONCE = 1000

INSERT_RESOURCE_TYPES = """
    insert into metadef_resource_type (name, created_at, updated_at)
    select value, cast($2 as bigint), cast($2 as bigint)
    from jsonb_array_elements_text(cast($1 as jsonb)) where true
    on conflict (name) do nothing"""


def insert_items_sql(count: int) -> str:
    """Bulk insert of so many items: skips names that exist, returns what it inserted."""
    rows = (
        ", ".join(f"${row * _ITEM_COLUMNS + n}" for n in range(1, _ITEM_COLUMNS + 1)) for row in range(count)
    )
    return (
        "insert into metadef_item (namespace_id, kind, name, body, created_at, updated_at) "
        f"values {', '.join(f'({row})' for row in rows)} "
        "on conflict (namespace_id, kind, name) do nothing returning kind, name"
    )


def _insert_items(namespace_id: str, items: Sequence[Item]) -> Script[list[Item]]:
    """Insert those whose name is free; the others."""
    inserted: set[tuple[str, str]] = set()
    for start in range(0, len(items), _ROWS_AT_ONCE):
        some = items[start : start + _ROWS_AT_ONCE]
        values = [
            value
            for item in some
            for value in (
                *(namespace_id, item.kind, item.name, to_json(item.body), item.created_at, item.updated_at),
            )
        ]
        rows = yield Statement(insert_items_sql(len(some)), tuple(values))
        inserted.update((row[0], row[1]) for row in rows)
    # Sorted by name, so that concurrent inserts cannot deadlock.
    types = sorted(item.name for item in items if item.kind is Kind.RESOURCE_TYPE)
    if types:
        yield Statement(INSERT_RESOURCE_TYPES, (to_json(types), items[0].created_at))
    return [item for item in items if (item.kind, item.name) not in inserted]


def add_items(
    name: str, see: See, items: Sequence[Item], *, replaces: Kind | None = None
) -> Script[Namespace]:
    """Add all of the items, or none and ConflictError; the namespace. `replaces`: the kind whose items go
    before."""
    namespace = yield from _lock(name, see)
    if replaces is not None:
        yield Statement(DELETE_ITEMS, (namespace.id, replaces))
    if taken := (yield from _insert_items(namespace.id, items)):
        raise item_exists(taken[0].kind, taken[0].name, name)
    return namespace


HAS_ITEM = "select 1 from metadef_item where namespace_id = $1 and kind = $2 and name = $3"

UPDATE_ITEM = """
    update metadef_item as item
    set name = $4, body = $5, updated_at = $6
    where item.namespace_id = $1 and item.kind = $2 and item.name = $3
      and not exists (select 1 from metadef_item as other
                      where other.namespace_id = $1 and other.kind = $2 and other.name = $4
                        and other.name <> $3)
    returning kind, name, body, created_at, updated_at"""


def update_item(name: str, see: See, item_name: str, new: Item) -> Script[tuple[Namespace, Item]]:
    """(the namespace, the item as it is now): with the name and the body of `new`. ConflictError for a name
    that another one has."""
    namespace = yield from _lock(name, see)
    if not (yield Statement(HAS_ITEM, (namespace.id, new.kind, item_name))):
        raise item_absent(new.kind, item_name, name)
    rows = yield _update(namespace.id, item_name, new)
    if not rows:
        raise item_exists(new.kind, new.name, name)
    return namespace, _item_of_row(rows[0])


def _update(namespace_id: str, name: str, new: Item) -> Statement:
    return Statement(UPDATE_ITEM, (namespace_id, new.kind, name, new.name, to_json(new.body), new.updated_at))


DELETE_ITEM = "delete from metadef_item where namespace_id = $1 and kind = $2 and name = $3 returning name"


def delete_item(
    name: str, see: See, kind: Kind, item_name: str, judge: Callable[[Namespace], None]
) -> Script[None]:
    """`judge`: raises when an item that is there may not be deleted."""
    namespace = yield from _lock(name, see)
    if not (yield Statement(DELETE_ITEM, (namespace.id, kind, item_name))):
        raise item_absent(kind, item_name, name)
    judge(namespace)


DELETE_ITEMS = "delete from metadef_item where namespace_id = $1 and kind = $2"


def delete_items(name: str, see: See, kind: Kind) -> Script[None]:
    """Delete all of a kind."""
    namespace = yield from _lock(name, see)
    yield Statement(DELETE_ITEMS, (namespace.id, kind))


# ---- whole catalogues


def load_namespace(new: Namespace, items: Sequence[Item], present: Present) -> Script[bool]:
    """Bring in a namespace with what it holds. `present`: what becomes of one of that name. False when
    nothing was done."""
    yield _LOCK_NAMES
    rows = yield Statement(LOCK_NAMESPACE, (new.namespace,))
    if rows and present is Present.KEEP:
        return False
    if rows and present is Present.OVERWRITE:
        yield Statement(DELETE_NAMESPACE, (rows[0][0],))
    if not rows or present is Present.OVERWRITE:
        yield Statement(INSERT_NAMESPACE, msgspec.structs.astuple(new))
        yield from _insert_items(new.id, items)
        return True
    old = _namespace_of_row(rows[0])
    taken = yield from _insert_items(old.id, items)
    if present is Present.PREFER_NEW:
        yield from _replace(old, new)
        for item in taken:
            yield _update(old.id, item.name, item)
    return True


DELETE_NAMESPACES = "delete from metadef_namespace returning id"


async def delete_namespaces(db: Database) -> int:
    """Delete every namespace, protected ones too; how many there were."""
    return len(await db.write(DELETE_NAMESPACES))
