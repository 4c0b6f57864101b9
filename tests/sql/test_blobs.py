"""Loose blobs: whoever holds, finishes or gives up, bytes have one owner and are never forgotten."""

import asyncio

import msgspec
import pytest
from domain.samples import ACTOR, OWNER, image

from transom.domain.model import Content, Location, Status
from transom.sql.blobs import (
    LooseBlob,
    UploadGuard,
    abandon_upload,
    drop_location,
    find_staged,
    finish_staging,
    finish_upload,
    forget_blob,
    hold_blob,
    list_blobs,
    start_staging,
    start_upload,
    take_upload,
)
from transom.sql.db import Database
from transom.sql.deletion import delete_image
from transom.sql.images import count_uploading, find_image

from .databases import NOBODY, write_world

pytestmark = pytest.mark.anyio

HELD = LooseBlob(key="key", store="local", image_id="image", holder="worker", held_until=100)
LOOSE = LooseBlob(key="key", store="local", image_id=None, holder=None, held_until=0)
CONTENT = Content(size=3, virtual_size=3, checksum="c", os_hash_algo="sha512", os_hash_value="v")


async def _status(db: Database) -> str | None:
    found = (await find_image(db, "image", NOBODY)).image
    return found.status if found else None


async def test_an_upload_starts_with_a_held_blob_and_a_saving_image(db: Database) -> None:
    await write_world(db, [image()], [])

    started = await start_upload(db, image(), HELD, 5)

    assert (started, await _status(db), await list_blobs(db)) == (True, Status.SAVING, [HELD])


@pytest.mark.parametrize("status", [Status.SAVING, Status.ACTIVE, Status.DEACTIVATED])
async def test_an_image_that_is_not_queued_takes_no_upload(db: Database, status: str) -> None:
    await write_world(db, [image(status=status)], [])

    started = await start_upload(db, image(), HELD, 5)

    assert (started, await _status(db), await list_blobs(db)) == (False, status, [])


@pytest.mark.parametrize("changed", [{"disk_format": "qcow2"}, {"container_format": "ovf"}], ids=str)
async def test_an_upload_does_not_start_that_would_be_looked_into_by_other_formats(
    db: Database, changed: dict[str, str]
) -> None:
    """Whoever changes them between the look at the image and the upload would have its data not inspected."""
    await write_world(db, [image()], [])

    started = await start_upload(db, msgspec.structs.replace(image(), **changed), HELD, 5)

    assert (started, await _status(db), await list_blobs(db)) == (False, Status.QUEUED, [])


async def test_of_uploads_at_once_no_more_start_than_their_project_may_have(db: Database) -> None:
    ids = [f"image-{n}" for n in range(6)]
    await write_world(db, [image(id=image_id) for image_id in ids], [])
    blobs = [HELD._replace(key=image_id, image_id=image_id) for image_id in ids]

    started = await asyncio.gather(
        *(start_upload(db, image(), blob, 5, UploadGuard(OWNER, 2)) for blob in blobs)
    )

    assert (sum(started), len(await list_blobs(db)), await count_uploading(db, OWNER)) == (2, 2, 2)


async def test_of_many_uploads_at_once_exactly_one_starts(db: Database) -> None:
    await write_world(db, [image()], [])

    started = await asyncio.gather(
        *(start_upload(db, image(), HELD._replace(key=str(n)), 5) for n in range(8))
    )

    assert (sum(started), len(await list_blobs(db))) == (1, 1)


async def test_a_finished_upload_makes_the_image_active_and_owner_of_the_bytes(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)

    finished = await finish_upload(db, HELD, CONTENT, 6)
    found = (await find_image(db, "image", NOBODY)).image

    assert (finished, await list_blobs(db)) == (True, [])
    assert found == image(
        status=Status.ACTIVE,
        size=3,
        virtual_size=3,
        checksum="c",
        os_hash_algo="sha512",
        os_hash_value="v",
        locations=(Location(store="local", key="key"),),
        updated_at=6,
        active_at=6,
    )


async def test_every_step_of_an_upload_is_a_new_version_of_the_image(db: Database) -> None:
    """Even when the clock stands still or goes back."""
    await write_world(db, [image(updated_at=50)], [])

    await start_upload(db, image(), HELD, 5)
    started = (await find_image(db, "image", NOBODY)).image
    await finish_upload(db, HELD, CONTENT, 5)
    finished = (await find_image(db, "image", NOBODY)).image

    assert started
    assert finished
    assert (started.updated_at, finished.updated_at) == (51, 52)


async def test_an_upload_of_an_image_that_was_deleted_meanwhile_is_not_finished(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)
    saving = (await find_image(db, "image", NOBODY)).image
    assert saving
    await delete_image(db, saving, 6, ACTOR)

    finished = await finish_upload(db, HELD, CONTENT, 7)

    assert (finished, await list_blobs(db)) == (False, [HELD])


async def test_an_abandoned_upload_leaves_a_queued_image_and_a_blob_to_remove(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)

    abandoned = await abandon_upload(db, HELD, 6)

    assert (abandoned, await _status(db), await list_blobs(db)) == (True, Status.QUEUED, [LOOSE])


async def test_an_abandoned_upload_can_never_be_finished(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)
    await abandon_upload(db, HELD, 6)

    finished = await finish_upload(db, HELD, CONTENT, 7)

    assert (finished, await _status(db), await list_blobs(db)) == (False, Status.QUEUED, [LOOSE])


async def test_a_finished_upload_can_never_be_abandoned(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)
    await finish_upload(db, HELD, CONTENT, 6)

    assert (await abandon_upload(db, HELD, 7), await _status(db)) == (False, Status.ACTIVE)


async def test_finishing_and_abandoning_at_once_have_exactly_one_winner(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)

    finished, abandoned = await asyncio.gather(
        finish_upload(db, HELD, CONTENT, 6), abandon_upload(db, HELD, 6)
    )

    assert finished != abandoned
    assert await _status(db) == (Status.ACTIVE if finished else Status.QUEUED)


async def test_an_upload_that_was_given_up_is_not_finished_in_the_name_of_the_next(db: Database) -> None:
    second = HELD._replace(key="second", holder="another")
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)
    await abandon_upload(db, HELD, 6)
    await start_upload(db, image(), second, 7)

    finished = await finish_upload(db, HELD, CONTENT, 8)

    assert (finished, await _status(db), await list_blobs(db)) == (False, Status.SAVING, [LOOSE, second])


async def test_a_sign_of_life_moves_the_end_of_the_lease(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)

    held = await hold_blob(db, HELD, 200)

    assert (held, await list_blobs(db)) == (True, [HELD._replace(held_until=200)])


async def test_a_blob_that_was_taken_away_is_held_no_more(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)
    await abandon_upload(db, HELD, 6)

    assert (await hold_blob(db, HELD, 200), await list_blobs(db)) == (False, [LOOSE])


async def test_a_holders_own_sign_of_life_does_not_keep_it_from_giving_up(db: Database) -> None:
    """Its own record of the lease is the older one then."""
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)
    await hold_blob(db, HELD, 200)

    assert await abandon_upload(db, HELD, 6)


async def test_recovery_does_not_take_a_blob_whose_holder_gave_a_sign_since(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)
    (seen,) = await list_blobs(db)
    await hold_blob(db, HELD, 200)

    assert (await take_upload(db, seen, 150), await _status(db)) == (False, Status.SAVING)


async def test_recovery_takes_a_blob_whose_holder_was_silent(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)
    (seen,) = await list_blobs(db)

    assert (await take_upload(db, seen, 150), await _status(db)) == (True, Status.QUEUED)


async def test_a_removed_blob_is_forgotten_and_a_held_one_is_not(db: Database) -> None:
    await write_world(db, [image()], [])
    await start_upload(db, image(), HELD, 5)

    await forget_blob(db, "key")
    while_held = await list_blobs(db)
    await abandon_upload(db, HELD, 6)
    await forget_blob(db, "key")

    assert (while_held, await list_blobs(db)) == ([HELD], [])


# ---- one of several copies


TWO_PLACES = (Location(store="fast", key="key-1"), Location(store="web", key="http://host/1"))


async def test_a_copy_that_an_image_gives_up_waits_for_removal(db: Database) -> None:
    await write_world(db, [image(locations=TWO_PLACES)], [])
    seen = (await find_image(db, "image", NOBODY)).image
    assert seen is not None

    dropped = await drop_location(db, seen, TWO_PLACES[0], 5)
    found = (await find_image(db, "image", NOBODY)).image

    assert dropped
    assert found == msgspec.structs.replace(seen, locations=TWO_PLACES[1:], updated_at=5)
    assert [(blob.store, blob.key, blob.holder) for blob in await list_blobs(db)] == [("fast", "key-1", None)]


async def test_bytes_of_others_are_given_up_and_not_removed(db: Database) -> None:
    await write_world(db, [image(locations=TWO_PLACES)], [])
    seen = (await find_image(db, "image", NOBODY)).image
    assert seen is not None

    await drop_location(db, seen, TWO_PLACES[1], 5)

    assert await list_blobs(db) == []


async def test_a_copy_is_kept_when_the_image_changed_meanwhile(db: Database) -> None:
    await write_world(db, [image(locations=TWO_PLACES, updated_at=2)], [])
    seen = (await find_image(db, "image", NOBODY)).image
    assert seen is not None

    dropped = await drop_location(db, msgspec.structs.replace(seen, updated_at=1), TWO_PLACES[0], 5)
    found = (await find_image(db, "image", NOBODY)).image

    assert (dropped, found, await list_blobs(db)) == (False, seen, [])


# ---- an upload that lost its image to an import, and found it again in the hands of another upload

LATER = HELD._replace(key="later")
LET_GO = "update image set status = 'queued' where id = 'image'"


@pytest.mark.parametrize("is_finished", [True, False])
async def test_an_upload_that_lost_its_image_leaves_what_another_has_staged(
    db: Database, is_finished: bool
) -> None:
    await write_world(db, [image()], [])
    await db.write("delete from staged_blob")
    await start_staging(db, HELD, 5)
    await db.write(LET_GO)
    await start_staging(db, LATER, 6)
    if is_finished:
        assert await finish_staging(db, LATER, 3, 7)

    was_staged = is_finished and await finish_staging(db, HELD, 9, 8)
    abandoned = await abandon_upload(db, HELD, 8)
    is_staged = is_finished or await finish_staging(db, LATER, 3, 9)
    staged = await find_staged(db, "image")

    assert (was_staged, abandoned, is_staged) == (False, True, True)
    assert await _status(db) == Status.UPLOADING
    assert staged is not None
    assert (staged.key, staged.size) == ("later", 3)
