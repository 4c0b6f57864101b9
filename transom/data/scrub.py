"""The scrub: all image data is read and compared with the database in the background, again and again.

Every process that runs jobs takes part; a lease in the database lets one of them work at a time. A process
that takes over goes on where the last one was.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

from transom.clock import now_us
from transom.data.check import Check, Fault, Finding, Pace
from transom.domain.errors import UnavailableError
from transom.lease import is_over, renewed
from transom.liveness import Liveness
from transom.ownership import Ownership
from transom.sql import check_runs
from transom.sql.check_runs import ALL_IMAGES, CheckRun
from transom.sql.checks import all_images
from transom.sql.db import Database
from transom.stores.registry import Stores
from transom.telemetry import open_gauge, open_gauges
from transom.timed import serve_when_due

_log = logging.getLogger(__name__)

#: How often the worker writes down how far it is, and others show what it found, seconds.
_SAVE_S = 1.0
_SHOW_S = 60.0
#: What a look at an image costs a store beside its bytes, so that small images are held to the pace, too.
_LOOK_BYTES = 64 << 10


class ScrubOptions(NamedTuple):
    """`pace`: bytes a second, 0: no scrub. `pause_us`: between the end of a run and the next one. `repairs`:
    whether it mends what it finds. `lease_us`: how long a run stays a worker's that does not renew it."""

    pace: int
    pause_us: int
    repairs: bool
    lease_us: int


class Scrub:
    """One process's part of it."""

    def __init__(
        self,
        options: ScrubOptions,
        db: Database,
        stores: Stores,
        ownership: Ownership,
        liveness: Liveness,
        reports: "Reports",
    ) -> None:
        self._options = options
        self._db = db
        self._stores = stores
        self._ownership = ownership
        self._liveness = liveness
        self._me = liveness.name
        self._reports = reports

    async def serve(self) -> None:
        """Compare when it is time, until cancelled."""
        await serve_when_due(self.run, "the scrub of the stores")

    async def run(self) -> float:
        """Do one run to its end, if it is time for one and no other worker is at it; in how many seconds to
        ask again."""
        run = await self._claim()
        if run is not None:
            refusal = "Another worker has taken over the scrub."
            try:
                async with renewed(self._renew, self._options.lease_us, "the scrub", refusal):
                    await self._go_on(run)
            finally:
                with suppress(UnavailableError):  # Then it ends by itself.
                    await asyncio.shield(check_runs.release_scrub(self._db, self._me))
        return self._options.lease_us / 1e6

    async def _claim(self) -> CheckRun | None:
        seen = await check_runs.find_scrub_lease(self._db)
        if not await is_over(self._db, self._liveness, seen):
            return None
        now = now_us()
        return await check_runs.claim_scrub(
            self._db,
            seen,
            self._me,
            now + self._options.lease_us,
            ended_before=now - self._options.pause_us,
        )

    async def _renew(self) -> bool:
        return await check_runs.renew_scrub(self._db, self._me, now_us() + self._options.lease_us)

    async def _go_on(self, run: CheckRun) -> None:
        pace = self._options.pace
        check = Check(
            self._db,
            self._stores,
            self._ownership,
            is_deep=True,
            pace=pace,
            repairs=self._options.repairs,
        )
        progress = _Progress(self._db, self._me, run)
        try:
            await self._compare_images(check, progress, Pace(pace))
            # Their listing begins anew in a process that takes over.
            progress.forget(Fault.ORPHAN)
            async for finding in check.find_orphans():
                progress.record([finding])
        finally:
            check.close()
        await check_runs.finish_scrub(self._db, self._me, progress.run)
        await self._reports.show()
        _log.info("the scrub has compared %d images, faults: %s", progress.images, dict(progress.faults))

    async def _compare_images(self, check: Check, progress: "_Progress", pace: Pace) -> None:
        if progress.position == ALL_IMAGES:
            return
        async for image in all_images(self._db, progress.position):
            await pace.wait(_LOOK_BYTES)
            progress.record(await check.check_image(image))
            progress.images += 1
            progress.position = image.id
            if await progress.save_in_time():
                await self._reports.show()
        progress.position = ALL_IMAGES
        await progress.save()


class _Progress:
    """How far a run is. Counts stand at a position of the same moment, so that nothing is counted twice."""

    def __init__(self, db: Database, holder: str, run: CheckRun) -> None:
        self._db = db
        self._holder = holder
        self._saved_at = asyncio.get_running_loop().time()
        self.position = run.position
        self.images = run.images
        self.faults = Counter(run.faults)

    @property
    def run(self) -> CheckRun:
        return CheckRun(position=self.position, images=self.images, faults=dict(self.faults))

    def record(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.faults[finding.fault.value] += 1
            fields = {
                "store": finding.store,
                "image": finding.image.id if finding.image is not None else None,
                "key": finding.key,
                "repair": finding.repair,
            }
            _log.warning("the scrub found: %s", finding.fault.value, extra={"fields": fields})

    def forget(self, fault: Fault) -> None:
        self.faults.pop(fault.value, None)

    async def save_in_time(self) -> bool:
        """Whether it was time to."""
        is_time = asyncio.get_running_loop().time() - self._saved_at >= _SAVE_S
        if is_time:
            await self.save()
        return is_time

    async def save(self) -> None:
        await check_runs.save_scrub(self._db, self._holder, self.run)
        self._saved_at = asyncio.get_running_loop().time()


class Reports:
    """Shows in the metrics what the last runs have found."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._gauges = {name: _open_gauges(name, what) for name, what in _RUNS.items()}

    async def serve(self) -> None:
        """Look now and again, until cancelled."""
        await serve_when_due(self.show, "the look at what was found in the stores")

    async def show(self) -> float:
        """Look once; in how many seconds to look again."""
        for report in await check_runs.list_reports(self._db):
            gauges = self._gauges[report.name]
            for fault in Fault:
                gauges.set_faults(fault.value, report.faults.get(fault.value, 0))
            gauges.set_images(report.images)
            gauges.set_finished(report.finished_at / 1e6)
        return _SHOW_S


class _Gauges(NamedTuple):
    set_faults: Callable[[str, float], None]
    set_images: Callable[[float], None]
    set_finished: Callable[[float], None]


#: The kinds of runs, and what they are in words.
_RUNS = {"check": "`transom check`", "scrub": "the scrub"}


def _open_gauges(name: str, what: str) -> _Gauges:
    return _Gauges(
        set_faults=open_gauges(
            f"transom_{name}_faults",
            f"Faults that the last whole run of {what} found, or the one under way if it found more",
            "fault",
        ),
        set_images=open_gauge(
            f"transom_{name}_images", f"Images that {what} has compared, in the run under way or the last"
        ),
        set_finished=open_gauge(
            f"transom_{name}_finished_seconds", f"When the last whole run of {what} ended; 0: never"
        ),
    )


def start_scrub(
    options: ScrubOptions,
    db: Database,
    stores: Stores,
    ownership: Ownership,
    liveness: Liveness,
    undo: AsyncExitStack,
) -> None:
    """Show what was found; and take part in it, if the operator wants it. For processes that run jobs."""
    reports = Reports(db)
    serving = [reports.serve()]
    if options.pace:
        serving.append(Scrub(options, db, stores, ownership, liveness, reports).serve())
    for one in serving:
        undo.callback(asyncio.create_task(one).cancel)
