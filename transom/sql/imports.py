"""Imports: an image and the job that fills it, changed together.

Each transaction needs two things: that the worker still holds the job, and that nobody changed the image
since it was looked at. So a worker that was taken for dead cannot touch the image any more, and no change of
a client is lost.
"""

from collections.abc import Sequence

import msgspec

from transom.domain.events import Actor
from transom.domain.model import Image, Job, Location, Staged
from transom.sql.blobs import LooseBlob, release_statement, staged_statement
from transom.sql.db import Database, Statement
from transom.sql.images import abandon_statements, loosen_staged, set_active_at, to_json, update_statements
from transom.sql.jobs import finish_statement, guard_open, insert_job

CHANGE_IMAGE = f"""
    update image
    set status = $3, size = $4, virtual_size = $5, checksum = $6, os_hash_algo = $7, os_hash_value = $8,
        properties = $9, locations = $10, disk_format = $11, container_format = $12, updated_at = $13,
        {set_active_at("$3", "$13")}
    where id = $1 and updated_at = $2
    returning id"""


def change_statement(seen: Image, new: Image) -> Statement:
    """Writes what an import changes of an image, unless somebody changed it since it was `seen`."""
    values = (
        seen.id,
        seen.updated_at,
        new.status,
        new.size,
        new.virtual_size,
        new.checksum,
        new.os_hash_algo,
        new.os_hash_value,
        to_json(new.properties),
        to_json(new.locations),
        new.disk_format,
        new.container_format,
        new.updated_at,
    )
    return Statement(CHANGE_IMAGE, values, required=True)


async def start_import(
    db: Database, seen: Image, new: Image, job: Job, credential: str | None, open_jobs_quota: int
) -> bool:
    """Write the job, and that it holds the image; False when somebody changed that since it was `seen`, or
    the job's project may have no more jobs open."""
    statements = (change_statement(seen, new), insert_job(job, credential))
    return await db.transact(*guard_open(job, open_jobs_quota, *statements)) is not None


LOCK_JOB = "update job set told_at = $3 where id = $1 and holder = $2 and end_at is null returning id"


def _holds(job: Job, holder: str, now: int) -> Statement:
    """The guard that the holder still holds the job. Of the row it writes when it was last heard of, and
    keeps others from taking the job before the end of the transaction."""
    return Statement(LOCK_JOB, (job.id, holder, now), required=True)


KEEP_INPUT = """
    update job set told_at = $3, input = $4 where id = $1 and holder = $2 and end_at is null returning id"""


def keeps_input(job: Job, holder: str, now: int) -> Statement:
    """As `_holds`, and writes what the worker noted in the job's input. Only for the transaction that makes
    the very change that was noted: no other knows the newest input."""
    return Statement(KEEP_INPUT, (job.id, holder, now, to_json(job.input)), required=True)


async def keep_input(db: Database, job: Job, holder: str, now: int) -> bool:
    """Keep what the worker noted in the job's input; False when the job was taken from its holder."""
    return await db.transact(keeps_input(job, holder, now)) is not None


def place_statements(seen: Image, new: Image, given_up: Sequence[Location], actor: Actor) -> list[Statement]:
    """As `images.update_statements`, with the places of the data; bytes that are `given_up` wait for
    removal."""
    moved = msgspec.structs.replace(seen, updated_at=new.updated_at)
    return [*update_statements(seen, new, actor), change_statement(moved, new), *abandon_statements(given_up)]


async def change_image(db: Database, job: Job, holder: str, seen: Image, new: Image) -> bool:
    """False when the job was taken from its holder, or somebody changed the image since it was `seen`."""
    return await db.transact(_holds(job, holder, new.updated_at), change_statement(seen, new)) is not None


async def change_noting(db: Database, job: Job, holder: str, seen: Image, new: Image) -> bool:
    """As `change_image`, and keep the job's input, in which the worker noted the very change, or why a store
    has not got the data."""
    done = await db.transact(keeps_input(job, holder, new.updated_at), change_statement(seen, new))
    return done is not None


async def place_blob(db: Database, job: Job, holder: str, blob: LooseBlob, seen: Image, new: Image) -> bool:
    """Give a copy of the data to the image, which names it in `new.locations`; False as in `change_image`,
    or when the blob was taken from its holder."""
    done = await db.transact(
        _holds(job, holder, new.updated_at), release_statement(blob), change_statement(seen, new)
    )
    return done is not None


ADOPT_STAGED = "delete from staged_blob where image_id = $1 returning key"


async def adopt_staged(db: Database, job: Job, holder: str, seen: Image, new: Image) -> bool:
    """As `place_blob`, for the staged bytes themselves."""
    done = await db.transact(
        _holds(job, holder, new.updated_at),
        Statement(ADOPT_STAGED, (seen.id,), required=True),
        change_statement(seen, new),
    )
    return done is not None


async def stage_blob(
    db: Database, job: Job, holder: str, blob: LooseBlob, staged: Staged, seen: Image, new: Image
) -> bool:
    """Put other bytes in the place of what was staged for the image, and keep the job's input; False as in
    `place_blob`."""
    done = await db.transact(
        keeps_input(job, holder, new.updated_at),
        release_statement(blob),
        *loosen_staged(seen.id),
        staged_statement(seen.id, staged),
        change_statement(seen, new),
    )
    return done is not None


SET_PLUGINS_DONE = """
    update staged_blob set plugins_done = $2 where image_id = $1 returning image_id"""


async def pass_plugin(
    db: Database, job: Job, holder: str, plugins_done: int, seen: Image, new: Image
) -> bool:
    """A plugin has left the staged bytes as they are; keeps the job's input. False as in `change_image`."""
    done = await db.transact(
        keeps_input(job, holder, new.updated_at),
        Statement(SET_PLUGINS_DONE, (seen.id, plugins_done), required=True),
        change_statement(seen, new),
    )
    return done is not None


async def end_import(
    db: Database, ended: Job, holder: str, seen: Image, new: Image, taken_back: Sequence[Location] = ()
) -> bool:
    """Write how the job ended and what the image is now; what was staged and `taken_back` goes. False as in
    `change_image`."""
    done = await db.transact(
        finish_statement(ended, holder),
        *loosen_staged(seen.id),
        *abandon_statements(taken_back),
        change_statement(seen, new),
    )
    return done is not None
