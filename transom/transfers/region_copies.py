"""Copies of an image to another region (IMS API, "Replicating an Image Across Regions"): by the Image API v2
of the image service there.

Begun again wherever it stopped: the image there has an id that the job was written with, by which the next
worker finds it. It is compared with the source by its hashes, and goes when the job fails.
"""

import logging
from collections.abc import AsyncIterator
from typing import Any

from transom.data.transfer import Transfer
from transom.domain.copies import DESCRIPTION, copied_properties
from transom.domain.errors import (
    ConflictError,
    NotFoundError,
    Reason,
    TransomError,
    UnavailableError,
)
from transom.domain.job_inputs import RegionCopy, input_of
from transom.domain.model import Caller, Image, Job, Status, Visibility
from transom.domain.protection import seen_image
from transom.sql import jobs
from transom.sql.db import Database
from transom.transfers.copies import find_source, read_source
from transom.transfers.held import Report, reporting
from transom.transfers.objects import naming_reasons
from transom.transfers.options import Cloud
from transom.transfers.regions import open_region
from transom.transfers.remote_images import RemoteImages
from transom.transfers.requesters import Requesters

_log = logging.getLogger(__name__)


class RegionCopies:
    """Runs these jobs for the worker `holder`."""

    def __init__(
        self, cloud: Cloud, db: Database, transfer: Transfer, requesters: Requesters, holder: str
    ) -> None:
        self._cloud = cloud
        self._db = db
        self._transfer = transfer
        self._requesters = requesters
        self._holder = holder

    async def run(self, job: Job, report: Report) -> None:
        """Make the image there, and see that it is the same."""
        with naming_reasons(job):
            await self._run(job, report)

    async def _run(self, job: Job, report: Report) -> None:
        asked, caller = input_of(job, RegionCopy), await self._requesters.recall(job)
        source = await self._find_source(job, caller)
        remote = await self._open(job, caller)
        found = await remote.find(asked.image_id)
        if found is None:
            await remote.require_free(asked.name)
            await remote.create(_record(seen_image(caller, source), asked))
        elif found.get("status") == Status.ACTIVE:
            _require_same(source, found)
            return  # An earlier attempt got that far.
        elif found.get("status") != Status.QUEUED:
            # What an earlier attempt sent is being given up there.
            text = f"The image in the other region is {found.get('status')}."
            raise UnavailableError(text, Reason.CLOUD_FAILED)
        chunks = reporting(await read_source(self._transfer, source, asked.size), asked.size, report)
        await remote.fill(asked.image_id, asked.size, self._judged(job, chunks))
        _require_same(source, await remote.find(asked.image_id) or {})

    async def look(self, job: Job) -> None:
        """Raise when the copy has to break off: the image is gone, or the right to it has ended."""
        with naming_reasons(job):
            await self._judge(job)

    async def fail(self, ended: Job) -> None:
        """Remove what is there of the image, if it can be, and write that the job has failed."""
        image_id = input_of(ended, RegionCopy).image_id
        try:
            caller = await self._requesters.recall(ended)
            await (await self._open(ended, caller)).remove(image_id)
        except TransomError as error:
            _log.warning("job %s: image %s may stay in the other region: %s", ended.id, image_id, error)
        await jobs.finish_job(self._db, ended, self._holder)

    async def _judge(self, job: Job) -> None:
        """Raise TransomError when the requester may not have the image's data any more."""
        await self._find_source(job, await self._requesters.recall(job))

    async def _open(self, job: Job, caller: Caller) -> RemoteImages:
        asked = input_of(job, RegionCopy)
        token = await jobs.find_credential(self._db, job.id)
        return RemoteImages(await open_region(self._cloud, caller, token, asked.region, asked.project_name))

    async def _find_source(self, job: Job, caller: Caller) -> Image:
        """The image to copy, if the caller may have its data now. Raises TransomError if not."""
        asked = input_of(job, RegionCopy)
        source = await find_source(self._db, caller, asked.source_id, job.project_id)
        if source.checksum != asked.checksum:
            text = f"The data of image {source.id} was replaced before it was copied."
            raise NotFoundError(text, Reason.IMAGE_UNKNOWN)
        return source

    async def _judged(self, job: Job, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. Before the last, with which the image comes to be, all is judged once more."""
        held: bytes | None = None
        async for chunk in chunks:
            if held is not None:
                yield held
            held = chunk
        await self._judge(job)
        if held is not None:
            yield held


def _record(source: Image, asked: RegionCopy) -> dict[str, Any]:
    """The image as it is made there, of the source as its requester sees it: other rules hold there."""
    described = {DESCRIPTION: asked.description} if asked.description is not None else {}
    return {
        **copied_properties(source),
        **described,
        "id": asked.image_id,
        "name": asked.name,
        "visibility": Visibility.PRIVATE.value,
        "disk_format": source.disk_format,
        "container_format": source.container_format,
        "min_disk": source.min_disk,
        "min_ram": source.min_ram,
    }


def _require_same(source: Image, found: dict[str, Any]) -> None:
    """ConflictError when what is there is not the source's data, as far as the hashes tell that both have."""
    pairs = [(source.checksum, found.get("checksum"))]
    if source.os_hash_algo == found.get("os_hash_algo"):
        pairs.append((source.os_hash_value, found.get("os_hash_value")))
    known = [(own, other) for own, other in pairs if own is not None and other is not None]
    is_same = bool(known) and all(own == other for own, other in known)
    if found.get("status") != Status.ACTIVE or found.get("size") != source.size or not is_same:
        text = "The image in the other region does not have the data of this one."
        raise ConflictError(text, Reason.CLOUD_FAILED)
