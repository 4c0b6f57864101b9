"""Images: what goes into the database comes out, and no change is made on what somebody else changed."""

import asyncio
import uuid
from typing import Any

import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, STRANGER, image, images, member
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transom.domain.imports import WAITING
from transom.domain.memberships import Found
from transom.domain.model import Image, Location, Status, Visibility
from transom.sql.blobs import list_blobs
from transom.sql.db import Database
from transom.sql.deletion import delete_image
from transom.sql.images import (
    count_uploading,
    find_image,
    insert_image,
    moved_on,
    placed_storage,
    staged_storage,
    update_image,
    update_statements,
    used_storage,
)
from transom.sql.imports import change_statement
from transom.sql.member_ids import MemberIds

from .databases import NOBODY, count, write_world

pytestmark = pytest.mark.anyio

few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

HARD_TO_KEEP = [
    "",
    " ",
    "\t\n\r",
    "\x01\x1f\x7f",
    "é",
    "\ufeff\uffff",
    "'; drop table image; --",
    '"',
    "\\",
    "\\u0000",
    "null",
    "$1",
    "?1",
    "%s",
    'collate "C"',
    "jsonb boolean bigint",
    "x" * 100_000,
]


@few
@given(new=images)
async def test_an_image_comes_out_as_it_went_in(db: Database, new: Image) -> None:
    await write_world(db, [], [])

    inserted = await insert_image(db, new, -1, id_was_chosen=True)
    found = (await find_image(db, new.id, NOBODY)).image

    assert inserted
    assert found == msgspec.structs.replace(new, updated_at=new.created_at)


@pytest.mark.parametrize("text", HARD_TO_KEEP, ids=range(len(HARD_TO_KEEP)))
async def test_text_of_any_kind_is_kept_wherever_it_stands(db: Database, text: str) -> None:
    new = image(name=text, tags=(text,), properties={"key": text, text: "value"})

    await insert_image(db, new, -1, id_was_chosen=True)
    found = (await find_image(db, new.id, NOBODY)).image

    assert found == new


@few
@given(old=images, new=images)
async def test_an_update_writes_what_a_client_may_change_and_nothing_else(
    db: Database, old: Image, new: Image
) -> None:
    seen = msgspec.structs.replace(old, updated_at=old.created_at)
    await write_world(db, [seen], [])
    wanted = msgspec.structs.replace(new, id=seen.id, created_at=seen.created_at)

    updated = await update_image(db, seen, wanted, ACTOR)
    found = (await find_image(db, seen.id, NOBODY)).image

    assert (updated, found) == (True, wanted)


async def test_an_update_leaves_the_data_alone(db: Database) -> None:
    active = _active(image())
    await write_world(db, [active], [])
    forged = msgspec.structs.replace(active, size=1, checksum="x", locations=(), updated_at=2)

    await update_image(db, active, forged, ACTOR)
    found = (await find_image(db, active.id, NOBODY)).image

    assert found == msgspec.structs.replace(active, updated_at=2)


@pytest.mark.parametrize(
    ("before", "after", "had", "has"),
    [
        (Status.QUEUED, Status.ACTIVE, None, 9),
        (Status.IMPORTING, Status.ACTIVE, None, 9),
        (Status.QUEUED, Status.QUEUED, None, None),
        (Status.ACTIVE, Status.ACTIVE, 5, 5),
        (Status.ACTIVE, Status.DEACTIVATED, 5, 5),
        (Status.DEACTIVATED, Status.ACTIVE, 5, 5),
        # Active since before this was kept.
        (Status.ACTIVE, Status.ACTIVE, None, None),
        (Status.DEACTIVATED, Status.ACTIVE, None, None),
    ],
)
async def test_the_time_counts_at_which_an_image_becomes_active_first(
    db: Database, before: Status, after: Status, had: int | None, has: int | None
) -> None:
    seen = image(status=before.value, active_at=had)
    new = msgspec.structs.replace(seen, status=after.value, updated_at=9)

    times = []
    for changes in (update_statements(seen, new, ACTOR), [change_statement(seen, new)]):
        await write_world(db, [seen], [])
        await db.transact(*changes)
        found = (await find_image(db, seen.id, NOBODY)).image
        assert found is not None
        times.append(found.active_at)

    assert times == [has, has]


async def test_an_update_of_what_somebody_changed_since_is_not_made(db: Database) -> None:
    seen = image()
    first = msgspec.structs.replace(seen, name="first", updated_at=2)
    await write_world(db, [seen], [])
    await update_image(db, seen, first, ACTOR)

    updated = await update_image(db, seen, msgspec.structs.replace(seen, name="second", updated_at=3), ACTOR)
    found = (await find_image(db, seen.id, NOBODY)).image

    assert (updated, found) == (False, first)


async def test_of_many_updates_at_once_exactly_one_is_made(db: Database) -> None:
    seen = image()
    await write_world(db, [seen], [])
    wanted = [msgspec.structs.replace(seen, name=str(n), updated_at=2 + n) for n in range(8)]

    updated = await asyncio.gather(*(update_image(db, seen, one, ACTOR) for one in wanted))
    found = (await find_image(db, seen.id, NOBODY)).image

    assert [one for one, done in zip(wanted, updated, strict=True) if done] == [found]


async def test_an_image_that_is_gone_is_not_updated(db: Database) -> None:
    assert not await update_image(db, image(), image(name="new", updated_at=2), ACTOR)


@given(at=st.integers(0, 1 << 60), now=st.integers(0, 1 << 60))
def test_the_next_version_is_never_the_one_before(at: int, now: int) -> None:
    after = moved_on(image(updated_at=at), now)

    assert after > at
    assert after >= now


async def test_an_id_in_use_is_not_given_again(db: Database) -> None:
    await insert_image(db, image(name="first"), -1, id_was_chosen=True)

    inserted = await insert_image(db, image(name="second"), -1, id_was_chosen=True)
    found = (await find_image(db, "image", NOBODY)).image

    assert (inserted, found) == (False, image(name="first"))


async def test_of_many_images_of_one_id_exactly_one_is_made(db: Database) -> None:
    inserted = await asyncio.gather(
        *(insert_image(db, image(name=str(n)), -1, id_was_chosen=True) for n in range(8))
    )

    assert sum(inserted) == 1


async def test_a_deleted_images_id_is_never_given_again(db: Database) -> None:
    await insert_image(db, image(), -1, id_was_chosen=True)
    await delete_image(db, image(), 2, ACTOR)

    inserted = await insert_image(db, image(owner=STRANGER), -1, id_was_chosen=True)

    assert not inserted
    assert (await find_image(db, "image", NOBODY)).image is None


async def test_a_deleted_image_takes_its_memberships_along(db: Database) -> None:
    await write_world(db, [image()], [member(RECIPIENT), member(STRANGER)])

    deleted = await delete_image(db, image(), 2, ACTOR)

    assert (deleted, await count(db, "member")) == (True, 0)


async def test_a_deleted_images_bytes_wait_to_be_removed(db: Database) -> None:
    active = _active(image())
    await write_world(db, [active], [])

    await delete_image(db, active, 2, ACTOR)

    assert [(blob.store, blob.key, blob.holder) for blob in await list_blobs(db)] == [
        ("local", "key-1", None),
        ("local", "key-2", None),
    ]


async def test_an_image_that_somebody_changed_since_is_not_deleted(db: Database) -> None:
    await write_world(db, [_active(image(updated_at=5))], [member(RECIPIENT)])

    deleted = await delete_image(db, _active(image(updated_at=4)), 6, ACTOR)

    assert (deleted, await count(db, "image"), await count(db, "member")) == (False, 1, 1)
    assert (await count(db, "deleted_image"), await count(db, "loose_blob")) == (0, 0)


async def test_of_many_deletions_at_once_exactly_one_is_made(db: Database) -> None:
    active = _active(image())
    await write_world(db, [active], [])

    deleted = await asyncio.gather(*(delete_image(db, active, 2, ACTOR) for _ in range(8)))

    assert sum(deleted) == 1


@pytest.mark.parametrize(
    ("member_ids", "is_member"),
    [
        ((RECIPIENT, None), True),
        ((STRANGER, "domain/theirs"), True),
        ((STRANGER, "domain/other"), False),
        ((STRANGER, "domain/other", "organization/unit"), True),
        ((STRANGER, None, *(f"organization/{n}" for n in range(4)), "organization/unit"), True),
        ((STRANGER, "domain/other", "organization/theirs"), False),
        ((STRANGER, None, "domain/unit"), False),
        (("theirs", None), False),
        ((OWNER, None), False),
        (NOBODY, False),
    ],
)
async def test_finding_an_image_says_whether_the_project_or_a_group_of_its_is_a_member(
    db: Database, member_ids: MemberIds, is_member: bool
) -> None:
    groups = [member("domain/theirs", "accepted"), member("organization/unit", "accepted")]
    await write_world(db, [image()], [member(RECIPIENT, "rejected"), *groups])

    found = await find_image(db, "image", member_ids)

    assert (found.image, found.is_member) == (image(), is_member)


@pytest.mark.parametrize("image_id", ["", "IMAGE", "image ", "imag", "\ufffd", "x" * 5000])
async def test_an_image_is_found_by_its_very_id_only(db: Database, image_id: str) -> None:
    await insert_image(db, image(), -1, id_was_chosen=True)

    assert await find_image(db, image_id, NOBODY) == Found(image_id=image_id)


async def test_the_storage_a_project_uses_is_the_sum_of_its_own_images(db: Database) -> None:
    worlds = [
        _active(image(id="a", size=1 << 40)),
        _active(image(id="b", size=3)),
        image(id="c", size=None),
        _active(image(id="d", size=7, owner=STRANGER)),
        _active(image(id="e", size=9, owner=None)),
    ]
    await write_world(db, worlds, [])

    used = [await used_storage(db, project) for project in (OWNER, STRANGER, RECIPIENT)]

    assert used == [(1 << 40) + 3, 7, 0]


async def test_each_copy_of_data_takes_room_and_what_is_on_its_way_is_counted_apart(db: Database) -> None:
    here, there = Location(store="here", key="k"), Location(store="there", key="k")
    copied = {WAITING: "there"}
    worlds = [
        image(id="two", size=10, status=Status.ACTIVE, locations=(here, there), properties={WAITING: ""}),
        image(id="copied", size=7, status=Status.ACTIVE, locations=(here,), properties=copied),
        image(id="staged", size=3, status=Status.UPLOADING),
        image(id="imported", size=2, status=Status.IMPORTING),
        image(id="saving", status=Status.SAVING),
        image(id="queued"),
        image(id="theirs", owner=STRANGER, size=100, status=Status.ACTIVE, locations=(here,)),
    ]
    await write_world(db, worlds, [])

    counted = [
        (
            await placed_storage(db, project),
            await staged_storage(db, project),
            await count_uploading(db, project),
        )
        for project in (OWNER, STRANGER, RECIPIENT)
    ]

    assert counted == [(27, 12, 4), (100, 0, 0), (0, 0, 0)]


def _active(of: Image) -> Image:
    data: dict[str, Any] = {"size": 10} if of.size is None else {}
    return msgspec.structs.replace(
        of,
        status=Status.ACTIVE,
        visibility=Visibility.SHARED,
        checksum="c" * 32,
        os_hash_algo="sha512",
        os_hash_value="d" * 128,
        virtual_size=20,
        locations=(Location(store="local", key="key-1"), Location(store="local", key="key-2")),
        **data,
    )


async def test_the_id_of_an_image_that_is_being_deleted_is_never_free(db: Database) -> None:
    """An insert that waits for the end of a deletion must look again."""
    rounds = []
    for _ in range(20):
        new = image(id=str(uuid.uuid4()))
        await insert_image(db, new, -1, id_was_chosen=True)
        deleted, inserted = await asyncio.gather(
            delete_image(db, new, 5, ACTOR), insert_image(db, new, -1, id_was_chosen=True)
        )
        rounds.append((deleted, inserted))

    assert set(rounds) == {(True, False)}
