"""Jobs that stand for others: several imports that one call asked for.

Such a job does nothing itself. It is looked at again and again, without holding a place, until the jobs that
it stands for are over; then it ends as they did.
"""

import msgspec

from transom.clock import now_us
from transom.domain.errors import ConflictError, Reason, UnavailableError
from transom.domain.job_inputs import ImportGroup, input_of
from transom.domain.model import Job, JobStatus
from transom.sql import jobs
from transom.sql.db import Database
from transom.transfers.held import NotYetError, Report


class Groups:
    """Looks at these jobs for the worker `holder`."""

    def __init__(self, db: Database, holder: str) -> None:
        self._db = db
        self._holder = holder

    async def run(self, job: Job, _report: Report) -> None:
        """Return when all are done; NotYetError while one is open, ConflictError when one has failed."""
        try:
            found = await jobs.find_jobs(self._db, input_of(job, ImportGroup).sub_jobs)
        except UnavailableError as error:
            raise NotYetError(str(error)) from None
        if any(one.end_at is None for one in found):
            raise NotYetError(f"Job {job.id} waits for others.")
        first = next((one for one in found if one.status == JobStatus.FAIL), None)
        if first is not None:
            reason = first.failures[0].reason if first.failures else ""
            text = first.failures[0].message if first.failures else f"Job {first.id} failed."
            raise ConflictError(text, Reason(reason) if reason else None)

    async def look(self, _job: Job) -> None:
        """Nothing here can end while it is looked at."""

    async def fail(self, ended: Job) -> None:
        await jobs.finish_job(self._db, msgspec.structs.replace(ended, end_at=now_us()), self._holder)
