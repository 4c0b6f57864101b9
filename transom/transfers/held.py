"""An image that a task holds: looked at, changed and let go in step with the task's job.

A worker that is no longer the job's holder, or whose image was changed since it looked, changes nothing.
Each look judges the requester again, so that no step goes on after the right to it has ended.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from transom.clock import now_us
from transom.domain.access import image_target
from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    TransomError,
    UnavailableError,
)
from transom.domain.imports import is_held_by
from transom.domain.model import Caller, Image, ImageTarget, Job, JobStatus, Location
from transom.lease import LostError
from transom.sql import images, imports, jobs
from transom.sql.db import Database
from transom.sql.member_ids import NOBODY
from transom.sql.retry import write_conflict
from transom.transfers.requesters import Requesters

_MIB = 1 << 20
#: Others may change the image between our look at it and our write.
_TRIES = 100

#: Tells how far a job is: percent, and words.
Report = Callable[[int, str], None]
Write = Callable[[Database, Job, str, Image, Image], Awaitable[bool]]
#: Raises when the requester may not have this done (any more).
Judge = Callable[[Caller, Job, ImageTarget], None]
#: Called when a task fails, with the image and the job as stored now. Returns what the image becomes (None:
#: it is deleted) and the locations that it gives up.
Undo = Callable[[Image, Job], tuple[Image | None, tuple[Location, ...]]]


class HeldImage:
    """Images held by jobs of the worker `holder`."""

    def __init__(self, db: Database, holder: str, requesters: Requesters, judge: Judge) -> None:
        self._db = db
        self._holder = holder
        self._requesters = requesters
        self._judge = judge

    async def find(self, job: Job) -> Image:
        """The job's image. NotFoundError when it is gone, or another task's; RightEndedError when the
        requester may not have this done any more."""
        image_id = str(job.image_id)
        try:
            caller = await self._requesters.recall(job)
        except ForbiddenError as error:
            raise RightEndedError(str(error)) from None
        found = await images.find_image(self._db, image_id, caller.member_ids)
        image = found.image
        if image is None:
            raise NotFoundError(f"Image {image_id} was deleted while it was imported.")
        if not is_held_by(image, job.id):
            raise NotFoundError(f"Image {image_id} is held by another task.")
        try:
            self._judge(caller, job, image_target(image, is_member=found.is_member))
        except (ForbiddenError, ConflictError) as error:
            raise RightEndedError(str(error), error.reason) from None
        return image

    async def change(
        self, job: Job, decide: Callable[[Image], Image], write: Write = imports.change_image
    ) -> Image:
        """Look at the image, `decide` what it becomes, and write that; again if somebody changed it since."""
        for _ in range(_TRIES):
            image = await self.find(job)
            new = _moved_on(image, decide(image))
            if await write(self._db, job, self._holder, image, new):
                return new
            await self._require(job)
        raise _conflict(job)

    async def end(self, job: Job, decide: Callable[[Image], Image]) -> None:
        """As `change`, and the job has done what it was to do; what was staged goes."""
        ended = msgspec.structs.replace(job, status=JobStatus.SUCCESS, end_at=now_us(), progress=100)

        async def write(db: Database, _job: Job, holder: str, seen: Image, new: Image) -> bool:
            return await imports.end_import(db, ended, holder, seen, new)

        await self.change(job, decide, write)

    async def fail(self, ended: Job, undo: Undo) -> None:
        """Write that the job has failed, and what the image is then; nothing if the job is another's."""
        for _ in range(_TRIES):
            image = (await images.find_image(self._db, str(ended.image_id), NOBODY)).image
            if image is None or not is_held_by(image, ended.id):
                await jobs.finish_job(self._db, ended, self._holder)
                return
            # The worker may have written into the input since this one read it.
            kept = await jobs.find_by_id(self._db, ended.id)
            new, taken_back = undo(image, kept or ended)
            if await self._end_failed(ended, image, new, taken_back):
                return
            if not await jobs.is_held(self._db, ended.id, self._holder):
                return

    async def _end_failed(
        self, ended: Job, seen: Image, new: Image | None, taken_back: tuple[Location, ...]
    ) -> bool:
        if new is None:
            return await jobs.fail_new_image(self._db, ended, self._holder, seen, now_us())
        new = _moved_on(seen, new)
        return await imports.end_import(self._db, ended, self._holder, seen, new, taken_back)

    async def _require(self, job: Job) -> None:
        if not await jobs.is_held(self._db, job.id, self._holder):
            raise LostError(f"Task {job.id} was taken over by another worker.")


class NotYetError(TransomError):
    """The job waits for others, and is to be looked at again; until then it holds no place."""


class RightEndedError(ForbiddenError):
    """The requester of the job no longer has the right to it."""


def _conflict(job: Job) -> UnavailableError:
    return write_conflict(f"Image {job.image_id} is")


def _moved_on(seen: Image, new: Image) -> Image:
    return msgspec.structs.replace(new, updated_at=images.moved_on(seen, now_us()))


async def reporting(chunks: AsyncIterator[bytes], size: int | None, report: Report) -> AsyncIterator[bytes]:
    """The same chunks, with progress reported. `size`: of all of them, if known."""
    done = 0
    async for chunk in chunks:
        done += len(chunk)
        report(done * 100 // size if size else 100, copied(done))
        yield chunk


def copied(size: int) -> str:
    """How much of the data has come, in the words that clients of Glance know."""
    return f"Copied {size // _MIB} MiB"
