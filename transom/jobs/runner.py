"""Work that outlasts a request: claim a job, run it, tell how far it is, finish it.

A job is held by one worker at a time, for a lease that it renews while it is at work. One whose worker died
is begun again by another, as soon as this machine knows of the death, or when the lease is over. What a job
does is therefore written so that it can be begun again wherever it stopped.
"""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec

from transom import lease
from transom.clock import now_us
from transom.data.transfer import Transfer
from transom.domain.errors import SourceAwayError, TransomError, UnavailableError, UnusableSourceError
from transom.domain.model import Failure, Job, JobKind, JobStatus
from transom.jobs.groups import Groups
from transom.liveness import Liveness
from transom.outbound import Outbound
from transom.quotas.projects import Limits
from transom.sql import jobs, old_jobs
from transom.sql.db import Database, context_of
from transom.sql.jobs import OpenJob
from transom.stores.object_access import ObjectAccess
from transom.transfers.captures import Captures
from transom.transfers.copies import Copies
from transom.transfers.exports import Exports
from transom.transfers.held import NotYetError, Report
from transom.transfers.imports import Imports
from transom.transfers.locations import AddedLocations
from transom.transfers.material import Materials
from transom.transfers.options import TransferOptions
from transom.transfers.region_copies import RegionCopies
from transom.transfers.requesters import Requesters

_log = logging.getLogger(__name__)

#: A job tells how far it is at least so often, seconds, and every second time looks whether it is to go on.
_TELL_S = 1.0
_TELLS_A_LOOK = 2
#: Pause between two looks for what others left, or have no worker for, seconds.
_LOOK_S = 2.0
#: Pause between two looks at what the ended jobs of projects take. Each looks at those of twice that time,
#: for the clocks of workers differ.
_WEIGH_US = 60_000_000
#: Ended jobs of a project that are kept, however large: a script may look at them later.
_NEWEST_KEPT = 100
#: How often a job is begun whose source on the web is away.
_MOST_ATTEMPTS_OF_SOURCES = 4
#: How often a job may be begun in all, if `attempts` is not more: one that takes its worker with it each time
#: (for want of memory, by a fault of a library) must not do so for ever.
_MOST_BEGUN = 20
#: Pause before a job that could not go on is tried again; it doubles with each attempt, up to the longest.
_PAUSE_US = 2_000_000
_LONGEST_PAUSE_US = 60_000_000


class _Kind(NamedTuple):
    """What a job of a kind does; how it is ended when that raised, written whole by one transaction; and a
    look at what it works on, which raises when the job is to break off."""

    run: Callable[[Job, Report], Coroutine[Any, Any, None]]
    fail: Callable[[Job], Awaitable[None]]
    look: Callable[[Job], Awaitable[None]]


class _Progress:
    """How far a job is: percent, and words."""

    percent = 0
    message = ""

    def report(self, percent: int, message: str) -> None:
        self.percent, self.message = percent, message


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`at_once`: jobs that a process runs at once; `attempts`: of one job while a part that it needs is away;
    `lease_us`: how long a job stays a worker's that does not renew it; lifetimes: from a job's end on;
    `kept_bytes`: of a project's ended jobs, 0: no limit."""

    at_once: int
    attempts: int
    lease_us: int
    job_lifetime_us: int
    task_lifetime_us: int
    kept_bytes: int


class Jobs:
    """Runs jobs in one worker process. `wake` it when there is a new one."""

    def __init__(
        self,
        options: JobOptions,
        transfers: TransferOptions,
        db: Database,
        transfer: Transfer,
        outbound: Outbound,
        limits: Limits,
        requesters: Requesters,
        liveness: Liveness,
        objects: ObjectAccess,
    ) -> None:
        self._options = options
        self._db = db
        self._liveness = liveness
        self._lease_us = options.lease_us
        self._running: dict[str, asyncio.Task[None]] = {}
        self._most_of_one = max(1, options.at_once // 2)
        self._running_of: Counter[str] = Counter()
        #: For each project with open jobs the number of the last job of its own that this worker began.
        self._begun_of: dict[str, int] = {}
        self._numbers = itertools.count()
        self._woken = asyncio.Event()
        self._weighed_at = 0
        holder = liveness.name
        copies = Copies(db, transfer, requesters, holder)
        materials, cloud = Materials(transfers, transfer, holder), transfers.cloud
        imports = Imports(transfers, db, transfer, outbound, limits, requesters, materials, holder, objects)
        exports = Exports(transfers.object_size_cap, db, transfer, objects, requesters, materials, holder)
        region_copies = RegionCopies(cloud, db, transfer, requesters, holder)
        captures = Captures(cloud, options.lease_us, db, requesters, holder)
        groups = Groups(db, holder)
        locations = AddedLocations(transfers.location_hash, db, transfer, requesters, holder)
        self._kinds: dict[str, _Kind] = {
            JobKind.COPY: _Kind(copies.run, copies.fail, copies.look),
            JobKind.COPY_TO_REGION: _Kind(region_copies.run, region_copies.fail, region_copies.look),
            JobKind.IMPORT: _Kind(imports.run, imports.fail, imports.look),
            JobKind.ADD_LOCATION: _Kind(locations.run, locations.fail, locations.look),
            JobKind.IMPORT_NEW: _Kind(imports.run, imports.fail_new, imports.look),
            JobKind.IMPORT_OBJECT: _Kind(imports.run, imports.fail_new, imports.look),
            JobKind.IMPORT_DATA_OBJECT: _Kind(imports.run, imports.fail_new, imports.look),
            JobKind.REGISTER_OBJECT: _Kind(imports.run, imports.fail, imports.look),
            JobKind.EXPORT: _Kind(exports.run, exports.fail, exports.look),
            JobKind.IMPORT_SEVERAL: _Kind(groups.run, groups.fail, groups.look),
            JobKind.CAPTURE_SERVER: _Kind(captures.run, captures.fail, captures.look),
            JobKind.CAPTURE_WHOLE: _Kind(captures.run, captures.fail, captures.look),
            JobKind.CAPTURE_VOLUME: _Kind(captures.run, captures.fail, captures.look),
            JobKind.CAPTURE_SEVERAL: _Kind(groups.run, groups.fail, groups.look),
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
                _log.warning("jobs cannot be claimed now: %s", error)
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
            jobs_before = now_us() - self._options.job_lifetime_us
            tasks_before = now_us() - self._options.task_lifetime_us
            await old_jobs.delete_old_jobs(self._db, jobs_before, tasks_before)
            if self._options.kept_bytes and now_us() > self._weighed_at + _WEIGH_US:
                since = self._weighed_at - _WEIGH_US
                self._weighed_at = now_us()
                await old_jobs.delete_surplus_jobs(self._db, self._options.kept_bytes, since, _NEWEST_KEPT)
        except TransomError as error:
            _log.warning("ended jobs could not be removed: %s", error)

    async def _start_jobs(self) -> None:
        found = await jobs.list_open_jobs(self._db)
        self._begun_of = {job.project_id: self._begun_of.get(job.project_id, -1) for job in found}
        for seen in in_turn(found, self._begun_of):
            if len(self._running) >= self._options.at_once:
                return
            if seen.kind not in self._kinds or seen.id in self._running:
                continue
            if not await lease.is_over(self._db, self._liveness, seen):
                continue
            if self._running_of[seen.project_id] >= self._most_of_one:
                continue  # The other places are for other projects.
            until = now_us() + self._lease_us
            job = await jobs.claim_job(self._db, seen, self._liveness.name, until)
            if job is not None:
                running = self._run(job, seen.attempts + 1)
                task = asyncio.create_task(running, context=context_of(job.project_id))
                self._running[job.id] = task
                self._running_of[job.project_id] += 1
                self._begun_of[job.project_id] = next(self._numbers)
                task.add_done_callback(partial(self._forget, job))

    def _forget(self, job: Job, _task: asyncio.Task[None]) -> None:
        del self._running[job.id]
        self._running_of[job.project_id] -= 1
        if not self._running_of[job.project_id]:
            del self._running_of[job.project_id]
        self.wake()

    async def _run(self, job: Job, attempt: int) -> None:
        """Once, and write how it ended; or leave it to be tried again."""
        try:
            if attempt > max(_MOST_BEGUN, self._options.attempts):
                raise UnavailableError(
                    f"The job was begun {attempt - 1} times, and its worker ended each time."
                )
            await self._work(job)
        except NotYetError:
            # It waits for others, or is stopped: the attempts are for outages.
            await self._put_off(job, _PAUSE_US, has_failed=False)
        except UnusableSourceError as error:
            await self._fail(job, error)
        except UnavailableError as error:
            if attempt < self._most_attempts(error):
                _log.warning("job %s is tried again: %s", job.id, error)
                await self._put_off(job, pause_after(attempt))
            else:
                await self._fail(job, error)
        except TransomError as error:
            await self._fail(job, error)
        except asyncio.CancelledError:
            releasing = jobs.release_job(self._db, job.id, self._liveness.name, 0, has_failed=False)
            await asyncio.shield(self._try_to(releasing))
            raise
        except Exception:  # noqa: BLE001 (whatever it is, the job must not stay open for ever)
            _log.exception("job %s failed", job.id)
            await self._fail(job, UnavailableError("The job met an unexpected error; the log says more."))
        else:
            done = msgspec.structs.replace(job, status=JobStatus.SUCCESS, end_at=now_us(), progress=100)
            await self._try_to(jobs.finish_job(self._db, done, self._liveness.name))

    def _most_attempts(self, error: UnavailableError) -> int:
        """Parts of this cloud come back; a server that a user named may be misspelt, and the user waits."""
        if isinstance(error, SourceAwayError):
            return min(_MOST_ATTEMPTS_OF_SOURCES, self._options.attempts)
        return self._options.attempts

    async def _put_off(self, job: Job, pause_us: int, *, has_failed: bool = True) -> None:
        asyncio.get_running_loop().call_later(1.1 * pause_us / 1e6, self.wake)
        not_before = now_us() + pause_us
        releasing = jobs.release_job(self._db, job.id, self._liveness.name, not_before, has_failed=has_failed)
        await self._try_to(releasing)

    async def _fail(self, job: Job, error: TransomError) -> None:
        failure = Failure(None, None, error.reason or "", str(error))
        ended = msgspec.structs.replace(job, status=JobStatus.FAIL, end_at=now_us(), failures=(failure,))
        await self._try_to(self._take_back(ended))

    async def _take_back(self, ended: Job) -> None:
        """Undo what the job did, and write that it has failed. A job that was taken over is let alone: what
        there is of it, here or at another service, is its new holder's, who may be done with it."""

        hold = partial(self._hold, ended.id, ended.progress)
        refusal = f"Job {ended.id} was taken over by another worker."
        async with lease.renewed(hold, self._lease_us, f"Job {ended.id}", refusal):
            if not await hold():
                raise lease.LostError(refusal)
            await self._kinds[ended.kind].fail(ended)

    async def _hold(self, job_id: str, percent: int, message: str = "") -> bool:
        """Renew this worker's lease of the job, and write how far it is; False when it is another's."""
        until, me = now_us() + self._lease_us, self._liveness.name
        return await jobs.hold_job(self._db, job_id, me, until, percent, now_us(), message)

    async def _try_to(self, doing: Awaitable[object]) -> None:
        """A job whose end cannot be written now is begun again when its lease is over."""
        try:
            await doing
        except TransomError as error:
            _log.warning(
                "the end of a job could not be written; it runs again when its lease ends: %s", error
            )

    async def _work(self, job: Job) -> None:
        """Do what the job asks for, and break off when a look says so: however long a source keeps silent,
        a job whose image was deleted holds its place for seconds."""
        progress = _Progress()
        pause_s = min(_TELL_S, self._lease_us / 3e6)

        async def write_progress() -> bool:
            return await self._hold(job.id, progress.percent, progress.message)

        working = asyncio.create_task(self._kinds[job.kind].run(job, progress.report))
        # The service's own: a project that has much to write does not lose its job by that.
        renewal = lease.renew(write_progress, pause_s, f"Job {job.id}")
        renewing = asyncio.create_task(renewal, context=context_of(None))
        looking = asyncio.create_task(self._look(job, pause_s * _TELLS_A_LOOK))
        tasks = (working, renewing, looking)
        try:
            done, _going_on = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await next(one for one in tasks if one in done)

    async def _look(self, job: Job, pause_s: float) -> None:
        """Look after each pause, until that raises why the job is to break off."""
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._kinds[job.kind].look(job)
            except lease.LostError:
                raise
            except UnavailableError as error:
                _log.warning("job %s could not be looked at: %s", job.id, error)


def in_turn(found: Sequence[OpenJob], begun_of: Mapping[str, int]) -> list[OpenJob]:
    """The jobs in the order to begin them in: each project's oldest, then each project's second, and so on.
    Among these the projects take turns. `found`: oldest first within a project; `begun_of`: for each project
    the number of the last job of its own that was begun, -1 for none."""
    seen_of: Counter[str] = Counter()
    turns = []
    for job in found:
        seen_of[job.project_id] += 1
        turns.append((seen_of[job.project_id], begun_of[job.project_id]))
    return [found[index] for index in sorted(range(len(found)), key=turns.__getitem__)]


def pause_after(attempt: int) -> int:
    """How long a job waits after its so many-th attempt (the first is 1), microseconds."""
    return int(min(_PAUSE_US << min(attempt - 1, 16), _LONGEST_PAUSE_US))


async def release_dead(db: Database, liveness: Liveness) -> None:
    """Take the jobs of workers that this machine knows to be dead from them, before it forgets them."""
    for seen in await jobs.list_open_jobs(db):
        if seen.holder is not None and liveness.is_dead(seen.holder):
            await jobs.release_job(db, seen.id, seen.holder, 0)
