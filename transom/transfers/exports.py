"""Exports of images to objects: the bytes as they are kept, or converted on the way.

Begun again wherever it stopped: an object is whole or not there, and bears the id of the job that wrote it,
by which the next worker knows that there is nothing left to do.
"""

import logging
from collections.abc import AsyncIterator

from transom.data.transfer import Transfer
from transom.domain import access
from transom.domain.errors import (
    ConflictError,
    NotFoundError,
    Reason,
    TransomError,
)
from transom.domain.job_inputs import Export, input_of
from transom.domain.model import Image, Job
from transom.domain.objects import ObjectRef
from transom.sql import images, jobs
from transom.sql.db import Database
from transom.stores.object_access import ObjectAccess
from transom.transfers import conversion, export_rules
from transom.transfers.held import Report, reporting
from transom.transfers.material import Materials, read_file
from transom.transfers.objects import naming_reasons
from transom.transfers.requesters import Requesters
from transom.transfers.work_folders import WORK_THREADS

_log = logging.getLogger(__name__)


class Exports:
    """Runs these jobs for the worker `holder`."""

    def __init__(
        self,
        object_size_cap: int,
        db: Database,
        transfer: Transfer,
        objects: ObjectAccess,
        requesters: Requesters,
        materials: Materials,
        holder: str,
    ) -> None:
        """`object_size_cap`: of what is exported, bytes."""
        self._object_size_cap = object_size_cap
        self._db = db
        self._transfer = transfer
        self._objects = objects
        self._requesters = requesters
        self._holder = holder
        self._materials = materials

    async def run(self, job: Job, report: Report) -> None:
        """Write the object. After an error nothing of it is there."""
        with naming_reasons(job):
            await self._run(job, report)

    async def _run(self, job: Job, report: Report) -> None:
        asked = input_of(job, Export)
        image = await self._find(job)
        target = await self._objects.open(await self._requesters.recall(job), self._named(job), write=True)
        if await target.require_free(job.id):
            return  # An earlier attempt got that far.
        location = await self._transfer.reads.find_copy(image)
        if asked.file_format is None:
            size = image.size or 0
            chunks = reporting(await self._transfer.reads.read(location, 0, size), size, report)
            await target.write(self._judged(job, chunks), size, job.id)
            return
        async with self._materials.open_folder() as folder:
            material = self._materials.make(image, location, image.size or 0, self._object_size_cap)
            made = await conversion.convert(material, folder, asked.file_format)
            if made is None:
                raise ConflictError(f"Image {image.id} is in another format by now.", Reason.EXPORT_FORMAT)
            size = (await WORK_THREADS.run(made.path.stat)).st_size
            chunks = reporting(read_file(made.path), size, report)
            await target.write(self._judged(job, chunks), size, job.id)

    async def look(self, job: Job) -> None:
        """Raise when the export has to break off: the image is gone, or the right to it has ended."""
        with naming_reasons(job):
            await self._find(job)

    async def fail(self, ended: Job) -> None:
        """Write that the job has failed; what workers that died had begun to send goes, if it can."""
        try:
            target = await self._objects.open(
                await self._requesters.recall(ended), self._named(ended), write=True
            )
            await target.abort()
        except TransomError as error:
            _log.warning("job %s: parts of its object may stay at the service: %s", ended.id, error)
        await jobs.finish_job(self._db, ended, self._holder)

    async def _find(self, job: Job) -> Image:
        """The image, if the requester may export it there now."""
        asked, caller = input_of(job, Export), await self._requesters.recall(job)
        gone = f"Image {asked.image_id} was deleted while it was exported."
        found = await images.find_image(self._db, asked.image_id, caller.member_ids)
        seen = access.see_image(caller, found, gone)
        export_rules.export_image(caller, seen)
        image = seen.image
        self._objects.require(caller, self._named(job), write=True)
        if image.checksum != asked.checksum:
            raise NotFoundError(gone, Reason.IMAGE_UNKNOWN)
        return image

    def _named(self, job: Job) -> ObjectRef:
        return self._objects.parse("bucket_url", input_of(job, Export).target)

    async def _judged(self, job: Job, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. Before their end, on which the object comes to be, all is judged once more."""
        async for chunk in chunks:
            yield chunk
        await self._find(job)
        await self._objects.open(await self._requesters.recall(job), self._named(job), write=True)
