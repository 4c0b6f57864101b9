"""Copies of an image within the region (IMS API): the new image is filled with the bytes of another one.

Begun again wherever it stopped: what an earlier attempt sent goes, unless it had published all of it.
"""

import logging
from collections.abc import AsyncIterator

from transom.clock import now_us
from transom.data.transfer import Transfer
from transom.domain.errors import (
    ConflictError,
    ForbiddenError,
    LostDataError,
    NotFoundError,
    Reason,
    UnavailableError,
)
from transom.domain.job_inputs import Copy, input_of
from transom.domain.model import Caller, Image, Job, Status
from transom.domain.status import WITH_DATA
from transom.sql import images, jobs, members
from transom.sql.db import Database
from transom.sql.member_ids import NOBODY
from transom.transfers.held import NotYetError, Report, reporting
from transom.transfers.objects import naming_reasons
from transom.transfers.requesters import Requesters
from transom.transfers.rules import judge_copy

_log = logging.getLogger(__name__)

#: Looks at an image that others change while it is to go.
_TRIES = 10


class Copies:
    """Runs these jobs for the worker `holder`."""

    def __init__(self, db: Database, transfer: Transfer, requesters: Requesters, holder: str) -> None:
        self._db = db
        self._transfer = transfer
        self._requesters = requesters
        self._holder = holder

    async def run(self, job: Job, report: Report) -> None:
        """Fill the image that the job was written with; NotYetError while others do."""
        with naming_reasons(job):
            await self._run(job, report)

    async def _run(self, job: Job, report: Report) -> None:
        asked = input_of(job, Copy)
        image = await self._find_copy(asked)
        if image.status == Status.SAVING:
            # By an earlier attempt, whose worker died. Its lease of the bytes may end after that of the job.
            await self._transfer.removal.clean_up()
            image = await self._find_copy(asked)
            if image.status == Status.SAVING:
                raise NotYetError(f"Job {job.id} waits for the end of an earlier attempt.")
        if _is_whole(image, asked):
            return  # An earlier attempt got that far.
        source = await self._find_source(job, image)
        chunks = reporting(await read_source(self._transfer, source, asked.size), asked.size, report)

        async def judge() -> None:
            await self._find_source(job, await self._find_copy(asked))

        await self._transfer.uploads.receive(image, chunks, asked.size, asked.checksum, before_publish=judge)

    async def look(self, job: Job) -> None:
        """Raise when the copy has to break off: an image is gone, or the right to it has ended."""
        asked = input_of(job, Copy)
        try:
            await self._find_source(job, await self._find_copy(asked))
        except (NotFoundError, ForbiddenError, ConflictError):
            # It may have been published, and the source have gone, between the two looks.
            if not _is_whole(await self._find_copy(asked), asked):
                raise

    async def fail(self, ended: Job) -> None:
        """Write that the job has failed. Its image goes with it, unless it holds data, or somebody is
        changing it."""
        asked = input_of(ended, Copy)
        for _ in range(_TRIES):
            image = (await images.find_image(self._db, asked.image_id, NOBODY)).image
            if image is None or image.status != Status.QUEUED:
                break
            if await jobs.fail_new_image(self._db, ended, self._holder, image, now_us()):
                return
        await jobs.finish_job(self._db, ended, self._holder)

    async def _find_source(self, job: Job, copy: Image) -> Image:
        return await find_source(
            self._db, await self._requesters.recall(job), input_of(job, Copy).source_id, copy.owner
        )

    async def _find_copy(self, asked: Copy) -> Image:
        image = (await images.find_image(self._db, asked.image_id, NOBODY)).image
        if image is None:
            text = f"Image {asked.image_id} was deleted while it was copied."
            raise NotFoundError(text, Reason.IMAGE_UNKNOWN)
        return image


async def find_source(db: Database, caller: Caller, source_id: str, owner: str | None) -> Image:
    """The image to copy, if the caller may have its data in an image of `owner`'s now. Raises TransomError if
    not."""
    found = await members.find_member(db, source_id, caller.member_ids, caller.project_id or "")
    absent = f"Image {source_id} was deleted or withdrawn before it was copied."
    return judge_copy(caller, found, owner, absent)


async def read_source(transfer: Transfer, source: Image, size: int) -> AsyncIterator[bytes]:
    """The bytes of an image to copy, from where they are by now. NotFoundError when its data was deleted,
    UnavailableError when it cannot be read at the moment."""
    try:
        location = await transfer.reads.find_copy(source)
        return await transfer.reads.read(location, 0, size)
    except LostDataError:
        text = f"The data of image {source.id} was deleted before it was copied."
        raise NotFoundError(text, Reason.IMAGE_UNKNOWN) from None
    except NotFoundError as error:
        # It went a moment ago; a next look finds another place, or none. What the store says of it is for the
        # log, not for clients.
        _log.warning("image %s: %s", source.id, error)
        raise UnavailableError(f"The data of image {source.id} could not be read.") from None


def _is_whole(image: Image, asked: Copy) -> bool:
    return image.status in WITH_DATA and image.checksum == asked.checksum
