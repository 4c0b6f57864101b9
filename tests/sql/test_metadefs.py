"""Metadata definitions in both databases: whole or not at all, one name each, lists in order."""

import asyncio
from typing import Any

import msgspec
import pytest

from transom.domain.errors import ConflictError, ForbiddenError, NotFoundError
from transom.domain.metadefs import (
    Item,
    Kind,
    Namespace,
    NamespaceQuery,
    Present,
    namespace_absent,
)
from transom.metadefs.rules import require_unprotected
from transom.sql import metadefs
from transom.sql.db import Database

from .databases import count

pytestmark = pytest.mark.anyio


def namespace(name: str, **changes: Any) -> Namespace:
    made = Namespace(
        id=f"id of {name}",
        namespace=name,
        display_name=None,
        description=None,
        visibility="private",
        protected=False,
        owner="owner",
        created_at=1,
        updated_at=1,
    )
    return msgspec.structs.replace(made, **changes)


def item(kind: Kind, name: str, **body: Any) -> Item:
    return Item(kind=kind, name=name, body=body, created_at=1, updated_at=1)


TAG, TYPE = item(Kind.TAG, "tag"), item(Kind.RESOURCE_TYPE, "type", prefix="p")


def see(found: Namespace | None) -> Namespace:
    if found is None:
        raise namespace_absent("it")
    return found


def see_unprotected(found: Namespace | None) -> Namespace:
    namespace = see(found)
    refuse_protected(namespace)
    return namespace


def refuse_protected(namespace: Namespace) -> None:
    require_unprotected(namespace, "it", "it")


async def create(db: Database, made: Namespace, *items: Item) -> None:
    await db.run(lambda: metadefs.create_namespace(made, items))


async def read(db: Database, name: str) -> tuple[Namespace | None, list[Item]]:
    return await metadefs.list_items(db, name, *Kind)


async def test_what_was_written_is_read_back(db: Database) -> None:
    made = namespace("n", display_name="N", description="", visibility="public", protected=True)
    held = [item(Kind.OBJECT, "o", required=["z", "a"], properties={"z": {}, "a": {}}), TAG, TYPE]

    await create(db, made, *held)

    found, items = await read(db, "n")
    assert found == made
    assert sorted(items, key=lambda one: one.name) == held
    assert list(items[0].body["properties"]) == ["z", "a"]


async def test_a_namespace_with_a_taken_name_is_a_conflict_and_leaves_nothing(db: Database) -> None:
    await create(db, namespace("n"))

    with pytest.raises(ConflictError, match="namespace=n already exists"):
        await create(db, namespace("n", id="other"), TAG)

    assert await count(db, "metadef_item") == 0


async def test_of_many_that_create_one_name_at_once_one_does(db: Database, neighbour: Database) -> None:
    databases = [db, neighbour] * 5

    done = await asyncio.gather(
        *(create(one, namespace("n", id=str(n)), TAG) for n, one in enumerate(databases)),
        return_exceptions=True,
    )

    assert [type(one) for one in done if one is not None] == [ConflictError] * 9
    assert await count(db, "metadef_item") == 1


async def test_of_many_that_rename_to_one_name_at_once_one_does(db: Database, neighbour: Database) -> None:
    for n in range(6):
        await create(db, namespace(str(n)))
    databases = [db, neighbour] * 3

    done = await asyncio.gather(
        *(
            one.run(lambda n=n: metadefs.update_namespace(str(n), see, namespace("new")))  # type: ignore[misc]
            for n, one in enumerate(databases)
        ),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in done) == ["ConflictError"] * 5 + ["Namespace"]


async def test_a_renamed_namespace_keeps_what_it_holds(db: Database) -> None:
    await create(db, namespace("n"), TAG)

    await db.run(lambda: metadefs.update_namespace("n", see, namespace("m", visibility="public")))

    found, items = await read(db, "m")
    assert found == namespace("m", id="id of n", visibility="public")
    assert items == [TAG]
    assert await read(db, "n") == (None, [])


async def test_a_deleted_namespace_takes_along_what_it_holds(db: Database) -> None:
    await create(db, namespace("n"), TAG, TYPE)
    await create(db, namespace("m"), TAG)

    await db.run(lambda: metadefs.delete_namespace("n", see))

    assert await read(db, "n") == (None, [])
    assert await count(db, "metadef_item") == 1


async def test_a_protected_namespace_loses_nothing(db: Database) -> None:
    await create(db, namespace("n", protected=True), TAG)

    for change in (
        lambda: metadefs.delete_namespace("n", see_unprotected),
        lambda: metadefs.delete_item("n", see, Kind.TAG, "tag", refuse_protected),
        lambda: metadefs.delete_items("n", see_unprotected, Kind.TAG),
    ):
        with pytest.raises(ForbiddenError, match="is protected"):
            await db.run(change)

    assert (await read(db, "n"))[1] == [TAG]


async def test_many_items_are_added_all_or_none(db: Database) -> None:
    await create(db, namespace("n"), item(Kind.TAG, "1500"))
    many = [item(Kind.TAG, str(n)) for n in range(2500)]

    with pytest.raises(ConflictError, match="name=1500 already exists"):
        await db.run(lambda: metadefs.add_items("n", see, many))
    after_failure = await count(db, "metadef_item")
    await db.run(lambda: metadefs.add_items("n", see, many, replaces=Kind.TAG))

    assert (after_failure, await count(db, "metadef_item")) == (1, 2500)


async def test_of_many_that_add_one_item_at_once_one_does(db: Database, neighbour: Database) -> None:
    await create(db, namespace("n"))

    done = await asyncio.gather(
        *(one.run(lambda: metadefs.add_items("n", see, [TAG])) for one in [db, neighbour] * 5),
        return_exceptions=True,
    )

    assert [type(one) for one in done].count(ConflictError) == 9


async def test_items_come_and_go_while_their_namespace_does(db: Database, neighbour: Database) -> None:
    """Whoever comes too late finds no namespace; nothing else goes wrong, and nothing is left over."""
    await create(db, namespace("n"))

    done = await asyncio.gather(
        *(
            one.run(lambda n=n: metadefs.add_items("n", see, [item(Kind.TAG, str(n))]))  # type: ignore[misc]
            for n, one in enumerate([db, neighbour] * 5)
        ),
        neighbour.run(lambda: metadefs.delete_namespace("n", see)),
        return_exceptions=True,
    )

    assert {type(one) for one in done} <= {Namespace, NotFoundError, type(None)}
    assert await count(db, "metadef_item") == 0


async def test_an_item_is_changed_and_renamed(db: Database) -> None:
    await create(db, namespace("n"), TYPE)
    new = msgspec.structs.replace(TYPE, name="new", body={"prefix": "q"}, updated_at=5)

    _namespace, changed = await db.run(lambda: metadefs.update_item("n", see, "type", new))

    assert changed == new
    assert (await read(db, "n"))[1] == [new]


async def test_an_item_gets_no_name_that_another_one_of_its_kind_has(db: Database) -> None:
    await create(db, namespace("n"), TAG, item(Kind.TAG, "other"), item(Kind.OBJECT, "third"))

    with pytest.raises(ConflictError, match="name=other already exists"):
        await db.run(lambda: metadefs.update_item("n", see, "tag", item(Kind.TAG, "other")))
    await db.run(lambda: metadefs.update_item("n", see, "tag", item(Kind.TAG, "third")))
    await db.run(lambda: metadefs.update_item("n", see, "third", item(Kind.TAG, "third")))

    assert len((await read(db, "n"))[1]) == 3


@pytest.mark.parametrize("name", ["n", "absent"])
async def test_what_is_not_there_is_not_found(db: Database, name: str) -> None:
    await create(db, namespace("n"))

    with pytest.raises(NotFoundError):
        await db.run(lambda: metadefs.update_item(name, see, "tag", TAG))
    with pytest.raises(NotFoundError):
        await db.run(lambda: metadefs.delete_item(name, see, Kind.TAG, "tag", refuse_protected))


async def test_a_new_resource_type_joins_those_that_are_there(db: Database) -> None:
    before = {one.name for one in await metadefs.list_resource_types(db)}

    await create(db, namespace("n"), TYPE)
    await db.run(lambda: metadefs.delete_namespace("n", see))

    assert {one.name for one in await metadefs.list_resource_types(db)} == before | {"type"}
    assert before >= {"OS::Glance::Image", "OS::Nova::Flavor"}


# ---- lists


async def _names(db: Database, seen_by: str | None = None, **query: Any) -> list[str]:
    asked = NamespaceQuery(**query)
    after = await metadefs.find_namespace(db, asked.marker) if asked.marker else None
    return [one.namespace for one in await metadefs.list_namespaces(db, asked, seen_by, after)]


async def _make_three(db: Database) -> None:
    await create(db, namespace("a", created_at=3, display_name="x", visibility="public"), TYPE)
    await create(db, namespace("b", created_at=1, owner="other", protected=True))
    await create(db, namespace("c", created_at=2, display_name="w", owner="third"), item(Kind.TAG, "type"))


async def test_namespaces_are_listed_newest_first(db: Database) -> None:
    await _make_three(db)

    assert await _names(db) == ["a", "c", "b"]


@pytest.mark.parametrize(("seen_by", "names"), [("owner", ["a"]), ("other", ["a", "b"]), ("", ["a"])])
async def test_a_project_is_listed_its_own_namespaces_and_public_ones(
    db: Database, seen_by: str, names: list[str]
) -> None:
    await _make_three(db)

    assert await _names(db, seen_by) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"visibility": "public"}, ["a"]),
        ({"visibility": "private"}, ["c", "b"]),
        ({"resource_types": ("type", "other")}, ["a"]),
        ({"resource_types": ("other",)}, []),
        ({"resource_types": ()}, []),
        ({"limit": 0}, []),
    ],
)
async def test_namespaces_are_filtered(db: Database, query: dict[str, Any], names: list[str]) -> None:
    await _make_three(db)

    assert await _names(db, **query) == names


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort_key", ["created_at", "display_name", "protected"])
async def test_pages_of_every_order_hold_each_namespace_once(
    db: Database, sort_key: str, descending: bool
) -> None:
    await _make_three(db)
    whole = await _names(db, sort_key=sort_key, descending=descending)

    paged: list[str] = []
    while page := await _names(
        db, sort_key=sort_key, descending=descending, limit=1, marker=paged[-1] if paged else None
    ):
        paged += page

    assert paged == whole
    assert sorted(whole) == ["a", "b", "c"]


async def test_associations_are_listed_by_namespace(db: Database) -> None:
    await _make_three(db)
    all_three = await metadefs.list_namespaces(db, NamespaceQuery(), None, None)

    found = await metadefs.list_associations(db, all_three)

    assert found == {"id of a": [TYPE], "id of b": [], "id of c": []}


# ---- loading


OLD = [item(Kind.TAG, "both"), item(Kind.OBJECT, "both", description="old"), item(Kind.TAG, "old")]
NEW = [item(Kind.TAG, "both"), item(Kind.OBJECT, "both", description="new"), item(Kind.TAG, "new")]


@pytest.mark.parametrize(
    ("present", "display_name", "description", "tags"),
    [
        (Present.KEEP, "old", "old", ["both", "old"]),
        (Present.MERGE, "old", "old", ["both", "new", "old"]),
        (Present.PREFER_NEW, "new", "new", ["both", "new", "old"]),
        (Present.OVERWRITE, "new", "new", ["both", "new"]),
    ],
)
async def test_loading_does_to_a_namespace_that_is_there_what_it_is_told(
    db: Database, present: Present, display_name: str, description: str, tags: list[str]
) -> None:
    await create(db, namespace("n", display_name="old", protected=True), *OLD)
    new = namespace("n", id="new", display_name="new")

    is_changed = await db.run(lambda: metadefs.load_namespace(new, NEW, present))

    found, items = await read(db, "n")
    assert found is not None
    assert found.display_name == display_name
    assert [one.body for one in items if one.kind is Kind.OBJECT] == [{"description": description}]
    assert sorted(one.name for one in items if one.kind is Kind.TAG) == tags
    assert is_changed is (present is not Present.KEEP)


async def test_loading_brings_in_what_is_not_there(db: Database) -> None:
    for present in Present:
        new = namespace(present)
        assert await db.run(lambda new=new, present=present: metadefs.load_namespace(new, NEW, present))  # type: ignore[misc]

    assert [len((await read(db, present))[1]) for present in Present] == [3, 3, 3, 3]


async def test_unloading_deletes_every_namespace(db: Database) -> None:
    await _make_three(db)

    assert await metadefs.delete_namespaces(db) == 3

    assert (await count(db, "metadef_namespace"), await count(db, "metadef_item")) == (0, 0)
