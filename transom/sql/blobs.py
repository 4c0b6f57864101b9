"""Loose blobs: bytes in a store that no image owns, on their way in or out.

A row is written before the first byte and deleted after the last one is published or removed. Whatever a
crash leaves behind is found here, by `Removal.clean_up`. Transactions touch the blob's row before the
image's, so that the end of an upload and its recovery cannot deadlock.

Staged blobs are those that wait to be imported into an `uploading` image, or are just being imported.
"""

from typing import NamedTuple

from transom.domain.model import Content, Image, Location, Staged, Status
from transom.domain.status import sources
from transom.sql.db import Database, Statement
from transom.sql.images import (
    MOVE_ON,
    abandon_statements,
    guard_storage,
    guard_uploading,
    moved_on,
    to_json,
)


def _one_of(states: tuple[str, ...]) -> str:
    return ", ".join(f"'{state}'" for state in states)


class LooseBlob(NamedTuple):
    key: str
    store: str
    image_id: str | None
    holder: str | None
    held_until: int


# Its data is looked into as of these formats, which may be changed until it is `saving`.
START_UPLOAD = f"""
    update image set status = '{Status.SAVING}', {MOVE_ON}
    where id = $1 and status in ({_one_of(sources(Status.SAVING))})
      and disk_format = $3 and container_format = $4
    returning id"""

START_STAGING = f"""
    update image set status = '{Status.UPLOADING}', {MOVE_ON}
    where id = $1 and status in ({_one_of(sources(Status.UPLOADING))})
    returning id"""

INSERT_HELD_BLOB = """
    insert into loose_blob (key, store, image_id, holder, held_until) values ($1, $2, $3, $4, $5)"""


class UploadGuard(NamedTuple):
    """How many images of the owner may have data on its way, this one included; negative for no limit."""

    owner: str | None
    limit: int


#: Of uploads that no quota limits.
UNGUARDED = UploadGuard(None, -1)


async def start_upload(
    db: Database, seen: Image, blob: LooseBlob, now: int, guard: UploadGuard = UNGUARDED
) -> bool:
    """Make the image `saving` and claim the blob for its holder; False when another state, other formats than
    were `seen`, or the guard forbids it."""
    return await _start(
        db, START_UPLOAD, (blob.image_id, now, seen.disk_format, seen.container_format), blob, guard
    )


async def start_staging(db: Database, blob: LooseBlob, now: int, guard: UploadGuard = UNGUARDED) -> bool:
    """As `start_upload`, for bytes that are to be imported later: the image is `uploading`."""
    return await _start(db, START_STAGING, (blob.image_id, now), blob, guard)


async def _start(
    db: Database, change: str, values: tuple[object, ...], blob: LooseBlob, guard: UploadGuard
) -> bool:
    started = guard_uploading(
        *guard,
        Statement(change, values, required=True),
        Statement(INSERT_HELD_BLOB, tuple(blob)),
    )
    return await db.transact(*started) is not None


async def claim_blob(db: Database, blob: LooseBlob) -> None:
    """Claim a blob for its holder, whatever becomes of it."""
    await db.write(INSERT_HELD_BLOB, *blob)


HOLD_BLOB = """
    update loose_blob set held_until = $3 where key = $1 and holder = $2 returning key"""


async def hold_blob(db: Database, blob: LooseBlob, held_until: int) -> bool:
    """The holder is still at work; False when the blob was taken from it."""
    return bool(await db.write(HOLD_BLOB, blob.key, blob.holder, held_until))


RESERVE = """
    update loose_blob set owner = $3, reserved = $4 where key = $1 and holder = $2 returning key"""


async def reserve_room(db: Database, blob: LooseBlob, owner: str | None, size: int, quota: int) -> bool:
    """Reserve `size` bytes of the owner's quota for this blob, until it is given to an image (which then
    counts against the quota) or given up. False, and nothing done, when the quota has too little room or the
    holder has lost the blob. Reservations of one owner run one after another."""
    reserve = Statement(RESERVE, (blob.key, blob.holder, owner, size), required=True)
    done = await db.transact(*guard_storage(owner, quota, reserve))
    return done is not None


RELEASE_BLOB = "delete from loose_blob where key = $1 and holder = $2 returning key"

FINISH_UPLOAD = f"""
    update image
    set status = '{Status.ACTIVE}', {MOVE_ON}, active_at = $2, size = $3, virtual_size = $4, checksum = $5,
        os_hash_algo = $6, os_hash_value = $7, locations = $8
    where id = $1 and status = '{Status.SAVING}'
    returning id"""


async def finish_upload(db: Database, blob: LooseBlob, content: Content, now: int) -> bool:
    """Give the bytes to the image and make it `active`.

    False, and nothing done, when the image is gone or the upload was given up for dead meanwhile.
    """
    values = (
        blob.image_id,
        now,
        content.size,
        content.virtual_size,
        content.checksum,
        content.os_hash_algo,
        content.os_hash_value,
        to_json((Location(store=blob.store, key=blob.key),)),
    )
    done = await db.transact(
        release_statement(blob),
        Statement(FINISH_UPLOAD, values, required=True),
    )
    return done is not None


DROP_LOCATION = """
    update image set locations = $3, updated_at = $4 where id = $1 and updated_at = $2 returning id"""


async def drop_location(db: Database, seen: Image, location: Location, now: int) -> bool:
    """The image gives up one copy of its data, which then waits for removal.

    False, and nothing done, when somebody changed the image since it was `seen`.
    """
    kept = to_json(tuple(one for one in seen.locations if one != location))
    done = await db.transact(
        Statement(DROP_LOCATION, (seen.id, seen.updated_at, kept, moved_on(seen, now)), required=True),
        *abandon_statements([location]),
    )
    return done is not None


# An import may have taken the image meanwhile, and another upload have staged data for it since.
FINISH_STAGING = f"""
    update image set size = $3, {MOVE_ON} where id = $1 and status = '{Status.UPLOADING}'
      and not exists (select 1 from staged_blob where staged_blob.image_id = $1)
    returning id"""

INSERT_STAGED_BLOB = """
    insert into staged_blob (image_id, key, store, size, plugins_done) values ($1, $2, $3, $4, $5)"""


async def finish_staging(db: Database, blob: LooseBlob, size: int, now: int) -> bool:
    """The bytes wait to be imported. False, and nothing done, as in `finish_upload`."""
    done = await db.transact(
        release_statement(blob),
        Statement(FINISH_STAGING, (blob.image_id, now, size), required=True),
        staged_statement(blob.image_id, Staged(store=blob.store, key=blob.key, size=size)),
    )
    return done is not None


def staged_statement(image_id: str | None, staged: Staged) -> Statement:
    """These bytes wait to be imported into the image: for a transaction that releases their blob."""
    values = (image_id, staged.key, staged.store, staged.size, staged.plugins_done)
    return Statement(INSERT_STAGED_BLOB, values)


def release_statement(blob: LooseBlob) -> Statement:
    """The blob is loose no more, if its holder still holds it: for the transaction that gives it an owner."""
    return Statement(RELEASE_BLOB, (blob.key, blob.holder), required=True)


FIND_STAGED = "select store, key, size, plugins_done from staged_blob where image_id = $1"


async def find_staged(db: Database, image_id: str) -> Staged | None:
    rows = await db.read(FIND_STAGED, image_id)
    if not rows:
        return None
    store, key, size, plugins_done = rows[0]
    return Staged(store=store, key=key, size=size, plugins_done=plugins_done)


ABANDON_BLOB = """
    update loose_blob set holder = null, image_id = null, held_until = 0
    where key = $1 and holder = $2
    returning key"""

# `held_until` as it was seen: a sign of life since then keeps the blob with its holder.
TAKE_BLOB = """
    update loose_blob set holder = null, image_id = null, held_until = 0
    where key = $1 and holder = $2 and held_until = $3
    returning key"""

# Unless it is so by another upload, as it may be where an import came between.
RETURN_TO_QUEUED = f"""
    update image set status = '{Status.QUEUED}', {MOVE_ON}
    where id = $1 and status in ('{Status.SAVING}', '{Status.UPLOADING}')
      and not exists (select 1 from loose_blob where loose_blob.image_id = $1)
      and not exists (select 1 from staged_blob where staged_blob.image_id = $1)
    returning id"""


async def abandon_upload(db: Database, blob: LooseBlob, now: int) -> bool:
    """Give up an upload of one's own: its image is `queued` again, its blob only waits for removal.

    False, and nothing done, when the blob is no longer this holder's: then the upload was finished after all,
    or somebody else has given it up. After True it can never be finished, so its bytes may be removed.
    """
    done = await db.transact(
        Statement(ABANDON_BLOB, (blob.key, blob.holder), required=True),
        Statement(RETURN_TO_QUEUED, (blob.image_id, now)),
    )
    return done is not None


async def take_upload(db: Database, seen: LooseBlob, now: int) -> bool:
    """As `abandon_upload`, for the upload of a holder that counts as dead; False when it lives after all."""
    done = await db.transact(
        Statement(TAKE_BLOB, (seen.key, seen.holder, seen.held_until), required=True),
        Statement(RETURN_TO_QUEUED, (seen.image_id, now)),
    )
    return done is not None


FORGET_BLOB = "delete from loose_blob where key = $1 and holder is null"


async def forget_blob(db: Database, key: str) -> None:
    """The bytes of an abandoned blob are out of the store."""
    await db.write(FORGET_BLOB, key)


LIST_BLOBS = "select key, store, image_id, holder, held_until from loose_blob order by key"


async def list_blobs(db: Database) -> list[LooseBlob]:
    """Every loose blob: as many as there are uploads and removals under way."""
    return [LooseBlob(*row) for row in await db.scan(LIST_BLOBS)]
