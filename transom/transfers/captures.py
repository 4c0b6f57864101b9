"""Images of servers and volumes: another service of the cloud makes them here, and the job follows them.

The other service is asked once, however often the job is begun: what it makes is marked with the job's id, by
which the next worker finds it. From then on the job looks at the image again and again, in this service's own
database, without holding a place.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from transom.clock import now_us
from transom.domain.captures import MARK, as_asked, completed, marked_name
from transom.domain.errors import ConflictError, NotFoundError, Reason, UnavailableError
from transom.domain.events import Actor, Via
from transom.domain.job_inputs import Capture, input_of
from transom.domain.model import Image, Job, JobKind, Status, Visibility
from transom.domain.status import WITH_DATA
from transom.domain.times import DAY_US, SECOND_US
from transom.images import rules
from transom.lease import LostError
from transom.sql import captures, images, imports, jobs
from transom.sql.db import Database
from transom.sql.member_ids import NOBODY
from transom.transfers.cloud import ANSWER_S, capture, find_service
from transom.transfers.held import NotYetError, Report
from transom.transfers.objects import naming_reasons
from transom.transfers.options import Cloud
from transom.transfers.requesters import Requesters, no_token_left

#: Longest time that an image may take, from the request on.
_MOST_US = DAY_US
#: A service that has not answered may make the image for so long still.
_SETTLED_US = int(ANSWER_S * SECOND_US)
#: How far the clocks of two machines may be apart.
_APART_US = 600 * SECOND_US
#: How long a service of the cloud may be away.
_BRIDGED_US = 900 * SECOND_US
_TRIES = 100
#: Percent, by the status of an image that is followed.
_PROGRESS = {Status.QUEUED: 20}
_BEGUN = 50


class Captures:
    """Runs these jobs for the worker `holder`."""

    def __init__(
        self, cloud: Cloud, lease_us: int, db: Database, requesters: Requesters, holder: str
    ) -> None:
        """`lease_us`: how long a job that waits for the cloud stays this worker's."""
        self._cloud = cloud
        self._lease_us = lease_us
        self._db = db
        self._requesters = requesters
        self._holder = holder

    async def run(self, job: Job, report: Report) -> None:
        """Return when the image has its data; NotYetError as long as it has not."""
        with naming_reasons(job):
            await self._judge(job)
            if not input_of(job, Capture).image_id:
                job = await self._begin(job)
            with _looked_at_again():
                await self._follow(job, report)

    async def look(self, job: Job) -> None:
        """Raise when the right to it has ended."""
        with naming_reasons(job):
            await self._judge(job)

    async def fail(self, ended: Job) -> None:
        """Write that the job has failed. Its image goes with it, unless it holds data, or somebody is
        changing it."""
        kept = await jobs.find_by_id(self._db, ended.id) or ended
        for _ in range(_TRIES):
            image = await self._find(kept) or await self._find_marked(kept)
            if image is None or image.owner != ended.project_id or image.status != Status.QUEUED:
                break
            if await jobs.fail_new_image(self._db, ended, self._holder, image, now_us()):
                return
            if not await jobs.is_held(self._db, ended.id, self._holder):
                return
        await jobs.finish_job(self._db, ended, self._holder)

    async def _judge(self, job: Job) -> None:
        rules.create_image(await self._requesters.recall(job), job.project_id, Visibility.PRIVATE)

    # ---- the beginning

    async def _begin(self, job: Job) -> Job:
        """Have the image made, unless that was done. The job with the image's id."""
        asked = input_of(job, Capture)
        if asked.asked_at:
            image = await self._find_marked(job)
            if image is not None:
                return await self._adopt(job, image)
            if now_us() < asked.asked_at + _SETTLED_US:
                raise NotYetError(f"Job {job.id} waits for what was asked for.")
        token = await jobs.find_credential(self._db, job.id)
        if token is None:
            raise no_token_left()
        url = await find_service(self._cloud, token, is_for_server=bool(asked.server_id))
        asked = msgspec.structs.replace(asked, asked_at=now_us())
        job = msgspec.structs.replace(job, input=asked)
        if not await imports.keep_input(self._db, job, self._holder, asked.asked_at):
            raise LostError(f"Job {job.id} was taken over by another worker.")
        image_id = await self._ask(job, url, token)
        image = (await images.find_image(self._db, image_id, NOBODY)).image
        if image is None or image.owner != job.project_id:
            text = f"The cloud has made the image {image_id}, but not in this image service."
            raise ConflictError(text, Reason.CLOUD_FAILED)
        return await self._adopt(job, image)

    async def _ask(self, job: Job, url: str, token: str) -> str:
        """The id of the image. While the other service is away, the job waits for it."""
        is_whole = job.kind == JobKind.CAPTURE_WHOLE
        try:
            return await capture(
                self._cloud.cafile, url, token, input_of(job, Capture), job.id, is_whole=is_whole
            )
        except UnavailableError as error:
            if now_us() < job.begin_at + _BRIDGED_US:
                raise NotYetError(str(error)) from None
            raise

    async def _find_marked(self, job: Job) -> Image | None:
        since = job.begin_at - _APART_US
        return await captures.find_marked(self._db, job.project_id, since, marked_name(job.id), MARK, job.id)

    async def _adopt(self, job: Job, image: Image) -> Job:
        """Give the image what was asked for, and note it. The job with that note."""
        asked = msgspec.structs.replace(input_of(job, Capture), image_id=image.id)
        kept = msgspec.structs.replace(job, input=asked)
        await self._change(kept, image, as_asked)
        return kept

    async def _change(self, job: Job, image: Image, decide: Callable[[Image, Capture], Image]) -> None:
        asked = input_of(job, Capture)
        actor = Actor(via=Via.IMS, project=job.project_id, user=job.user_id, request_id=job.request_id)
        for _ in range(_TRIES):
            new = decide(image, asked)
            if new == image:
                return
            new = msgspec.structs.replace(new, updated_at=images.moved_on(image, now_us()))
            if await captures.adopt_image(self._db, job, self._holder, image, new, actor):
                return
            if not await jobs.is_held(self._db, job.id, self._holder):
                raise LostError(f"Job {job.id} was taken over by another worker.")
            image = await self._require(job)
        raise UnavailableError(f"Image {image.id} is changed by too many others at once.")

    # ---- what follows

    async def _follow(self, job: Job, report: Report) -> None:
        image = await self._require(job)
        if image.status in WITH_DATA:
            await self._change(job, image, completed)
            return
        if now_us() > job.begin_at + _MOST_US:
            text = f"Image {image.id} has got no data from the cloud for too long."
            raise ConflictError(text, Reason.CLOUD_FAILED)
        percent = _PROGRESS.get(Status(image.status), _BEGUN)
        report(percent, "")
        until = now_us() + self._lease_us
        await jobs.hold_job(self._db, job.id, self._holder, until, percent, now_us())
        raise NotYetError(f"Job {job.id} waits for the data of image {image.id}.")

    async def _find(self, job: Job) -> Image | None:
        image_id = input_of(job, Capture).image_id
        return (await images.find_image(self._db, image_id, NOBODY)).image if image_id else None

    async def _require(self, job: Job) -> Image:
        image = await self._find(job)
        if image is None:
            text = f"Image {input_of(job, Capture).image_id} was deleted while it was made."
            raise NotFoundError(text, Reason.IMAGE_UNKNOWN)
        return image


@contextmanager
def _looked_at_again() -> Iterator[None]:
    """A database that is away is no reason to give up what others are doing: the job waits for it."""
    try:
        yield
    except LostError:
        raise
    except UnavailableError as error:
        raise NotYetError(str(error)) from None
