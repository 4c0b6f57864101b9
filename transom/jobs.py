"""Work that outlasts a request: claim a job, run it, tell how far it is, finish it.

A job is held by one worker at a time, for a lease that it renews while it is at work. One whose worker died
is begun again by another, as soon as this machine knows of the death, or when the lease is over. What a job
does is therefore written so that it can be begun again wherever it stopped.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NamedTuple

import msgspec

from transom.clock import now_us
from transom.config import Settings
from transom.domain import access
from transom.domain.errors import (
    LostDataError,
    NotFoundError,
    Reason,
    TransomError,
    UnavailableError,
    UnusableSourceError,
)
from transom.domain.job_inputs import Copy, input_of, recall_caller
from transom.domain.model import Failure, Image, Job, JobKind, JobStatus, Policy, Status
from transom.domain.status import WITH_DATA
from transom.imports.flow import Imports
from transom.imports.held import Report
from transom.imports.locations import AddedLocations
from transom.limits import Limits
from transom.liveness import Liveness
from transom.outbound import Outbound
from transom.sql import images, jobs, members
from transom.sql.db import Database
from transom.sql.jobs import OpenJob
from transom.transfer import Transfer

_log = logging.getLogger(__name__)

#: After so many beginnings a job has failed.
_MOST_ATTEMPTS = 5
#: A job tells how far it is at least so often, seconds.
_TELL_S = 1.0
#: Pause between two looks for what others left, or have no worker for, seconds.
_LOOK_S = 2.0
#: Looks at an image that others change while it is to go.
_TRIES = 10
#: Pause before a job that could not go on is tried again.
_PAUSE_US = 2_000_000


class _Kind(NamedTuple):
    """What a job of a kind does, and how it is ended when that raised: written whole by one transaction."""

    run: Callable[[Job, Report], Awaitable[None]]
    fail: Callable[[Job], Awaitable[None]]


class Jobs:
    """Runs jobs in one worker process. `wake` it when there is a new one."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        transfer: Transfer,
        outbound: Outbound,
        limits: Limits,
        policy: Policy,
        liveness: Liveness,
    ) -> None:
        self._settings = settings
        self._db = db
        self._policy = policy
        self._transfer = transfer
        self._liveness = liveness
        self._lease_us = settings.upload_lease_s * 1_000_000
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        imports = Imports(settings, db, transfer, outbound, limits, policy, liveness.name)
        locations = AddedLocations(settings, db, transfer, liveness.name)
        self._kinds: dict[str, _Kind] = {
            JobKind.COPY: _Kind(self._copy, self._fail_copy),
            JobKind.IMPORT: _Kind(imports.run, imports.fail),
            JobKind.ADD_LOCATION: _Kind(locations.run, locations.fail),
            JobKind.IMPORT_NEW: _Kind(imports.run, imports.fail_new),
        }

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    async def serve(self) -> None:
        """Run jobs until cancelled: woken by this process, or looking by itself for what others left."""
        tidied_at = 0
        while True:
            try:
                await self._start_jobs()
                if now_us() > tidied_at + self._lease_us / 3:
                    await self._forget_old()
                    tidied_at = now_us()
            except TransomError as error:
                _log.warning("jobs wait: %s", error)
            except Exception:  # noqa: BLE001 (it must never stop for good)
                _log.exception("looking for jobs failed")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), min(_LOOK_S, self._lease_us / 3e6))
            self._woken.clear()

    async def close(self) -> None:
        """Stop the jobs under way; they are left to the next worker."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _forget_old(self) -> None:
        try:
            jobs_before = now_us() - self._settings.job_lifetime_s * 1_000_000
            tasks_before = now_us() - self._settings.task_time_to_live * 3_600_000_000
            await jobs.delete_old_jobs(self._db, jobs_before, tasks_before)
        except TransomError as error:
            _log.warning("old jobs stay: %s", error)

    async def _start_jobs(self) -> None:
        for seen in await jobs.list_open_jobs(self._db):
            if len(self._running) >= self._settings.jobs_at_once:
                return
            known = seen.kind in self._kinds
            if not known or seen.id in self._running or not self._is_free(seen):
                continue
            until = now_us() + self._lease_us
            job = await jobs.claim_job(self._db, seen, self._liveness.name, until)
            if job is not None:
                task = asyncio.create_task(self._run(job, seen.attempts + 1))
                self._running[job.id] = task
                task.add_done_callback(partial(self._forget, job.id))

    def _forget(self, job_id: str, _task: asyncio.Task[None]) -> None:
        del self._running[job_id]
        self.wake()

    def _is_free(self, seen: OpenJob) -> bool:
        if seen.holder is None:
            return seen.held_until < now_us()
        return seen.held_until < now_us() or self._liveness.is_dead(seen.holder)

    async def _run(self, job: Job, attempt: int) -> None:
        """Once, and write how it ended; or leave it to be tried again."""
        try:
            async with self._holding(job) as report:
                await self._kinds[job.kind].run(job, report)
        except UnusableSourceError as error:
            await self._fail(job, error)
        except UnavailableError as error:
            if attempt < _MOST_ATTEMPTS:
                _log.warning("job %s is tried again: %s", job.id, error)
                asyncio.get_running_loop().call_later(1.1 * _PAUSE_US / 1e6, self.wake)
                await self._try_to(
                    jobs.release_job(self._db, job.id, self._liveness.name, now_us() + _PAUSE_US)
                )
            else:
                await self._fail(job, error)
        except TransomError as error:
            await self._fail(job, error)
        except asyncio.CancelledError:
            await asyncio.shield(self._try_to(jobs.release_job(self._db, job.id, self._liveness.name, 0)))
            raise
        except Exception:  # noqa: BLE001 (whatever it is, the job must not stay open for ever)
            _log.exception("job %s failed", job.id)
            await self._fail(job, UnavailableError("The job met an unexpected error; the log says more."))
        else:
            done = msgspec.structs.replace(job, status=JobStatus.SUCCESS, end_at=now_us(), progress=100)
            await self._try_to(jobs.finish_job(self._db, done, self._liveness.name))

    async def _fail(self, job: Job, error: TransomError) -> None:
        failure = Failure(None, None, error.reason or "", str(error))
        ended = msgspec.structs.replace(job, status=JobStatus.FAIL, end_at=now_us(), failures=(failure,))
        await self._try_to(self._kinds[job.kind].fail(ended))

    async def _try_to(self, doing: Awaitable[object]) -> None:
        """A job whose end cannot be written now is begun again when its lease is over."""
        try:
            await doing
        except TransomError as error:
            _log.warning("a job waits for its lease to end: %s", error)

    @asynccontextmanager
    async def _holding(self, job: Job) -> AsyncIterator[Report]:
        """Renew the lease and tell the progress while the job is at work."""
        percent, message = 0, ""

        def report(done: int, said: str) -> None:
            nonlocal percent, message
            percent, message = done, said

        async def keep() -> None:
            while True:
                await asyncio.sleep(min(_TELL_S, self._lease_us / 3e6))
                try:
                    now = now_us()
                    until = now + self._lease_us
                    me = self._liveness.name
                    if not await jobs.hold_job(self._db, job.id, me, until, percent, now, message):
                        _log.warning("job %s was taken for dead", job.id)
                        return
                except TransomError as error:
                    _log.warning("job %s could not be held: %s", job.id, error)

        keeping = asyncio.create_task(keep())
        try:
            yield report
        finally:
            keeping.cancel()

    # ---- copies

    async def _copy(self, job: Job, report: Report) -> None:
        """Fill the image that the job was written with with the bytes of another one."""
        image = await self._find_copy(job)
        if image.status == Status.SAVING:
            # By an earlier attempt, whose worker died.
            await self._transfer.recover()
            image = await self._find_copy(job)
        asked = input_of(job, Copy)
        if image.status in WITH_DATA and image.checksum == asked.checksum:
            return  # An earlier attempt got that far.
        size = asked.size
        source = await self._find_source(job)
        chunks = _counted(await self._read_source(job, source), size, report)
        await self._transfer.receive(image, self._still_allowed(job, chunks), size, asked.checksum)

    async def _find_source(self, job: Job) -> Image:
        """The image to copy, if the caller of the job may copy it now. Raises TransomError if not."""
        caller, source_id = recall_caller(job, self._policy), input_of(job, Copy).source_id
        image, is_member, member = await members.find_member(
            self._db, source_id, caller.member_ids, caller.project_id or ""
        )
        absent = f"Image {source_id} was deleted or withdrawn before it was copied."
        source = access.see_image(caller, image, is_member, absent)
        access.replicate_image(caller, source, is_member, member)
        return source

    async def _still_allowed(self, job: Job, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. Before their end is told, and the copy published by that, the right to it is
        judged again: it may have ended while the data was copied."""
        async for chunk in chunks:
            yield chunk
        await self._find_source(job)

    async def _read_source(self, job: Job, source: Image) -> AsyncIterator[bytes]:
        """The bytes to copy, from where they are by now."""
        source_id = source.id
        try:
            location = await self._transfer.find_copy(source)
            return await self._transfer.read(location, 0, input_of(job, Copy).size)
        except LostDataError:
            text = f"The data of image {source_id} was deleted before it was copied."
            raise NotFoundError(text, Reason.IMAGE_UNKNOWN) from None
        except NotFoundError as error:
            # It went a moment ago; a next look finds another place, or none. What the store says of it is for
            # the log, not for clients.
            _log.warning("job %s: %s", job.id, error)
            raise UnavailableError(f"The data of image {source_id} could not be read.") from None

    async def _find_copy(self, job: Job) -> Image:
        image_id = input_of(job, Copy).image_id
        image, _is_member = await images.find_image(self._db, image_id, (None, None))
        if image is None:
            text = f"Image {image_id} was deleted while it was copied."
            raise NotFoundError(text, Reason.IMAGE_UNKNOWN)
        return image

    async def _fail_copy(self, job: Job) -> None:
        """The image of a copy that failed goes with it, unless it holds data, or somebody is changing it."""
        for _ in range(_TRIES):
            image, _is_member = await images.find_image(self._db, input_of(job, Copy).image_id, (None, None))
            if image is None or image.status != Status.QUEUED:
                break
            if await jobs.fail_new_image(self._db, job, self._liveness.name, image, now_us()):
                return
        await jobs.finish_job(self._db, job, self._liveness.name)


async def release_dead(db: Database, liveness: Liveness) -> None:
    """Take the jobs of workers that this machine knows to be dead from them, before it forgets them."""
    for seen in await jobs.list_open_jobs(db):
        if seen.holder is not None and liveness.is_dead(seen.holder):
            await jobs.release_job(db, seen.id, seen.holder, 0)


async def _counted(chunks: AsyncIterator[bytes], size: int, report: Report) -> AsyncIterator[bytes]:
    done = 0
    async for chunk in chunks:
        done += len(chunk)
        report(done * 100 // size, "")
        yield chunk
